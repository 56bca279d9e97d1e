"""The estate answers what connectors, decoders and rules ask, as the site files say it."""

import pytest

from hub.registry.estate import Estate
from hub.registry.holidays import long_holidays, this_year
from hub.vocabulary.facts import DeviceFacts, DeviceKind, SiteFacts
from hub.vocabulary.ports import BusEntry, DeviceEntry
from hub.vocabulary.units import BalanceUnit
from support.configuration import (
    RULES,
    SITE_YAML,
    EntrapmentLimits,
    LowBalanceLimits,
    elsewhere,
    load_configuration,
    write_configuration,
)


@pytest.fixture
def estate(tmp_path):
    second = elsewhere(SITE_YAML).replace("off_level_s: 30", "off_level_s: 5")
    path = write_configuration(tmp_path, lakeside=SITE_YAML, hillside=second)
    return Estate(load_configuration(path), RULES)


def test_connectors_get_every_device_with_what_its_file_sets(estate):
    entries = {(entry.site, entry.device): entry for entry in estate.device_entries()}
    assert len(entries) == 12
    assert entries["lakeside", "b1-e2"] == DeviceEntry(
        site="lakeside",
        device="b1-e2",
        kind="elevator",
        profile="car-top-monitor",
        timezone="Asia/Shanghai",
        bus="meters-1",
        unit_id=247,
    )
    assert entries["lakeside", "m-0101"].balance_unit == "CNY"
    assert entries["lakeside", "gate-1"].options == {"doors": {"b1-main": 1, "b1-back": 2}}


def test_a_profiles_own_fields_reach_its_connector(tmp_path):
    text = SITE_YAML.replace("hub-json, place: b1, name", 'city-push, register_number: "31-0001", place: b1, name')
    estate = Estate(load_configuration(write_configuration(tmp_path, lakeside=text)), RULES)
    assert estate.device_entries()[0].options == {"register_number": "31-0001"}


def test_connectors_get_every_bus_with_what_its_file_sets(estate):
    entries = {(entry.site, entry.bus): entry for entry in estate.bus_entries()}
    assert set(entries) == {(site, bus) for site in ("lakeside", "hillside") for bus in ("meters-1", "serial-1")}
    assert entries["lakeside", "meters-1"] == BusEntry(
        site="lakeside", bus="meters-1", url="modbus+tcp://127.0.0.1:5020", options={"timeout_ms": 800}
    )
    assert entries["lakeside", "serial-1"].options == {}, "an absent period is the profile's, not ours"


def test_rules_get_facts_with_the_stores_row_numbers(estate):
    pks = {(site, device.id): pk for pk, (site, device) in enumerate(estate.devices(), 1)}
    facts = estate.facts(pks)
    assert facts["lakeside", "m-0101"] == DeviceFacts(
        pk=pks["lakeside", "m-0101"],
        site="lakeside",
        id="m-0101",
        kind=DeviceKind.METER,
        name="m-0101",
        place="b1/0101",
        building="b1",
        profile="acrel-adf400l-1p",
        gateway="meters-1",
        balance_unit=BalanceUnit.CNY,
    )
    assert facts["lakeside", "b1-e1"].gateway == "mqtt"
    assert facts["lakeside", "b1-e2"].expects_test_call, "the profile reports the test call"
    with pytest.raises(KeyError):
        estate.facts({})


def test_a_site_is_known_by_its_facts(estate):
    assert estate.sites["lakeside"] == SiteFacts(
        id="lakeside",
        name="湖畔花园",
        timezone="Asia/Shanghai",
        locale="zh-CN",
        holidays=long_holidays("Asia/Shanghai", this_year()),
    )
    assert estate.gateways("lakeside") == ("meters-1", "serial-1", "mqtt")
    assert estate.device("lakeside", "b1-e1") is not None
    assert estate.device("lakeside", "b9-e9") is None


@pytest.mark.parametrize(
    ("site", "device", "building", "expected"),
    [
        ("lakeside", "", "", (30, 60)),
        ("lakeside", "b1-e1", "", (30, 60)),
        ("lakeside", "", "b2", (30, 90)),
        ("lakeside", "b2-e1", "", (10, 90)),
        ("hillside", "b1-e1", "", (5, 60)),
        ("lakeside", "retired-long-ago", "", (30, 60)),
    ],
    ids=["site", "device as site", "building", "device over building over site", "other site", "unknown device"],
)
def test_the_deeper_level_of_limits_wins_key_by_key(estate, site, device, building, expected):
    limits = estate.limits("entrapment", site, device, building)
    assert isinstance(limits, EntrapmentLimits)
    assert (limits.off_level_s, limits.level_s) == expected


def test_limits_of_a_list_replace_the_whole_list(estate):
    limits = estate.limits("low_balance", "lakeside", "m-0101")
    assert limits == LowBalanceLimits(cny=(30, 10, 0), kwh=(20, 10, 0), clear_margin=0.1)


def test_devices_with_the_same_limits_share_them(estate):
    """A rule is asked once per event: neither time nor memory may grow with the number of devices."""
    first = estate.limits("entrapment", "lakeside", "b1-e1")
    assert estate.limits("entrapment", "lakeside", "b1-e1") is first
    assert estate.limits("entrapment", "lakeside", "b1-e2") is first
    assert estate.limits("entrapment", "lakeside", "b2-e1") is not first


def test_an_unknown_rule_or_site_is_an_error_of_ours(estate):
    with pytest.raises(KeyError):
        estate.limits("no_such_rule", "lakeside")
    with pytest.raises(KeyError):
        estate.limits("entrapment", "nowhere")
