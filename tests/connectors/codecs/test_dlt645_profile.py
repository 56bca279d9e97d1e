"""A DL/T 645 profile's mistakes are found before a meter is asked: each with its place and what is allowed."""

import copy

import pytest
import yaml

from connectors.codecs.dlt645_profile import parse
from connectors.codecs.modbus_profile import Period
from connectors.codecs.profile_error import ProfileError
from connectors.modbus.planner import plan

GOOD = yaml.safe_load("""
id: test-meter
kind: meter
transport: dlt645
dlt645:
  credit_type: {item: 0x04000503, bytes: 2, type: bits, mask: 0x0300, map: {0: none, 1: kWh, 2: CNY}}
  fields: {energy: {item: 0x00010000, scale: 0.01, unit: kWh}}
  variants:
    CNY: {fields: {balance: {item: 0x00900200, scale: 0.01, unit: CNY}}, limits: {a1: {item: 0x04001001, scale: 0.01, unit: CNY}}}
    kWh: {fields: {balance: {item: 0x00900100, scale: 0.01, unit: kWh}}}
  identity: {item: 0x04000402, bytes: 6, type: digits}
""")


def changed(path, value):
    raw = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    place = raw
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = value
    return raw


def test_each_item_is_a_request_of_its_own_and_settings_are_daily():
    reads = plan(parse(GOOD))
    assert [(read.span.addr, read.span.count, read.period) for read in reads] == [
        (0x04000402, 3, Period.DAILY),
        (0x04001001, 2, Period.DAILY),
        (0x00010000, 2, Period.SLOW),
        (0x00900100, 2, Period.SLOW),
        (0x00900200, 2, Period.SLOW),
        (0x04000503, 1, Period.SLOW),
    ]


def test_a_meter_of_one_type_need_not_have_the_items_of_the_other():
    profile = parse(GOOD)
    assert profile.optional("CNY") == {"kWh.balance", "limits.CNY.a1"}
    assert profile.optional("kWh") == {"CNY.balance", "limits.CNY.a1"}


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("kind", "elevator", "kind: 'elevator'; allowed with transport dlt645: meter"),
        ("dlt645.timeout_ms", 5, "dlt645.timeout_ms: 5; allowed: 100 … 60000"),
        ("dlt645.speed", 5, "dlt645: Object contains unknown field `speed`"),
        ("dlt645.credit_type", None, "dlt645.credit_type: needed beside `variants`"),
        ("dlt645.credit_type.map", {3: "gold"}, "dlt645.credit_type: 'gold' is no word of this field"),
        ("dlt645.fields.colour", {"item": 1}, "dlt645.fields.colour: unknown field; allowed: balance, overdraft,"),
        ("dlt645.fields.energy.unit", "CNY", "dlt645.fields.energy.unit: 'CNY' does not fit here; allowed: kWh,"),
        ("dlt645.fields.energy.item", None, "dlt645.fields.energy.item: which data item"),
        ("dlt645.fields.energy.item", 2**32, "dlt645.fields.energy.item: which data item"),
        ("dlt645.fields.energy.bytes", 9, "dlt645.fields.energy.bytes: 9; allowed: 1 … 8"),
        (
            "dlt645.fields.energy.type",
            "float",
            "dlt645.fields.energy.type: 'float' of 4 bytes; allowed: bcd, bits, digits",
        ),
        ("dlt645.fields.energy.plausible", [5, 1], "dlt645.fields.energy.plausible: [lowest, highest]"),
        ("dlt645.fields.energy.period", "often", "dlt645.fields.energy.period: 'often'; allowed: slow, daily"),
        ("dlt645.fields.relay", {"item": 1, "bytes": 2}, "dlt645.fields.relay: needs `map`"),
        ("dlt645.variants.EUR", {}, "dlt645.variants.EUR: 'EUR'; allowed: CNY, kWh"),
        ("dlt645.variants.kWh.fields.balance.unit", "CNY", "'CNY'; this variant counts kWh"),
        ("dlt645.extra", {"x": {"item": 0x00010000, "bytes": 3, "period": "daily"}}, "00010000 stands twice"),
        ("dlt645.extra", {"x": {"item": 0x00010001, "bytes": 1}}, "00010000 and 00010001 cannot stand in one profile"),
    ],
)
def test_a_mistake_is_named_with_its_place(path, value, says):
    with pytest.raises(ProfileError) as caught:
        parse(changed(path, value))
    assert says in str(caught.value)


def test_all_mistakes_are_told_at_once():
    raw = changed("dlt645.fields.energy.unit", "CNY")
    raw["dlt645"]["identity"] = {"bytes": 6}
    with pytest.raises(ProfileError) as caught:
        parse(raw)
    assert len(caught.value.problems) == 2
