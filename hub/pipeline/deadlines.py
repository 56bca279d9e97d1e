"""Deadlines of the hub itself, not of a rule: one table by the name under which the timer was set.

Runs inside steps. A deadline is a row: it fires once, in order, also when it fell due while the hub was down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from hub.pipeline import suppression_desk
from hub.pipeline.timers import TimerKey
from hub.tickets import suppression_rows
from hub.tickets.desk import Desk
from hub.vocabulary.events import Event, Subject, SubjectType
from hub.vocabulary.instants import UtcMs

if TYPE_CHECKING:
    from hub.pipeline.step import Step

CLOCK: Final = "clock"
"""The rule name of the tickets' clocks among the timers; the key is `ticket:clock`."""


def _clock(step: Step, key: TimerKey, due_at: UtcMs) -> None:
    ticket_id, _, clock = key.key.partition(":")
    step.desk.fall_due(int(ticket_id), clock, due_at)


def _suppression(step: Step, key: TimerKey, due_at: UtcMs) -> None:
    suppression_desk.fall_due(step, int(key.key))


OWN: Final[Mapping[str, Callable[[Step, TimerKey, UtcMs], None]]] = {
    CLOCK: _clock,
    suppression_rows.RULE: _suppression,
}


def own_deadlines(desk: Desk) -> dict[TimerKey, UtcMs | None]:
    """What the desk's work of this step sets (None: forgets) among the timers."""
    found: dict[TimerKey, UtcMs | None] = {}
    for timer in desk.timers:
        subject = Subject(timer.site, SubjectType.SITE, timer.site)
        found[TimerKey(CLOCK, subject, f"{timer.ticket_id}:{timer.clock}")] = timer.due_at
    for each in desk.quiet.deadlines:
        subject = Subject(each.site, SubjectType.SITE, each.site)
        found[TimerKey(suppression_rows.RULE, subject, str(each.suppression))] = each.due_at
    return found


def goes_before(key: TimerKey, urgent: Sequence[Event]) -> bool:
    """Whether this deadline, which has fallen due, is to be decided before these alarms; if not, it does not hold them up.

    A rule hears of what happened in the order in which it happened, so that whatever may concern the same device goes before.
    Clocks of tickets wait: they tell people that nobody came, and no rule asks for them.
    """
    if key.rule == CLOCK:
        return False
    subject = key.subject
    return any(
        event.site == subject.site and (subject.type is not SubjectType.DEVICE or event.device == subject.id)
        for event in urgent
    )


def fire(step: Step, key: TimerKey, due_at: UtcMs) -> bool:
    """Do what fell due; False where the deadline is a rule's."""
    own = OWN.get(key.rule)
    if own is None:
        return False
    own(step, key, due_at)
    return True
