"""A prepaid meter: consumption, balance in money or energy, debt, top-ups, alarm levels."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.meter_devices import hundredths
from simulators.meters import MICRO, Meter, typical_meter

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_money_goes_down_by_energy_times_price():
    meter = Meter("A", "CNY", balance_micro=100 * MICRO, price_fen_per_kwh=56)
    meter.use(10 * 1_000_000)
    assert (meter.balance, meter.energy) == (10000 - 560, 1000)


def test_an_energy_balance_goes_down_by_the_energy():
    meter = Meter("A", "kWh", balance_micro=20 * MICRO)
    meter.use(12_500_000)
    assert meter.balance == 750


def test_overdrawn_meters_show_a_negative_balance():
    meter = Meter("A", "CNY", balance_micro=0)
    meter.use(1_000_000)
    assert (meter.balance, meter.alarm) == (-56, 3)


def test_a_top_up_raises_balance_total_and_count_and_leaves_a_record():
    meter = Meter("A", "CNY", balance_micro=-3 * MICRO, purchases=65535)
    meter.top_up(20000, AT)
    assert (meter.balance, meter.purchased, meter.purchases) == (19700, 20000, 0)
    assert (meter.top_ups[0].amount, meter.top_ups[0].balance_after) == (20000, 19700)


@pytest.mark.parametrize(("balance", "level"), [(3001, 0), (3000, 0), (2999, 1), (999, 2), (0, 3), (-1, 3)])
def test_alarm_levels_after_the_meters_own_limits(balance, level):
    meter = Meter("A")
    meter.set_balance(balance)
    assert meter.alarm == level


@given(st.lists(st.floats(0.1, 3600), max_size=50), st.integers(0, 23))
def test_energy_only_grows_and_the_balance_only_falls_without_top_ups(steps, hour):
    meter = typical_meter("A", "CNY", random.Random(1))
    for seconds in steps:
        energy, balance = meter.energy_mwh, meter.balance_micro
        meter.advance(seconds, hour, random.Random(2))
        assert meter.energy_mwh >= energy
        assert meter.balance_micro <= balance


def test_an_open_relay_uses_nothing():
    meter = Meter("A", relay_closed=False)
    meter.advance(3600, 19, random.Random(1))
    assert (meter.energy_mwh, meter.power_w) == (0, 0)


def test_amounts_of_scenarios_become_exact_hundredths():
    assert (hundredths(24.60), hundredths("0.29"), hundredths(-3.2), hundredths(8)) == (2460, 29, -320, 800)
