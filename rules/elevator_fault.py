"""`elevator_fault`: what is wrong with an elevator while nobody is trapped. One ticket per lift, over when all its faults are.

Faults come three ways: as messages, as standing bits, and inferred by the entrapment rule (an empty car between floors).
What a maintainer must keep: a first poll after a start is a baseline and ends nothing; in inspection faults are expected and
raise nothing until the car is given back; a message that is stale or not live is no news.
Source: domain/elevator.md 2.2, 2.6 (baseline, inspection), 5.

Severities [decided here, to be checked by an elevator professional]: what can crush or drop somebody is critical; what stops
the car or opens its safety circuit is high; a monitor's own trouble is low, a maintenance ticket.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec

from hub.vocabulary.decisions import Decision, MoveTicket, RaiseTicket, Severity, TicketKind, Verdict
from hub.vocabulary.elevator import AlarmState, AlarmType, ElevatorFault, Power, ServiceMode
from hub.vocabulary.events import (
    ElevatorAlarm,
    ElevatorState,
    Event,
    InferredFault,
    Subject,
    TicketMoved,
)
from hub.vocabulary.facts import DeviceKind, Facts
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.rule import Outcome
from rules.standing import Standing, recent_adds

NAME: Final = "elevator_fault"
REMEMBERED_FAULTS: Final = 24
REMEMBERED_KEYS: Final = 16


class FaultReason(StrEnum):
    """Reasons beside the fault words themselves, and why nothing was raised."""

    POWER_LOST = "power_lost"
    RECOVERED = "recovered"
    INSPECTION = "inspection"
    NOT_LIVE = "not_live"
    BASELINE = "baseline"
    STALE_CLEAR = "stale_clear"
    AMBIGUOUS_CLEAR = "ambiguous_clear"  # a clear that names no fault while several stand
    DUPLICATE = "duplicate"
    LATE_STATE = "late_state"


class Via(StrEnum):
    """How a fault is known; the same word may stand in several ways at once."""

    MESSAGE = "message"
    BIT = "bit"
    INFERRED = "inferred"


SEVERITIES: Final[dict[str, Severity]] = {
    ElevatorFault.UNINTENDED_MOVEMENT: Severity.CRITICAL,
    ElevatorFault.DOOR_OPEN_OUTSIDE_ZONE: Severity.CRITICAL,
    ElevatorFault.MOVING_DOOR_OPEN: Severity.CRITICAL,
    ElevatorFault.OVERSPEED: Severity.CRITICAL,
    ElevatorFault.TOP_OVERRUN: Severity.HIGH,
    ElevatorFault.BOTTOM_OVERRUN: Severity.HIGH,
    ElevatorFault.SAFETY_CIRCUIT: Severity.HIGH,
    ElevatorFault.STOPPED_OUTSIDE_ZONE: Severity.HIGH,
    ElevatorFault.RUN_TIME_LIMIT: Severity.HIGH,
    ElevatorFault.DOOR_CYCLING: Severity.LOW,
    ElevatorFault.DOOR_OPEN_TOO_LONG: Severity.LOW,
    ElevatorFault.SENSOR: Severity.LOW,
}
"""Everything else is medium."""


class ElevatorFaultLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Adds per minute from which a fault is said to chatter (ISA-18.2 style, domain/elevator.md 1.4)."""

    chatter_count: int = 3


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault by `word` and `via`. Messages are ordered in the device's time; `told`: it is on a ticket, or was in inspection."""

    word: str
    via: Via
    code: str | None = None
    held: Standing = Standing()
    told: bool = False
    adds: tuple[UtcMs, ...] = ()


