"""Tickets as rows: reading one back, writing what a move left behind.

Rule: statements are built once, those of an alarm's own way prepared as well: others wait while it issues them, and to build one
costs more than to run it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, bindparam, func, select

from hub.store.bulk import Insert
from hub.store.prepared import Prepared
from hub.store.schema import ticket_milestones, ticket_timeline, tickets
from hub.tickets.ticket import Entry, Ticket, standing
from hub.vocabulary.decisions import Severity
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import UtcMs

_decode_json = msgspec.json.Decoder().decode

TICKETS: Final = select(*(column.label("times") if column.name == "count" else column for column in tickets.c))
"""All of a ticket's row. A row is a tuple, whose own `count` hides the column's: it is read as `times`."""

BY_ID: Final = Prepared(TICKETS.where(tickets.c.id == bindparam("_id")))
_ACTIVE: Final = Prepared(
    TICKETS.where(
        tickets.c.kind == bindparam("_kind"),
        tickets.c.site == bindparam("_site"),
        tickets.c.subject_type == bindparam("_subject_type"),
        tickets.c.subject_id == bindparam("_subject_id"),
        tickets.c.active,
    )
)
_REACHED: Final = Prepared(
    select(ticket_milestones.c.ticket_id, ticket_milestones.c.name)
    .where(ticket_milestones.c.ticket_id.in_(bindparam("_ids", expanding=True)))
    .order_by(ticket_milestones.c.id)
)
_BELOW: Final = TICKETS.where(tickets.c.parent_id == bindparam("_id")).order_by(tickets.c.id)
_ACTIVE_BELOW: Final = select(func.count()).where(tickets.c.parent_id == bindparam("_id"), tickets.c.active)
_INSERT: Final = Prepared(
    tickets.insert().returning(tickets.c.id), given=[column.name for column in tickets.c if column is not tickets.c.id]
)
_UPDATE: Final = tickets.update().where(tickets.c.id == bindparam("_id"))
_ENTER: Final = Insert(
    ticket_timeline,
    (
        "ticket_id",
        "entry",
        "name",
        "reason",
        "by",
        "occurred_at",
        "recorded_at",
        "state_from",
        "state_to",
        "data_json",
        "event_key",
    ),
)
_REACH: Final = Insert(ticket_milestones, ("ticket_id", "name", "at", "by"))


def json_text(value: Any) -> str:
    """Compact JSON text of a plain value or struct."""
    return msgspec.json.encode(value).decode()


def ticket_of(row: Row[Any], milestones: frozenset[str] = frozenset()) -> Ticket:
    """A row of TICKETS as a value."""
    return Ticket(
        id=row.id,
        number=row.number,
        kind=row.kind,
        subject=Subject(row.site, SubjectType(row.subject_type), row.subject_id),
        subject_name=row.subject_name,
        place=row.place,
        state=row.state,
        active=bool(row.active),
        severity=Severity(row.severity),
        reason=row.reason,
        title=row.title,
        occurred_at=row.occurred_at,
        opened_at=row.opened_at,
        updated_at=row.updated_at,
        ended_at=row.ended_at,
        count=row.times,
        assignee=row.assignee,
        fields=_decode_json(row.fields_json),
        drill=bool(row.drill),
        revision=row.revision,
        milestones=milestones,
        shelved_until=row.shelved_until,
        maintenance=bool(row.maintenance),
        parent_id=row.parent_id,
    )


def row_of(ticket: Ticket) -> dict[str, Any]:
    """Column values of a ticket, without its id."""
    return {
        "number": ticket.number,
        "kind": ticket.kind,
        "site": ticket.subject.site,
        "subject_type": str(ticket.subject.type),
        "subject_id": ticket.subject.id,
        "subject_name": ticket.subject_name,
        "place": ticket.place,
        "state": ticket.state,
        "active": ticket.active,
        "severity": str(ticket.severity),
        "reason": ticket.reason,
        "title": ticket.title,
        "occurred_at": ticket.occurred_at,
        "opened_at": ticket.opened_at,
        "updated_at": ticket.updated_at,
        "ended_at": ticket.ended_at,
        "count": ticket.count,
        "assignee": ticket.assignee,
        "fields_json": json_text(ticket.fields),
        "drill": ticket.drill,
        "revision": ticket.revision,
        "shelved_until": ticket.shelved_until,
        "maintenance": ticket.maintenance,
        "parent_id": ticket.parent_id,
    }


def by_id(connection: Connection, ticket_id: int) -> Ticket | None:
    """The ticket with this id."""
    return _found(connection, BY_ID, {"_id": ticket_id})


def reached(connection: Connection, ticket_id: int) -> frozenset[str]:
    """Names of the milestones of a ticket that stand."""
    return standing(milestones(connection, [ticket_id]).get(ticket_id, ()))


def milestones(connection: Connection, ticket_ids: Collection[int]) -> Mapping[int, Sequence[str]]:
    """Names of the milestones of each of these tickets, in the order in which they were reached."""
    found: dict[int, list[str]] = {}
    if not ticket_ids:
        return found
    for row in _REACHED.all(connection, {"_ids": list(ticket_ids)}):
        found.setdefault(row.ticket_id, []).append(row.name)
    return found


def active_of(connection: Connection, kind: str, subject: Subject) -> Ticket | None:
    """The active ticket of (kind, subject): the database knows at most one."""
    return _found(connection, _ACTIVE, _about(kind, subject))


def _about(kind: str, subject: Subject) -> dict[str, Any]:
    return {
        "_kind": str(kind),
        "_site": subject.site,
        "_subject_type": str(subject.type),
        "_subject_id": subject.id,
    }


def _found(connection: Connection, statement: Prepared, about: dict[str, Any]) -> Ticket | None:
    row = statement.one_or_none(connection, about)
    return None if row is None else ticket_of(row, reached(connection, row.id))


def below(connection: Connection, parent_id: int) -> list[Ticket]:
    """Tickets below this one, oldest first; milestones are not loaded."""
    return views(connection.execute(_BELOW, {"_id": parent_id}).all())


def active_below(connection: Connection, parent_id: int) -> int:
    """How many tickets below this one are active."""
    count: int = connection.execute(_ACTIVE_BELOW, {"_id": parent_id}).scalar_one()
    return count


def views(rows: Sequence[Row[Any]]) -> list[Ticket]:
    """Rows of TICKETS; milestones are not loaded."""
    return [ticket_of(row) for row in rows]


# --- writing ----------------------------------------------------------------------------------------------


def insert(connection: Connection, ticket: Ticket) -> int:
    """Store a new ticket; its id."""
    return int(_INSERT.scalar_one(connection, row_of(ticket)))


def update(connection: Connection, ticket: Ticket) -> None:
    """Store the ticket as it is now."""
    connection.execute(_UPDATE, row_of(ticket) | {"_id": ticket.id})


def enter(connection: Connection, ticket_id: int, entry: Entry, recorded_at: UtcMs, event_key: bytes | None) -> None:
    """Write an entry into the ticket's timeline."""
    row = (
        ticket_id,
        entry.entry,
        entry.name,
        entry.reason,
        entry.by,
        entry.occurred_at,
        recorded_at,
        entry.state_from,
        entry.state_to,
        json_text(entry.data),
        event_key,
    )
    _ENTER.run(connection, [row])


def reach(connection: Connection, ticket_id: int, names: Iterable[str], at: UtcMs, by: str) -> None:
    """Write down milestones that the ticket has reached."""
    _REACH.run(connection, [(ticket_id, name, at, by) for name in names])
