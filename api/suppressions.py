"""What is kept quiet over HTTP: lists with who and until when, silences and maintenance begun and ended by people.

A ticket is shelved by its action `shelve`. Every change goes through the door.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from fastapi import Query, Request, Security
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from api import shapes, shapes_suppressions
from api.auth import ForStaff, Guard, actor, services_of, visible
from api.openapi import answers
from api.problem_details import ProblemError, invalid, not_found
from api.requests import Cursor, Id, IdempotencyKey, Json, Limit, RowId, Site, Words, before, once, one_page
from api.routing import noun_router
from api.services import Services
from hub.pipeline import suppression_desk
from hub.store.accounts import Principal
from hub.tickets import suppression_rows
from hub.tickets.suppression import (
    LIMIT_MIN,
    MAINTAINERS,
    NEVER_QUIET,
    ROLES,
    SHELF_LIMIT_MIN,
    EndReason,
    Suppressed,
)
from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import iso

router = noun_router("suppressions", "/suppressions")

ForMaintainers = Annotated[Principal, Security(Guard(MAINTAINERS))]


class Begun(StrEnum):
    """What can be begun here; a shelf is an action on its ticket."""

    SILENCE = "silence"
    MAINTENANCE = "maintenance"


class State(StrEnum):
    """Whether it runs."""

    RUNNING = "running"
    ENDED = "ended"


class SuppressedIn(BaseModel):
    """What is kept quiet."""

    model_config = ConfigDict(extra="forbid")

    type: SubjectType = SubjectType.DEVICE
    id: Id


class NewSuppression(BaseModel):
    """A silence of a subject, a kind or both; or maintenance of a device or building."""

    model_config = ConfigDict(extra="forbid")

    what: Begun
    site: Id | None = None
    subject: SuppressedIn | None = None
    kind: TicketKind | None = None
    minutes: Annotated[int, Field(ge=1, le=100_000)]
    reason: Words


def _shape(services: Services, row: Row[Any]) -> shapes_suppressions.Suppression:
    zone = services.zone(row.site)
    subject = None
    if row.subject_type is not None:
        subject = shapes.Subject(type=SubjectType(row.subject_type), id=row.subject_id)
    return shapes_suppressions.Suppression(
        id=row.id,
        what=Suppressed(row.what),
        site=row.site,
        ticket=row.ticket_id,
        ticket_number=row.ticket_number,
        subject=subject,
        subject_name=row.subject_name,
        kind=None if (kind := row.kind or row.of_kind) is None else TicketKind(kind),
        reason=row.reason,
        by=row.by,
        since=iso(row.since, zone),
        until=iso(row.until, zone),
        ended_at=shapes.instant(row.ended_at, zone),
        ended_by=row.ended_by,
        end_reason=None if row.end_reason is None else EndReason(row.end_reason),
    )


def _answer(services: Services, suppression: int, status: int = 200) -> Response:
    with services.store.read() as connection:
        row = suppression_rows.one(connection, suppression)
    assert row is not None
    headers = {"Location": f"/api/v1/suppressions/{suppression}"} if status == 201 else None
    return Json(msgspec.json.encode(_shape(services, row)), status, headers)


def running(services: Services, principal: Principal) -> list[shapes_suppressions.Suppression]:
    """Those that run now and that this caller may see."""
    with services.store.read() as connection:
        rows = suppression_rows.page(connection, sites=sorted(principal.sites), limit=500)
    return [_shape(services, row) for row in rows]


@router.get("", responses=answers(shapes_suppressions.SuppressionList))
def list_suppressions(
    request: Request,
    principal: ForStaff,
    what: Suppressed | None = None,
    state: Annotated[State, Query(description="Those that run, or those that are over.")] = State.RUNNING,
    site: Site = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """What is kept quiet, by whom, why and until when; newest first."""
    services = services_of(request)
    if site is not None and not visible(principal, site):
        return Json(msgspec.json.encode(shapes_suppressions.SuppressionList(items=[], next=None)))
    sites = sorted(principal.sites) if site is None else [site]
    ended = state is State.ENDED
    with services.store.read() as connection:
        rows = suppression_rows.page(
            connection, sites=sites, what=what, ended=ended, before=before(cursor), limit=limit + 1
        )
    shown, following = one_page(rows, limit)
    items = [_shape(services, row) for row in shown]
    return Json(msgspec.json.encode(shapes_suppressions.SuppressionList(items=items, next=following)))


@router.get("/limits", responses=answers(shapes_suppressions.SuppressionLimits))
def show_limits(request: Request, principal: ForStaff) -> Response:
    """How long what may be kept quiet, and what never."""
    found = shapes_suppressions.SuppressionLimits(
        shelf=SHELF_LIMIT_MIN,
        silence=LIMIT_MIN[Suppressed.SILENCE],
        maintenance=LIMIT_MIN[Suppressed.MAINTENANCE],
        never=sorted(NEVER_QUIET),
    )
    return Json(msgspec.json.encode(found))


@router.get("/{suppression_id}", responses=answers(shapes_suppressions.Suppression))
def show_suppression(request: Request, principal: ForStaff, suppression_id: RowId) -> Response:
    """One of them, also after its end."""
    services = services_of(request)
    demand_visible(services, principal, suppression_id)
    return _answer(services, suppression_id)


@router.post("", status_code=201, responses=answers(shapes_suppressions.Suppression, created=True))
def begin(
    request: Request, principal: ForMaintainers, new: NewSuppression, idempotency_key: IdempotencyKey = None
) -> Response:
    """Begin a silence or maintenance. The same again sets a new end."""
    services = services_of(request)
    what = Suppressed(new.what)
    if not principal.roles & ROLES[what]:
        raise ProblemError(403, "role", "This is not for your roles.", allowed=sorted(map(str, ROLES[what])))
    site = _site_of(services, principal, new)
    subject = None if new.subject is None else Subject(site, new.subject.type, new.subject.id)

    def write() -> Response:
        begun = services.door.ask(
            lambda step: suppression_desk.begin(
                step, what, site, subject, new.kind, new.minutes, new.reason, actor(principal)
            )
        )
        return _answer(services, begun, 201)

    return once(request, services, principal, idempotency_key, new.model_dump(mode="json"), write)


@router.post("/{suppression_id}/end", responses=answers(shapes_suppressions.Suppression, conflict=True))
def end(
    request: Request, principal: ForMaintainers, suppression_id: RowId, idempotency_key: IdempotencyKey = None
) -> Response:
    """End one before its time; of a shelf, the ticket comes back. 409 where it is over."""
    services = services_of(request)
    demand_visible(services, principal, suppression_id)

    def write() -> Response:
        services.door.ask(lambda step: suppression_desk.end(step, suppression_id, actor(principal)))
        return _answer(services, suppression_id)

    return once(request, services, principal, idempotency_key, None, write)


def demand_visible(services: Services, principal: Principal, suppression_id: int) -> None:
    """Raises ProblemError where there is none that this caller may see."""
    with services.store.read() as connection:
        row = suppression_rows.one(connection, suppression_id)
    if row is None or not visible(principal, row.site):
        raise not_found("suppression")


def _site_of(services: Services, principal: Principal, new: NewSuppression) -> str:
    mine = [site.id for site in services.sites if principal.may_see(site.id)]
    if new.site is not None:
        if new.site not in mine:
            raise not_found("site")
        return new.site
    if new.subject is not None and new.subject.type is SubjectType.SITE and new.subject.id in mine:
        return new.subject.id
    if len(mine) == 1:
        return mine[0]
    raise invalid(("site", f"missing; one of: {', '.join(mine)}"))
