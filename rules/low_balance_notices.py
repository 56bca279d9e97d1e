"""Who is told what of an episode: one notice per episode, level and audience, reminders, and the housekeeper.

Rule: a key names episode, level and what it is (`e3/l2`, `e3/l2/r1`, `e3/l2/hk`), so that deciding the same thing again
tells nobody twice, and `e3/` withdraws all that is not sent yet. People are told of a reading, never of a guess: `as_of`
says of when it is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from hub.vocabulary.decisions import (
    Audience,
    CancelTimer,
    Decision,
    Notify,
    SetTimer,
    TicketKind,
    Urgency,
    WithdrawNotices,
)
from hub.vocabulary.events import Subject
from hub.vocabulary.facts import Facts
from hub.vocabulary.instants import HOUR_MS, DurationMs, UtcMs
from hub.vocabulary.units import BalanceUnit, credit_text
from rules.balance_levels import Levels, LowBalanceLimits, levels_of
from rules.low_balance_state import Due, LowBalanceReason, LowBalanceState, Sighting

MERGE: Final = "low_balance"
HOUSEKEEPER: Final = "/hk"
REMINDER_TIMER: Final = str(Due.REMINDER)
UNPAID_TIMER: Final = str(Due.UNPAID)
SOON: Final = 2
USED_UP: Final = 3


def told_of_level(
    subject: Subject, state: LowBalanceState, facts: Facts, levels: Levels, reading: Sighting, now: UtcMs
) -> tuple[LowBalanceState, list[Decision]]:
    """The state after people were told of its level for the first time, and what tells them."""
    known = replace(state, told=reading, reminders=0, due=())
    decisions: list[Decision] = []
    stage = levels.stage(known.level)
    if known.vacant or stage >= USED_UP:
        known, more = told_housekeeper(subject, known, facts)
        decisions += more
    if known.vacant:
        return known, decisions
    decisions.append(_notice(subject, known, facts, f"low_balance_{stage}", ""))
    decisions.append(SetTimer(key=REMINDER_TIMER, due_at=now + _reminder_gap(facts.limits, stage)))
    if stage == SOON:
        decisions.append(SetTimer(key=UNPAID_TIMER, due_at=now + round(facts.limits.unpaid_h * HOUR_MS)))
    return known, decisions


def told_again(
    subject: Subject, state: LowBalanceState, facts: Facts, levels: Levels, reading: Sighting, now: UtcMs
) -> tuple[LowBalanceState, list[Decision]]:
    """What had fallen due, said of this reading."""
    known = replace(state, told=reading, due=())
    decisions: list[Decision] = []
    if Due.REMINDER in state.due and not state.vacant:
        known = replace(known, reminders=known.reminders + 1)
        decisions.append(_notice(subject, known, facts, "low_balance_reminder", f"/r{known.reminders}"))
        gap = _reminder_gap(facts.limits, levels.stage(known.level))
        decisions.append(SetTimer(key=REMINDER_TIMER, due_at=now + gap))
    if Due.UNPAID in state.due:
        known, more = told_housekeeper(subject, known, facts)
        decisions += more
    return known, decisions


def told_anew(state: LowBalanceState) -> LowBalanceState:
    """What was withdrawn while nobody was to be told is said of the next reading, where the credit is low then."""
    if not state.level or state.pending or state.other_customer:
        return state
    again = (Due.REMINDER, Due.UNPAID) if state.housekeeper else (Due.REMINDER,)
    due = (*state.due, *(each for each in again if each not in state.due))
    return replace(state, due=due, housekeeper=0, resumed=state.resumed + 1)


def told_housekeeper(subject: Subject, state: LowBalanceState, facts: Facts) -> tuple[LowBalanceState, list[Decision]]:
    """The housekeeper hears of this level, once."""
    if state.housekeeper >= state.level:
        return state, []
    part = HOUSEKEEPER + (str(state.resumed) if state.resumed else "")
    notice = _notice(subject, state, facts, "low_balance_housekeeper", part, Audience.HOUSEKEEPER)
    return replace(state, housekeeper=state.level), [notice]


def hushed(subject: Subject, state: LowBalanceState, reason: LowBalanceReason) -> list[Decision]:
    """What is not sent yet of this episode is not to be sent."""
    return [WithdrawNotices(key_prefix=prefix_of(state), subject=subject, reason=reason)]


def nothing_more(subject: Subject, state: LowBalanceState, reason: LowBalanceReason) -> list[Decision]:
    """The episode is over: nothing more is sent, and nothing more falls due."""
    return [*hushed(subject, state, reason), CancelTimer(key=REMINDER_TIMER), CancelTimer(key=UNPAID_TIMER)]


def prefix_of(state: LowBalanceState) -> str:
    """How the keys of all notices of the episode begin."""
    return f"e{state.episode}/"


def _notice(
    subject: Subject,
    state: LowBalanceState,
    facts: Facts,
    template: str,
    part: str,
    audience: Audience = Audience.HOUSEHOLD,
) -> Notify:
    levels = _levels(facts, state)
    return Notify(
        key=f"{prefix_of(state)}l{state.level}{part}",
        subject=subject,
        audience=audience,
        template=template,
        params=_params(state, facts, levels),
        urgency=Urgency.URGENT if levels.stage(state.level) >= USED_UP else Urgency.ROUTINE,
        kind=TicketKind.LOW_BALANCE,
        merge=MERGE,
    )


def _params(state: LowBalanceState, facts: Facts, levels: Levels) -> dict[str, Any]:
    told = state.told
    return {
        "place": facts.device.place if facts.device else "",
        "credit": None if told is None else credit_text(told.credit, levels.unit),
        "unit": levels.unit,
        "threshold": credit_text(state.threshold, levels.unit),
        "level": state.level,
        "as_of": None if told is None else _clock_text(told.at, facts.site.timezone),
    }


def _levels(facts: Facts, state: LowBalanceState) -> Levels:
    return levels_of(facts.limits)[1 if state.unit is BalanceUnit.KWH else 0]


def _reminder_gap(limits: LowBalanceLimits, stage: int) -> DurationMs:
    return round(limits.remind_h[min(stage, len(limits.remind_h)) - 1] * HOUR_MS)


def _clock_text(at: UtcMs, zone: str) -> str:
    """As a household's clock shows it."""
    return f"{datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
