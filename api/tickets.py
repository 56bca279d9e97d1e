"""Tickets over HTTP: lists, one with its history, raising by hand, moving on. Every change goes through the door."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from functools import cached_property
from typing import Annotated, Any

import msgspec
from fastapi import Body, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Row

from api import shapes, shapes_mass
from api.auth import ForStaff, actor, services_of, visible
from api.devices import find_device
from api.openapi import answers
from api.problem_details import ProblemError, invalid, not_found
from api.questions import SMALL, answered
from api.requests import (
    MAX_ID,
    Cursor,
    Fields,
    Filter,
    Id,
    IdempotencyKey,
    IfMatch,
    InstantIn,
    Json,
    Limit,
    RowId,
    Site,
    Words,
    before,
    once,
    one_page,
    revision,
    versioned,
)
from api.routing import noun_router
from api.services import Services
from hub.store.accounts import Principal
from hub.tickets import mass, occupants, queries, rows, suppression_rows
from hub.tickets.drills import STARTERS
from hub.tickets.kinds import KINDS
from hub.tickets.lifecycle import allowed_actions, standing
from hub.tickets.suppression import Standing, Suppression, silenced_until
from hub.tickets.ticket import traits
from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import UtcMs, iso
from hub.vocabulary.roles import EMERGENCY_STAFF

router = noun_router("tickets", "/tickets")

STATES = sorted({state for kind in KINDS.values() for state in kind.states} | {"active", "closed"})
ACTIONS = sorted({name for kind in KINDS.values() for name in kind.actions})

StateFilter = Annotated[
    str | None,
    Query(
        pattern=f"^({'|'.join(STATES)})$",
        description="`active`, `closed` (all that are not active), or one state of a kind.",
    ),
]


class TicketQuery(BaseModel):
    """Which tickets, and which page of them. One model: FastAPI takes longer to look at each parameter by itself."""

    kind: TicketKind | None = None
    state: StateFilter = None
    subject: Filter = None
    site: Site = None
    parent: Annotated[int | None, Query(ge=1, le=MAX_ID, description="Those below this roll-up or case.")] = None
    cursor: Cursor = None
    limit: Limit = 100


class SubjectIn(BaseModel):
    """Whom a new ticket concerns."""

    model_config = ConfigDict(extra="forbid")

    type: SubjectType = SubjectType.DEVICE
    id: Id


class NewTicket(BaseModel):
    """A ticket raised by hand. `site` may be left out where it is clear."""

    model_config = ConfigDict(extra="forbid")

    kind: TicketKind
    subject: SubjectIn
    site: Id | None = None
    severity: Severity | None = None
    title: Words | None = None
    occurred_at: InstantIn | None = None
    fields: Fields = {}
    drill: bool = False


def _subject(row: Row[Any]) -> shapes.SubjectShape:
    return shapes.SubjectShape(
        type=SubjectType(row.subject_type), id=row.subject_id, name=row.subject_name, place=row.place
    )


class _Reader:
    """A caller who reads tickets now: what they may do, and what is quiet."""

    def __init__(self, services: Services, connection: Connection, principal: Principal) -> None:
        self.services, self.connection, self.principal = services, connection, principal
        self.now = services.now()

    @cached_property
    def quiet(self) -> Sequence[Suppression]:
        """What is kept quiet now: read once, and not for an empty list."""
        return suppression_rows.running(self.connection)

    def common(self, row: Row[Any], reached: Sequence[str]) -> dict[str, Any]:
        """What a ticket shows in a list and by itself."""
        zone = self.services.zone(row.site)
        return _plain(row, zone, reached) | {
            "silenced_until": shapes.instant(_silenced_until(row, self.quiet, self.now), zone),
            "actions": allowed_actions(
                row.kind,
                row.state,
                self.principal.roles,
                standing(reached),
                traits(row.subject_type, row.severity, shelved=row.shelved_until is not None, drill=bool(row.drill)),
            ),
        }


def _silenced_until(row: Row[Any], running: Sequence[Suppression], now: UtcMs) -> UtcMs | None:
    if not running:
        return None
    building = row.subject_id if row.subject_type == SubjectType.BUILDING else row.place.partition("/")[0]
    subject = Subject(row.site, SubjectType(row.subject_type), row.subject_id)
    ticket = Standing(kind=row.kind, subject=subject, building=building, severity=Severity(row.severity))
    return silenced_until(ticket, running, now)


def _plain(row: Row[Any], zone: tzinfo, reached: Sequence[str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "number": row.number,
        "kind": row.kind,
        "site": row.site,
        "subject": _subject(row),
        "state": row.state,
        "active": bool(row.active),
        "severity": row.severity,
        "reason": row.reason,
        "title": row.title,
        "occurred_at": iso(row.occurred_at, zone),
        "opened_at": iso(row.opened_at, zone),
        "updated_at": iso(row.updated_at, zone),
        "ended_at": shapes.instant(row.ended_at, zone),
        "count": row.times,
        "assignee": row.assignee,
        "fields": msgspec.Raw(row.fields_json.encode()),
        "drill": bool(row.drill),
        "acknowledged": queries.is_acknowledged(reached),
        "shelved_until": shapes.instant(row.shelved_until, zone),
        "maintenance": bool(row.maintenance),
        "parent": row.parent_id,
        "revision": row.revision,
    }


def ticket_page(
    services: Services,
    connection: Connection,
    principal: Principal,
    wanted: queries.TicketFilter,
    cursor: int | None,
    limit: int,
) -> shapes.TicketList:
    """A page of tickets as this caller sees them; times in each site's zone, as on the feed."""
    found = queries.page(connection, wanted, cursor, limit + 1)
    reached = rows.milestones(connection, [row.id for row in found])
    reader = _Reader(services, connection, principal)
    shown, following = one_page(found, limit)
    items = [shapes.Ticket(**reader.common(row, reached.get(row.id, ()))) for row in shown]
    return shapes.TicketList(items=items, next=following)


