"""A prepaid meter whose credit runs out becomes one ticket per episode and level, and is closed when somebody has paid.

What a maintainer must keep: an unknown, late or retained reading neither raises nor clears, and a reading that changes
nothing returns the very same state object (tens of thousands a second pass here; the engine writes only what changed).

Decided here, beside domain/meters.md 6 and 7:
- A level is confirmed by two readings of an unbroken run at that level or deeper, `confirm_gap_s` apart in event time.
  The later one must be fresh (`fresh_s` old at most when it arrives), or as far apart by arrival: what a 4G meter has
  buffered for hours is not news of today, and yet a slow clock hides nothing.
- The meter's own alarm confirms a low reading at once, but not that its relay is off: a meter in a trip loop opens and
  closes for minutes (no. 21), so that level always takes two readings.
- A purchase closes the episode at once. The run starts anew with that reading, so 'still low' (no. 12) takes one more:
  meters are known to count a purchase a moment before they book it, and nobody who has just paid is told off for that.
- A level ends when the credit passes the clear threshold of that level. Where a milder level still holds, a new episode
  opens there and says so. Within one episode levels only deepen.
- A ticket that a person closes while the credit is still low stays told: only a deeper level, or a new episode, raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from hub.vocabulary.decisions import (
    ClearProblem,
    Decision,
    MoveTicket,
    RaiseProblem,
    RaiseTicket,
    TicketKind,
    Verdict,
)
from hub.vocabulary.events import Event, MeterReading, Subject
from hub.vocabulary.facts import DeviceKind, Facts
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.purchases import CountChange, judge_count
from hub.vocabulary.rule import Outcome
from hub.vocabulary.units import BalanceUnit, credit_text
from rules.balance_levels import Levels, LowBalanceLimits, levels_of


class LowBalanceReason(StrEnum):
    """Why a ticket was raised or moved."""

    TWO_READINGS = "two_readings"
    METER_ALARM = "meter_alarm"
    STILL_LOW_AFTER_PURCHASE = "still_low_after_purchase"
    STILL_LOW = "still_low"  # the credit rose, but not above a milder level
    DEEPER_LEVEL = "deeper_level"
    PURCHASE_COUNTED = "purchase_counted"
    CREDIT_RECOVERED = "credit_recovered"  # the meter does not report purchases
    UNEXPLAINED_CREDIT = "unexplained_credit"  # credit without a purchase: refund, correction, free quota
    ACCOUNT_RESET = "account_reset"
    METER_REPLACED = "meter_replaced"
    UNIT_CHANGED = "unit_changed"


class LowBalanceVerdict(StrEnum):
    """Why nothing was raised."""

    SINGLE_READING_WAITING = "single_reading_waiting"
    UNKNOWN_CREDIT = "unknown_credit"
    STALE = "stale"
    MUTED = "muted"
    ALREADY_RAISED = "already_raised"
    ABOVE_THRESHOLD = "above_threshold"
    ACCOUNT_EVENT = "account_event"


UNIT_PROBLEM = "meter_unit_mismatch"


class Sighting(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A low reading that a later one may confirm."""

    at: UtcMs
    received_at: UtcMs
    credit: int


