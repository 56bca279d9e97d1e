"""Tickets of meters whose credit runs out: raise, deepen, clear. The edge cases of domain/meters.md 7 have their own file."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.units import BalanceUnit, Relay
from rules.balance_levels import LowBalanceLimits, levels_of
from rules.low_balance import LowBalance
from support.meters import SUBJECT, levels, meter_facts, reading
from support.timeline import Timeline


def story(unit: BalanceUnit | None = BalanceUnit.CNY, **limits: Any) -> Timeline:
    return Timeline(LowBalance(), devices=[meter_facts(unit=unit)], limits=limits, restarts=True)


# --- raising ----------------------------------------------------------------------------------------------------


def test_two_good_readings_open_a_ticket_with_everything_a_clerk_needs() -> None:
    told = story().push(reading(0, "29.50"), reading(15, "28.75"))
    ticket = told.one(TicketKind.LOW_BALANCE, SUBJECT)
    assert ticket.reason == "two_readings"
    assert ticket.fields == {
        "level": 1,
        "episode": 1,
        "credit": "28.75",
        "unit": "CNY",
        "threshold": "30.00",
        "place": "b1/0101",
    }
    assert ticket.evidence[0]["first_credit"] == "29.50"
    assert ticket.severity is Severity.LOW


def test_one_reading_is_not_enough_and_says_so() -> None:
    told = story().push(reading(0, "5"))
    assert told.tickets == []
    assert told.verdicts() == ["single_reading_waiting"]


def test_two_readings_too_close_together_wait_for_a_third() -> None:
    told = story().push(reading(0, "5"), reading(4.9, "5"))
    assert told.tickets == []
    told.push(reading(5, "5"))
    assert levels(told) == [2]


def test_a_good_reading_in_between_starts_the_wait_anew() -> None:
    told = story().push(reading(0, "29"), reading(15, "31"), reading(30, "29"))
    assert told.tickets == []
    assert told.verdicts() == ["single_reading_waiting", "above_threshold", "single_reading_waiting"]


def test_the_meters_own_alarm_confirms_one_reading() -> None:
    told = story().push(reading(0, "9.99", alarm=1))
    assert (levels(told), told.tickets[0].reason) == ([2], "meter_alarm")


def test_only_the_level_that_both_readings_show_is_told_at_first() -> None:
    """29 then -3: level 1 is certain, level 3 needs its own second reading."""
    told = story().push(reading(0, "29"), reading(15, "-3"))
    assert levels(told) == [1]
    told.push(reading(30, "-3"))
    assert levels(told) == [1, 3]


def test_a_shallower_second_reading_confirms_the_shallower_level() -> None:
    assert levels(story().push(reading(0, "9"), reading(15, "12"))) == [1]


def test_a_threshold_is_reached_at_its_value() -> None:
    assert levels(story().push(reading(0, "0"), reading(15, "0"))) == [3]
    assert levels(story().push(reading(0, "30.01"), reading(15, "30.01"))) == []


def test_kwh_meters_have_their_own_thresholds() -> None:
    told = story(BalanceUnit.KWH)
    told.push(*(reading(minute, "19.999", unit=BalanceUnit.KWH) for minute in (0, 15)))
    assert (levels(told), told.tickets[0].fields["credit"]) == ([1], "19.999")


def test_deeper_levels_supersede_and_never_two_are_active() -> None:
    told = story()
    for step, balance in enumerate(["25", "25", "8", "8", "-1", "-1"]):
        told.push(reading(15 * step, balance))
        assert len(told.active()) <= 1
    told.push(reading(120, "-1", relay=Relay.OPEN), reading(135, "-1", relay=Relay.OPEN))
    assert levels(told) == [1, 2, 3, 4]
    assert [ticket.triggers for ticket in told.tickets] == [["superseded"], ["superseded"], ["superseded"], []]
    assert {ticket.fields["episode"] for ticket in told.tickets} == {1}
    assert [ticket.severity.value for ticket in told.tickets] == ["low", "medium", "high", "high"]


def test_repeats_at_the_same_level_neither_count_nor_write() -> None:
    told = story().push(reading(0, "25"), reading(15, "25"))
    before = told.writes
    told.push(*(reading(minute, "24") for minute in range(30, 600, 15)))
    assert told.tickets[0].count == 1
    assert told.writes == before
    assert set(told.verdicts()[1:]) == {"already_raised"}


def test_a_healthy_meter_writes_its_state_once_and_says_nothing() -> None:
    told = story().push(*(reading(minute, "200", 7, serial="A1") for minute in range(0, 600, 15)))
    assert (told.writes, told.log) == (1, [])


def test_a_muted_meter_raises_nothing_and_says_so_but_still_clears() -> None:
    told = story(muted=True).push(reading(0, "5"), reading(15, "5"))
    assert (told.tickets, told.verdicts()) == ([], ["single_reading_waiting", "muted"])
    told.limits = {}
    told.push(reading(30, "5"))
    assert levels(told) == [2]
    told.limits = {"muted": True}
    told.push(reading(45, "50"))
    assert told.active() == []


def test_elevators_are_none_of_its_business() -> None:
    rule = LowBalance()
    told = Timeline(rule)  # knows an elevator only
    told.push(reading(0, "1", device="b1-e1"), reading(15, "1", device="b1-e1"))
    assert (told.states, told.log) == ({}, [])


# --- ending -----------------------------------------------------------------------------------------------------


def low(balance: str = "8", purchases: int | None = 3) -> Timeline:
    """A story in which level 2 has been told."""
    return story().push(reading(0, balance, purchases), reading(15, balance, purchases))


def test_a_purchase_clears_at_once() -> None:
    told = low().push(reading(20, "108", 4))
    assert told.tickets[0].moves == [("paid", "purchase_counted")]
    assert told.active() == []


def test_a_meter_without_purchase_count_clears_by_margin_only() -> None:
    told = low(purchases=None).push(reading(30, "14.99"))
    assert len(told.active()) == 1  # 10 + the 5 yuan at least
    told.push(reading(45, "35"))
    assert told.tickets[0].moves == [("recovered", "credit_recovered")]


def test_the_margin_is_a_share_of_large_thresholds() -> None:
    told = story(CNY=[200, 100, 0]).push(reading(0, "150"), reading(15, "150"))
    told.push(reading(30, "219.99"))
    assert len(told.active()) == 1
    told.push(reading(45, "220"))
    assert told.active() == []


def test_credit_that_rises_into_a_milder_level_opens_that_level_anew() -> None:
    told = low().push(reading(30, "20", 3))
    assert levels(told) == [2, 1]
    assert told.tickets[1].reason == "still_low"
    assert [ticket.fields["episode"] for ticket in told.tickets] == [1, 2]


def test_closed_by_hand_while_low_stays_quiet_until_deeper() -> None:
    told = low().people("close", "closed", TicketKind.LOW_BALANCE, SUBJECT)
    told.push(reading(30, "7", 3), reading(45, "6", 3))
    assert levels(told) == [2]
    told.push(reading(60, "-1", 3), reading(75, "-1", 3))
    assert levels(told) == [2, 3]


def test_closed_by_hand_then_cleared_then_low_again_raises_again() -> None:
    told = low().people("close", "closed", TicketKind.LOW_BALANCE, SUBJECT)
    told.push(reading(30, "80", 4), reading(45, "8", 4), reading(60, "8", 4))
    assert levels(told) == [2, 2]
    assert told.tickets[1].fields["episode"] == 2


def test_credit_that_flaps_around_a_threshold_gives_one_ticket() -> None:
    told = story()
    for step in range(40):
        told.push(reading(15 * step, "29.90" if step % 3 else "30.10"))
    assert levels(told) == [1]


# --- limits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"CNY": [10, 30, 0]},
        {"CNY": [10, 10]},
        {"kWh": []},
        {"kWh": [float("nan")]},
        {"CNY": [float("inf"), 0]},
        {"CNY": ["30"]},
        {"CNY": [30.001, 30.002]},
        {"clear_margin": -0.1},
        {"confirm_gap_s": "300"},
        {"cny": [30]},
        {"confirm_gap": 300},
    ],
)
def test_limits_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, LowBalanceLimits)


def test_limits_are_exact() -> None:
    limits = msgspec.convert({"CNY": [29.99, 0.07], "kWh": [1.005, -2]}, LowBalanceLimits)
    money, energy = levels_of(limits)
    assert (money.thresholds, energy.thresholds) == ((2999, 7), (1005, -2000))
    assert levels_of(limits)[0] is money


def test_a_site_may_have_more_or_fewer_levels() -> None:
    told = story(CNY=[50]).push(reading(0, "40"), reading(15, "40"))
    told.push(reading(30, "-1", relay=Relay.OPEN), reading(45, "-1", relay=Relay.OPEN))
    assert levels(told) == [1, 2]
    assert told.tickets[1].severity is Severity.HIGH


def test_no_wait_between_readings_still_takes_two() -> None:
    told = story(confirm_gap_s=0).push(reading(0, "5"), reading(0, "5"))
    assert told.tickets == []
    told.push(reading(0.1, "5"))
    assert levels(told) == [2]