def ticket_detail(
    services: Services, connection: Connection, principal: Principal, ticket_id: int
) -> shapes.TicketDetail:
    """A ticket with its history as this caller may see it. Raises ProblemError where there is none for them."""
    found = queries.history(connection, ticket_id)
    if found is None or not visible(principal, found.ticket.site):
        raise not_found("ticket")
    row = found.ticket
    zone = services.zone(row.site)
    common = _Reader(services, connection, principal).common(row, [item.name for item in found.milestones])
    return shapes.TicketDetail(
        **common,
        timeline=[_entry(entry, zone, principal) for entry in found.timeline],
        milestones=[shapes.Milestone(name=item.name, at=iso(item.at, zone), by=item.by) for item in found.milestones],
        clocks=[
            shapes.Clock(
                name=item.name,
                started_at=iso(item.started_at, zone),
                due_at=iso(item.due_at, zone),
                state=item.state,
            )
            for item in found.clocks
        ],
        action_fields={name: _fields(row.kind, name) for name in common["actions"]},
    )


def _entry(row: Row[Any], zone: tzinfo, principal: Principal) -> shapes.TimelineEntry:
    data: Any = msgspec.Raw(row.data_json.encode())
    if row.name in occupants.KEPT and not principal.roles & EMERGENCY_STAFF:  # names and telephones are the rescuers'
        data = occupants.without_names(row.name, msgspec.json.decode(row.data_json))
    return shapes.TimelineEntry(
        entry=row.entry,
        name=row.name,
        reason=row.reason,
        by=row.by,
        occurred_at=iso(row.occurred_at, zone),
        recorded_at=iso(row.recorded_at, zone),
        state_from=row.state_from,
        state_to=row.state_to,
        data=data,
    )


def _fields(kind: str, action: str) -> list[shapes.ActionField]:
    return [
        shapes.ActionField(name=field.name, type=field.type, required=field.required, choices=field.choices)  # type: ignore[arg-type]
        for field in KINDS[kind].actions[action].fields
    ]


def _answer(services: Services, principal: Principal, ticket_id: int, status: int = 200) -> Response:
    with services.store.read() as connection:
        detail = ticket_detail(services, connection, principal, ticket_id)
    return versioned(msgspec.json.encode(detail), detail.revision, f"/api/v1/tickets/{ticket_id}", status)


@router.get("", responses=answers(shapes.TicketList))
async def list_tickets(
    request: Request,
    principal: ForStaff,
    asked: Annotated[TicketQuery, Query()],
) -> Response:
    """Tickets, newest first."""
    wanted = queries.TicketFilter(
        kind=asked.kind,
        state=asked.state,
        subject=asked.subject,
        site=asked.site,
        parent=asked.parent,
        sites=principal.sites,
    )
    services = services_of(request)

    def ask(connection: Connection) -> bytes:
        found = ticket_page(services, connection, principal, wanted, before(asked.cursor), asked.limit)
        return msgspec.json.encode(found)

    return Json(await answered(services.store, ask, small=asked.subject is not None and asked.limit <= SMALL))


