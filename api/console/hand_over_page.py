"""A hand-over note for paper: A4, through the browser's print, with the two signatures."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.auth import ForPages, services_of
from api.console.catalogue import text
from api.console.controls import Said
from api.console.pages import LanguageChoice, language_of, page_of_work
from api.hand_over import find, shape
from api.requests import RowId
from hub.store.accounts import Principal

router = APIRouter(include_in_schema=False)


@router.get("/hand-overs/{hand_over_id}")
def show(request: Request, principal: ForPages, hand_over_id: RowId, lang: LanguageChoice = None) -> Response:
    """The note as it is printed, with the second signature where it is missing."""
    return drawn(request, principal, hand_over_id, language_of(request, lang))


def drawn(
    request: Request,
    principal: Principal,
    hand_over_id: int,
    language: str,
    status: int = 200,
    refused: Said | None = None,
) -> Response:
    """The page; `refused`: what stood against taking over."""
    services = services_of(request)
    note = shape(services, find(services, principal, hand_over_id))
    names = {site.id: site.name for site in services.sites}
    return page_of_work(
        request,
        principal,
        "hand_over.html",
        language,
        status,
        refused=refused,
        may_take=not note.complete and note.signatures[0].by.casefold() != principal.name.casefold(),
        note=note,
        site=names.get(note.site, note.site),
        at=_clock_time(note.at),
        desk=text(language, f"desk.{note.desk}", text(language, f"role.{note.desk}", note.desk)),
        cases=[
            {
                "number": each.number,
                "title": each.title,
                "place": each.place,
                "severity": text(language, f"severity.{each.severity}", each.severity),
                "state": text(language, f"state.{each.state}", each.state),
                "opened_at": _clock_time(each.opened_at),
                "assignee": each.assignee or "",
                "drill": each.drill,
            }
            for each in note.cases
        ],
        signatures={
            each.part: {"by": each.by, "at": _clock_time(each.at), "remark": each.remark} for each in note.signatures
        },
    )


def _clock_time(instant: str) -> str:
    return instant[:16].replace("T", " ")