class ElevatorFaultState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one elevator."""

    mode: ServiceMode = ServiceMode.UNKNOWN
    power: Power = Power.UNKNOWN  # as the last state showed it
    faults: tuple[Fault, ...] = ()
    open: bool = False
    recent: tuple[str, ...] = ()

    @property
    def standing(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.held.stands)


class ElevatorFaultRule:
    """The rule, as `hub.vocabulary.rule.Rule` wants it."""

    name = NAME
    version = 1
    wants: tuple[type[Event], ...] = (ElevatorAlarm, ElevatorState, InferredFault, TicketMoved)
    state_type: type[msgspec.Struct] = ElevatorFaultState
    limits_type: type[msgspec.Struct] = ElevatorFaultLimits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """The elevator."""
        if isinstance(event, TicketMoved):
            return event.subject() if event.kind == TicketKind.ELEVATOR_FAULT else None
        if isinstance(event, ElevatorAlarm) and event.type not in {AlarmType.FAULT, AlarmType.POWER_LOST}:
            return None
        return event.subject() if facts.device is not None and facts.device.kind is DeviceKind.ELEVATOR else None

    def decide(self, event: Event, state: ElevatorFaultState, facts: Facts, now: UtcMs) -> Outcome:
        """Decide; `now` is not used, so that a replay decides the same."""
        step = _Step(event, state, facts.limits)
        match event:
            case ElevatorState():
                _on_state(step, event)
            case ElevatorAlarm():
                _on_alarm(step, event)
            case InferredFault():
                _hold(step, event.fault.value, Via.INFERRED, came=event.present, facts=event.facts)
            case TicketMoved():
                step.set(open=event.active)
        if not isinstance(event, TicketMoved):
            _settle(step)
        return Outcome(state if step.state == state else step.state, step.decisions)

    def migrate(self, version: int, stored: dict[str, Any]) -> ElevatorFaultState | None:
        """No older version exists."""
        return None


class _Step:
    """One evaluation: the state as it becomes, and the decisions in order."""

    def __init__(self, event: Event, state: ElevatorFaultState, limits: ElevatorFaultLimits) -> None:
        self.event = event
        self.given = self.state = state
        self.limits = limits
        self.decisions: list[Decision] = []
        self.evidence: dict[str, Any] = {}

    def set(self, **changes: Any) -> None:
        self.state = msgspec.structs.replace(self.state, **changes)

    def why_not(self, reason: FaultReason, **facts: Any) -> None:
        self.decisions.append(Verdict(reason=reason, facts=facts))

    def fault(self, word: str, via: Via, code: str | None) -> Fault:
        """The fault as remembered; faults without a word of ours are told apart by the vendor's code."""
        for fault in self.state.faults:
            if (fault.word, fault.via) == (word, via) and (word != ElevatorFault.OTHER or fault.code == code):
                return fault
        return Fault(word=word, via=via, code=code)

    def keep(self, old: Fault, new: Fault) -> None:
        """Put `new` in the place of `old`; of faults that are over only the last ones are remembered."""
        others = tuple(fault for fault in self.state.faults if fault != old)
        spare = max(len(others) + 1 - REMEMBERED_FAULTS, 0)
        over = [fault for fault in others if not fault.held.stands][:spare]
        self.set(faults=(*(fault for fault in others if fault not in over), new))


def _on_state(step: _Step, event: ElevatorState) -> None:
    if event.late:
        step.why_not(FaultReason.LATE_STATE)
        return
    step.set(mode=event.service_mode)
    shown = None if event.faults is None else {fault.value for fault in event.faults}
    for word in sorted(shown or ()):
        _hold(step, word, Via.BIT, came=True, code=event.code)
    if event.power is Power.OUTAGE:
        # Some devices can only say 'outage' or nothing: the bit that comes again is news though nobody said 'mains'.
        _hold(step, FaultReason.POWER_LOST, Via.BIT, came=True, again=step.state.power is not Power.OUTAGE)
    step.set(power=event.power)
    gone = [fault for fault in step.state.standing if _is_gone(fault, shown, event.power)]
    if gone and not event.live:
        step.why_not(FaultReason.BASELINE, standing=[fault.word for fault in gone])
        return
    for fault in gone:
        _hold(step, fault.word, fault.via, came=False, code=fault.code)


def _is_gone(fault: Fault, shown: set[str] | None, power: Power) -> bool:
    """Whether the state says that this fault is over. Mains ends an outage however it was announced."""
    if fault.word == FaultReason.POWER_LOST:
        return power is Power.MAINS
    return fault.via is Via.BIT and shown is not None and fault.word not in shown


