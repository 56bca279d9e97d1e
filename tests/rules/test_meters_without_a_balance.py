"""A meter that counts energy only is never told to buy electricity: unknown is not 'empty'."""

import msgspec
import pytest

from hub.vocabulary.units import BalanceUnit, Relay
from rules.low_balance import LowBalance
from support.meters import meter_facts, reading
from support.timeline import Timeline


@pytest.mark.parametrize("unit", [BalanceUnit.KWH, BalanceUnit.CNY])
@pytest.mark.parametrize("relay", Relay)
def test_readings_without_a_balance_raise_nothing_however_many_come(unit, relay):
    story = Timeline(LowBalance(), devices=[meter_facts(unit=None if unit is BalanceUnit.KWH else unit)])
    for minute in range(0, 12 * 60, 15):
        without = reading(minute, None, unit=unit, relay=relay)
        story.push(msgspec.structs.replace(without, energy_wh=minute * 1000))
    assert story.tickets == []
    assert story.told() == []
    assert story.active() == []
