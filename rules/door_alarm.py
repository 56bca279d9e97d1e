"""Trouble at a door is a ticket of its controller: forced, held, tampered with, somebody threatened, one card tried again and again.

Door states end by themselves when the door says so; dangers and tried cards end only when a person has looked; dangers send
the guards at once. A fact that comes late is history and no alarm. Source: contract.md, message `door`; domain/access.md 2.7, 5; GB 50396 5.1.5 (tries).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec

from hub.vocabulary.access import AccessReason, Danger, DoorDanger
from hub.vocabulary.decisions import Audience, MoveTicket, Notify, RaiseTicket, Severity, TicketKind, Urgency, Verdict
from hub.vocabulary.events import AccessEvent, AccessResult, DoorEvent, DoorState, Event, Subject, TicketMoved
from hub.vocabulary.facts import Facts
from hub.vocabulary.instants import MINUTE_MS, SECOND_MS, DurationMs, UtcMs
from hub.vocabulary.rule import Outcome


class DoorReason(StrEnum):
    """Why."""

    FORCED_OPEN = "forced_open"
    HELD_OPEN = "held_open"
    TAMPER = "tamper"
    DURESS = "duress"
    FIRE = "fire"
    EMERGENCY = "emergency"
    REPEATED_DENIAL = "repeated_denial"
    DOOR_NORMAL = "door_normal"
    DOOR_LATE = "door_late"


SEVERITIES: Final = {
    DoorState.FORCED_OPEN: (DoorReason.FORCED_OPEN, Severity.HIGH),
    DoorState.TAMPER: (DoorReason.TAMPER, Severity.HIGH),
    DoorState.HELD_OPEN: (DoorReason.HELD_OPEN, Severity.MEDIUM),
}
DANGERS: Final = {
    Danger.DURESS: DoorReason.DURESS,
    Danger.FIRE: DoorReason.FIRE,
    Danger.EMERGENCY: DoorReason.EMERGENCY,
}
ENDS: Final = {
    # A door that is shut again was not left open any longer; that nobody has opened its device only 'normal' says.
    DoorState.CLOSED: frozenset({DoorState.FORCED_OPEN, DoorState.HELD_OPEN}),
    DoorState.NORMAL: frozenset(SEVERITIES),
}
SENT_AGAIN_AFTER_MS: Final[DurationMs] = 10 * MINUTE_MS
"""Within it one danger at one door sends the guards once."""
CARDS_WATCHED: Final = 50  # a stranger with a bag of cards must not fill the state
TAIL: Final = 4
UNKNOWN_CARD: Final = "unknown_card"


class DoorAlarmLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a site may switch off or set. `denials` of one card at one controller within `denials_within_s`; 0: never."""

    held_open: bool = True  # False: doors that stand open by day
    denials: int = 5
    denials_within_s: int = 600


class DoorAlarmState(msgspec.Struct, frozen=True, kw_only=True):
    """Doors of this controller that are in alarm, with the alarm; what only a person ends stands under `door:reason`.

    `denied`: card → when it was refused lately.
    """

    alarms: dict[str, str] = {}
    denied: dict[str, tuple[UtcMs, ...]] = {}


class DoorAlarm:
    """The rule. Subject: the controller."""

    name: str = "door_alarm"
    version: int = 1
    wants: tuple[type[Event], ...] = (DoorEvent, DoorDanger, AccessEvent, TicketMoved)
    state_type: type[msgspec.Struct] = DoorAlarmState
    limits_type: type[msgspec.Struct] = DoorAlarmLimits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """The controller; nothing for tickets of other kinds."""
        if isinstance(event, TicketMoved) and event.kind != TicketKind.DOOR_ALARM:
            return None
        return event.subject()

    def migrate(self, version: int, stored: dict[str, Any]) -> msgspec.Struct | None:
        """There is no older version."""
        return None

    def decide(self, event: Event, state: DoorAlarmState, facts: Facts, now: UtcMs) -> Outcome:
        """An alarm raises, the same one again counts; a door that is closed or normal again ends its own."""
        if isinstance(event, TicketMoved):
            return Outcome(state if event.active else _looked_at(state))
        assert isinstance(event, DoorEvent | DoorDanger | AccessEvent)
        if event.late or not event.live:
            notable = not isinstance(event, AccessEvent)
            return Outcome(state, [Verdict(reason=DoorReason.DOOR_LATE, facts={"door": event.door})] if notable else [])
        if isinstance(event, AccessEvent):
            return _access(event, state, facts)
        if isinstance(event, DoorDanger):
            return _danger(event, event.door, DANGERS[event.danger], state, facts)
        if event.state in SEVERITIES and (event.state is not DoorState.HELD_OPEN or facts.limits.held_open):
            reason, severity = SEVERITIES[event.state]
            return _alarm(event, event.door, event.door, reason, severity, state)
        if state.alarms.get(event.door) in ENDS.get(event.state, ()):
            return _normal(event, state)
        return Outcome(state)


