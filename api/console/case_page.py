"""A ticket's own page: what is known, which clocks run, and every action that this person may do now, as forms.

It works without script and on a telephone. A press goes through the same door as the API's; what is refused is said in the
page's language above the form, with what was typed still in it. The script only says that something has changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from api import shapes
from api.auth import ForForms, ForPages, actor, services_of, visible
from api.console.catalogue import catalogue, fill, text, ticket_title
from api.console.controls import Control, Option, Posted, Said, control, refusal, typed
from api.console.pages import LanguageChoice, language_of, page_of_work
from api.people_texts import facts, field_text
from api.problem_details import REFUSED, not_found
from api.report_texts import people_of, who
from api.requests import Id, RowId
from api.services import Services
from api.tickets import ACTIONS, ticket_detail
from hub.registry import device_queries
from hub.store.accounts import Principal
from hub.tickets import mass, queries, rows
from hub.tickets.drills import BEST_SCORE
from hub.tickets.kind import Action, Field
from hub.tickets.kinds import KINDS
from hub.tickets.lifecycle import Refused
from hub.tickets.suppression import SHELF_LIMIT_MIN
from hub.vocabulary.decisions import Severity
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.instants import parse_iso
from hub.vocabulary.roles import EMERGENCY_STAFF

router = APIRouter(include_in_schema=False)

LATEST: Final = 15
SCRIPT_TEXTS: Final = ("ui.case.", "unit.")
OPEN_ALWAYS: Final = frozenset({"note", "name", "safety_officer", "by_means", "people_out"})
"""Fields that an action is pressed without: they lie folded away below its button."""


@router.get("/tickets/{ticket_id}")
def show_case(
    request: Request,
    principal: ForPages,
    ticket_id: RowId,
    lang: LanguageChoice = None,
    done: Annotated[str | None, Query(max_length=50)] = None,
) -> Response:
    """The page."""
    language = language_of(request, lang)
    words = text(language, f"action.{done}") if done in ACTIONS else ""
    return _drawn(request, principal, ticket_id, language, done=words)


@router.post("/tickets/{ticket_id}/actions/{action}")
def press(
    request: Request, principal: ForForms, ticket_id: RowId, action: Annotated[Id, Path()], form: Posted
) -> Response:
    """Do an action: back to the page, or the page again with what is wrong."""
    services, language = services_of(request), language_of(request, None)
    with services.store.read() as connection:
        row = queries.one(connection, ticket_id)
    if row is None or not visible(principal, row.site):
        raise not_found("ticket")
    known = KINDS[row.kind].actions.get(action)
    given = typed(form, known.fields if known else (), services.zone(row.site))
    try:
        services.door.act(ticket_id, action, given, actor(principal), None)
    except Refused as error:
        said = refusal(error, language, given)
        return _drawn(request, principal, ticket_id, language, status=REFUSED[error.status], refused=(action, said))
    except TimeoutError:
        said = Said(text(language, "ui.unreachable"), {}, (), given)
        return _drawn(request, principal, ticket_id, language, status=503, refused=(action, said))
    return RedirectResponse(f"/tickets/{ticket_id}?done={action}", 303)


@router.get("/tickets/{ticket_id}/actions/{action}")
def back(_request: Request, _principal: ForPages, ticket_id: RowId, action: Annotated[Id, Path()]) -> Response:
    """Whoever reloads what was refused, or changes its language, begins again."""
    return RedirectResponse(f"/tickets/{ticket_id}#act-{quote(action, safe='')}", 303)


def _drawn(
    request: Request,
    principal: Principal,
    ticket_id: int,
    language: str,
    *,
    done: str = "",
    status: int = 200,
    refused: tuple[str, Said] | None = None,
) -> Response:
    services = services_of(request)
    with services.store.read() as connection:
        ticket = ticket_detail(services, connection, principal, ticket_id)
        choices = _devices(connection, ticket)
        cars = _cars(connection, ticket_id, language)
    fields = msgspec.json.decode(msgspec.json.encode(ticket.fields))
    names = {site.id: site.name for site in services.sites}
    values = {**fields, "name": ticket.subject.name, "place": ticket.subject.place}
    return page_of_work(
        request,
        principal,
        "case.html",
        language,
        status,
        ticket=ticket,
        title=ticket_title(language, ticket.kind, ticket.reason, values),
        place=" · ".join(
            str(part) for part in (names.get(ticket.site, ticket.site), ticket.subject.place, ticket.subject.name) if part
        ),
        floor=fields.get("floor"),
        people=_people(fields, language),
        cars=cars,
        clocks=_clocks(services, ticket, language),
        steps=_steps(ticket, fields, language, choices, refused),
        milestones=[
            {"name": text(language, f"milestone.{each.name}", each.name), "at": _short(each.at), "by": who(each.by, language)}
            for each in ticket.milestones
        ],
        lines=_lines(ticket, language),
        refused=None if refused is None else refused[1],
        done=done,
        record=bool(principal.roles & EMERGENCY_STAFF),
        start={
            "language": language,
            "csrf": principal.csrf,
            "sites": {},
            "home": "",
            "ticket": ticket_id,
            "revision": ticket.revision,
            "texts": {key: words for key, words in catalogue(language).items() if key.startswith(SCRIPT_TEXTS)},
        },
    )  # fmt: skip


def _people(fields: Mapping[str, Any], language: str) -> list[str]:
    told, welfare = fields.get("people"), fields.get("welfare")
    words = [] if people_of(fields) is None else [field_text("inside", people_of(fields), language)]
    return words + [each for said in (told, welfare) if isinstance(said, Mapping) for each in facts(said, language)]


def _cars(connection: Connection, ticket_id: int, language: str) -> list[dict[str, Any]]:
    """Of a whole site's case, its cars in the order in which to go there."""
    found = rows.by_id(connection, ticket_id)
    if found is None or not mass.is_mass(found):
        return []
    return [
        {
            "name": " · ".join(filter(None, (car.name or car.device, car.place))),
            "settled": car.settled,
            "ticket": car.ticket,
            "words": [words for words in _of_car(car, language) if words],
        }
        for car in mass.cars(found, rows.below(connection, ticket_id))
    ]


