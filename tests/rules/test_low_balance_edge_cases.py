"""The edge cases of domain/meters.md 7 that a rule decides, by their numbers there."""

from __future__ import annotations

from typing import Any

import pytest

from hub.vocabulary.decisions import RaiseProblem, TicketKind
from hub.vocabulary.events import Clock
from hub.vocabulary.purchases import CountChange, judge_count
from hub.vocabulary.units import BalanceUnit, Relay
from rules.low_balance import LowBalance
from support.meters import SUBJECT, levels, meter_facts, reading, replaced
from support.timeline import Timeline

PROBLEM = ("meter_unit_mismatch", SUBJECT)


def story(**limits: Any) -> Timeline:
    return Timeline(LowBalance(), devices=[meter_facts()], limits=limits, restarts=True)


def low(balance: str = "8", purchases: int | None = 3, **more: Any) -> Timeline:
    """A story in which the ticket of this balance is open; 15 minutes have passed."""
    told = story().push(reading(0, balance, purchases, **more), reading(15, balance, purchases, **more))
    assert len(told.active(TicketKind.LOW_BALANCE, SUBJECT)) == 1
    return told


def test_01_debt_is_the_level_of_used_up_credit() -> None:
    assert levels(low("-12.50")) == [3]
    assert low("-12.50").tickets[0].fields["credit"] == "-12.50"


def test_03_unreadable_credit_raises_nothing_and_clears_nothing() -> None:
    told = story().push(reading(0, None), reading(15, None, alarm=2), reading(30, None))
    assert (told.tickets, told.verdicts()) == ([], ["unknown_credit"])
    told = low().push(reading(30, None, 4), reading(45, None, 4))
    assert len(told.active()) == 1
    told.push(reading(60, "8", 3))
    assert levels(told) == [2], "nothing was told twice when the credit came back"


def test_03_unreadable_credit_between_two_low_readings_does_not_break_the_run() -> None:
    assert levels(story().push(reading(0, "5"), reading(15, None), reading(30, "5"))) == [2]


@pytest.mark.parametrize("how", [{"late": True}, {"live": False}])
def test_04_late_and_retained_readings_never_raise_and_never_clear(how: dict[str, bool]) -> None:
    told = story().push(*(reading(minute, "5", **how) for minute in (0, 15, 30)))
    assert (told.tickets, told.verdicts()) == ([], ["stale"] * 3)
    told = low().push(reading(30, "200", 4, **how), reading(45, "200", 4, **how))
    assert len(told.active()) == 1


def test_04_older_than_what_is_known_is_stale_even_unmarked() -> None:
    told = low()
    told.mark_late = False
    told.push(reading(1, "200", 4, arrives=20))
    assert len(told.active()) == 1


def test_05_what_a_meter_buffered_through_an_outage_opens_nothing_that_is_over() -> None:
    """Low at ten and at a quarter past, paid at half past; all of it arrives at 10:31."""
    told = story().push(
        reading(0, "5", 3, arrives=31), reading(15, "5", 3, arrives=31), reading(30, "105", 4, arrives=31)
    )
    assert told.tickets == []


def test_05_buffered_readings_help_a_fresh_one() -> None:
    told = story().push(reading(0, "5", arrives=31), reading(15, "5", arrives=31), reading(30, "5", arrives=31))
    assert levels(told) == [2]


@pytest.mark.parametrize(("age", "told"), [(10, [2]), (10.1, [])])
def test_05_a_reading_is_news_of_now_for_ten_minutes(age: float, told: list[int]) -> None:
    both = story().push(reading(0, "5", arrives=15 + age), reading(15, "5", arrives=15 + age))
    assert levels(both) == told


def test_05_a_slow_clock_does_not_hide_a_low_meter() -> None:
    """Its readings are never fresh, but they arrive far enough apart."""
    assert levels(story().push(reading(0, "5", arrives=60), reading(15, "5", arrives=75))) == [2]


def test_06_the_wrong_unit_is_a_problem_and_never_a_ticket() -> None:
    told = story().push(*(reading(minute, "5", unit=BalanceUnit.KWH) for minute in (0, 15, 30)))
    assert told.tickets == []
    assert told.problems[PROBLEM].detail == {"expected": "CNY", "reported": "kWh"}
    assert told.writes == 1
    told.push(reading(45, "100"))
    assert told.problems == {}


def test_06_without_a_unit_in_the_site_file_the_first_reading_says_it() -> None:
    told = Timeline(LowBalance(), devices=[meter_facts(unit=None)])
    told.push(reading(0, "100"), reading(15, "5", unit=BalanceUnit.KWH), reading(30, "5", unit=BalanceUnit.KWH))
    assert told.tickets == []
    assert PROBLEM in told.problems


def test_06_a_corrected_site_file_ends_the_episode_of_the_other_unit() -> None:
    told = low("8")
    told.devices = {"m-0101": meter_facts(unit=BalanceUnit.KWH)}
    told.push(reading(30, "80", 3, unit=BalanceUnit.KWH))
    assert told.tickets[0].moves == [("recovered", "unit_changed")]