def _access(event: AccessEvent, state: DoorAlarmState, facts: Facts) -> Outcome:
    limits: DoorAlarmLimits = facts.limits
    if event.reason == AccessReason.DURESS:
        return _danger(event, event.door, DoorReason.DURESS, state, facts)
    # A reader may leave the number out: then it is the door that is tried.
    card = f"{event.door} {UNKNOWN_CARD}" if event.card is None else f"{event.card.format} {event.card.value}"
    if not limits.denials or (event.card is None and event.result is AccessResult.GRANTED):
        return Outcome(state)
    if event.result is AccessResult.GRANTED:
        # Only tries in a row are a try-out.
        left = {key: times for key, times in state.denied.items() if key != card}
        return Outcome(state if len(left) == len(state.denied) else msgspec.structs.replace(state, denied=left))
    since = event.received_at - limits.denials_within_s * SECOND_MS
    recent = {key: times for key, times in state.denied.items() if times[-1] > since}
    times = (*(at for at in recent.pop(card, ()) if at > since), event.received_at)[-limits.denials :]
    recent = dict(list(recent.items())[-CARDS_WATCHED:]) | {card: times}
    state = msgspec.structs.replace(state, denied=recent)
    if len(times) < limits.denials:
        return Outcome(state)
    key = f"{event.door}:{DoorReason.REPEATED_DENIAL}"
    shown = UNKNOWN_CARD if event.card is None else f"…{card[-TAIL:]}"
    more = {"card": shown, "denials": len(times), "card_reason": event.reason or ""}
    return _alarm(event, event.door, key, DoorReason.REPEATED_DENIAL, Severity.MEDIUM, state, more)


def _danger(event: Event, door: str, reason: DoorReason, state: DoorAlarmState, facts: Facts) -> Outcome:
    outcome = _alarm(event, door, f"{door}:{reason}", reason, Severity.CRITICAL, state)
    device = facts.device
    guards = Notify(
        key=f"{reason}/{door}/{event.received_at // SENT_AGAIN_AFTER_MS}",
        subject=event.subject(),
        audience=Audience.SECURITY,
        template=f"door_{reason}",
        params={
            "door": door,
            "place": (device.place if device is not None else "") or None,
            "controller": device.name if device is not None else event.device,
        },
        urgency=Urgency.CRITICAL,
        kind=TicketKind.DOOR_ALARM,
    )
    return Outcome(outcome.state, [*outcome.decisions, guards])


def _alarm(
    event: Event,
    door: str,
    key: str,
    reason: DoorReason,
    severity: Severity,
    state: DoorAlarmState,
    more: dict[str, Any] | None = None,
) -> Outcome:
    alarms = {**state.alarms, key: str(reason)}
    raised = RaiseTicket(
        kind=TicketKind.DOOR_ALARM,
        subject=event.subject(),
        reason=reason,
        severity=severity,
        occurred_at=event.occurred_at,
        fields={"door": door, "doors": sorted({each.partition(":")[0] for each in alarms}), **(more or {})},
        evidence={"door": door, "state": str(reason), **(more or {})},
    )
    return Outcome(state if alarms == state.alarms else msgspec.structs.replace(state, alarms=alarms), [raised])


def _normal(event: DoorEvent, state: DoorAlarmState) -> Outcome:
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
    return Outcome(msgspec.structs.replace(state, alarms=left), [moved])


def _looked_at(state: DoorAlarmState) -> DoorAlarmState:
    """A person has closed the ticket: what only a person ends is over, and cards are counted anew."""
    left = {key: alarm for key, alarm in state.alarms.items() if ":" not in key}
    if left == state.alarms and not state.denied:
        return state
    return DoorAlarmState(alarms=left)
