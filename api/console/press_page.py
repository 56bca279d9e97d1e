"""Tests of an elevator's alarm button as a page: declared before somebody presses, and what is declared now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from api.auth import ForForms, ForPages, services_of
from api.console.catalogue import text
from api.console.controls import Posted, Said, refilled, refusal, too_long, typed
from api.console.drill_page import elevators
from api.console.pages import LanguageChoice, language_of, page_of_work
from api.press_tests import DECLARERS, LONGEST_MIN, declare
from api.problem_details import REFUSED
from api.problems import told
from api.services import Services
from hub.store.accounts import Principal
from hub.tickets.kind import Field
from hub.tickets.refusals import FIELDS, MISSING, Refused
from hub.tickets.refusals import Said as Sentence

router = APIRouter(include_in_schema=False)

LONGEST_REASON: Final = 500
DECLARED: Final = "press_test"
_FIELDS: Final = (
    Field("elevator", required=True),
    Field("minutes", "count", required=True),
    Field("reason", required=True),
)


@router.get("/press-tests")
def show_press_tests(request: Request, principal: ForPages, lang: LanguageChoice = None, done: str = "") -> Response:
    """The page."""
    language = language_of(request, lang)
    return _drawn(request, principal, language, done=text(language, "ui.press.done") if done == "declared" else "")


@router.post("/press-tests")
def declare_one(request: Request, principal: ForForms, form: Posted) -> Response:
    """Declare a test; none minutes: it is over."""
    services, language = services_of(request), language_of(request, None)
    given = typed(form, _FIELDS, services.zone(""))
    try:
        site, device = _read(services, principal, given)
    except Refused as error:
        said = refusal(error, language, given)
        return _drawn(request, principal, language, status=REFUSED[error.status], refused=said)
    declare(services, site, device, given["minutes"], given["reason"], principal.name)
    return RedirectResponse("/press-tests?done=declared", 303)


def _read(services: Services, principal: Principal, given: Mapping[str, Any]) -> tuple[str, str]:
    """The elevator; everything else has been checked. Raises Refused."""
    if not principal.roles & DECLARERS:
        raise Refused("not_allowed", Sentence("press_roles", "A test of the button is not for your roles."))
    errors = [(field.name, MISSING) for field in _FIELDS if given.get(field.name) is None]
    minutes, reason = given.get("minutes", 0), given.get("reason", "")
    if not isinstance(minutes, int) or not 0 <= minutes <= LONGEST_MIN:
        errors.append(("minutes", Sentence("range", f"0 to {LONGEST_MIN}", least=0, most=LONGEST_MIN)))
    errors += too_long("reason", reason, LONGEST_REASON)
    with services.store.read() as connection:
        known = {option.value for option in elevators(services, connection, principal)}
    if "elevator" in given and given["elevator"] not in known:
        errors.append(("elevator", Sentence("subject", "unknown")))
    if errors:
        raise Refused("invalid", FIELDS, errors=tuple(errors))
    site, _, device = given["elevator"].partition("|")
    return site, device


def _drawn(
    request: Request,
    principal: Principal,
    language: str,
    *,
    done: str = "",
    status: int = 200,
    refused: Said | None = None,
) -> Response:
    services = services_of(request)
    with services.store.read() as connection:
        lifts = elevators(services, connection, principal)
        running = told(services, connection, principal, DECLARED, language)
    controls = [
        each._replace(widget="select", options=lifts) if each.name == "elevator" else each
        for each in refilled(_FIELDS, language, refused, {"minutes": LONGEST_MIN})
    ]
    return page_of_work(
        request,
        principal,
        "press_tests.html",
        language,
        status,
        controls=controls if principal.roles & DECLARERS else [],
        running=running,
        refused=refused,
        done=done,
    )