class LowBalanceState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one meter. `run[n]` is the first reading of the unbroken run at level n + 1 or deeper."""

    unit: BalanceUnit | None = None
    purchases: int | None = None
    serial: str | None = None
    episode: int = 0  # number of the episode, counted over the meter's life here
    level: int = 0  # deepest level told in this episode; 0: no episode
    clear_at: int = 0  # credit that ends it
    run: tuple[Sighting, ...] = ()
    after: LowBalanceReason | None = None  # why the next raise says 'still low'
    at: UtcMs = 0  # time of the last reading that changed something
    unknown: bool = False  # the credit could not be read last time
    wrong_unit: bool = False  # a problem stands


class LowBalance:
    """The rule. Subject: the meter."""

    name: str = "low_balance"
    version: int = 1
    wants: tuple[type[Event], ...] = (MeterReading,)
    state_type: type[msgspec.Struct] = LowBalanceState
    limits_type: type[msgspec.Struct] = LowBalanceLimits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """The meter."""
        device = facts.device
        return event.subject() if device is not None and device.kind is DeviceKind.METER else None

    def decide(self, event: Event, state: LowBalanceState, facts: Facts, now: UtcMs) -> Outcome:
        """Decide on one reading; nearly all of them are healthy and leave at the first return."""
        assert isinstance(event, MeterReading)
        unit = event.unit
        levels = levels_of(facts.limits)[0 if unit is BalanceUnit.CNY else 1]
        if _changes_nothing(event, state, facts, levels.first):
            return Outcome(state)
        if event.late or not event.live or event.occurred_at <= state.at:
            return Outcome(state, _stale(event, levels))
        expected = (facts.device.balance_unit if facts.device else None) or state.unit or unit
        if unit is not expected:
            return _wrong_unit(event, state, expected)
        if event.credit is None:
            return _unknown(event, state)
        return _judge(event, event.credit, state, facts, levels)

    def migrate(self, version: int, stored: dict[str, Any]) -> msgspec.Struct | None:
        """There is no older version."""
        return None


def _changes_nothing(event: MeterReading, state: LowBalanceState, facts: Facts, first_threshold: int) -> bool:
    """The healthy reading of a healthy meter: the hot path, attribute reads and comparisons only."""
    credit = event.credit
    if credit is None:
        return state.unknown
    if credit <= first_threshold or state.level or state.run or event.meter_alarm or event.unit is not state.unit:
        return False
    device = facts.device
    return (
        not (state.unknown or state.wrong_unit or state.after)
        and (event.purchases is None or event.purchases == state.purchases)
        and (event.serial is None or event.serial == state.serial)
        and device is not None
        and (device.balance_unit is None or device.balance_unit is event.unit)
    )


def _stale(event: MeterReading, levels: Levels) -> Sequence[Decision]:
    """Worth a word only where it would have mattered."""
    credit = event.credit
    if credit is None or not levels.by_credit(credit, event.relay, event.meter_alarm):
        return ()
    facts = {"credit": credit_text(credit, event.unit), "occurred_at": event.occurred_at, "live": event.live}
    return (Verdict(reason=LowBalanceVerdict.STALE, facts=facts),)


def _wrong_unit(event: MeterReading, state: LowBalanceState, expected: BalanceUnit) -> Outcome:
    """Yuan taken for kWh would make every threshold wrong: a problem for the integrator (meters.md 7 no. 6)."""
    if state.wrong_unit:
        return Outcome(state)
    problem = RaiseProblem(
        code=UNIT_PROBLEM, subject=event.subject(), detail={"expected": expected, "reported": event.unit}
    )
    return Outcome(msgspec.structs.replace(state, wrong_unit=True), (problem,))


def _unknown(event: MeterReading, state: LowBalanceState) -> Outcome:
    """The credit could not be read: what was known stays, neither raised nor cleared (meters.md 7 nos. 3, 4)."""
    facts = {"occurred_at": event.occurred_at, "level": state.level}
    verdict = Verdict(reason=LowBalanceVerdict.UNKNOWN_CREDIT, facts=facts)
    return Outcome(msgspec.structs.replace(state, unknown=True), (verdict,))


def _judge(event: MeterReading, credit: int, state: LowBalanceState, facts: Facts, levels: Levels) -> Outcome:
    """A good reading that may change something: end, restart, raise, in this order."""
    decisions: list[Decision] = []
    known = _same_meter(event, state, decisions)
    change = judge_count(known.purchases, event.purchases)
    own = levels.by_credit(credit, event.relay, event.meter_alarm)
    seen = max(own, levels.by_alarm(event.relay, event.meter_alarm))
    known = _ended(event, credit, known, seen, change, decisions)
    bought = change is CountChange.PURCHASE
    known = msgspec.structs.replace(
        known,
        unit=event.unit,
        purchases=known.purchases if event.purchases is None else event.purchases,
        serial=event.serial or known.serial,
        run=_run(() if bought else known.run, seen, Sighting(event.occurred_at, event.received_at, credit)),
        after=known.after if seen else None,
        unknown=False,
        wrong_unit=False,
    )
    confirmed, by_alarm = (0, False) if bought else _confirmed(event, credit, known.run, levels)
    if confirmed > known.level and not facts.limits.muted:
        known = _raised(event, credit, known, facts, levels, confirmed, own, by_alarm, decisions)
    else:
        muted = confirmed > known.level
        decisions.extend(_why_not(event, credit, state, known, seen, levels, muted=muted))
    if change is CountChange.ACCOUNT_RESET:
        counts = {"before": state.purchases, "after": event.purchases}
        decisions.append(Verdict(reason=LowBalanceVerdict.ACCOUNT_EVENT, facts=counts))
    if state.wrong_unit:
        decisions.append(ClearProblem(code=UNIT_PROBLEM, subject=event.subject()))
    return Outcome(state if known == state else msgspec.structs.replace(known, at=event.occurred_at), decisions)


def _same_meter(event: MeterReading, state: LowBalanceState, decisions: list[Decision]) -> LowBalanceState:
    """The state as it was, or a fresh one where another meter now hangs there (meters.md 7 no. 8)."""
    if state.unit is not None and event.unit is not state.unit:
        reason = LowBalanceReason.UNIT_CHANGED
    elif event.serial and state.serial and event.serial != state.serial:
        reason = LowBalanceReason.METER_REPLACED
    else:
        return state
    if state.level:
        serials = {"serial_before": state.serial, "serial": event.serial}
        decisions.append(_move(event, "recovered", reason, serials))
    return LowBalanceState(episode=state.episode, at=state.at)


def _ended(
    event: MeterReading,
    credit: int,
    state: LowBalanceState,
    seen: int,
    change: CountChange,
    decisions: list[Decision],
) -> LowBalanceState:
    """The state without its episode where this reading ends it."""
    if not state.level:
        return state
    if change is CountChange.PURCHASE:
        trigger, reason, after = "paid", LowBalanceReason.PURCHASE_COUNTED, LowBalanceReason.STILL_LOW_AFTER_PURCHASE
    elif credit >= state.clear_at and seen < state.level:
        trigger, reason, after = "recovered", _why_recovered(event, change), LowBalanceReason.STILL_LOW
    else:
        return state
    counts = {"purchases_before": state.purchases, "purchases": event.purchases, "clear_at": state.clear_at}
    decisions.append(_move(event, trigger, reason, counts))
    return msgspec.structs.replace(state, level=0, clear_at=0, after=after)


def _why_recovered(event: MeterReading, change: CountChange) -> LowBalanceReason:
    if change is CountChange.ACCOUNT_RESET:
        return LowBalanceReason.ACCOUNT_RESET
    return LowBalanceReason.CREDIT_RECOVERED if event.purchases is None else LowBalanceReason.UNEXPLAINED_CREDIT


def _run(run: tuple[Sighting, ...], seen: int, sighting: Sighting) -> tuple[Sighting, ...]:
    """The run cut to the level seen, or deepened to it."""
    return run[:seen] if len(run) >= seen else run + (sighting,) * (seen - len(run))


def _confirmed(event: MeterReading, credit: int, run: tuple[Sighting, ...], levels: Levels) -> tuple[int, bool]:
    """Deepest level that is certain now, and whether it is so by the meter's own alarm."""
    level = len(run)
    while level and not _apart(run[level - 1], event, levels):
        level -= 1
    at_once = levels.by_thresholds(credit) if event.meter_alarm else 0
    return (at_once, True) if at_once > level else (level, False)


