"""What a meter says once a day: its own alarm limits, its clock, whose number it carries (domain/meters.md 7 nos. 14, 17, 25)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from hub.vocabulary.decisions import Audience
from hub.vocabulary.events import Clock
from hub.vocabulary.units import BalanceUnit
from rules.low_balance import LowBalance
from support.meters import SUBJECT, levels, meter_facts, moved, reading, replaced
from support.timeline import Timeline

CUSTOMER = ("meter_customer_changed", SUBJECT)
CLOCK = ("meter_clock_wrong", SUBJECT)


def story(unit: BalanceUnit = BalanceUnit.CNY, **limits: Any) -> Timeline:
    return Timeline(LowBalance(), devices=[meter_facts(unit=unit)], limits=limits, restarts=True)


def daily(minute: float, balance: str | None, **read: Any) -> Any:
    """A reading that brings what is read once a day."""
    return replace(reading(minute, balance, 3, unit=read.pop("unit", BalanceUnit.CNY)), **read)


# --- no. 25: the display asks to buy from the meter's own limit on --------------------------------------------------


def test_25_a_meter_whose_own_limit_is_higher_is_low_from_there_on() -> None:
    """Its display shows 请购电 below 50 yuan; no alarm bit is wired, only the limit is read, once a day."""
    told = story().push(daily(0, "60", alarm_1=5_000, alarm_2=2_000))
    told.push(reading(15, "50", 3), reading(30, "50", 3))
    assert levels(told) == [1]
    assert told.tickets[0].fields["threshold"] == "50.00"
    assert told.tickets[0].evidence[0]["meter_limits"] == ["50.00", "20.00"], "both are shown"
    told.push(reading(45, "20", 3), reading(60, "20", 3))
    assert levels(told) == [1, 2]
    assert told.told(Audience.HOUSEHOLD) == ["e1/l1", "e1/l2"]


def test_25_the_reading_that_brings_the_limit_counts() -> None:
    told = story().push(daily(0, "45", alarm_1=5_000, alarm_2=None), reading(15, "45", 3))
    assert levels(told) == [1]


def test_25_it_ends_above_the_meters_limit_and_its_margin() -> None:
    told = story().push(daily(0, "45", alarm_1=5_000, alarm_2=None), reading(15, "45", 3), reading(30, "54.99", 3))
    assert len(told.active()) == 1
    assert told.push(reading(45, "55", 3)).active() == []


def test_25_a_limit_that_is_lowered_counts_from_then_on() -> None:
    told = story().push(daily(0, "60", alarm_1=5_000, alarm_2=2_000), daily(15, "45", alarm_1=1_000, alarm_2=500))
    assert told.push(reading(30, "45", 3), reading(45, "45", 3)).tickets == []


def test_25_an_episode_ends_by_the_limit_that_it_was_told_by() -> None:
    told = story().push(daily(0, "45", alarm_1=5_000, alarm_2=None), reading(15, "45", 3))
    told.push(daily(30, "45", alarm_1=1_000, alarm_2=None), reading(45, "46", 3))
    assert len(told.active()) == 1
    assert told.push(reading(60, "55", 3)).tickets[0].moves == [("recovered", "unexplained_credit")]


def test_25_the_limit_outlasts_an_episode() -> None:
    told = story().push(daily(0, "45", alarm_1=5_000, alarm_2=None), reading(15, "45", 3), reading(30, "145", 4))
    assert told.active() == []
    told.push(reading(900, "45", 4), reading(915, "45", 4))
    assert levels(told) == [1, 1]


@pytest.mark.parametrize(
    ("own", "balance", "level"),
    [
        ((1_000, 500), "30", [1]),  # the hub's own are higher
        ((1_000, 500), "30.01", []),
        ((None, 9_900), "99", []),  # alarm 2 alone is not read by any profile
        ((2_000, 4_000), "40", [2]),  # its second limit above its first
        ((100_001, 500), "900", []),  # nobody warns at a thousand yuan: not believed
        ((0, 0), "30", [1]),  # switched off in the meter
    ],
)
def test_25_the_level_is_the_higher_of_both(own: tuple[int | None, int], balance: str, level: list[int]) -> None:
    told = story().push(daily(0, "2000", alarm_1=own[0], alarm_2=own[1]))
    assert levels(told.push(reading(15, balance, 3), reading(30, balance, 3))) == level


def test_25_used_up_stays_used_up() -> None:
    """A site with two levels, the second of which is 0: no limit of a meter turns that into a text about an empty account."""
    told = story(CNY=[20, 0]).push(daily(0, "60", alarm_1=1_000, alarm_2=500))
    assert levels(told.push(reading(15, "4", 3), reading(30, "4", 3))) == [1]
    ((_, notice),) = told.notices.values()
    assert notice.template == "low_balance_1"


def test_25_yuan_of_the_old_unit_are_no_kilowatt_hours() -> None:
    told = story().push(daily(0, "60", alarm_1=50_000, alarm_2=2_000))
    told.devices = {"m-0101": meter_facts(unit=BalanceUnit.KWH)}
    told.push(*(reading(minute, "40", 3, unit=BalanceUnit.KWH) for minute in (15, 30)))
    assert told.tickets == []


def test_25_a_replaced_meter_has_limits_of_its_own() -> None:
    told = story().push(daily(0, "60", alarm_1=5_000, alarm_2=2_000), replaced(10, None, "B2"))
    assert told.push(reading(15, "45", 3), reading(30, "45", 3)).tickets == []


def test_25_the_same_limits_every_day_change_nothing() -> None:
    """Also where every reading brings them: the state is written once."""
    told = story().push(*(daily(15 * step, "60", alarm_1=5_000, alarm_2=2_000) for step in range(20)))
    assert told.writes == 1


# --- no. 14: the clock of a meter that is polled ---------------------------------------------------------------------


def test_14_a_polled_meter_whose_clock_is_off_is_a_problem_until_it_is_right() -> None:
    told = story().push(daily(0, "80", clock=Clock.ARRIVAL, clock_drift_s=601))
    assert told.problems[CLOCK].detail["drift_s"] == 601
    told.push(daily(15, "80", clock=Clock.ARRIVAL))
    assert CLOCK in told.problems, "a poll that does not read the clock says nothing about it"
    assert told.push(daily(30, "80", clock=Clock.ARRIVAL, clock_drift_s=-600)).problems == {}


def test_14_a_wrong_clock_moves_no_ticket() -> None:
    told = story().push(*(daily(minute, "5", clock=Clock.ARRIVAL, clock_drift_s=-9_000) for minute in (0, 15)))
    assert levels(told) == [2]


# --- no. 17: another customer's number in the meter ------------------------------------------------------------------


def low() -> Timeline:
    return story().push(daily(0, "25", customer="000000001111"), reading(15, "25", 3))


def test_17_another_customer_number_holds_every_notice() -> None:
    told = low().push(daily(30, "25", customer="000000002222"))
    assert told.waiting() == [], "what was not sent yet is taken back"
    assert told.problems[CUSTOMER].detail == {"known": "1111", "seen": "2222"}, "no whole number in a list of problems"
    told.push(reading(45, "8", 3), reading(60, "8", 3))
    assert levels(told) == [1], "nobody knows whose debt that is"
    assert "other_customer" in told.verdicts()


def test_17_entered_as_a_move_the_new_people_start_afresh() -> None:
    told = low().push(daily(30, "8", customer="000000002222"), moved(40, vacant=False))
    assert (told.problems, told.active()) == ({}, [])
    told.push(daily(45, "8", customer="000000002222"), reading(60, "8", 3))
    assert levels(told) == [1, 2]
    assert told.waiting() == ["e2/l2"]


def test_17_a_move_entered_before_the_number_changes_is_no_problem() -> None:
    told = low().push(moved(20, vacant=False), daily(30, "80", customer="000000001111"))
    told.push(daily(1_470, "80", customer="000000002222"))
    assert told.problems == {}
    told.push(daily(2_910, "80", customer="000000003333"))
    assert CUSTOMER in told.problems, "one move explains one number"


def test_17_the_old_number_again_ends_it_and_what_was_held_is_said() -> None:
    told = low().push(daily(30, "25", customer="000000002222"), daily(45, "24", customer="000000001111"))
    assert told.problems == {}
    assert told.waiting() == ["e1/l1/r1"]


def test_17_a_number_that_is_not_read_is_no_other_number() -> None:
    told = low().push(daily(30, "25", customer=None), reading(45, "25", 3))
    assert (told.problems, told.waiting()) == ({}, ["e1/l1"])


def test_17_a_replaced_meter_brings_its_own_number() -> None:
    told = low().push(daily(30, "25", customer="000000002222"), replaced(40, None, "B2"))
    told.push(daily(45, "25", customer="000000003333"))
    assert told.problems == {}


# --- no. 7: meters without a readable credit -------------------------------------------------------------------------


def test_07_another_meter_is_noticed_where_no_credit_is_read() -> None:
    told = story().push(reading(0, None, serial="A1"), reading(15, None), reading(30, None, serial="B2"))
    assert set(told.problems) == {("meter_serial_mismatch", SUBJECT)}
    assert told.push(reading(45, None, serial="B2")).writes == 2, "and said once"
