"""What a reading says about the meter itself: whether it is the installed one, tells the time, and switches as it is told.

Rule: these are problems of the equipment and never a household's (domain/meters.md 7 nos. 7, 14, 16, 17, 25).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from hub.vocabulary.decisions import ClearProblem, Decision, RaiseProblem, Severity
from hub.vocabulary.events import Clock, MeterReading
from hub.vocabulary.units import Relay
from rules.low_balance_notices import hushed, told_anew
from rules.low_balance_state import LowBalanceReason, LowBalanceState
from rules.meter_identity import foreign_serial

SERIAL_PROBLEM: Final = "meter_serial_mismatch"
CLOCK_PROBLEM: Final = "meter_clock_wrong"
RELAY_PROBLEM: Final = "meter_relay_fault"
CUSTOMER_PROBLEM: Final = "meter_customer_changed"

DRIFT_S: Final = 600
"""A polled meter's clock may be off by so much; beyond it tariffs and freezes are booked to wrong hours."""


def about_the_meter(
    event: MeterReading, state: LowBalanceState, confirm_gap_ms: int, decisions: list[Decision]
) -> LowBalanceState:
    """The state with what this reading says of its meter; problems that come or go are added to `decisions`."""
    state = _who_it_is(event, state, decisions)
    if state.foreign:
        return state
    if (alarms := _alarms(event, state)) != state.alarms:
        state = replace(state, alarms=alarms)
    state = _whose_it_is(event, _clock(event, state, decisions), decisions)
    return _trip(event, state, confirm_gap_ms, decisions)


def news_of_the_meter(event: MeterReading, state: LowBalanceState) -> bool:
    """Whether what is read once a day says something else than before; asked of every reading."""
    return (
        (event.alarm_1 is not None and (event.alarm_1, event.alarm_2) != state.alarms)
        or (event.customer is not None and event.customer != state.customer)
        or (event.clock_drift_s is not None and abs(event.clock_drift_s) > DRIFT_S)
    )


def is_tripping(event: MeterReading) -> bool:
    """Whether the relay is not what it was told to be; False where the meter does not say."""
    told = event.relay_command
    return told is not Relay.UNKNOWN and event.relay is not Relay.UNKNOWN and told is not event.relay


def relay_by_credit(event: MeterReading) -> Relay:
    """The relay as far as it says anything about the credit: one that did not obey says nothing."""
    return Relay.CLOSED if is_tripping(event) else event.relay


def _who_it_is(event: MeterReading, state: LowBalanceState, decisions: list[Decision]) -> LowBalanceState:
    foreign = foreign_serial(state.serial, state.foreign, event.serial)
    if foreign == state.foreign:
        return state if foreign or not event.serial else replace(state, serial=event.serial)
    if foreign is None:
        decisions.append(ClearProblem(code=SERIAL_PROBLEM, subject=event.subject()))
    else:
        detail = {"installed": state.serial, "seen": foreign}
        problem = RaiseProblem(code=SERIAL_PROBLEM, subject=event.subject(), severity=Severity.HIGH, detail=detail)
        decisions.append(problem)
    return replace(state, foreign=foreign)


def _alarms(event: MeterReading, state: LowBalanceState) -> tuple[int | None, ...]:
    """The meter's own limits; most readings do not bring them, and those of another unit say nothing."""
    if event.alarm_1 is not None:
        return event.alarm_1, event.alarm_2
    return state.alarms if event.unit is state.unit else ()


def _whose_it_is(event: MeterReading, state: LowBalanceState, decisions: list[Decision]) -> LowBalanceState:
    """Another customer number in the meter, while nobody has moved: whom to tell is not known (meters.md 7 no. 17)."""
    seen = event.customer
    if seen is None or seen == (state.other_customer or state.customer):
        return state
    if state.customer is None or state.moved:
        return replace(state, customer=seen, moved=state.customer is None and state.moved)
    if seen == state.customer:
        decisions.append(ClearProblem(code=CUSTOMER_PROBLEM, subject=event.subject()))
        return told_anew(replace(state, other_customer=None))
    detail = {"known": state.customer[-4:], "seen": seen[-4:]}  # enough to tell two apart; the whole is personal
    decisions.append(
        RaiseProblem(code=CUSTOMER_PROBLEM, subject=event.subject(), severity=Severity.HIGH, detail=detail)
    )
    if state.level:
        decisions += hushed(event.subject(), state, LowBalanceReason.CUSTOMER_CHANGED)
    return replace(state, other_customer=seen)


def _clock(event: MeterReading, state: LowBalanceState, decisions: list[Decision]) -> LowBalanceState:
    drift_s = event.clock_drift_s
    wrong = event.clock is Clock.SKEWED if drift_s is None else abs(drift_s) > DRIFT_S
    if wrong is state.clock_wrong or (event.clock is Clock.ARRIVAL and drift_s is None):
        return state
    if wrong:
        detail = {"device_at": event.device_at, "received_at": event.received_at, "drift_s": drift_s}
        problem = RaiseProblem(code=CLOCK_PROBLEM, subject=event.subject(), severity=Severity.LOW, detail=detail)
        decisions.append(problem)
    else:
        decisions.append(ClearProblem(code=CLOCK_PROBLEM, subject=event.subject()))
    return replace(state, clock_wrong=wrong)


def _trip(
    event: MeterReading, state: LowBalanceState, confirm_gap_ms: int, decisions: list[Decision]
) -> LowBalanceState:
    """A relay needs a moment; two readings apart it has failed."""
    if not is_tripping(event):
        if state.trip_told:
            decisions.append(ClearProblem(code=RELAY_PROBLEM, subject=event.subject()))
        return replace(state, trip=None, trip_told=False) if state.trip or state.trip_told else state
    if state.trip is None:
        return replace(state, trip=event.occurred_at)
    if state.trip_told or event.occurred_at - state.trip < confirm_gap_ms:
        return state
    detail = {"relay": event.relay, "told": event.relay_command, "since": state.trip}
    decisions.append(RaiseProblem(code=RELAY_PROBLEM, subject=event.subject(), severity=Severity.HIGH, detail=detail))
    return replace(state, trip_told=True)
