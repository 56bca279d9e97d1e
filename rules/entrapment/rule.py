"""`entrapment`: somebody is, or may be, trapped in an elevator. One incident per lift, from button, device, state and silence.

What a maintainer must keep: unknown is never empty and never fine; the alarm button is never suppressed; nothing but people
closes an incident; comms loss and late data change no state; every conclusion carries its word (reasons.py).
Source: domain/elevator.md 3.2, 3.3 and 5; severities and readings that the source leaves open are decided in situation.py,
button.py and occupancy.py, each in its first lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from hub.vocabulary.decisions import Derive, TicketKind
from hub.vocabulary.elevator import AlarmState, AlarmType, ServiceMode
from hub.vocabulary.events import (
    DeviceStatus,
    EarthquakeStop,
    ElevatorAlarm,
    ElevatorState,
    Event,
    Subject,
    SubjectType,
    TicketMoved,
    TimerFired,
    Unreachable,
)
from hub.vocabulary.facts import DeviceKind, Facts
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.press_tests import PressTestDeclared
from hub.vocabulary.rule import Outcome
from rules.entrapment import button, press_test, signals, watching
from rules.entrapment.car import Car, seen
from rules.entrapment.limits import EntrapmentLimits
from rules.entrapment.occupancy import latch
from rules.entrapment.reasons import Move, Why
from rules.entrapment.state import EntrapmentState, Incident
from rules.entrapment.step import Step
from rules.standing import Standing

NAME: Final = "entrapment"
REMEMBERED_KEYS: Final = 16


class Entrapment:
    """The rule, as `hub.vocabulary.rule.Rule` wants it."""

    name = NAME
    version = 1
    wants: tuple[type[Event], ...] = (
        ElevatorAlarm,
        ElevatorState,
        DeviceStatus,
        Unreachable,
        TimerFired,
        TicketMoved,
        PressTestDeclared,
    )
    state_type: type[msgspec.Struct] = EntrapmentState
    limits_type: type[msgspec.Struct] = EntrapmentLimits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """The elevator; None for other devices, other rules' timers, and tickets of other kinds."""
        subject = event.subject()
        if subject.type is not SubjectType.DEVICE:
            return None
        if isinstance(event, TimerFired):
            return subject if event.rule == NAME else None
        if isinstance(event, TicketMoved):
            return subject if event.kind == TicketKind.ENTRAPMENT else None
        return subject if facts.device is not None and facts.device.kind is DeviceKind.ELEVATOR else None

    def decide(self, event: Event, state: EntrapmentState, facts: Facts, now: UtcMs) -> Outcome:
        """Decide; `now` is not used: durations run from the event's `received_at`, so that a replay decides the same."""
        step = Step(event, state, facts)
        match event:
            case ElevatorState():
                _on_state(step, event)
            case ElevatorAlarm():
                _on_alarm(step, event)
            case TimerFired():
                _on_timer(step, event)
            case DeviceStatus():
                signals.on_status(step, event)
            case Unreachable():
                signals.on_silence(step, certain=False)
            case TicketMoved():
                _on_ticket_moved(step, event)
            case PressTestDeclared():
                press_test.on_declared(step, event)
        return Outcome(state if step.state == state else step.state, step.decisions)

    def migrate(self, version: int, stored: dict[str, Any]) -> EntrapmentState | None:
        """No older version exists."""
        return None


# --- state messages -------------------------------------------------------------------------------------------


def _on_state(step: Step, event: ElevatorState) -> None:
    signals.on_heard(step)
    if event.late:
        step.why_not(Why.LATE_STATE)
        return
    before = step.state.car
    car = seen(event, step.limits.load_percent)
    stopped = before is not None and before.under_way and not car.under_way
    step.set(
        car=car,
        occupancy=latch(step.state.occupancy, before, car),
        stopped_at=step.at if stopped else step.state.stopped_at,
    )
    if event.faults is not None and (event.live or event.faults):
        step.set(fault_bits=tuple(fault.value for fault in event.faults))
    signals.on_power_state(step, event)
    _on_mode(step, before, car)
    signals.on_trapped_bit(step, event)
    button.on_bit(step, event)
    button.resolve_pending(step, before)
    watching.reassess(step)
    watching.on_doors_at_landing(step)


