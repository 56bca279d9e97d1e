"""A door forced open, held open or tampered with is a ticket of its door controller; normal again, it is resolved.

The controller reports the alarm itself (ONVIF DoorAlarm, DoorTamper); this rule only keeps one ticket per controller and
says which doors. Source: contract.md, message `door`; domain/access.md 2.7, 5.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec

from hub.vocabulary.decisions import MoveTicket, RaiseTicket, Severity, TicketKind, Verdict
from hub.vocabulary.events import DoorEvent, DoorState, Event, Subject
from hub.vocabulary.facts import Facts
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.rule import Outcome


class DoorReason(StrEnum):
    """Why."""

    FORCED_OPEN = "forced_open"
    HELD_OPEN = "held_open"
    TAMPER = "tamper"
    DOOR_NORMAL = "door_normal"
    DOOR_LATE = "door_late"


SEVERITIES: Final = {
    DoorState.FORCED_OPEN: (DoorReason.FORCED_OPEN, Severity.HIGH),
    DoorState.TAMPER: (DoorReason.TAMPER, Severity.HIGH),
    DoorState.HELD_OPEN: (DoorReason.HELD_OPEN, Severity.MEDIUM),
}
ENDS: Final = {
    # A door that is shut again was not left open any longer; that nobody has opened its device only 'normal' says.
    DoorState.CLOSED: frozenset({DoorState.FORCED_OPEN, DoorState.HELD_OPEN}),
    DoorState.NORMAL: frozenset(SEVERITIES),
}


class DoorAlarmLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a site may switch off."""

    held_open: bool = True  # False: doors that stand open by day


class DoorAlarmState(msgspec.Struct, frozen=True, kw_only=True):
    """Doors of this controller that are in alarm, with the alarm."""

    alarms: dict[str, str] = {}


class DoorAlarm:
    """The rule. Subject: the controller."""

    name: str = "door_alarm"
    version: int = 1
    wants: tuple[type[Event], ...] = (DoorEvent,)
    state_type: type[msgspec.Struct] = DoorAlarmState
    limits_type: type[msgspec.Struct] = DoorAlarmLimits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """The controller."""
        return event.subject()

    def migrate(self, version: int, stored: dict[str, Any]) -> msgspec.Struct | None:
        """There is no older version."""
        return None

    def decide(self, event: Event, state: DoorAlarmState, facts: Facts, now: UtcMs) -> Outcome:
        """An alarm raises, the same one again counts; a door that is closed or normal again ends its own."""
        assert isinstance(event, DoorEvent)
        if event.late or not event.live:
            return Outcome(state, [Verdict(reason=DoorReason.DOOR_LATE, facts={"door": event.door})])
        if event.state in SEVERITIES and (event.state is not DoorState.HELD_OPEN or facts.limits.held_open):
            return self._alarm(event, state)
        if state.alarms.get(event.door) in ENDS.get(event.state, ()):
            return self._normal(event, state)
        return Outcome(state)

    def _alarm(self, event: DoorEvent, state: DoorAlarmState) -> Outcome:
        reason, severity = SEVERITIES[event.state]
        alarms = {**state.alarms, event.door: str(event.state)}
        raised = RaiseTicket(
            kind=TicketKind.DOOR_ALARM,
            subject=event.subject(),
            reason=reason,
            severity=severity,
            occurred_at=event.occurred_at,
            fields={"door": event.door, "doors": sorted(alarms)},
            evidence={"door": event.door, "state": str(event.state)},
        )
        return Outcome(state if alarms == state.alarms else DoorAlarmState(alarms=alarms), [raised])

    def _normal(self, event: DoorEvent, state: DoorAlarmState) -> Outcome:
        left = {door: alarm for door, alarm in state.alarms.items() if door != event.door}
        trigger = "note" if left else "recovered"
        moved = MoveTicket(
            kind=TicketKind.DOOR_ALARM,
            subject=event.subject(),
            trigger=trigger,
            reason=DoorReason.DOOR_NORMAL,
            occurred_at=event.occurred_at,
            evidence={"door": event.door, "still": sorted(left)},
        )
        return Outcome(DoorAlarmState(alarms=left), [moved])
