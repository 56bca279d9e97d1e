"""Days left are shown when they are honest, and otherwise the reason."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hub.meters.forecast import Day, NoForecast, day_use, days_left
from hub.vocabulary.units import BalanceUnit

CNY, KWH = BalanceUnit.CNY, BalanceUnit.KWH


def day(use: int = 500, first: int = 10_000, **more: Any) -> Day:
    """A whole day that took `use` fen."""
    known: dict[str, Any] = {
        "credit_first": first,
        "credit_last": first - use + 5,
        "credit_min": first - use + 5,
        "credit_max": first,
        "credit_next": first - use,
        "used_wh": None,
        "count": 96,
        "count_next": 96,
    }
    return Day(**(known | more))


TOPPED_UP = day(credit_max=20_000, credit_last=19_800, credit_next=19_790)
TOPPED_UP_AT_NIGHT = day(credit_next=30_000)
BLIND = day(credit_first=None, credit_last=None, credit_min=None, credit_max=None)


def left(credit: int | None, *days: Day, unit: BalanceUnit = CNY, good: bool = True) -> Any:
    return days_left(credit, unit, days, good=good)


def test_credit_by_the_median_day() -> None:
    assert left(2_000, day(500), day(400), day(9_000), day(600), day(100)) == (Decimal("4.0"), None)


def test_never_rounded_up() -> None:
    assert left(1_999, day(500), day(500), day(500)) == (Decimal("3.9"), None)


@pytest.mark.parametrize("hidden", [TOPPED_UP, TOPPED_UP_AT_NIGHT, BLIND, day(credit_next=None)])
def test_a_day_that_is_not_known_whole_is_left_out(hidden: Day) -> None:
    assert day_use(hidden, CNY) is None
    assert left(1_000, day(), day(), hidden) == (None, NoForecast.TOO_FEW_DAYS)
    assert left(1_000, day(), day(), hidden, day()) == (Decimal("2.0"), None)


@pytest.mark.parametrize("hole", [{"count": 40}, {"count_next": 40}])
def test_a_day_with_a_hole_is_left_out(hole: dict[str, int]) -> None:
    """A day that was read 40 times of 96, or whose successor begins who knows when."""
    holed = replace(day(3_000), **hole)
    assert left(1_000, day(), day(), holed) == (None, NoForecast.TOO_FEW_DAYS)


def test_a_meter_that_is_read_seldom_is_judged_by_its_own_days() -> None:
    assert left(1_000, *(day(count=2, count_next=2) for _ in range(3))) == (Decimal("2.0"), None)


def test_energy_credit_uses_the_counter_where_it_is_known() -> None:
    days = [replace(TOPPED_UP, used_wh=2_000, count=3)] * 3
    assert left(9_000, *days, unit=KWH) == (Decimal("4.5"), None)
    assert left(9_000, *days, unit=CNY) == (None, NoForecast.TOO_FEW_DAYS)


@pytest.mark.parametrize(
    ("credit", "good", "expected"),
    [
        (None, True, (None, NoForecast.NO_BALANCE)),
        (1_000, False, (None, NoForecast.NOT_GOOD)),
        (0, True, (Decimal(0), None)),
        (-500, True, (Decimal(0), None)),
        (-500, False, (None, NoForecast.NOT_GOOD)),
    ],
)
def test_unknown_is_not_zero_and_zero_is_zero(credit: int | None, good: bool, expected: Any) -> None:
    assert left(credit, day(), day(), day(), good=good) == expected


@pytest.mark.parametrize("use", [0, 1])
def test_an_empty_home_has_no_number(use: int) -> None:
    idle = day(use, credit_last=10_000 - use, credit_min=10_000 - use)
    assert left(1_000, idle, idle, idle) == (None, NoForecast.NO_USE)


def test_after_a_change_of_price_only_the_days_since_count() -> None:
    """Domain/meters.md 7 no. 19: the same 8 kWh a day, 4 yuan before and 6 yuan since."""
    dear, cheap = day(600, used_wh=8_000), day(400, used_wh=8_000)
    assert left(6_000, dear, dear, dear, cheap, cheap, cheap, cheap) == (Decimal("10.0"), None)
    assert left(6_000, dear, dear, cheap, cheap, cheap, cheap, cheap) == (None, NoForecast.TOO_FEW_DAYS)


def test_days_of_more_and_less_use_at_one_price_are_no_change() -> None:
    days = [day(use, used_wh=use * 20) for use in (600, 100, 900, 500, 450)]
    assert left(5_000, *days) == (Decimal("10.0"), None)


def test_a_day_of_next_to_no_use_says_nothing_about_the_price() -> None:
    usual = day(500, used_wh=10_000)
    assert left(5_000, usual, day(3, used_wh=40), usual, usual) == (Decimal("10.0"), None)


def test_only_the_last_seven_days_count() -> None:
    days = [TOPPED_UP] * 5 + [day()] * 5
    assert left(1_000, *days) == (None, NoForecast.TOO_FEW_DAYS)


@given(st.integers(1, 10**7), st.lists(st.integers(1, 10**5), min_size=3, max_size=7))
def test_the_credit_lasts_at_least_as_long_as_said(credit: int, uses: list[int]) -> None:
    number, why = left(
        credit, *(day(use, first=10**6, credit_last=10**6 - use, credit_min=10**6 - use) for use in uses)
    )
    assert (number is None) == (why is not None)
    if number is not None:
        assert number * sorted(uses)[(len(uses) - 1) // 2] <= credit