def test_07_another_serial_number_is_a_problem_and_its_readings_count_for_nothing() -> None:
    """Neither do they clear what is open, nor raise: nobody knows whose credit that is."""
    told = low(serial="A1").push(reading(30, "200", 9, serial="B2"), reading(45, "200", 9))
    assert len(told.active()) == 1
    problem = told.problems["meter_serial_mismatch", SUBJECT]
    assert problem.detail == {"installed": "A1", "seen": "B2"}
    told = Timeline(LowBalance(), devices=[meter_facts()], restarts=True)
    told.push(reading(0, "80", serial="A1"), reading(15, "-5", serial="B2"), reading(30, "-5", serial="B2"))
    assert (told.tickets, told.told()) == ([], [])
    assert told.verdicts() == ["other_meter", "other_meter"]


def test_07_the_right_meter_back_at_its_address_ends_the_problem() -> None:
    told = low(serial="A1").push(reading(30, "200", 9, serial="B2"), reading(45, "7", 3, serial="A1"))
    assert told.problems == {}
    assert len(told.active()) == 1
    told.push(reading(60, "107", 4, serial="A1"))
    assert told.active() == []


def test_08_a_replaced_meter_closes_the_episode_and_starts_afresh() -> None:
    told = low(serial="A1").push(reading(30, "8", 0, serial="B2"))
    told.push(replaced(31, "A1", "B2"))
    assert told.tickets[0].moves == [("recovered", "meter_replaced")]
    assert (told.active(), told.problems) == ([], {})
    told.push(reading(45, "8", 0, serial="B2"), reading(60, "8", 0, serial="B2"))
    assert levels(told) == [2, 2]
    assert told.tickets[1].fields["episode"] == 2, "episodes go on counting"


def test_08_confirmed_before_the_new_meter_is_heard_nothing_is_quarantined() -> None:
    told = low(serial="A1").push(replaced(20, "A1", "B2"), reading(30, "90", 0, serial="B2"))
    assert told.problems == {}
    told.push(reading(45, "90", 0, serial="A1"))
    assert ("meter_serial_mismatch", SUBJECT) in told.problems, "the old one still hangs there"


def test_08_a_replacement_without_a_serial_number_takes_the_one_that_is_seen() -> None:
    told = low(serial="A1").push(reading(30, "90", 0, serial="B2"), replaced(31, None, None))
    told.push(reading(45, "90", 0, serial="B2"))
    assert told.problems == {}
    assert told.state("low_balance", SUBJECT).serial == "B2"


def test_08_the_new_meters_own_count_is_no_purchase() -> None:
    told = low(serial="A1").push(replaced(20, "A1", "B2"))
    told.push(reading(30, "8", 4, serial="B2", alarm=1))
    assert levels(told) == [2, 2], "a purchase would have made its alarm wait for another reading"


def test_08_a_missing_serial_is_not_another_meter() -> None:
    told = low(serial="A1").push(reading(30, "8", 3), reading(45, "8", 3, serial="A1"))
    assert len(told.active()) == 1


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (3, 4, CountChange.PURCHASE),
        (3, 6, CountChange.PURCHASE),
        (9_999, 0, CountChange.PURCHASE),
        (9_998, 2, CountChange.PURCHASE),
        (65_535, 0, CountChange.PURCHASE),
        (65_530, 5, CountChange.PURCHASE),
        (57, 0, CountChange.ACCOUNT_RESET),
        (57, 1, CountChange.ACCOUNT_RESET),
        (57, 56, CountChange.ACCOUNT_RESET),
        (3, 5_000, CountChange.ACCOUNT_RESET),
        (5_000, 0, CountChange.ACCOUNT_RESET),
        (7, 7, CountChange.SAME),
        (None, 7, CountChange.SAME),
        (7, None, CountChange.SAME),
        (0, 1, CountChange.PURCHASE),
    ],
)
def test_10_counts_are_compared_modulo_and_a_reset_is_no_purchase(before: Any, after: Any, change: CountChange) -> None:
    assert judge_count(before, after) is change


def test_10_a_new_account_clears_only_by_its_credit() -> None:
    told = low(purchases=57).push(reading(30, "8", 0))
    assert len(told.active()) == 1
    assert "account_event" in told.verdicts()
    told = low(purchases=57).push(reading(30, "100", 0))
    assert told.tickets[0].moves == [("recovered", "account_reset")]


def test_10_a_wrapped_count_clears() -> None:
    assert low(purchases=9_999).push(reading(30, "100", 0)).tickets[0].moves == [("paid", "purchase_counted")]


def test_11_credit_without_a_purchase_clears_and_says_that_nobody_knows_why() -> None:
    told = low().push(reading(30, "14.99", 3))
    assert len(told.active()) == 1, "below the margin it stays"
    told.push(reading(45, "80", 3))
    assert told.tickets[0].moves == [("recovered", "unexplained_credit")]


