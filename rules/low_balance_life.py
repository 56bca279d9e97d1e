"""What happens around a meter besides readings: deadlines, top-ups, notices that arrived or not, other people, another meter.

Rule: nothing here raises a level. A deadline only marks that something is due, and the next good reading says it.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from hub.vocabulary.decisions import ClearProblem, Decision, MoveTicket, TicketKind
from hub.vocabulary.events import (
    Event,
    MeterReplaced,
    NoticeSettled,
    OccupancyChanged,
    TimerFired,
    TopUpReported,
    TopUpSettled,
    TopUpState,
)
from hub.vocabulary.facts import Facts
from hub.vocabulary.rule import Outcome
from rules.low_balance_meter import CUSTOMER_PROBLEM, SERIAL_PROBLEM
from rules.low_balance_notices import HOUSEKEEPER, hushed, nothing_more, prefix_of, told_anew, told_housekeeper
from rules.low_balance_state import Due, LowBalanceReason, LowBalanceState

REACHED_NOBODY: Final = frozenset({"undelivered", "nobody", "expired"})
ON_ITS_WAY: Final = frozenset({TopUpState.PAID, TopUpState.BOOKED, TopUpState.ISSUED})
PENDING_KEPT: Final = 50


def around(event: Event, state: LowBalanceState, facts: Facts) -> Outcome:
    """Decide on anything that is no reading."""
    match event:
        case TimerFired():
            return _due(event, state)
        case TopUpReported() if event.state in ON_ITS_WAY:
            return _on_its_way(event, state)
        case TopUpReported() | TopUpSettled():
            return _no_longer_pending(event.reference, state)
        case NoticeSettled():
            return _settled(event, state, facts)
        case OccupancyChanged():
            return _other_people(event, state)
        case MeterReplaced():
            return _other_meter(event, state)
        case _:
            return Outcome(state)


def _due(event: TimerFired, state: LowBalanceState) -> Outcome:
    word = Due(event.key)
    if not state.level or word in state.due:
        return Outcome(state)
    return Outcome(replace(state, due=(*state.due, word)))


def _on_its_way(event: TopUpReported, state: LowBalanceState) -> Outcome:
    """Somebody has paid: nobody is told to, and what waits for the morning is not sent."""
    if event.reference in state.pending:
        return Outcome(state)
    known = replace(state, pending=(*state.pending, event.reference)[-PENDING_KEPT:])
    return Outcome(known, hushed(event.subject(), state, LowBalanceReason.TOPUP_PENDING) if state.level else ())


def _no_longer_pending(reference: str, state: LowBalanceState) -> Outcome:
    """Where the credit is still low at the next reading, what was held back is said then."""
    if reference not in state.pending:
        return Outcome(state)
    return Outcome(told_anew(replace(state, pending=tuple(each for each in state.pending if each != reference))))


def _settled(event: NoticeSettled, state: LowBalanceState, facts: Facts) -> Outcome:
    """The household could not be reached: the housekeeper goes and tells them (the housekeeper's own notice is no reason)."""
    ours = event.rule == "low_balance" and event.key.startswith(prefix_of(state)) and state.level
    if not ours or HOUSEKEEPER in event.key or event.outcome not in REACHED_NOBODY or state.pending:
        return Outcome(state)
    return Outcome(*told_housekeeper(event.subject(), state, facts))


def _other_people(event: OccupancyChanged, state: LowBalanceState) -> Outcome:
    """Whoever was told before is told nothing more; the episode of the others begins with the next readings."""
    other = state.other_customer
    known = replace(outlasting(state), vacant=event.vacant, pending=(), moved=not other)
    if not other:
        return _ended_by(event, state, known, LowBalanceReason.OCCUPANCY_CHANGED)
    known = replace(known, customer=other, other_customer=None)
    outcome = _ended_by(event, state, known, LowBalanceReason.OCCUPANCY_CHANGED)
    return Outcome(known, (*outcome.decisions, ClearProblem(code=CUSTOMER_PROBLEM, subject=event.subject())))


def _other_meter(event: MeterReplaced, state: LowBalanceState) -> Outcome:
    """Confirmed by a person: whatever was known of the old meter says nothing of the new one (meters.md 7 no. 8)."""
    known = replace(
        outlasting(state),
        serial=event.new_serial or state.foreign,
        foreign=None,
        purchases=None,
        alarms=(),
        customer=None,
        other_customer=None,
        at=max(state.at, event.occurred_at),
    )
    outcome = _ended_by(event, state, known, LowBalanceReason.METER_REPLACED)
    over = {SERIAL_PROBLEM: state.foreign, CUSTOMER_PROBLEM: state.other_customer}
    cleared = [ClearProblem(code=code, subject=event.subject()) for code, stands in over.items() if stands]
    return Outcome(outcome.state, (*outcome.decisions, *cleared)) if cleared else outcome


def outlasting(state: LowBalanceState) -> LowBalanceState:
    """What is still true when an episode is over for good."""
    return LowBalanceState(
        unit=state.unit,
        purchases=state.purchases,
        serial=state.serial,
        foreign=state.foreign,
        episode=state.episode,
        at=state.at,
        wrong_unit=state.wrong_unit,
        pending=state.pending,
        vacant=state.vacant,
        trip=state.trip,
        trip_told=state.trip_told,
        clock_wrong=state.clock_wrong,
        alarms=state.alarms,
        customer=state.customer,
        moved=state.moved,
        other_customer=state.other_customer,
    )


def _ended_by(event: Event, state: LowBalanceState, known: LowBalanceState, reason: LowBalanceReason) -> Outcome:
    if known == state:
        return Outcome(state)
    decisions: list[Decision] = []
    if state.level:
        decisions.append(
            MoveTicket(
                kind=TicketKind.LOW_BALANCE,
                subject=event.subject(),
                trigger="recovered",
                reason=reason,
                occurred_at=event.occurred_at,
                evidence={"level": state.level, "episode": state.episode},
            )
        )
        decisions += nothing_more(event.subject(), state, reason)
    return Outcome(known, decisions)
