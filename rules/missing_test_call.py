"""An elevator whose alarm has not tested itself for three days may not be able to call: a ticket, never a dispatch.

EN 81-28 wants an automatic test at least every 72 hours, and its absence is a fault (domain/elevator.md 1, 5 '72 h test
call'). Only elevators whose profile can report tests are watched. What a maintainer must keep: a test counts by the time at
which it happened, so one that arrives late counts if it is newer than the last.

The ticket shares kind and subject with `device_silent`, whose recovery would resolve it while tests are still missing:
so it is raised again every `repeat_h`, without counting up, until a test comes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec.structs import replace

from hub.vocabulary.decisions import (
    CancelTimer,
    Decision,
    MoveTicket,
    RaiseTicket,
    SetTimer,
    Severity,
    TicketKind,
    Verdict,
)
from hub.vocabulary.elevator import AlarmType
from hub.vocabulary.events import Clock, DeviceStatus, ElevatorAlarm, ElevatorState, Event, Subject, TimerFired
from hub.vocabulary.facts import DeviceKind, Facts
from hub.vocabulary.instants import HOUR_MS, SECOND_MS, UtcMs, iso
from hub.vocabulary.rule import Outcome

TIMER: Final = "test_call"


class TestCallReason(StrEnum):
    """Why a ticket was raised or moved, or not."""

    __test__ = False  # a word of the trade; pytest takes it for a test otherwise

    TEST_CALL_MISSING = "test_call_missing"
    TEST_CALL_RECEIVED = "test_call_received"
    TEST_CALL_NOT_EXPECTED = "test_call_not_expected"
    JUST_STARTED = "just_started"
    OLDER_THAN_THE_LAST = "older_than_the_last"


class MissingTestCallLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`test_call_h`: 0 switches the rule off."""

    test_call_h: Annotated[float, msgspec.Meta(ge=0, le=8_760)] = 72
    repeat_h: Annotated[float, msgspec.Meta(gt=0, le=8_760)] = 24
    start_grace_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 900  # for what arrives late after a start


class MissingTestCallState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one elevator's tests. `expected_ms` is the limit for which the timer stands; 0: none does."""

    first_heard: UtcMs = 0
    last_test: UtcMs = 0
    expected_ms: int = 0
    told: bool = False

    @property
    def since(self) -> UtcMs:
        """From when the time without a test is counted."""
        return max(self.first_heard, self.last_test)


class MissingTestCall:
    """The rule. Subject: the elevator."""

    name: str = "missing_test_call"
    version: int = 1
    wants: tuple[type[Event], ...] = (ElevatorAlarm, ElevatorState, DeviceStatus, TimerFired)
    state_type: type[msgspec.Struct] = MissingTestCallState
    limits_type: type[msgspec.Struct] = MissingTestCallLimits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """The elevator; a deadline is followed even when the profile expects no tests any more."""
        if isinstance(event, TimerFired):
            return event.about
        device = facts.device
        expecting = device is not None and device.expects_test_call and device.kind is DeviceKind.ELEVATOR
        return event.subject() if expecting else None

    def decide(self, event: Event, state: MissingTestCallState, facts: Facts, now: UtcMs) -> Outcome:
        """Count from what is heard, judge when the deadline falls due."""
        outcome = self._decide(event, state, facts, now)
        return Outcome(state, outcome.decisions) if outcome.state == state else outcome

    @staticmethod
    def _decide(event: Event, state: MissingTestCallState, facts: Facts, now: UtcMs) -> Outcome:
        expected_ms = _expected_ms(facts)
        if isinstance(event, TimerFired):
            return _due(event, state, facts, expected_ms, now)
        if isinstance(event, ElevatorAlarm) and event.type is AlarmType.TEST:
            return _tested(event, state, expected_ms)
        if state.first_heard and state.expected_ms == expected_ms:
            return Outcome(state)
        return _counting(event, replace(state, first_heard=state.first_heard or event.received_at), expected_ms)

    def migrate(self, version: int, stored: dict[str, Any]) -> msgspec.Struct | None:
        """There is no older version."""
        return None


