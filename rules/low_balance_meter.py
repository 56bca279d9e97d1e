"""What a reading says about the meter itself: whether it is the installed one, tells the time, and switches as it is told.

Rule: these are problems of the equipment and never a household's (domain/meters.md 7 nos. 7, 14, 16).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from hub.vocabulary.decisions import ClearProblem, Decision, RaiseProblem, Severity
from hub.vocabulary.events import Clock, MeterReading
from hub.vocabulary.units import Relay
from rules.low_balance_state import LowBalanceState
from rules.meter_identity import foreign_serial

SERIAL_PROBLEM: Final = "meter_serial_mismatch"
CLOCK_PROBLEM: Final = "meter_clock_wrong"
RELAY_PROBLEM: Final = "meter_relay_fault"


def about_the_meter(
    event: MeterReading, state: LowBalanceState, confirm_gap_ms: int, decisions: list[Decision]
) -> LowBalanceState:
    """The state with what this reading says of its meter; problems that come or go are added to `decisions`."""
    state = _who_it_is(event, state, decisions)
    if state.foreign:
        return state
    return _trip(event, _clock(event, state, decisions), confirm_gap_ms, decisions)


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


def _clock(event: MeterReading, state: LowBalanceState, decisions: list[Decision]) -> LowBalanceState:
    wrong = event.clock is Clock.SKEWED
    if wrong is state.clock_wrong or event.clock is Clock.ARRIVAL:
        return state
    if wrong:
        detail = {"device_at": event.device_at, "received_at": event.received_at}
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
