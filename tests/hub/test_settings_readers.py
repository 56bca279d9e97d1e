"""Doors that the hub opens, in a site file: how they fail and who allowed it is said there, or the hub does not start."""

from __future__ import annotations

import pytest

from hub.registry.estate import Estate
from hub.settings import ConfigurationErrors
from hub.settings.door_opening import in_words
from hub.vocabulary.credentials import NumberProfile, Spelling
from hub.vocabulary.readers import DoorOpening, FailPolicy, HubAway, RelayRef
from support.configuration import load_configuration, write_configuration
from support.slips import assert_said

SITE = """\
site: {id: lakeside, name: 湖畔花园, timezone: Asia/Shanghai, locale: zh-CN}
buildings: [{id: b1, name: 1栋, units: ["0101"]}]
buses: [{id: doors, url: "modbus+tcp://127.0.0.1:5020"}, {id: meters, url: "modbus+tcp://127.0.0.1:5021"}]
devices:
  - {id: g1, kind: access_controller, profile: reader, bus: doors, unit_id: 1, place: b1, numbers: {format: uid32, spelling: hex}, doors: [{id: north, number: 1, opens: {fail_policy: fail_secure, hub_away: stays_locked, decide_within_ms: 1500, allowed_by: [王强, 李梅]}}]}
  - {id: g2, kind: access_controller, profile: bare-reader, bus: doors, unit_id: 2, place: b1, numbers: {format: wiegand26}, doors: [{id: south, number: 1, opens: {fail_policy: fail_safe, hub_away: opens, decide_within_ms: 800, open_ms: 8000, allowed_by: [王强, 李梅], relay: {device: r1, number: 3}}}]}
  - {id: r1, kind: access_controller, profile: relays, bus: doors, unit_id: 9, place: b1}
  - {id: g3, kind: access_controller, profile: hub-json, place: b1, doors: [{id: back, number: 1}]}
"""


def read(tmp_path, text):
    return load_configuration(write_configuration(tmp_path, lakeside=text))


def test_a_door_that_the_hub_opens_says_how_it_fails_and_who_allowed_it(tmp_path):
    estate = Estate(read(tmp_path, SITE), {})
    facts = estate.facts({("lakeside", name): 1 for name in ("g1", "g2", "g3", "r1")})
    assert dict(facts["lakeside", "g1"].openings) == {
        "north": DoorOpening(
            fail_policy=FailPolicy.FAIL_SECURE,
            hub_away=HubAway.STAYS_LOCKED,
            decide_within_ms=1500,
            open_ms=5000,
            allowed_by=("王强", "李梅"),
        )
    }
    south = facts["lakeside", "g2"].opening("south")
    assert south is not None
    assert (south.open_ms, south.relay) == (8000, RelayRef("r1", 3))
    # On: fail-secure doors are open, fail-safe ones are locked, so that a cut wire does what the policy says.
    assert [dict(facts["lakeside", "g1"].openings)["north"].locked, south.locked] == [False, True]
    assert facts["lakeside", "g1"].gateway == "doors"
    assert len({facts["lakeside", "g1"], facts["lakeside", "g2"]}) == 2  # facts are keys elsewhere
    assert facts["lakeside", "g1"].numbers == NumberProfile("uid32", Spelling.HEX)
    first = estate.device_entries()[0]
    assert (first.options["card_format"], first.options["doors"], first.unit_id) == ("uid32", {"north": 1}, 1)


def test_the_check_says_how_each_door_fails(tmp_path):
    first, second, *_ = read(tmp_path, SITE).sites[0].devices
    said = (
        "door north (g1): the hub decides; fail_secure: without power locked, hub or bus away: stays_locked, no decision within "
        "1500 ms: stays locked; open for 5000 ms; allowed by 王强 and 李梅"
    )
    assert in_words(first) == [said]
    assert "no decision within 800 ms: opens for any card" in in_words(second)[0]


GONE = ", opens: {fail_policy: fail_secure, hub_away: stays_locked, decide_within_ms: 1500, allowed_by: [王强, 李梅]}"
OPENS = "devices[0].doors[0].opens"


