"""Who is told of a low balance, when, and when not any more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.vocabulary.decisions import Audience, CancelTimer, TicketKind, Urgency
from hub.vocabulary.events import TopUpSettled, TopUpState
from hub.vocabulary.facts import SiteFacts
from hub.vocabulary.instants import DAY_MS
from hub.vocabulary.units import BalanceUnit, Relay
from rules.holidays_ahead import days_to_last
from rules.low_balance import LowBalance
from support import timeline
from support.meters import SUBJECT, levels, meter_facts, moved, reading, replaced, settled, topup
from support.timeline import SITE, T0, Timeline

HOUR = 60
DAY = 24 * HOUR
AHEAD = 3 * DAY_MS


def story(**limits: Any) -> Timeline:
    return Timeline(LowBalance(), devices=[meter_facts()], limits=limits, restarts=True)


def low(balance: str = "25", **limits: Any) -> Timeline:
    """The ticket of this balance is open, and somebody has been told."""
    return story(**limits).push(reading(0, balance, 3), reading(15, balance, 3))


# --- one notice per episode and level ---------------------------------------------------------------------------


def test_the_household_is_told_once_with_everything_the_text_needs() -> None:
    told = low("28.75").push(reading(30, "28.5", 3), reading(45, "28.25", 3))
    assert told.told() == ["e1/l1"]
    ((_, notice),) = told.notices.values()
    assert (notice.audience, notice.template, notice.urgency) == (
        Audience.HOUSEHOLD, "low_balance_1", Urgency.ROUTINE,
    )  # fmt: skip
    assert notice.params == {
        "place": "b1/0101",
        "credit": "28.75",
        "unit": "CNY",
        "threshold": "30.00",
        "level": 1,
        "as_of": "2026-01-01 08:15",
    }
    assert (notice.kind, notice.merge) == (TicketKind.LOW_BALANCE, "low_balance")


def test_each_level_is_told_once_and_takes_back_what_was_not_sent_of_the_milder() -> None:
    told = story()
    for step, balance in enumerate(["25", "25", "8", "8", "-1", "-1"]):
        told.push(reading(15 * step, balance))
    told.push(reading(120, "-1", relay=Relay.OPEN), reading(135, "-1", relay=Relay.OPEN))
    assert told.told(Audience.HOUSEHOLD) == ["e1/l1", "e1/l2", "e1/l3", "e1/l4"]
    assert told.told(Audience.HOUSEKEEPER) == ["e1/l3/hk", "e1/l4/hk"], (
        "from used up on the housekeeper sees to it as well"
    )
    assert told.waiting() == ["e1/l4/hk", "e1/l4"]
    by_level = [
        notice.urgency.value for _, notice in told.log if hasattr(notice, "urgency") and notice.audience == "household"
    ]
    assert by_level == ["routine", "routine", "urgent", "urgent"]


@pytest.mark.parametrize(
    ("thresholds", "templates"),
    [([30, 10, 0], [1, 2, 3]), ([20, 0], [1, 3]), ([0], [3]), ([50, 30, 10, 0], [1, 2, 2, 3]), ([30, 10], [1, 2])],
)
def test_the_text_says_what_the_level_means_however_many_a_site_has(
    thresholds: list[float], templates: list[int]
) -> None:
    told = story(CNY=thresholds)
    for step, threshold in enumerate(thresholds):
        told.push(reading(30 * step, str(threshold)), reading(30 * step + 15, str(threshold)))
    household = [n.template for _, n in told.log if getattr(n, "audience", None) is Audience.HOUSEHOLD]
    assert household == [f"low_balance_{number}" for number in templates]


def test_a_payment_takes_back_what_waits_and_ends_the_reminders() -> None:
    told = low().push(reading(30, "125", 4))
    assert told.waiting() == []
    assert told.timers == {}
    told.advance(20 * DAY * 60).push(reading(20 * DAY + 40, "80", 4))
    assert told.told() == ["e1/l1"]


def test_a_second_episode_is_told_again() -> None:
    told = low().push(reading(30, "125", 4), reading(3 * DAY, "25", 4), reading(3 * DAY + 15, "25", 4))
    assert told.told() == ["e1/l1", "e2/l1"]
    assert told.waiting() == ["e2/l1"]


# --- reminders --------------------------------------------------------------------------------------------------


def keep_reading(told: Timeline, balance: str, first_day: int, last_day: int, **more: Any) -> Timeline:
    """Four readings a day."""
    return told.push(
        *(
            reading(day * DAY + hour * HOUR + 20, balance, 3, **more)
            for day in range(first_day, last_day)
            for hour in (0, 6, 12, 18)
        )
    )


def test_level_1_is_reminded_of_every_three_days() -> None:
    told = keep_reading(low(), "25", 1, 10)
    assert told.told() == ["e1/l1", "e1/l1/r1", "e1/l1/r2", "e1/l1/r3"]


def test_level_2_is_reminded_of_daily_and_the_housekeeper_hears_when_nobody_pays_within_a_day() -> None:
    told = keep_reading(low("8"), "7", 1, 4)
    assert told.told(Audience.HOUSEHOLD) == ["e1/l2", "e1/l2/r1", "e1/l2/r2", "e1/l2/r3"]
    assert told.told(Audience.HOUSEKEEPER) == ["e1/l2/hk"]
    housekeeper = next(n for _, n in told.notices.values() if n.audience is Audience.HOUSEKEEPER)
    assert housekeeper.template == "low_balance_housekeeper"
    assert housekeeper.params["as_of"] == "2026-01-02 08:20", "of the reading that was still low, not of the first one"


def test_the_intervals_are_limits() -> None:
    told = keep_reading(low(remind_h=[6]), "25", 1, 2)
    assert len(told.told()) == 5


def test_a_reminder_says_the_credit_of_now() -> None:
    told = low("25").push(reading(4 * DAY, "14.20", 3))
    reminder = told.notices["low_balance", SUBJECT, "e1/l1/r1"][1]
    assert (reminder.template, reminder.params["credit"], reminder.params["threshold"]) == (
        "low_balance_reminder", "14.20", "30.00",
    )  # fmt: skip


@pytest.mark.parametrize("how", [{"live": False}, {"late": True}, {"arrives": 4 * DAY + 100}])
def test_a_stale_reading_reminds_nobody(how: dict[str, Any]) -> None:
    told = low().push(reading(4 * DAY, "14", 3, **how))
    assert told.told() == ["e1/l1"]


def test_an_unreadable_credit_reminds_nobody_and_the_next_good_reading_does() -> None:
    told = low().push(reading(4 * DAY, None, 3))
    assert told.told() == ["e1/l1"]
    told.push(reading(4 * DAY + 15, "14", 3))
    assert told.told() == ["e1/l1", "e1/l1/r1"]


def test_a_dead_meter_is_never_reminded_of_and_once_when_it_returns() -> None:
    told = low().advance(40 * DAY * 60)
    assert told.told() == ["e1/l1"]
    told.push(reading(40 * DAY + 60, "14", 3), reading(40 * DAY + 75, "14", 3), reading(40 * DAY + 90, "14", 3))
    assert told.told() == ["e1/l1", "e1/l1/r1"], "forty days of silence are one reminder, not thirteen"


def test_a_restart_in_between_reminds_nobody_twice() -> None:
    told = low().restart(4 * DAY * 60)
    told.push(reading(4 * DAY + 60, "14", 3)).restart(60).push(reading(4 * DAY + 75, "14", 3))
    assert told.told() == ["e1/l1", "e1/l1/r1"]


# --- top-ups on their way ---------------------------------------------------------------------------------------


def test_while_a_top_up_is_on_its_way_nobody_is_told_anything() -> None:
    told = story().push(reading(0, "25", 3), topup(5), reading(15, "8", 3), reading(30, "8", 3))
    assert (told.told(), told.tickets) == ([], [])
    assert told.verdicts()[-1] == "topup_pending"


def test_what_waits_for_the_morning_is_not_sent_when_somebody_pays_at_night() -> None:
    assert low().push(topup(30)).waiting() == []


@pytest.mark.parametrize("state", [TopUpState.PAID, TopUpState.BOOKED, TopUpState.ISSUED])
def test_no_reminder_while_it_is_pending(state: TopUpState) -> None:
    told = keep_reading(low().push(topup(30, state=state)), "25", 1, 8)
    assert told.told() == ["e1/l1"]
    assert len(told.active()) == 1, "the ticket stays until the meter says that it has the credit"


@pytest.mark.parametrize("state", [TopUpState.FAILED, TopUpState.CONFIRMED])
def test_a_top_up_that_came_to_nothing_is_followed_by_what_was_held_back(state: TopUpState) -> None:
    told = low().push(topup(30), topup(40, state=state), reading(60, "24", 3))
    assert told.told() == ["e1/l1", "e1/l1/r1"]


def test_waited_for_in_vain_is_no_longer_pending() -> None:
    told = low().push(topup(30))
    over = TopUpSettled(site=SITE.id, device="m-0101", occurred_at=T0, received_at=told.now, reference="T1", proof=None)
    told.push(over, reading(60, "24", 3))
    assert told.told() == ["e1/l1", "e1/l1/r1"]


def test_two_top_ups_are_both_waited_for() -> None:
    told = low().push(topup(30, "T1"), topup(31, "T2"), topup(32, "T1", state=TopUpState.FAILED), reading(60, "24", 3))
    assert told.told() == ["e1/l1"]
    told.push(topup(62, "T2", state=TopUpState.FAILED), reading(75, "24", 3))
    assert told.told() == ["e1/l1", "e1/l1/r1"]


def test_a_housekeeper_whose_notice_was_withdrawn_for_a_top_up_is_told_when_that_failed() -> None:
    told = low("8").push(settled(20, "e1/l2", "nobody"), topup(30))
    assert told.waiting() == []
    told.push(topup(40, state=TopUpState.FAILED), reading(60, "7", 3), reading(75, "7", 3))
    assert told.waiting() == ["e1/l2/r1", "e1/l2/hk1"]
    told.push(settled(80, "e1/l2/hk1", "nobody"))
    assert told.told(Audience.HOUSEKEEPER) == ["e1/l2/hk", "e1/l2/hk1"]


def test_deeper_while_pending_is_told_when_it_came_to_nothing() -> None:
    told = low().push(topup(30), reading(45, "-2", 3), reading(60, "-2", 3))
    assert levels(told) == [1]
    told.push(topup(62, state=TopUpState.FAILED), reading(75, "-2", 3))
    assert levels(told) == [1, 3]
    assert told.told(Audience.HOUSEHOLD) == ["e1/l1", "e1/l3"]


# --- nobody reached ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["undelivered", "nobody", "expired"])
def test_when_nobody_was_reached_the_housekeeper_is_told_once(outcome: str) -> None:
    told = low().push(settled(20, "e1/l1", outcome), settled(21, "e1/l1", outcome))
    assert told.told(Audience.HOUSEKEEPER) == ["e1/l1/hk"]
    told.push(settled(30, "e1/l1/hk", outcome), settled(40, "e1/l1/r1", outcome))
    assert told.told(Audience.HOUSEKEEPER) == ["e1/l1/hk"], "the housekeeper's own notice is no reason for another"


def test_a_housekeeper_who_was_not_reached_is_no_reason_at_the_next_level_either() -> None:
    told = low().push(settled(20, "e1/l1", "nobody"), reading(30, "8", 3), reading(45, "8", 3))
    assert levels(told) == [1, 2]
    told.push(settled(50, "e1/l1/hk", "undelivered"))
    assert told.told(Audience.HOUSEKEEPER) == ["e1/l1/hk"]


@pytest.mark.parametrize(
    ("key", "outcome", "rule"),
    [
        ("e1/l1", "delivered", "low_balance"),
        ("e1/l1", "sent", "low_balance"),
        ("e1/l1", "withdrawn", "low_balance"),
        ("e11/l1", "nobody", "low_balance"),
        ("e1/l1", "nobody", "topup"),
    ],
)
def test_other_outcomes_and_other_notices_are_no_reason(key: str, outcome: str, rule: str) -> None:
    assert low().push(settled(20, key, outcome, rule=rule)).told(Audience.HOUSEKEEPER) == []


def test_after_the_episode_an_undelivered_notice_is_no_reason_any_more() -> None:
    told = low().push(reading(30, "125", 4), settled(40, "e1/l1", "undelivered"))
    assert told.told(Audience.HOUSEKEEPER) == []


# --- other people -----------------------------------------------------------------------------------------------


def test_of_a_vacant_unit_only_the_housekeeper_hears() -> None:
    told = keep_reading(story().push(moved(0, vacant=True), reading(1, "8", 3), reading(15, "8", 3)), "8", 1, 6)
    assert told.told(Audience.HOUSEHOLD) == []
    assert told.told(Audience.HOUSEKEEPER) == ["e1/l2/hk"]


def test_new_people_are_not_told_of_the_others_and_start_afresh() -> None:
    told = low().push(moved(30, vacant=False))
    assert told.waiting() == []
    assert told.tickets[0].moves == [("recovered", "occupancy_changed")]
    assert told.timers == {}
    told.push(reading(45, "25", 3), reading(60, "25", 3))
    assert told.waiting() == ["e2/l1"]


def test_people_who_move_in_are_told_where_nobody_was() -> None:
    told = story().push(moved(0, vacant=True), moved(5, vacant=False), reading(10, "25", 3), reading(25, "25", 3))
    assert told.told(Audience.HOUSEHOLD) == ["e1/l1"]


def test_another_meter_takes_back_what_was_said_of_the_old_one() -> None:
    told = low().push(replaced(30, None, "B2"))
    assert (told.waiting(), told.timers) == ([], {})


def test_an_end_cancels_both_deadlines() -> None:
    told = low("8").push(reading(30, "108", 4))
    assert [d.key for _, d in told.log if isinstance(d, CancelTimer)] == ["reminder", "unpaid"]


# --- holidays ahead ---------------------------------------------------------------------------------------------


@pytest.fixture
def festival(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine days off begin on the story's tenth day."""
    days = ((T0 + 10 * DAY_MS, T0 + 19 * DAY_MS),)
    site = SiteFacts(id=SITE.id, name=SITE.name, timezone=SITE.timezone, locale=SITE.locale, holidays=days)
    monkeypatch.setattr(timeline, "SITE", site)