@router.get("/{ticket_id}", responses=answers(shapes.TicketDetail))
def show_ticket(request: Request, principal: ForStaff, ticket_id: RowId) -> Response:
    """A ticket with its timeline, milestones, clocks, and the actions allowed to this caller."""
    return _answer(services_of(request), principal, ticket_id)


@router.get("/{ticket_id}/cars", responses=answers(shapes_mass.CarList))
def list_cars(
    request: Request,
    principal: ForStaff,
    ticket_id: RowId,
    technician: Annotated[
        list[Id] | None, Query(max_length=50, description="Who could go: proposes who takes which car in which round.")
    ] = None,
) -> Response:
    """The cars of a whole site's case, in the order in which to go there; 404 where the ticket is none."""
    services = services_of(request)
    with services.store.read() as connection:
        found = rows.by_id(connection, ticket_id)
        if found is None or not visible(principal, found.subject.site) or not mass.is_mass(found):
            raise not_found("case of a site")
        ordered = mass.cars(found, rows.below(connection, ticket_id))
    plan = mass.proposal(ordered, technician or ())
    zone = services.zone(found.subject.site)
    return Json(msgspec.json.encode(shapes_mass.car_list(ordered, plan, zone)))


@router.post("", status_code=201, responses=answers(shapes.TicketDetail, counted=shapes.TicketDetail))
def raise_ticket(
    request: Request, principal: ForStaff, new: NewTicket, idempotency_key: IdempotencyKey = None
) -> Response:
    """Raise a ticket by hand: 201; 200 where one was active for this kind and subject and this was counted on it."""
    services = services_of(request)
    if new.drill and not principal.roles & STARTERS:
        raise ProblemError(403, "role", "A drill is not for your roles.", allowed=sorted(map(str, STARTERS)))

    def write() -> Response:
        subject = Subject(_site_of(services, principal, new), new.subject.type, new.subject.id)
        ticket_id = services.door.open_ticket(
            new.kind,
            subject,
            dict(new.fields),
            new.severity,
            actor(principal),
            title=new.title,
            # Nothing that a person reports lies in the future; their clock is a little ahead.
            occurred_at=None if new.occurred_at is None else min(new.occurred_at, services.now()),
            drill=new.drill,
        )
        with services.store.read() as connection:
            row = queries.one(connection, ticket_id)
        return _answer(services, principal, ticket_id, 201 if row is None or row.times == 1 else 200)

    return once(request, services, principal, idempotency_key, new.model_dump(mode="json"), write)


@router.post("/{ticket_id}/actions/{action}", responses=answers(shapes.TicketDetail, conflict=True))
def act(
    request: Request,
    principal: ForStaff,
    ticket_id: RowId,
    action: Annotated[Id, Path(json_schema_extra={"enum": ACTIONS})],
    fields: Annotated[
        Fields | None, Body(description="The action's fields, see `action_fields` of the ticket.")
    ] = None,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Do an action: the ticket as it is afterwards, or 409 with what is allowed now, or 422 naming each field."""
    services = services_of(request)
    given = dict(fields or {})
    with services.store.read() as connection:
        row = queries.one(connection, ticket_id)
    if row is None or not visible(principal, row.site):
        raise not_found("ticket")

    def write() -> Response:
        services.door.act(ticket_id, action, given, actor(principal), revision(if_match))
        return _answer(services, principal, ticket_id)

    return once(request, services, principal, idempotency_key, [given, if_match], write)


def _site_of(services: Services, principal: Principal, new: NewTicket) -> str:
    """The site that a new ticket belongs to. Raises ProblemError where it is unknown, theirs not to see, or not clear."""
    mine = [site.id for site in services.sites if principal.may_see(site.id)]
    if new.site is not None:
        if new.site not in mine:
            raise not_found("site")
        return new.site
    if new.subject.type is SubjectType.SITE and new.subject.id in mine:
        return new.subject.id
    if len(mine) == 1:
        return mine[0]
    if new.subject.type is SubjectType.DEVICE:
        with services.store.read() as connection:
            return str(find_device(connection, principal, new.subject.id, None).site)
    raise invalid(("site", f"missing; one of: {', '.join(mine)}"))
