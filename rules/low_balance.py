"""A prepaid meter whose credit runs out becomes one ticket per episode and level, is told to people, and ends when somebody
has paid.

What a maintainer must keep: an unknown, late or retained reading neither raises nor clears nor reminds, and a reading that
changes nothing returns the very same state object (tens of thousands a second pass here; the engine writes what changed).

Decided here, beside domain/meters.md 6 and 7:
- A level is confirmed by two readings of an unbroken run at that level or deeper, `confirm_gap_s` apart in event time.
  The later one must be fresh (`fresh_s` old at most when it arrives), or as far apart by arrival: what a 4G meter has
  buffered for hours is not news of today, and yet a slow clock hides nothing.
- The meter's own alarm confirms a low reading at once, but not that its relay is off: a meter in a trip loop opens and
  closes for minutes (no. 21), so that level always takes two readings. A relay that does not do as it is told is a fault.
- A purchase closes the episode at once. The run starts anew with that reading, so 'still low' (no. 12) takes one more:
  meters are known to count a purchase a moment before they book it, and nobody who has just paid is told off for that.
- A level ends when the credit passes the clear threshold of that level. Where a milder level still holds, a new episode
  opens there and says so. Within one episode levels only deepen.
- A ticket that a person closes while the credit is still low stays told: only a deeper level, or a new episode, raises.
- While a top-up is on its way nothing is raised and nobody is told; the run goes on, and what is then still true is said.
- Another serial number than the installed one's is another meter: until a person confirms it, its readings count for
  nothing (no. 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from hub.vocabulary.decisions import ClearProblem, Decision, MoveTicket, RaiseProblem, RaiseTicket, TicketKind, Verdict
from hub.vocabulary.events import (
    Clock,
    Event,
    MeterReading,
    MeterReplaced,
    NoticeSettled,
    OccupancyChanged,
    Subject,
    TimerFired,
    TopUpReported,
    TopUpSettled,
)
from hub.vocabulary.facts import DeviceKind, Facts
from hub.vocabulary.instants import DAY_MS, UtcMs
from hub.vocabulary.purchases import CountChange, judge_count
from hub.vocabulary.rule import Outcome
from hub.vocabulary.units import BalanceUnit, Relay, credit_text
from rules.balance_levels import Levels, LowBalanceLimits, levels_of
from rules.holidays_ahead import days_to_last
from rules.low_balance_life import around, outlasting
from rules.low_balance_meter import about_the_meter, news_of_the_meter, relay_by_credit
from rules.low_balance_notices import hushed, nothing_more, told_again, told_of_level
from rules.low_balance_state import LowBalanceReason, LowBalanceState, LowBalanceVerdict, Sighting

UNIT_PROBLEM = "meter_unit_mismatch"


class LowBalance:
    """The rule. Subject: the meter."""

    name: str = "low_balance"
    version: int = 1
    wants: tuple[type[Event], ...] = (
        MeterReading,
        TopUpReported,
        TopUpSettled,
        NoticeSettled,
        OccupancyChanged,
        MeterReplaced,
        TimerFired,
    )
    state_type: type[msgspec.Struct] = LowBalanceState
    limits_type: type[msgspec.Struct] = LowBalanceLimits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """The meter."""
        device = facts.device
        return event.subject() if device is not None and device.kind is DeviceKind.METER else None

    def decide(self, event: Event, state: LowBalanceState, facts: Facts, now: UtcMs) -> Outcome:
        """Decide on one event; nearly all of them are healthy readings and leave at the first return of their branch."""
        if type(event) is not MeterReading:
            return around(event, state, facts)
        unit, credit = event.unit, event.credit
        levels = levels_of(facts.limits)[0 if unit is BalanceUnit.CNY else 1]
        if credit is not None and credit <= levels.most and facts.site.holidays:
            levels = _of_the_season(levels, facts, event.occurred_at)
        own = levels.with_own(state.alarms) if state.alarms else levels
        if _changes_nothing(event, state, facts, own.first):
            return Outcome(state)
        if event.late or not event.live or event.occurred_at <= state.at:
            return Outcome(state, _stale(event, own))
        expected = (facts.device.balance_unit if facts.device else None) or state.unit or unit
        if unit is not expected and credit is not None:  # a counter without a balance counts in no unit
            return _wrong_unit(event, state, expected)
        return _read(event, state, facts, levels, now)

    def migrate(self, version: int, stored: dict[str, Any]) -> msgspec.Struct | None:
        """There is no older version."""
        return None


def _changes_nothing(event: MeterReading, state: LowBalanceState, facts: Facts, first_threshold: int) -> bool:
    """The healthy reading of a healthy meter: the hot path, attribute reads and comparisons only."""
    credit = event.credit
    if credit is None:
        return state.unknown and event.serial in {None, state.foreign or state.serial}
    if credit <= first_threshold or state.level or state.run or event.meter_alarm or event.unit is not state.unit:
        return False
    if event.relay_command is not Relay.UNKNOWN and event.relay_command is not event.relay:
        return False
    if event.clock is Clock.SKEWED or state.clock_wrong or state.trip or news_of_the_meter(event, state):
        return False
    device = facts.device
    return (
        not (state.unknown or state.wrong_unit or state.after or state.foreign)
        and (event.purchases is None or event.purchases == state.purchases)
        and (event.serial is None or event.serial == state.serial)
        and device is not None
        and (device.balance_unit is None or device.balance_unit is event.unit)
    )


def _of_the_season(levels: Levels, facts: Facts, at: UtcMs) -> Levels:
    """Before and in a long holiday the first level is told earlier."""
    limits: LowBalanceLimits = facts.limits
    days = days_to_last(facts.site.holidays, at, round(limits.holiday_ahead_days * DAY_MS))
    return levels.for_days(days, limits.days_at_level_1) if days else levels


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
    return Outcome(replace(state, wrong_unit=True), (problem,))


def _read(event: MeterReading, state: LowBalanceState, facts: Facts, levels: Levels, now: UtcMs) -> Outcome:
    """A live reading in the right unit: whose is it, and what does it say."""
    decisions: list[Decision] = []
    known = about_the_meter(event, state, levels.confirm_gap_ms, decisions)
    levels = levels.with_own(known.alarms)
    if known.foreign:
        if event.credit is not None and levels.by_thresholds(event.credit):
            seen = {"installed": known.serial, "seen": known.foreign}
            decisions.append(Verdict(reason=LowBalanceVerdict.OTHER_METER, facts=seen))
    elif event.credit is None:
        known = _unknown(event, known, decisions)
    else:
        known = _judge(event, event.credit, known, facts, levels, now, decisions)
    if known == state:
        return Outcome(state, decisions)
    readable = event.credit is not None and not known.foreign
    return Outcome(replace(known, at=event.occurred_at) if readable else known, decisions)


def _unknown(event: MeterReading, state: LowBalanceState, decisions: list[Decision]) -> LowBalanceState:
    """The credit could not be read: what was known stays, neither raised nor cleared (meters.md 7 nos. 3, 4)."""
    if state.unknown:
        return state
    facts = {"occurred_at": event.occurred_at, "level": state.level}
    decisions.append(Verdict(reason=LowBalanceVerdict.UNKNOWN_CREDIT, facts=facts))
    return replace(state, unknown=True)


def _judge(
    event: MeterReading,
    credit: int,
    state: LowBalanceState,
    facts: Facts,
    levels: Levels,
    now: UtcMs,
    decisions: list[Decision],
) -> LowBalanceState:
    """A good reading that may change something: end, restart, raise, remind, in this order."""
    known = _same_unit(event, state, decisions)
    change = judge_count(known.purchases, event.purchases)
    relay = relay_by_credit(event)
    own = levels.by_credit(credit, relay, event.meter_alarm)
    seen = max(own, levels.by_alarm(relay, event.meter_alarm))
    known = _ended(event, credit, known, seen, change, levels, decisions)
    bought = change is CountChange.PURCHASE
    sighting = Sighting(event.occurred_at, event.received_at, credit)
    known = replace(
        known,
        unit=event.unit,
        purchases=known.purchases if event.purchases is None else event.purchases,
        run=_run(() if bought else known.run, seen, sighting),
        after=known.after if seen else None,
        unknown=False,
        wrong_unit=False,
    )
    confirmed, by_alarm = (0, False) if bought else _confirmed(event, credit, known.run, levels)
    hushed_now = facts.limits.muted or bool(known.pending or known.other_customer)
    if confirmed > known.level and not hushed_now:
        known = _raised(event, credit, known, facts, levels, confirmed, own, by_alarm, decisions)
        known, more = told_of_level(event.subject(), known, facts, levels, sighting, now)
        decisions += more
    else:
        muted = hushed_now and confirmed > known.level
        decisions += _why_not(event, credit, state, known, seen, levels, muted=muted)
        if known.due and seen and not hushed_now and event.received_at - event.occurred_at <= levels.fresh_ms:
            known, more = told_again(event.subject(), known, facts, levels, sighting, now)
            decisions += more
    if change is CountChange.ACCOUNT_RESET:
        counts = {"before": state.purchases, "after": event.purchases}
        decisions.append(Verdict(reason=LowBalanceVerdict.ACCOUNT_EVENT, facts=counts))
    if state.wrong_unit:
        decisions.append(ClearProblem(code=UNIT_PROBLEM, subject=event.subject()))
    return known


def _same_unit(event: MeterReading, state: LowBalanceState, decisions: list[Decision]) -> LowBalanceState:
    """The state as it was, or a fresh one where the site file now says another unit (meters.md 7 no. 6)."""
    if state.unit is None or event.unit is state.unit:
        return state
    if state.level:
        decisions.append(_move(event, "recovered", LowBalanceReason.UNIT_CHANGED, {"before": state.unit}))
        decisions += nothing_more(event.subject(), state, LowBalanceReason.UNIT_CHANGED)
    return replace(outlasting(state), purchases=None)


def _ended(
    event: MeterReading,
    credit: int,
    state: LowBalanceState,
    seen: int,
    change: CountChange,
    levels: Levels,
    decisions: list[Decision],
) -> LowBalanceState:
    """The state without its episode where this reading ends it."""
    if not state.level:
        return state
    clear_at = min(state.clear_at, levels.clear_at(1, credit, 1)) if state.stretched else state.clear_at
    if change is CountChange.PURCHASE:
        trigger, reason, after = "paid", LowBalanceReason.PURCHASE_COUNTED, LowBalanceReason.STILL_LOW_AFTER_PURCHASE
    elif credit >= clear_at and seen < state.level:
        over = credit < state.clear_at
        reason = LowBalanceReason.HOLIDAY_OVER if over else _why_recovered(event, change)
        trigger, after = "recovered", LowBalanceReason.STILL_LOW
    else:
        return state
    counts = {"purchases_before": state.purchases, "purchases": event.purchases, "clear_at": clear_at}
    decisions.append(_move(event, trigger, reason, counts))
    decisions += nothing_more(event.subject(), state, reason)
    return replace(outlasting(state), run=state.run, after=after, unknown=state.unknown)


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
        decisions += hushed(event.subject(), state, LowBalanceReason.DEEPER_LEVEL)
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
        evidence=_evidence(event, credit, state.run[level - 1], state.alarms),
    )
    decisions.append(ticket)
    ordinary = levels_of(facts.limits)[0 if event.unit is BalanceUnit.CNY else 1].with_own(state.alarms)
    return replace(
        state,
        level=level,
        episode=episode,
        threshold=levels.threshold(level),
        clear_at=levels.clear_at(level, credit, own),
        stretched=level == 1 and own == 1 and credit > ordinary.first,
        after=None,
    )


def _evidence(event: MeterReading, credit: int, first: Sighting, own: Sequence[int | None]) -> dict[str, Any]:
    return {
        # Beside the ticket's threshold, which is the higher of both.
        "meter_limits": [None if each is None else credit_text(each, event.unit) for each in own],
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
        other = LowBalanceVerdict.OTHER_CUSTOMER if state.other_customer else LowBalanceVerdict.MUTED
        reason = LowBalanceVerdict.TOPUP_PENDING if state.pending else other
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
