"""Tickets at a step-level rig: raise, act, read back. Short words for stories about what the control room does."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import select

from hub.store import schema
from hub.tickets import rows
from hub.tickets.lifecycle import Actor, Ticket
from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.roles import Role
from support.rig import SITE, Rig

OPERATOR = Actor("wang", frozenset({Role.CONTROL_ROOM}))
MANAGER = Actor("chen", frozenset({Role.DEPARTMENT_MANAGER}))
HOUSEKEEPER = Actor("zhao", frozenset({Role.HOUSEKEEPER}))
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


class Why(StrEnum):
    TEST = "test"


def about(device: str) -> Subject:
    return Subject(SITE, SubjectType.DEVICE, device)


SITE_SUBJECT = Subject(SITE, SubjectType.SITE, SITE)


def raise_ticket(rig: Rig, kind: str = "elevator_fault", device: str = "lift-1", **other: Any) -> Ticket:
    """As a rule does it."""
    values: dict[str, Any] = {
        "kind": TicketKind(kind),
        "subject": about(device),
        "reason": Why.TEST,
        "severity": Severity.MEDIUM,
        "occurred_at": rig.now,
    }
    raised = RaiseTicket(**(values | other))
    found: Ticket = rig.ask(lambda step: step.desk.raise_ticket(raised, "rule:test"))
    return found


def act(rig: Rig, ticket: Ticket | int, action: str, by: Actor = OPERATOR, **fields: Any) -> Ticket:
    key = ticket if isinstance(ticket, int) else ticket.id
    found: Ticket = rig.ask(lambda step: step.act(key, action, fields, by, None))
    return found


def ticket(rig: Rig, key: int = 1) -> Ticket:
    with rig.store.read() as connection:
        found = rows.by_id(connection, key)
    assert found is not None
    return found


def told(rig: Rig, state: str | None = None) -> list[tuple[str, str]]:
    """(template, audience) of the orders, in order; those in this state."""
    order = schema.notice_orders
    with rig.store.read() as connection:
        found = connection.execute(select(order).order_by(order.c.id)).all()
    return [(row.template, row.audience) for row in found if state in {None, row.state}]


def trail(rig: Rig, key: int = 1, *entries: str) -> list[tuple[str, str]]:
    """(name, reason) of the timeline, of these entries."""
    line = schema.ticket_timeline
    with rig.store.read() as connection:
        found = connection.execute(select(line).where(line.c.ticket_id == key).order_by(line.c.id)).all()
    return [(row.name, row.reason) for row in found if not entries or row.entry in entries]


def rows_of(rig: Rig, table: Any) -> list[Any]:
    with rig.store.read() as connection:
        return list(connection.execute(select(table).order_by(*table.primary_key.columns)))


def feed(rig: Rig, word: str) -> list[dict[str, Any]]:
    return [msgspec.json.decode(row.body) for row in rig.fed if row.type == word]