@pytest.mark.parametrize(
    ("old", "new", "field", "line", "said"),
    [
        (GONE, "", OPENS, 5, "is missing"),
        ("fail_policy: fail_secure, ", "", f"{OPENS}.fail_policy", 5, "is missing; fail_secure, fail_safe"),
        ("fail_policy: fail_secure", "fail_policy: fail_open", f"{OPENS}.fail_policy", 5, "'fail_open' is unknown"),
        ("hub_away: stays_locked, ", "", f"{OPENS}.hub_away", 5, "is missing; stays_locked, opens"),
        ("hub_away: stays_locked", "hub_away: opens", f"{OPENS}.hub_away", 5, "is not fail_secure"),
        ("decide_within_ms: 1500, ", "", f"{OPENS}.decide_within_ms", 5, "is missing; a whole number from 200 to 10000"),
        ("decide_within_ms: 1500", "decide_within_ms: 60000", f"{OPENS}.decide_within_ms", 5, "out of range"),
        (", allowed_by: [王强, 李梅]}}]}\n  - {id: g2", "}}]}\n  - {id: g2", f"{OPENS}.allowed_by", 5, "two different people"),
        ("[王强, 李梅]", "[王强]", f"{OPENS}.allowed_by", 5, "1 people stand here"),
        ("[王强, 李梅]", "[王强, 王强]", f"{OPENS}.allowed_by[1]", 5, "stands twice"),
        ("decide_within_ms: 1500", "decide_within_ms: 1500, unlock: 1", f"{OPENS}.unlock", 5, "unknown field"),
        ("open_ms: 8000", "contact: 1", "devices[1].doors[0].opens.contact", 6, "has no inputs"),
        ("decide_within_ms: 1500", "decide_within_ms: 1500, contact: 3", f"{OPENS}.contact", 5, "1 to 2"),
        ("decide_within_ms: 1500", "decide_within_ms: 1500, contact: 1, exit_button: 1", f"{OPENS}.exit_button", 5, "is the door's"),
        ("north, number: 1", "north, number: 3", "devices[0].doors[0].number", 5, "'g1' has no relay 3; 1 to 2"),
        (", relay: {device: r1, number: 3}", "", "devices[1].doors[0].opens.relay", 6, "has no relay of its own"),
        ("{device: r1", "{device: g3", "devices[1].doors[0].opens", 6, "'g3' is no device with relays"),
        ("number: 3}", "number: 9}", "devices[1].doors[0].opens", 6, "'r1' has no relay 9; 1 to 8"),
        ("{id: back, number: 1}", "{id: back, number: 1, opens: {}}", "devices[3].doors[0].opens", 8, "decides by itself"),
        ("numbers: {format: wiegand26}, ", "", "devices[1].numbers", 6, "is missing"),
        ("bus: doors, unit_id: 1, ", "", "devices[0].bus", 5, "is missing"),
        ("doors: [{id: back, number: 1}]", ("doors: [{id: back, number: 1}]}\n  - {id: m1, kind: meter, profile: "
         "acrel-adf400l-1p, bus: doors, unit_id: 5, place: b1/0101, balance_unit: CNY"), "devices[4].bus", 9, "serves doors"),
    ],
)  # fmt: skip
def test_each_slip_is_said_where_it_stands(tmp_path, old, new, field, line, said):
    assert_said(tmp_path, SITE, (old, new), field, line, said)


def test_two_doors_cannot_have_one_relay_and_a_reader_stands_at_one_door(tmp_path):
    twice = SITE.replace("{device: r1, number: 3}", "{device: g1, number: 1}")
    with pytest.raises(ConfigurationErrors, match="stands twice"):
        read(tmp_path, twice)
    two = SITE.replace("doors: [{id: north", "doors: [{id: x, number: 2" + GONE + "}, {id: north")
    with pytest.raises(ConfigurationErrors, match="a reader stands at one"):
        read(tmp_path, two)
