"""One rescue at the desk, ticket 1, on a clock that the test moves: what people do, who was told what, and when."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import select

from hub.store import schema
from hub.store.database import Store
from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from support.desk import MINUTE, OPERATOR, SECOND
from support.rig import SITE, START, Rig, device

LIFT = Subject(SITE, SubjectType.DEVICE, "lift-1")

Told = list[tuple[float, str, str]]
"""(minutes from the start, template without its first word, audience)."""


class Why(StrEnum):
    TRAPPED = "trapped"


def rig_on(store: Store, now: int = START) -> Rig:
    return Rig(store, [], [device("lift-1"), device("lift-2")], now=now)


def alarm(rig: Rig, **other: Any) -> None:
    values: dict[str, Any] = {"severity": Severity.HIGH, "occurred_at": rig.now, "fields": {"floor": "7"}}
    raised = RaiseTicket(kind=TicketKind.ENTRAPMENT, subject=LIFT, reason=Why.TRAPPED, **(values | other))
    rig.ask(lambda step: step.raise_ticket(raised))


def act(rig: Rig, action: str, **fields: Any) -> Any:
    return rig.ask(lambda step: step.act(1, action, fields, OPERATOR, None))


def orders(rig: Rig) -> list[Any]:
    with rig.store.read() as connection:
        return list(connection.execute(select(schema.notice_orders).order_by(schema.notice_orders.c.id)))


def told(rig: Rig, since: int = 0) -> Told:
    """Who was told what, in order."""
    found = []
    for order in orders(rig)[since:]:
        minutes = round((order.created_at - START) / MINUTE, 2)
        found.append((minutes, order.template.removeprefix("entrapment_"), order.audience))
    return found


def ticket(rig: Rig) -> dict[str, Any]:
    with rig.store.read() as connection:
        row = connection.execute(select(schema.tickets).where(schema.tickets.c.id == 1)).one()
        return dict(row._mapping) | {"fields": msgspec.json.decode(row.fields_json)}


def clocks(rig: Rig) -> list[tuple[str, str, int]]:
    """What the clocks did: name, moment, when it fell due in seconds from the start."""
    line = schema.ticket_timeline.c
    with rig.store.read() as connection:
        rows = connection.execute(select(schema.ticket_timeline).where(line.entry == "clock").order_by(line.id)).all()
    return [(row.name, row.reason, (row.occurred_at - START) // SECOND) for row in rows]


REPORT: Told = [(0, "opened", "duty_supervisor"), (0, "opened", "department_manager")]
