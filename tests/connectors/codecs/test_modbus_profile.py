"""A profile's mistakes are found before a register is read: each with its place and what is allowed."""

import copy

import pytest
import yaml

from connectors import profiles
from connectors.codecs.modbus_profile import Period, parse
from connectors.codecs.profile_error import ProfileError
from connectors.modbus.planner import ambiguous, plan

SHIPPED = {name: each.modbus for name, each in profiles.load().items() if each.modbus is not None}

GOOD = yaml.safe_load("""
id: test-meter
kind: meter
transport: modbus
modbus:
  blocks: {live: {addr: 0, count: 10}, rest: {addr: 100, count: 4}}
  fields: {balance: {addr: 0, type: i32, scale: 0.01, unit: CNY}, energy: {addr: 100, type: u32, unit: kWh}}
  extra: {ct: {addr: 4, type: u16}}
""")


def changed(path, value):
    raw = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    place = raw
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = value
    return raw


def test_the_good_one_is_good():
    assert parse(GOOD).id == "test-meter"


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("kind", "toaster", "kind: 'toaster'; allowed with transport modbus: meter, elevator"),
        ("modbus.blocks.live.count", 126, "modbus.blocks.live.count: 126 registers; Modbus allows 125"),
        ("modbus.blocks.live.fc", 16, "modbus.blocks.live.fc: 16 is not a read; allowed: 1, 2, 3, 4"),
        ("modbus.blocks.live.period", "often", "modbus.blocks.live.period: 'often'; allowed: fast, slow, daily"),
        ("modbus.blocks.live.addr", 65530, "modbus.blocks.live.addr: 65530 + 10 is outside 0 … 65535"),
        ("modbus.blocks.live.length", 3, "modbus.blocks.live: Object contains unknown field `length`"),
        ("modbus.blocks.rest.count", 10, "modbus.blocks.rest.count: 10 registers like modbus.blocks.live"),
        ("modbus.fields.balance.type", "u33", "modbus.fields.balance.type: 'u33' is no type; allowed: u16,"),
        ("modbus.fields.balance.unit", "EUR", "modbus.fields.balance.unit: 'EUR' does not fit here; allowed: $site,"),
        ("modbus.fields.balance.scale", 0, "modbus.fields.balance.scale: must not be 0"),
        ("modbus.fields.balance.order", "middle", "modbus.fields.balance.order: 'middle'; allowed: big"),
        ("modbus.fields.balance.plausible", [5, 1], "modbus.fields.balance.plausible: [lowest, highest]"),
        ("modbus.fields.balance.fc", 6, "modbus.fields.balance.fc: 6 is not a read"),
        ("modbus.fields.balance.multiply_by", "ratio", "modbus.fields.balance.multiply_by: 'ratio' is no number under"),
        ("modbus.fields.colour", {"addr": 0}, "modbus.fields.colour: unknown field; allowed: balance, overdraft,"),
        (
            "modbus.fields.relay",
            {"addr": 0, "map": {0: "ajar"}},
            "'ajar' is no word of this field; allowed: closed, open",
        ),
        ("modbus.fields.relay", {"addr": 0}, "modbus.fields.relay: needs `map`, `cases`, or `wired: false`"),
        ("modbus.fields.relay", {"cases": [{"addr": 0, "mask": 1, "equals": 2, "is": "open"}]}, "could never hold"),
        ("modbus.forbidden", [[0, 3]], "modbus.balance: lies in the forbidden range 0 … 3"),
        ("modbus.max_registers", 126, "modbus.max_registers: 126; allowed: 1 … 125"),
        ("modbus.blocks.rest.period", "fast", "modbus.fields: all must be read in one period"),
        ("modbus.fields", {}, "modbus.fields: no field reads a register"),
        ("modbus.timeout_ms", "soon", "modbus.timeout_ms: Expected `int`, got `str`"),
    ],
)
def test_a_mistake_is_named_with_its_place(path, value, says):
    with pytest.raises(ProfileError) as caught:
        parse(changed(path, value))
    assert says in str(caught.value)


def test_all_mistakes_are_told_at_once():
    raw = changed("modbus.fields.balance.unit", "EUR")
    raw["modbus"]["fields"]["energy"]["type"] = "u33"
    with pytest.raises(ProfileError) as caught:
        parse(raw)
    assert len(caught.value.problems) == 2


def test_no_profile_of_ours_can_mix_up_two_replies():
    """RTU frames carry no transaction number: planned reads differ in length."""
    for profile in SHIPPED.values():
        assert not ambiguous(plan(profile)), profile.id


def test_alarm_points_are_fast_and_balances_are_not():
    for profile in SHIPPED.values():
        periods = {read.period for read in plan(profile)} - {Period.DAILY}
        assert periods == {Period.FAST if profile.kind == "elevator" else Period.SLOW}
