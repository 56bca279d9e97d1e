"""Door boards in a site file: what is right becomes values, and each slip is said with field, line and what is allowed."""

import msgspec
import pytest

from hub.registry.estate import Estate
from hub.vocabulary.credentials import Cut, NumberProfile, Spelling
from hub.vocabulary.facts import AccessFacts
from support.configuration import BOARD, load_configuration, write_configuration
from support.slips import assert_said

SITE = """\
site: {id: lakeside, name: 湖畔花园, timezone: Asia/Shanghai, locale: zh-CN}
buildings: [{id: b1, name: 1栋, units: ["0101"]}]
devices:
  - {id: g1, kind: access_controller, profile: uhppote, place: b1, serial: 405419896, host: "192.168.1.100", numbers: {format: wiegand26, cut: low}, doors: [{id: main, number: 1}]}
  - {id: g2, kind: access_controller, profile: uhppote, place: b1, serial: 303986753, host: "192.168.1.101:60001", card_format: wiegand34, capacity: 2000, lease_days: 14}
  - {id: g3, kind: access_controller, profile: hub-json, place: b1, capacity: 500}
"""


def read(tmp_path, text):
    return load_configuration(write_configuration(tmp_path, lakeside=text))


def test_a_board_has_its_serial_its_address_and_what_its_readers_send(tmp_path):
    settings = read(tmp_path, SITE)
    estate = Estate(settings, {})
    first, second, third = estate.device_entries()
    assert first.options == {
        "doors": {"main": 1},
        "serial": 405419896,
        "host": "192.168.1.100:60000",
        "card_format": "wiegand26",
    }
    assert second.options["host"] == "192.168.1.101:60001"
    assert "host" not in third.options
    facts = estate.facts({("lakeside", name): 1 for name in ("g1", "g2", "g3")})
    assert facts["lakeside", "g1"].access == BOARD
    assert facts["lakeside", "g2"].access == msgspec.structs.replace(BOARD, capacity=2000, lease_days=14)
    assert facts["lakeside", "g3"].access == AccessFacts(capacity=500)
    # One setting for desk, doors and log; the older name of it means the same.
    assert facts["lakeside", "g1"].numbers == NumberProfile("wiegand26", Spelling.FACILITY, Cut.LOW)
    assert facts["lakeside", "g2"].numbers == NumberProfile("wiegand34", Spelling.DECIMAL)
    assert second.options["card_format"] == "wiegand34"
    # What hangs on the network itself does not go down with the broker.
    assert [facts["lakeside", name].gateway for name in ("g1", "g2", "g3")] == ["lan", "lan", "mqtt"]
    assert estate.gateways("lakeside") == ("mqtt",)


@pytest.mark.parametrize(
    ("old", "new", "field", "line", "said"),
    [
        ("serial: 405419896, ", "", "devices[0].serial", 4, "is missing"),
        ("serial: 405419896", "serial: 0", "devices[0].serial", 4, "out of range"),
        ("serial: 405419896", 'serial: "405419896"', "devices[0].serial", 4, "a whole number"),
        ("serial: 303986753", "serial: 405419896", "devices[1].serial", 5, "stands twice (first in line 4)"),
        ('"192.168.1.101:60001"', '"192.168.1.100:60000"', "devices[1].host", 5, "stands twice (first in line 4)"),
        ('"192.168.1.100"', '"192.168.1.300"', "devices[0].host", 4, "is no IPv4 address"),
        ('"192.168.1.100"', '"gate.local"', "devices[0].host", 4, "an IPv4 address"),
        ("192.168.1.101:60001", "192.168.1.101:70000", "devices[1].host", 5, "port 70000 is out of range"),
        ("numbers: {format: wiegand26, cut: low}, ", "", "devices[0].numbers", 4, "is missing"),
        ("format: wiegand26", "format: uid32", "devices[0].numbers.format", 4, "wiegand26, wiegand34"),
        ("cut: low", "spelling: hex", "devices[0].numbers.spelling", 4, "own protocol says how numbers are spelled"),
        (
            "card_format: wiegand34",
            "card_format: wiegand34, numbers: {format: wiegand34}",
            "devices[1].card_format",
            5,
            "older name",
        ),
        ("card_format: wiegand34", "card_format: wiegand43", "devices[1].card_format", 5, "did you mean 'wiegand34'"),
        ("lease_days: 14", 'listener: "10.0.0.1:0"', "devices[1].listener", 5, "port 0 is out of range"),
        ("lease_days: 14", "lease_days: 0", "devices[1].lease_days", 5, "1 to 90"),
        ("capacity: 500", "capacity: 500, host: 10.0.0.1", "devices[2].host", 6, "unknown field"),
    ],
)
def test_each_slip_is_said_where_it_stands(tmp_path, old, new, field, line, said):
    assert_said(tmp_path, SITE, (old, new), field, line, said)