def _on_alarm(step: _Step, event: ElevatorAlarm) -> None:
    word = FaultReason.POWER_LOST.value if event.type is AlarmType.POWER_LOST else (event.fault or ElevatorFault.OTHER)
    if not event.live:
        step.why_not(FaultReason.NOT_LIVE, fault=word)
        return
    if event.source_key and event.source_key in step.state.recent:
        step.why_not(FaultReason.DUPLICATE, fault=word)
        return
    if event.source_key:
        step.set(recent=(*step.state.recent, event.source_key)[-REMEMBERED_KEYS:])
    code = event.code
    if event.state is AlarmState.CLEAR and word == ElevatorFault.OTHER and code is None:
        named = _only_standing_message(step)
        if named is None:
            return
        word, code = named.word, named.code
    step.evidence = {"floor": event.floor, "detail": event.detail}
    _hold(step, str(word), Via.MESSAGE, came=event.state is AlarmState.ADD, code=code)


def _only_standing_message(step: _Step) -> Fault | None:
    """What a clear without a name means: the only fault there is. Of several nobody knows which one."""
    standing = [fault for fault in step.state.standing if fault.via is Via.MESSAGE]
    if len(standing) == 1:
        return standing[0]
    if standing:
        step.why_not(FaultReason.AMBIGUOUS_CLEAR, standing=[fault.word for fault in standing])
    return None


def _hold(
    step: _Step,
    word: str,
    via: Via,
    *,
    came: bool,
    again: bool = False,
    code: str | None = None,
    facts: dict[str, Any] | None = None,
) -> None:
    """Remember that a fault came or went. A bit that was up already is no add, unless it came `again`."""
    old = step.fault(word, via, code)
    at = step.event.occurred_at
    step.evidence |= facts or {}
    if came and (again or via is Via.MESSAGE or not old.held.stands):
        adds = recent_adds(old.adds, step.event.received_at, step.limits.chatter_count)
        step.keep(old, msgspec.structs.replace(old, held=old.held.added(at), code=code, told=False, adds=adds))
    elif not came and old.held.is_stale_clear(at):
        step.why_not(FaultReason.STALE_CLEAR, fault=word)
    elif not came:
        step.keep(old, msgspec.structs.replace(old, held=old.held.cleared(at)))


def _settle(step: _Step) -> None:
    """Tell what is new; recovered when nothing stands any more."""
    untold = [fault for fault in step.state.faults if fault.adds and not fault.told]
    if untold and step.state.mode is ServiceMode.INSPECTION:
        if step.state.faults != step.given.faults:
            step.why_not(FaultReason.INSPECTION, faults=[fault.word for fault in untold])
        _forget_over(step, untold)
        return
    for fault in untold:
        _tell(step, fault)
    if step.state.open and not step.state.standing:
        step.set(open=False)
        step.decisions.append(
            MoveTicket(
                kind=TicketKind.ELEVATOR_FAULT,
                subject=step.event.subject(),
                trigger="recovered",
                reason=FaultReason.RECOVERED,
                occurred_at=step.event.occurred_at,
                evidence=step.evidence,
            )
        )


def _forget_over(step: _Step, untold: list[Fault]) -> None:
    """A fault that came and went in inspection was the technician's doing."""
    for fault in untold:
        if not fault.held.stands:
            step.keep(fault, msgspec.structs.replace(fault, told=True))


def _tell(step: _Step, fault: Fault) -> None:
    fields: dict[str, Any] = {"fault": fault.word, "code": fault.code, "floor": step.evidence.get("floor")}
    fields["faults"] = sorted({each.word for each in step.state.standing})
    if len(fault.adds) >= step.limits.chatter_count:
        fields["chatter"] = True
    if step.event.late:
        fields["late"] = True
    known = any(each.word == fault.word and each.told for each in step.state.standing if each is not fault)
    step.decisions.append(
        RaiseTicket(
            kind=TicketKind.ELEVATOR_FAULT,
            subject=step.event.subject(),
            reason=_reason(fault.word),
            severity=SEVERITIES.get(fault.word, Severity.MEDIUM),
            occurred_at=step.event.occurred_at,
            fields=fields,
            evidence=step.evidence | {"via": fault.via.value, "mode": step.state.mode.value},
            count=not known,  # the same fault, told in another way
        )
    )
    step.set(open=True)
    step.keep(fault, msgspec.structs.replace(fault, told=True))


def _reason(word: str) -> StrEnum:
    return FaultReason.POWER_LOST if word == FaultReason.POWER_LOST else ElevatorFault(word)
