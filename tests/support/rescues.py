"""Rescues told with short words: real rules and desk on a real database, step by step, with a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import select

from hub.store import schema
from hub.store.database import Store
from hub.tickets.lifecycle import Actor
from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.facts import SiteFacts
from hub.vocabulary.instants import MINUTE_MS, SECOND_MS, UtcMs
from hub.vocabulary.roles import Role
from rules import RULES
from support.cars import LIFT, boarded, press, state
from support.rig import SITE, Rig, device
from support.timeline import T0

OPERATOR = Actor("wang", frozenset({Role.CONTROL_ROOM}))


class Called(StrEnum):
    """Reason of what people report by telephone."""

    BY_TELEPHONE = "by_telephone"


class Story:
    """Elevators of one site over the real rules, with short words for what people do."""

    def __init__(self, store: Store, *lifts: str, now: UtcMs = T0 - MINUTE_MS, timezone: str = "Asia/Shanghai") -> None:
        self.store = store
        self.lifts = [device(lift) for lift in lifts or (LIFT,)]
        self.sites = [SiteFacts(id=SITE, name="湖畔花园", timezone=timezone, locale="zh-CN")]
        self.rig = Rig(store, RULES, self.lifts, now=now, sites=self.sites)

    def hear(self, *events: Any) -> Story:
        """These arrive, each at its time; deadlines before them fire first."""
        for event in events:
            self.until(event.received_at)
            self.rig.take(event)
        return self

    def until(self, moment: UtcMs) -> Story:
        """Every deadline at its moment."""
        while (due := self.rig.core.timers.next_due()) is not None and due <= moment:
            self.rig.now = max(self.rig.now, due)
            self.rig.engine.step([])
        self.rig.now = max(self.rig.now, moment)
        return self

    def wait(self, ms: int) -> Story:
        return self.until(self.rig.now + ms)

    def act(self, action: str, ticket: int = 1, **fields: Any) -> Any:
        return self.rig.ask(lambda step: step.act(ticket, action, fields, OPERATOR, None))

    def rescue(self, *actions: str, ticket: int = 1) -> Story:
        for action in actions:
            self.act(action, ticket)
        return self

    def by_hand(self, lift: str = LIFT, **fields: Any) -> int:
        raised = RaiseTicket(
            kind=TicketKind.ENTRAPMENT, subject=Subject(SITE, SubjectType.DEVICE, lift), reason=Called.BY_TELEPHONE,
            severity=Severity.CRITICAL, occurred_at=self.rig.now, fields=fields,
        )  # fmt: skip
        return int(self.rig.ask(lambda step: step.open_by_hand(raised, OPERATOR)).id)

    def restart(self) -> Story:
        self.rig = Rig(self.store, RULES, self.lifts, now=self.rig.now, sites=self.sites)
        return self

    def cases(self) -> list[dict[str, Any]]:
        with self.store.read() as connection:
            rows = connection.execute(select(schema.tickets).order_by(schema.tickets.c.id)).all()
        found = [dict(row._mapping) | {"fields": msgspec.json.decode(row.fields_json)} for row in rows]
        return [row for row in found if row["kind"] == "entrapment"]

    def case(self) -> dict[str, Any]:
        (found,) = self.cases()
        return found

    def timeline(self, ticket: int = 1) -> list[Any]:
        line = schema.ticket_timeline.c
        with self.store.read() as connection:
            return list(
                connection.execute(
                    select(schema.ticket_timeline).where(line.ticket_id == ticket).order_by(line.id)
                ).all()
            )

    def clocks(self) -> list[tuple[str, str, UtcMs]]:
        """(clock, moment, when it fell due)."""
        return [(row.name, row.reason, row.occurred_at) for row in self.timeline() if row.entry == "clock"]


_EVENTS = (*boarded(), state(0, door_zone=False, passenger=True), press(3))
_ACTIONS: tuple[tuple[int, str, dict[str, Any]], ...] = (  # seconds after the one before
    (70, "acknowledge", {}),
    (200, "voice_contact", {}),
    (10, "people", {"inside": 1}),
    (400, "guard_sent", {}),
    (5, "confirm", {}),
    (700, "guard_arrived", {}),
    (1, "firm_told", {}),
    (600, "firm_answered", {}),
    (2_000, "technician_arrived", {}),
    (900, "release", {"people_out": 1}),
    (1_000, "welfare", {}),
    (90_000, "report", {}),
    (60, "close", {}),
)
LENGTH = len(_EVENTS) + len(_ACTIONS)


def play(story: Story, begin: int = 0, before_each: Callable[[int], None] = lambda number: None) -> None:
    """A rescue in which most things are late, from its `begin`th step on. What has been done already is not done again."""
    at_ms = _EVENTS[-1].received_at
    for number in range(LENGTH):
        if number < len(_EVENTS):
            if number >= begin:
                before_each(number)
                story.hear(_EVENTS[number])
            continue
        after_s, action, fields = _ACTIONS[number - len(_EVENTS)]
        at_ms += after_s * SECOND_MS
        if number >= begin:
            before_each(number)
            story.until(at_ms)
            if not any(row.entry == "action" and row.name == action for row in story.timeline()):
                story.act(action, **fields)


class Outcome(msgspec.Struct, frozen=True):
    """What a rescue left behind: its deadlines (clock, moment, when due) and who was told what when, in order."""

    clocks: list[tuple[str, str, UtcMs]]
    told: list[tuple[str, str, UtcMs]]
    actions: list[str]


def outcome(story: Story) -> Outcome:
    """As the database has it."""
    with story.store.read() as connection:
        order = schema.notice_orders.c
        rows = connection.execute(select(order.template, order.audience, order.created_at).order_by(order.id)).all()
    actions = [row.name for row in story.timeline() if row.entry == "action"]
    return Outcome(story.clocks(), [(row[0], row[1], row[2]) for row in rows], actions)
