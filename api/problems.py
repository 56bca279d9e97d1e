"""Problems over HTTP: what the hub itself finds wrong with its inputs, with what to do, in every language of the screens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Annotated, Any, Final

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Row

from api import shapes
from api.auth import ForStaff, services_of
from api.console.catalogue import LANGUAGES, fill, text
from api.openapi import answers
from api.requests import Cursor, Json, Limit, Site, before, one_page
from api.routing import noun_router
from api.services import Services
from hub.pipeline import problem_queries
from hub.store.accounts import Principal
from hub.vocabulary.events import SubjectType
from hub.vocabulary.instants import iso

router = noun_router("problems", "/problems")

ROLES_IN: Final = ("roles", "role", "told", "audience")
"""Names under which a problem's detail holds roles, several with commas between."""


def problem_shape(row: Row[Any], zone: tzinfo) -> shapes.Problem:
    """A problem's row as it is answered."""
    detail = msgspec.json.decode(row.detail_json)
    values = {**detail, "site": row.site, "subject": row.subject_id}

    def filled(language: str, key: str, otherwise: str) -> str:
        return fill(text(language, key, otherwise), {**values, **_roles_in_words(language, detail)})

    return shapes.Problem(
        id=row.id,
        site=row.site,
        code=row.code,
        subject=shapes.Subject(type=SubjectType(row.subject_type), id=row.subject_id),
        severity=row.severity,
        active=bool(row.active),
        since=iso(row.since, zone),
        last_at=iso(row.last_at, zone),
        cleared_at=shapes.instant(row.cleared_at, zone),
        count=row.times,
        detail=detail,
        texts={
            language: shapes.ProblemText(
                text=filled(language, f"problem.{row.code}", row.code),
                what_to_do=filled(language, f"problem.{row.code}.do", ""),
            )
            for language in LANGUAGES
        },
    )


def _roles_in_words(language: str, detail: Mapping[str, Any]) -> dict[str, str]:
    """Those values of a problem that are roles, as people are called; `detail` itself keeps the words."""
    found = {name: detail[name] for name in ROLES_IN if isinstance(detail.get(name), str)}
    joint = text(language, "list.joint")
    return {
        name: joint.join(text(language, f"role.{role}", role) for role in value.split(", "))
        for name, value in found.items()
    }


def told(services: Services, connection: Connection, principal: Principal, code: str, language: str) -> list[str]:
    """What is said of the active problems of one kind that this caller may see."""
    rows = problem_queries.page(connection, True, None, principal.sites, None, 500)
    shown = [problem_shape(row, services.zone(row.site)) for row in rows if row.code == code]
    return [each.texts[language].text for each in shown]


@router.get("", responses=answers(shapes.ProblemList))
def list_problems(
    request: Request,
    principal: ForStaff,
    active: Annotated[
        bool | None, Query(description="Only those that are active, or only those that are over.")
    ] = None,
    site: Site = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Problems, newest first."""
    services = services_of(request)
    with services.store.read() as connection:
        rows = problem_queries.page(connection, active, site, principal.sites, before(cursor), limit + 1)
    shown, following = one_page(rows, limit)
    items = [problem_shape(row, services.zone(row.site)) for row in shown]
    found = shapes.ProblemList(items=items, next=following)
    return Json(msgspec.json.encode(found))