def _of_car(car: mass.Car, language: str) -> tuple[str, ...]:
    checked = fill(text(language, "ui.car.checked"), {"by": car.checked_by}) if car.checked_by else ""
    order = {"technician": car.technician, "round": car.round}
    return (
        checked or text(language, f"ui.car.{car.occupancy}"),
        fill(text(language, "ui.car.round"), order) if car.technician else "",
        text(language, "ui.car.back") if car.back else "",
        f"{car.ticket_number} {text(language, f'state.{car.ticket_state}')}" if car.ticket_number else "",
    )


def _clocks(services: Services, ticket: shapes.TicketDetail, language: str) -> list[dict[str, Any]]:
    """Those that run or ran out, the next one first."""
    now = services.now()
    open_ones = [clock for clock in ticket.clocks if clock.state != "met"]
    return [
        {
            "name": text(language, f"clock.{clock.name}", clock.name),
            "due": _short(clock.due_at),
            "state": "late" if clock.state == "breached" or parse_iso(clock.due_at) <= now else "running",
            "words": text(language, f"record.clock.{clock.state}"),
        }
        for clock in sorted(open_ones, key=lambda clock: parse_iso(clock.due_at))
    ]


def _devices(connection: Connection, ticket: shapes.TicketDetail) -> list[Option]:
    """The elevators that an action of this ticket may name: those of a mass case, else those of the site."""
    if not {"rebind", "assign_round", "check_cars"} & set(ticket.actions):
        return []
    children = msgspec.json.decode(msgspec.json.encode(ticket.fields)).get("children")
    rows = device_queries.page(connection, DeviceKind.ELEVATOR, ticket.site, (), None, 500)
    wanted = set(children) if isinstance(children, Mapping) else {row.id for row in rows} - {ticket.subject.id}
    return [Option(row.id, row.name or row.id) for row in rows if row.id in wanted]


def _steps(
    ticket: shapes.TicketDetail,
    fields: Mapping[str, Any],
    language: str,
    devices: Sequence[Option],
    refused: tuple[str, Said] | None,
) -> list[dict[str, Any]]:
    """Every action that is allowed now: its name, whether it has been done, and its controls."""
    reached = {each.name: each for each in ticket.milestones}
    steps = []
    for name in ticket.actions:
        action = KINDS[ticket.kind].actions[name]
        said = refused[1] if refused is not None and refused[0] == name else None
        given = said.typed if said is not None else _known(name, ticket, fields)
        controls = [_control(field, ticket, language, given, devices, said) for field in action.fields]
        before = reached.get(action.milestone or "")
        steps.append(
            {
                "name": name,
                "label": text(language, f"action.{name}", name),
                "at_once": _at_once(action),
                "open": said is not None,
                "done": None if before is None else f"{_short(before.at)} {who(before.by, language)}",
                "controls": controls,
            }
        )
    return steps


def _at_once(action: Action) -> bool:
    """Whether one press does it: nothing is required, and nothing but a remark could be added."""
    return all(not field.required and field.name in OPEN_ALWAYS for field in action.fields)


def _control(
    field: Field,
    ticket: shapes.TicketDetail,
    language: str,
    given: Mapping[str, Any],
    devices: Sequence[Option],
    said: Said | None,
) -> Control:
    most = None
    if field.name == "minutes":
        most = SHELF_LIMIT_MIN.get(Severity(ticket.severity))
    elif field.name == "score":
        most = BEST_SCORE
    problem = "" if said is None else said.problems.get(field.name, "")
    return control(field, language, given.get(field.name), devices, most, problem)


def _known(action: str, ticket: shapes.TicketDetail, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a form begins with: the last report on the people, and their number where they come out."""
    if action == "people":
        told = [entry for entry in ticket.timeline if entry.entry == "action" and entry.name == "people"]
        return _data(told[-1]) if told else {}
    people = fields.get("people")
    if action == "release" and isinstance(people, Mapping):
        return {"people_out": people.get("inside")}
    return {}


def _data(entry: shapes.TimelineEntry) -> Mapping[str, Any]:
    found: Mapping[str, Any] = msgspec.json.decode(msgspec.json.encode(entry.data))
    return found


def _lines(ticket: shapes.TicketDetail, language: str) -> list[dict[str, str]]:
    """The newest of the timeline, newest first."""
    return [
        {"at": _short(entry.recorded_at), "what": _what(entry, language), "by": who(entry.by, language)}
        for entry in reversed(ticket.timeline[-LATEST:])
    ]


def _what(entry: shapes.TimelineEntry, language: str) -> str:
    if entry.entry == "action":
        said = [field_text(name, value, language) for name, value in _data(entry).items()]
        words = text(language, "list.pause").join(each for each in said if each)
        what = text(language, f"action.{entry.name}", entry.name)
        return f"{what}{text(language, 'title.joint')}{words}" if words else what
    if entry.entry == "clock":
        joint = text(language, "title.joint")
        name = text(language, f"clock.{entry.name}", entry.name)
        return f"{name}{joint}{text(language, f'moment.{entry.reason}', entry.reason)}"
    kind = text(language, f"entry.{entry.entry}", entry.entry)
    return f"{kind}{text(language, 'title.joint')}{text(language, f'reason.{entry.reason}', entry.reason)}"


def _short(moment: str) -> str:
    return moment[5:19].replace("T", " ")