def _apart(first: Sighting, event: MeterReading, levels: Levels) -> bool:
    """Whether this reading is a second one: far enough in event time, and fresh or as far in arrival."""
    gap_ms = levels.confirm_gap_ms
    if event.occurred_at - first.at < gap_ms:
        return False
    return event.received_at - event.occurred_at <= levels.fresh_ms or event.received_at - first.received_at >= gap_ms


def _raised(
    event: MeterReading,
    credit: int,
    state: LowBalanceState,
    facts: Facts,
    levels: Levels,
    level: int,
    own: int,
    by_alarm: bool,
    decisions: list[Decision],
) -> LowBalanceState:
    """The state with `level` told; a ticket of a milder level gives way to the new one."""
    if state.level:
        decisions.append(_move(event, "superseded", LowBalanceReason.DEEPER_LEVEL, {"level": level}))
    episode = state.episode if state.level else state.episode + 1
    reason = state.after or (LowBalanceReason.METER_ALARM if by_alarm else LowBalanceReason.TWO_READINGS)
    ticket = RaiseTicket(
        kind=TicketKind.LOW_BALANCE,
        subject=event.subject(),
        reason=reason,
        severity=levels.severity(level),
        occurred_at=event.occurred_at,
        fields={
            "level": level,
            "episode": episode,
            "credit": credit_text(credit, event.unit),
            "unit": event.unit,
            "threshold": levels.threshold_text(level),
            "place": facts.device.place if facts.device else "",
        },
        evidence=_evidence(event, credit, state.run[level - 1]),
    )
    decisions.append(ticket)
    clear_at = levels.clear_at(level, credit, own)
    return msgspec.structs.replace(state, level=level, episode=episode, clear_at=clear_at, after=None)


def _evidence(event: MeterReading, credit: int, first: Sighting) -> dict[str, Any]:
    return {
        "first_at": first.at,
        "first_credit": credit_text(first.credit, event.unit),
        "at": event.occurred_at,
        "credit": credit_text(credit, event.unit),
        "relay": event.relay,
        "meter_alarm": event.meter_alarm,
        "purchases": event.purchases,
    }


def _move(event: MeterReading, trigger: str, reason: LowBalanceReason, evidence: dict[str, Any]) -> MoveTicket:
    credit = None if event.credit is None else credit_text(event.credit, event.unit)
    return MoveTicket(
        kind=TicketKind.LOW_BALANCE,
        subject=event.subject(),
        trigger=trigger,
        reason=reason,
        occurred_at=event.occurred_at,
        evidence={"credit": credit, **evidence},
    )


def _why_not(
    event: MeterReading,
    credit: int,
    before: LowBalanceState,
    state: LowBalanceState,
    seen: int,
    levels: Levels,
    *,
    muted: bool,
) -> Sequence[Decision]:
    """Why a low reading raised nothing; a high one only says so when it ends a wait."""
    if muted:
        reason = LowBalanceVerdict.MUTED
    elif seen > state.level:
        reason = LowBalanceVerdict.SINGLE_READING_WAITING
    elif seen:
        reason = LowBalanceVerdict.ALREADY_RAISED
    elif before.run and not before.level:
        reason = LowBalanceVerdict.ABOVE_THRESHOLD
    else:
        return ()
    facts = {"credit": credit_text(credit, event.unit), "seen": seen, "told": state.level}
    if seen:
        facts |= {"threshold": levels.threshold_text(seen), "since": state.run[seen - 1].at}
    return (Verdict(reason=reason, facts=facts),)
