"""Handing over at the console: notes written and signed by whoever leaves, signed by whoever comes. The note itself is for paper.

The hub adds the open cases; people count, and say what is to be done. What was counted last time at a desk is asked for again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from api.auth import ForForms, ForPages, services_of
from api.console import hand_over_page
from api.console.catalogue import text
from api.console.controls import Option, Posted, Said, refusal, too_long
from api.console.pages import LanguageChoice, language_of, page_of_work
from api.hand_over import MOST_ITEMS, find
from api.problem_details import REFUSED
from api.requests import RowId
from api.services import Services
from hub.store.accounts import Principal
from hub.tickets import hand_over
from hub.tickets.hand_over import Counted, HandOver, Note
from hub.tickets.refusals import FIELDS, MISSING, Refused
from hub.tickets.refusals import Said as Sentence
from hub.vocabulary.instants import iso
from hub.vocabulary.roles import Role

router = APIRouter(include_in_schema=False)

DESKS: Final = (Role.CONTROL_ROOM, Role.SECURITY, Role.FRONT_DESK, Role.TECHNICIAN)
SHOWN: Final = 20
BLANK_ROWS: Final = 6
MOST: Final = 1_000_000
LONGEST: Final = {"shift": 200, "instructions": 4_000, "remark": 500, "name": 200, "note": 500}


class Row(msgspec.Struct, frozen=True):
    """One line of what is counted, as it is typed."""

    name: str = ""
    count: str = ""
    expected: str = ""
    note: str = ""


@router.get("/hand-overs")
def show_hand_overs(request: Request, principal: ForPages, lang: LanguageChoice = None) -> Response:
    """The newest notes, and the form of the next one."""
    return _drawn(request, principal, language_of(request, lang))


@router.post("/hand-overs")
def hand_over_shift(request: Request, principal: ForForms, form: Posted) -> Response:
    """Hand over, in the name of whoever is signed in; on to the note."""
    services, language = services_of(request), language_of(request, None)
    typed = {name: str(form.get(name, "")).strip() for name in ("place", "shift", "instructions")}
    columns = [[str(cell).strip() for cell in form.getlist(f"item_{name}")] for name in Row.__struct_fields__]
    rows = [Row(*cells) for cells in zip(*columns, strict=False)][:MOST_ITEMS]
    try:
        note = _note(services, principal, typed, rows)
    except Refused as error:
        said = refusal(error, language, typed)
        return _drawn(request, principal, language, status=REFUSED[error.status], refused=said, rows=rows)
    with services.store.write() as connection:
        written = hand_over.write(connection, note, principal.name, services.now())
    return RedirectResponse(f"/hand-overs/{written}", 303)


@router.post("/hand-overs/{hand_over_id}/take-over")
def take_over(request: Request, principal: ForForms, hand_over_id: RowId, form: Posted) -> Response:
    """Take over: the second signature, by somebody else than the first."""
    services, language = services_of(request), language_of(request, None)
    find(services, principal, hand_over_id)
    remark = str(form.get("remark", "")).strip()
    try:
        if wrong := too_long("remark", remark, LONGEST["remark"]):
            raise Refused("invalid", FIELDS, errors=tuple(wrong))
        with services.store.write() as connection:
            hand_over.take_over(connection, hand_over_id, principal.name, remark, services.now())
    except Refused as error:
        said = refusal(error, language, {})
        return hand_over_page.drawn(request, principal, hand_over_id, language, REFUSED[error.status], said)
    return RedirectResponse(f"/hand-overs/{hand_over_id}", 303)


@router.get("/hand-overs/{hand_over_id}/take-over")
def back(_request: Request, _principal: ForPages, hand_over_id: RowId) -> Response:
    """Whoever reloads what was refused sees the note."""
    return RedirectResponse(f"/hand-overs/{hand_over_id}", 303)


def _note(services: Services, principal: Principal, typed: Mapping[str, str], rows: Sequence[Row]) -> Note:
    """The note as it was typed. Raises Refused naming what is missing or wrong."""
    site, _, desk = typed["place"].partition("|")
    errors = [(name, MISSING) for name in ("place", "shift") if not typed[name]]
    if typed["place"] and typed["place"] not in {option.value for option in _places(services, principal, "en")}:
        errors.append(("place", Sentence("subject", "unknown")))
    for name in ("shift", "instructions"):
        errors += too_long(name, typed[name], LONGEST[name])
    for row in rows:
        errors += too_long("items", row.name, LONGEST["name"]) + too_long("items", row.note, LONGEST["note"])
    items = []
    for row in rows:
        if not row.name:
            continue
        count, expected = _number(row.count), _number(row.expected)
        if count is None or (row.expected and expected is None):
            errors.append(("items", Sentence("counted", f"{row.name}: whole numbers", name=row.name, most=MOST)))
        else:
            items.append(Counted(name=row.name, count=count, expected=expected, note=row.note))
    if errors:
        raise Refused("invalid", FIELDS, errors=tuple(errors))
    return Note(site=site, desk=desk, shift=typed["shift"], items=tuple(items), instructions=typed["instructions"])


def _number(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and int(word) <= MOST else None


def _drawn(
    request: Request,
    principal: Principal,
    language: str,
    *,
    status: int = 200,
    refused: Said | None = None,
    rows: Sequence[Row] = (),
) -> Response:
    services = services_of(request)
    with services.store.read() as connection:
        found = hand_over.page(connection, principal.sites, None, None, None, SHOWN)
    return page_of_work(
        request,
        principal,
        "hand_overs.html",
        language,
        status,
        notes=[_line(services, each, language) for each in found],
        places=_places(services, principal, language),
        typed={"place": "", "shift": "", "instructions": ""} | dict(refused.typed if refused else {}),
        rows=[*(rows or _counted_before(found)), *[Row()] * BLANK_ROWS],
        refused=refused,
    )


def _counted_before(found: Sequence[HandOver]) -> list[Row]:
    """What was counted in the newest note, to be counted anew."""
    if not found:
        return []
    return [
        Row(each.name, "", str(each.count if each.expected is None else each.expected)) for each in found[0].note.items
    ]


def _places(services: Services, principal: Principal, language: str) -> list[Option]:
    """Every desk of every site of theirs: `SITE|DESK`."""
    return [
        Option(f"{site.id}|{desk}", f"{site.name} · {_desk(str(desk), language)}")
        for site in services.sites
        if principal.may_see(site.id)
        for desk in DESKS
    ]


def _desk(desk: str, language: str) -> str:
    return text(language, f"desk.{desk}", text(language, f"role.{desk}", desk))


def _line(services: Services, each: HandOver, language: str) -> dict[str, Any]:
    names = {site.id: site.name for site in services.sites}
    place = f"{names.get(each.note.site, each.note.site)} · {_desk(each.note.desk, language)}"
    return {
        "id": each.id,
        "place": place,
        "shift": each.note.shift,
        "at": iso(each.at, services.zone(each.note.site))[:16].replace("T", " "),
        "by": " → ".join(row.by for row in each.signatures),
        "complete": len(each.signatures) == 2,
    }
