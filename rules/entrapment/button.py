"""The alarm button: never suppressed by a service mode, filtered only where people can help themselves.

A press is filtered while a door stands open at a landing, and held back while the car runs until it is seen whether the
doors open at the next stop. Whatever is unknown does not filter. Once an incident is open nothing is filtered
(EN 81-28 4.1.2; domain/elevator.md 0 no. 2 and 4, 3.2 A, 3.3 rows 6 to 8).

The one exception is a test that people have declared beforehand (press_test.py).

Decided here: row 6 ('held: alarm at once, in any state') goes before the filter for every press of `button_hold_s` or
longer; `filter_held_presses` takes the stricter reading, in which only `filter_escape_s` passes the filter.
"""

from __future__ import annotations

from typing import Any

from hub.vocabulary.decisions import CancelTimer, Severity
from hub.vocabulary.elevator import AlarmState
from hub.vocabulary.events import ElevatorAlarm, ElevatorState
from hub.vocabulary.instants import UtcMs
from rules.entrapment import press_test
from rules.entrapment.car import Car, Motion
from rules.entrapment.limits import ms
from rules.entrapment.reasons import Move, Reason, SeverityReason, Source, Why
from rules.entrapment.signals import clear_if_nothing_stands
from rules.entrapment.state import Press
from rules.entrapment.step import Finding, Step

HOLD_TIMER = "hold"
PRESS_TIMER = "press"


def on_message(step: Step, event: ElevatorAlarm) -> None:
    """`passenger_alarm` came or went. Without a hold time the device has filtered already: it counts as held."""
    if event.state is AlarmState.CLEAR:
        step.set(alarm=step.state.alarm.cleared(event.occurred_at))
        clear_if_nothing_stands(step, Move.BUTTON_ALARM_CLEARED)
        return
    if press_test.explains(step):
        step.why_not(Why.PRESS_TEST, held_s=event.held_s)
        return
    step.set(alarm=step.state.alarm.added(event.occurred_at))
    _pressed(step, event.held_s, floor=event.floor, code=event.code)
    if not step.state.alarm.stands:  # its clear came before it
        clear_if_nothing_stands(step, Move.BUTTON_ALARM_CLEARED)


def on_bit(step: Step, event: ElevatorState) -> None:
    """The button as a standing bit: the hub times the press itself. An unknown bit does not end a press."""
    since = step.state.button_since
    if event.button and since is None:
        step.set(button_since=step.at, button_told=False)
        step.timer(HOLD_TIMER, step.at + ms(step.limits.button_hold_s))
    elif event.button and since is not None:
        _judge_hold(step, since)
    elif event.button is False and since is not None:
        if press_test.explains(step):
            step.why_not(Why.PRESS_TEST, held_s=(step.at - since) / 1000)
        elif not step.state.button_told:
            _pressed(step, (step.at - since) / 1000)
        step.set(button_since=None, button_told=False)
        step.add(CancelTimer(key=HOLD_TIMER))


def on_hold_timer(step: Step) -> None:
    """The bit has been up for long enough to be judged."""
    if step.state.button_since is not None:
        _judge_hold(step, step.state.button_since)


def _judge_hold(step: Step, since: int) -> None:
    held_s = (step.at - since) / 1000
    if step.state.button_told or held_s < step.limits.button_hold_s:
        return
    if step.state.incident is None and _short(step, held_s) and _filter(step.car):
        step.timer(HOLD_TIMER, since + ms(step.limits.filter_escape_s))
        return
    if press_test.explains(step):
        step.timer(HOLD_TIMER, press_test.end(step))  # still pressed then: somebody means it
        step.why_not(Why.PRESS_TEST, held_s=held_s)
        return
    step.set(button_told=True)
    _alarm(step, Reason.BUTTON_HELD, held_s=held_s)


def resolve_pending(step: Step, before: Car | None) -> None:
    """A press that was held back: dropped when doors open at a landing, else due shortly after the car has stopped."""
    if step.state.pending is None:
        return
    if step.car.open_at_landing:
        step.set(pending=None, filtered=step.state.filtered + 1)
        step.add(CancelTimer(key=PRESS_TIMER))
        step.why_not(Why.DOORS_OPENED_AFTER_PRESS, filtered=step.state.filtered)
    elif before is not None and before.motion is Motion.MOVING and step.car.motion is not Motion.MOVING:
        step.timer(PRESS_TIMER, step.at + ms(step.limits.landing_open_s))


def on_press_timer(step: Step) -> None:
    """The doors did not open in time: the press counts."""
    pending = step.state.pending
    if pending is not None:
        step.set(pending=None)
        _alarm(step, Reason.BUTTON_NO_OPENING, occurred_at=pending.occurred_at)


def _pressed(step: Step, held_s: float | None, **told: Any) -> None:
    if step.state.incident is not None or not _short(step, held_s):
        _alarm(step, Reason.BUTTON_HELD, held_s=held_s, **told)
        return
    match _filter(step.car):
        case None:
            _alarm(step, Reason.BUTTON_SHORT, held_s=held_s, **told)
        case Why.MOVING_PENDING if step.state.pending is None:
            step.set(pending=Press(step.event.occurred_at, step.at))
            step.timer(PRESS_TIMER, step.at + ms(step.limits.pending_press_s))
            step.why_not(Why.MOVING_PENDING, held_s=held_s)
        case Why.MOVING_PENDING:
            step.why_not(Why.MOVING_PENDING, held_s=held_s)
        case filtered:
            step.set(filtered=step.state.filtered + 1)
            step.why_not(filtered, held_s=held_s, filtered=step.state.filtered)


def _short(step: Step, held_s: float | None) -> bool:
    limits = step.limits
    long_enough = limits.filter_escape_s if limits.filter_held_presses else limits.button_hold_s
    return held_s is not None and held_s < long_enough


def _filter(car: Car) -> Why | None:
    """Which condition filters a short press now; None where nothing is known to help the passenger."""
    if car.open_at_landing:
        return Why.DOORS_OPEN_FILTER
    return Why.MOVING_PENDING if car.motion is Motion.MOVING else None


def _alarm(step: Step, reason: Reason, occurred_at: UtcMs | None = None, **told: Any) -> None:
    known = {name: value for name, value in told.items() if value is not None}
    fields: dict[str, Any] = {name: value for name, value in known.items() if name in {"floor", "code"}}
    step.suspect(
        Finding(
            reason=reason,
            severity=Severity.HIGH,
            severity_reason=SeverityReason.P2_BUTTON,
            source=Source.BUTTON,
            occurred_at=occurred_at,
            fields=fields,
            evidence=known,
        )
    )