def test_12_paid_but_still_low_closes_the_episode_and_opens_the_next_which_says_so() -> None:
    told = low("-20").push(reading(30, "8", 4))
    assert told.tickets[0].moves == [("paid", "purchase_counted")]
    assert told.active() == [], "the reading of the purchase alone accuses nobody"
    told.push(reading(34.9, "8", 4))
    assert told.active() == [], "nor a second one right after it"
    told.push(reading(35, "8", 4))
    assert levels(told) == [3, 2]
    assert told.tickets[1].reason == "still_low_after_purchase"
    assert [ticket.fields["episode"] for ticket in told.tickets] == [1, 2]


def test_12_a_count_that_comes_before_its_credit_opens_nothing() -> None:
    told = low("8").push(reading(30, "8", 4, alarm=1), reading(45, "108", 4))
    assert levels(told) == [2]
    assert told.active() == []
    told.push(reading(900, "8", 4), reading(915, "8", 4))
    assert told.tickets[1].reason == "two_readings", "the purchase is long over"


def test_14_duplicates_and_disorder_change_nothing() -> None:
    told = low().push(reading(15, "8", 3), reading(0, "8", 3), reading(15, "8", 3))
    assert (len(told.tickets), told.tickets[0].count) == (1, 1)
    told.push(reading(30, "108", 4), reading(15, "8", 3), reading(20, "8", 3))
    assert told.active() == []


def test_14_a_clock_in_the_year_2000_counts_by_arrival() -> None:
    told = story().push(*(reading(minute, "5", clock=Clock.SKEWED) for minute in (0, 15)))
    assert levels(told) == [2]


def test_15_a_restart_tells_nothing_twice() -> None:
    told = low().restart(600).push(reading(40, "8", 3), reading(55, "8", 3))
    assert (len(told.tickets), told.tickets[0].count) == (1, 1)


def test_16_an_open_relay_with_credit_is_not_a_low_balance() -> None:
    told = story().push(*(reading(minute, "80", relay=Relay.OPEN) for minute in (0, 15, 30)))
    assert told.tickets == []


def test_16_a_relay_that_does_not_obey_is_a_fault_and_not_a_low_balance() -> None:
    """Told to be closed, with credit used up: the supply is missing for another reason than the credit."""
    story_ = Timeline(LowBalance(), devices=[meter_facts()], restarts=True)
    odd = {"relay": Relay.OPEN, "relay_command": Relay.CLOSED, "alarm": 3}
    story_.push(reading(0, "200", **odd))
    assert story_.problems == {}, "a relay needs a moment"
    story_.push(reading(15, "200", **odd), reading(30, "200", **odd))
    assert set(story_.problems) == {("meter_relay_fault", SUBJECT)}
    assert 4 not in levels(story_)
    story_.push(reading(45, "200", relay=Relay.CLOSED, relay_command=Relay.CLOSED))
    assert story_.problems == {}


def test_14_a_wrong_clock_is_flagged_once_and_over_when_it_is_right() -> None:
    skewed = [reading(minute, "80", clock=Clock.SKEWED) for minute in (0, 15, 30)]
    told = Timeline(LowBalance(), devices=[meter_facts()], restarts=True).push(*skewed)
    assert [str(d.code) for _, d in told.log if isinstance(d, RaiseProblem)] == ["meter_clock_wrong"]
    told.push(reading(45, "80", clock=Clock.ARRIVAL))
    assert told.problems, "no time at all is not a right one"
    told.push(reading(60, "80"))
    assert told.problems == {}


def test_21_a_relay_that_trips_and_closes_again_is_not_off() -> None:
    relays = [Relay.OPEN, Relay.CLOSED] * 10
    told = story()
    for step, relay in enumerate(relays):
        told.push(reading(15 * step, "-1", relay=relay, alarm=3))
    assert levels(told) == [3], "never level 4: the relay was not open twice in a row"


def test_21_once_off_has_been_told_a_closing_relay_brings_no_further_tickets() -> None:
    told = story()
    for step in range(24):
        relay = Relay.OPEN if step % 6 < 3 else Relay.CLOSED
        told.push(reading(15 * step, "-1", relay=relay))
    assert levels(told) == [4]


def test_25_the_meters_own_limits_may_be_higher_than_the_hubs() -> None:
    """Its alarm lights at 50 yuan: the hub's level is the higher of both, after two readings."""
    told = story().push(reading(0, "50", 3, alarm=1))
    assert told.tickets == [], "one undocumented bit alone is not believed"
    told.push(reading(15, "50", 3, alarm=1))
    assert levels(told) == [1]


def test_25_an_alarm_that_flickers_opens_nothing_twice() -> None:
    told = story().push(reading(0, "50", 3, alarm=1), reading(15, "50", 3, alarm=1))
    told.push(*(reading(15 * step, "49", 3, alarm=step % 2) for step in range(2, 20)))
    assert levels(told) == [1]
    told.push(reading(600, "54.99", 3, alarm=0))
    assert len(told.active()) == 1
    told.push(reading(615, "55", 3, alarm=1))
    assert len(told.active()) == 1, "the meter still says so"
    told.push(reading(630, "55", 3, alarm=0))
    assert told.active() == []


def test_25_a_tripped_meter_with_credit_is_off_after_two_readings() -> None:
    told = story().push(*(reading(minute, "8", relay=Relay.OPEN, alarm=3) for minute in (0, 15)))
    assert levels(told) == [2, 4]