@pytest.mark.usefixtures("festival")
def test_before_a_long_holiday_people_are_told_while_it_still_lasts_over_it() -> None:
    told = keep_reading(story(), "80", 0, 7)
    assert told.told() == []
    told.push(reading(8 * DAY, "80", 3), reading(8 * DAY + 15, "80", 3))
    assert told.told() == ["e1/l1"]
    assert told.tickets[0].fields["threshold"] == "90.00"
    ((_, notice),) = told.notices.values()
    assert notice.params["threshold"] == "90.00"


@pytest.mark.usefixtures("festival")
def test_after_the_holiday_what_is_enough_for_ordinary_days_is_no_episode() -> None:
    told = story().push(reading(8 * DAY, "80", 3), reading(8 * DAY + 15, "80", 3), reading(20 * DAY, "78", 3))
    assert told.tickets[0].moves == [("recovered", "holiday_over")]
    assert told.waiting() == []


@pytest.mark.usefixtures("festival")
def test_deeper_levels_stay_where_they_are() -> None:
    told = story().push(reading(8 * DAY, "12", 3), reading(8 * DAY + 15, "12", 3))
    assert levels(told) == [1]


def test_the_first_threshold_of_debt_stands_for_no_days() -> None:
    told = Timeline(LowBalance(), devices=[meter_facts(unit=BalanceUnit.CNY)], limits={"CNY": [-5, -10]})
    told.push(reading(0, "-4", 3), reading(15, "-4", 3))
    assert told.told() == []


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(-100, 400), st.integers(0, 5))
def test_days_to_last_agrees_with_counting(gaps: list[int], day: int, ahead: int) -> None:
    """Against the calendar day by day, at midnights."""
    holidays, at = [], 0
    for gap in gaps:
        holidays.append((at * DAY_MS, (at + gap % 9 + 1) * DAY_MS))
        at += gap % 9 + 1 + gap
    off = {d for start, end in holidays for d in range(start // DAY_MS, end // DAY_MS)}
    left = 0
    first = next((d for d in range(day, day + ahead + 1) if d in off), None)
    if first is not None:
        while first + left in off:
            left += 1
    assert days_to_last(holidays, day * DAY_MS, ahead * DAY_MS) == left