def _on_mode(step: Step, before: Car | None, car: Car) -> None:
    """Inspection during an incident: a technician has taken control, the incident stays. Earthquake: look at every car."""
    if before is not None and before.mode is car.mode:
        return
    if car.mode is ServiceMode.INSPECTION:
        step.move("inspection_on", Move.INSPECTION_ON)
    if car.mode is ServiceMode.EARTHQUAKE:
        event = step.event
        was_moving = before is not None and step.was_moving(step.at)
        step.add(
            Derive(
                event=EarthquakeStop(
                    site=event.site,
                    device=event.device,
                    occurred_at=event.occurred_at,
                    received_at=event.received_at,
                    occupied=step.occupancy.answer,
                    was_moving=was_moving,
                )
            )
        )


# --- alarm messages -------------------------------------------------------------------------------------------

_SIGNALS: Final[dict[AlarmType, Callable[[Step, ElevatorAlarm], None]]] = {
    AlarmType.PASSENGER_ALARM: button.on_message,
    AlarmType.TRAPPED: signals.on_trapped_message,
    AlarmType.FAULT: signals.on_fault_message,
    AlarmType.POWER_LOST: signals.on_power_message,
}


def _on_alarm(step: Step, event: ElevatorAlarm) -> None:
    signals.on_heard(step)
    refused = _not_news(step, event)
    if refused is not None:
        step.why_not(refused, type=event.type.value, state=event.state.value, code=event.code)
        return
    if event.source_key:
        step.set(recent=(*step.state.recent, event.source_key)[-REMEMBERED_KEYS:])
    _SIGNALS[event.type](step, event)
    watching.reassess(step)


def _not_news(step: Step, event: ElevatorAlarm) -> Why | None:
    if event.type is AlarmType.TEST:
        return Why.TEST_ALARM
    if not event.live:
        return Why.NOT_LIVE
    if event.source_key and event.source_key in step.state.recent:
        return Why.DUPLICATE
    held = _lane(step, event)
    if event.state is AlarmState.CLEAR:
        return Why.STALE_CLEAR if held.is_stale_clear(event.occurred_at) else None
    older = event.late and held.added_at is not None and event.occurred_at <= held.added_at
    over = step.state.incident is None and step.state.closed_at is not None
    return Why.HANDLED_BEFORE_CLOSE if older and over else None


def _lane(step: Step, event: ElevatorAlarm) -> Standing:
    """Adds and clears that this message is to be ordered among."""
    match event.type:
        case AlarmType.PASSENGER_ALARM:
            return step.state.alarm
        case AlarmType.TRAPPED:
            return step.state.trapped
        case AlarmType.FAULT if event.fault is not None:
            return step.state.faults.get(event.fault.value, Standing())
        case AlarmType.POWER_LOST:
            return step.state.supply
        case _:
            return Standing()


# --- clocks and people ----------------------------------------------------------------------------------------


def _on_timer(step: Step, event: TimerFired) -> None:
    match event.key:
        case button.HOLD_TIMER:
            button.on_hold_timer(step)
        case button.PRESS_TIMER:
            button.on_press_timer(step)
        case press_test.TEST_TIMER:
            press_test.on_over(step)
        case signals.COMMS_TIMER if not watching.postponed(step, event.key, event.occurred_at):
            signals.on_comms_timer(step)
        case signals.WATCH_TIMER if not watching.postponed(step, event.key, event.occurred_at):
            watching.reassess(step)
        case _:
            pass


def _on_ticket_moved(step: Step, event: TicketMoved) -> None:
    """People closed it, or opened it again. Conditions that stand on are known to them: only a new one reopens."""
    if event.active and step.state.incident is None:
        step.set(incident=Incident())
    elif not event.active and step.state.incident is not None:
        state = step.state
        step.set(incident=None, closed_at=step.at, alarm=state.alarm.ended(), trapped=state.trapped.ended())