def _expected_ms(facts: Facts) -> int:
    """Longest time between tests; 0 where none are expected."""
    device = facts.device
    if device is None or not device.expects_test_call:
        return 0
    limits: MissingTestCallLimits = facts.limits
    return round(limits.test_call_h * HOUR_MS)


def _counting(event: Event, state: MissingTestCallState, expected_ms: int) -> Outcome:
    """Set the deadline for the limit of today, or forget it where there is none any more."""
    new = replace(state, expected_ms=expected_ms)
    if expected_ms:
        return Outcome(new, (SetTimer(key=TIMER, due_at=state.since + expected_ms),))
    decisions: list[Decision] = [CancelTimer(key=TIMER)] if state.expected_ms else []
    if state.told:
        decisions.append(_recovered(event, TestCallReason.TEST_CALL_NOT_EXPECTED))
    return Outcome(replace(new, told=False), decisions)


def _tested(event: ElevatorAlarm, state: MissingTestCallState, expected_ms: int) -> Outcome:
    """A test: it clears what is told when it is recent enough, and moves the deadline."""
    undated = not event.live and event.clock is not Clock.DEVICE  # retained, without a time of its own: of any age
    if undated or event.occurred_at <= state.last_test:
        facts = {"occurred_at": event.occurred_at, "last_test": state.last_test}
        return Outcome(state, (Verdict(reason=TestCallReason.OLDER_THAN_THE_LAST, facts=facts),))
    tested = replace(state, first_heard=state.first_heard or event.received_at, last_test=event.occurred_at)
    outcome = _counting(event, tested, expected_ms)
    enough = event.received_at < tested.since + expected_ms
    if not (state.told and enough and expected_ms):
        return outcome
    recovered = _recovered(event, TestCallReason.TEST_CALL_RECEIVED)
    return Outcome(replace(outcome.state, told=False), (recovered, *outcome.decisions))


def _due(event: TimerFired, state: MissingTestCallState, facts: Facts, expected_ms: int, now: UtcMs) -> Outcome:
    """The deadline: raise, or wait on where a later test, another limit or a start has moved it."""
    if not expected_ms:
        return _counting(event, state, expected_ms)
    limits: MissingTestCallLimits = facts.limits
    ready_at = facts.started_at + round(limits.start_grace_s * SECOND_MS)
    due_at = state.since + expected_ms
    if now < due_at:
        return _counting(event, state, expected_ms)
    if now < ready_at:
        verdict = Verdict(reason=TestCallReason.JUST_STARTED, facts={"due_at": due_at, "ready_at": ready_at})
        return Outcome(replace(state, expected_ms=expected_ms), (SetTimer(key=TIMER, due_at=ready_at), verdict))
    again = SetTimer(key=TIMER, due_at=now + round(limits.repeat_h * HOUR_MS))
    return Outcome(replace(state, told=True, expected_ms=expected_ms), (_missing(event, state, limits), again))


def _missing(event: TimerFired, state: MissingTestCallState, limits: MissingTestCallLimits) -> RaiseTicket:
    last = iso(state.last_test) if state.last_test else None
    return RaiseTicket(
        kind=TicketKind.DEVICE_SILENT,
        subject=event.about,
        reason=TestCallReason.TEST_CALL_MISSING,
        severity=Severity.HIGH,
        occurred_at=state.since,
        fields={"last_test_at": last, "test_call_h": limits.test_call_h},
        evidence={"last_test_at": last, "first_heard_at": iso(state.first_heard), "test_call_h": limits.test_call_h},
        count=False,
    )


def _recovered(event: Event, reason: TestCallReason) -> MoveTicket:
    return MoveTicket(
        kind=TicketKind.DEVICE_SILENT,
        subject=event.subject(),
        trigger="recovered",
        reason=reason,
        occurred_at=event.occurred_at,
    )
