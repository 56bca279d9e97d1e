"""Drills as a page: when the next one is due, begin one, and what came of those that were held.

A drill is a case like any other: it is played and evaluated on its own page (`/tickets/{id}`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from api.auth import ForForms, ForPages, actor, services_of
from api.console.catalogue import text
from api.console.controls import Option, Posted, Said, refilled, refusal, too_long, typed
from api.console.pages import LanguageChoice, language_of, page_of_work
from api.drills import recent
from api.problem_details import REFUSED
from api.problems import told
from api.services import Services
from hub.pipeline import drill_desk
from hub.registry import device_queries
from hub.store.accounts import Principal
from hub.tickets import drills
from hub.tickets.kind import Field
from hub.tickets.refusals import FIELDS, MISSING, Refused
from hub.tickets.refusals import Said as Sentence
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.facts import DeviceKind

router = APIRouter(include_in_schema=False)

SHOWN: Final = 50
LONGEST: Final = 500
DUE: Final = "drill_due"
_FIELDS: Final = (Field("elevator", required=True), Field("scenario", required=True))


@router.get("/drills")
def show_drills(request: Request, principal: ForPages, lang: LanguageChoice = None) -> Response:
    """The page."""
    return _drawn(request, principal, language_of(request, lang))


@router.post("/drills")
def start(request: Request, principal: ForForms, form: Posted) -> Response:
    """Begin a drill; on to its case."""
    services, language = services_of(request), language_of(request, None)
    given = typed(form, _FIELDS, services.zone(""))
    try:
        subject, scenario = _read(services, principal, given)
        ticket = services.door.ask(lambda step: drill_desk.start(step, subject, scenario, actor(principal)))
    except Refused as error:
        said = refusal(error, language, given)
        return _drawn(request, principal, language, status=REFUSED[error.status], refused=said)
    return RedirectResponse(f"/tickets/{ticket}", 303)


def _read(services: Services, principal: Principal, given: Mapping[str, Any]) -> tuple[Subject, str]:
    errors = [(field.name, MISSING) for field in _FIELDS if not given.get(field.name)]
    site, _, device = str(given.get("elevator", "")).partition("|")
    if "elevator" in given and site not in {each.id for each in services.sites if principal.may_see(each.id)}:
        errors.append(("elevator", Sentence("subject", "unknown")))
    scenario = str(given.get("scenario", ""))
    errors += too_long("scenario", scenario, LONGEST)
    if errors:
        raise Refused("invalid", FIELDS, errors=tuple(errors))
    return Subject(site, SubjectType.DEVICE, device), scenario


def _drawn(
    request: Request, principal: Principal, language: str, *, status: int = 200, refused: Said | None = None
) -> Response:
    services = services_of(request)
    with services.store.read() as connection:
        lifts = elevators(services, connection, principal)
        held = recent(services, connection, principal, SHOWN)
        due = told(services, connection, principal, DUE, language)
    controls = [
        each._replace(widget="select", options=lifts) if each.name == "elevator" else each._replace(widget="lines")
        for each in refilled(_FIELDS, language, refused)
    ]
    return page_of_work(
        request,
        principal,
        "drills.html",
        language,
        status,
        controls=controls if principal.roles & drills.STARTERS else [],
        due=due,
        held=[
            {
                "id": each.ticket,
                "number": each.number,
                "name": each.name,
                "scenario": each.scenario or "",
                "state": text(language, f"state.{each.state}", each.state),
                "active": each.active,
                "at": _short(each.opened_at),
                "evaluation": each.evaluation,
                "met": [text(language, f"clock.{name}", name) for name in each.evaluation.clocks_met] if each.evaluation else [],
                "missed": [text(language, f"clock.{name}", name) for name in each.evaluation.clocks_breached] if each.evaluation else [],
                "signed_at": _short(each.evaluation.signed_at) if each.evaluation else "",
            }
            for each in held
        ],
        may_evaluate=bool(principal.roles & drills.EVALUATORS),
        refused=refused,
    )  # fmt: skip


def elevators(services: Services, connection: Connection, principal: Principal) -> list[Option]:
    """Every elevator that this caller may see: `SITE|ID` and how people know it."""
    names = {site.id: site.name for site in services.sites if principal.may_see(site.id)}
    return [
        Option(f"{row.site}|{row.id}", " · ".join(filter(None, (names[row.site], row.place, row.name or row.id))))
        for site in names
        for row in device_queries.page(connection, DeviceKind.ELEVATOR, site, (), None, 500)
    ]


def _short(moment: str) -> str:
    return moment[:16].replace("T", " ")
