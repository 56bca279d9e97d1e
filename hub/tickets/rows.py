"""Tickets as rows: reading one back, writing what a move left behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, select

from hub.store.schema import ticket_milestones, tickets
from hub.tickets.lifecycle import Ticket, standing
from hub.vocabulary.decisions import Severity
from hub.vocabulary.events import Subject, SubjectType

_decode_json = msgspec.json.Decoder().decode


def json_text(value: Any) -> str:
    """Compact JSON text of a plain value or struct."""
    return msgspec.json.encode(value).decode()


def ticket_of(row: Row[Any], milestones: frozenset[str] = frozenset()) -> Ticket:
    """A row of `tickets` as a value."""
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
        count=row._mapping["count"],  # noqa: SLF001  a row is a tuple, and tuples count
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


def find(connection: Connection, statement: Select[Any]) -> Ticket | None:
    """The one ticket that a select on `tickets` yields, with its milestones; None where there is none."""
    row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    return ticket_of(row, reached(connection, row.id))


def with_milestones(connection: Connection, ticket_id: int) -> Ticket:
    """The ticket with this id, which exists."""
    row = connection.execute(select(tickets).where(tickets.c.id == ticket_id)).one()
    return ticket_of(row, reached(connection, ticket_id))


def reached(connection: Connection, ticket_id: int) -> frozenset[str]:
    """Names of the milestones of a ticket that stand."""
    statement = select(ticket_milestones.c.name).where(ticket_milestones.c.ticket_id == ticket_id)
    return standing(connection.execute(statement.order_by(ticket_milestones.c.id)).scalars())


def active_of(connection: Connection, kind: str, subject: Subject) -> Ticket | None:
    """The active ticket of (kind, subject): the database knows at most one."""
    return find(
        connection,
        select(tickets).where(
            tickets.c.kind == kind,
            tickets.c.site == subject.site,
            tickets.c.subject_type == str(subject.type),
            tickets.c.subject_id == subject.id,
            tickets.c.active,
        ),
    )


def below(connection: Connection, parent_id: int) -> list[Ticket]:
    """Tickets below this one, oldest first; milestones are not loaded."""
    found = select(tickets).where(tickets.c.parent_id == parent_id).order_by(tickets.c.id)
    return views(connection.execute(found).all())


def views(rows: Sequence[Row[Any]]) -> list[Ticket]:
    """Rows of a list; milestones are not loaded."""
    return [ticket_of(row) for row in rows]
