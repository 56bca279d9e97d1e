"""Meters that report by themselves in a site file: the port, the sender, and each mistake with its line and what is allowed."""

import pytest

from support.configuration import load_configuration, write_configuration
from support.slips import assert_said

SITE = """\
site: {id: lakeside, name: 湖畔花园, timezone: Asia/Shanghai, locale: zh-CN}
buildings: [{id: b1, name: 1栋, units: ["0101", "0102"]}]
buses:
  - {id: push, url: acrel+tcp://0.0.0.0:7200}
devices:
  - {id: m1, kind: meter, profile: acrel-4g-push, bus: push, sender: "20260101", place: b1/0101}
  - {id: m2, kind: meter, profile: acrel-4g-push, bus: push, sender: "20260102", meter: "1", place: b1/0102}
  - {id: m3, kind: meter, profile: acrel-4g-push, bus: push, sender: "20260102", meter: "2", place: b1}
"""


def read(tmp_path, text):
    return load_configuration(write_configuration(tmp_path, lakeside=text))


def test_meters_are_known_by_their_sender(tmp_path):
    [site] = read(tmp_path, SITE).sites
    assert [(device.bus, dict(device.options), device.balance_unit) for device in site.devices] == [
        ("push", {"sender": "20260101"}, "CNY"),
        ("push", {"sender": "20260102", "meter": "1"}, "CNY"),
        ("push", {"sender": "20260102", "meter": "2"}, "CNY"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "field", "line", "said"),
    [
        ('sender: "20260101", ', "", "devices[0].sender", 6, "is missing"),
        ('"20260101"', "20260101", "devices[0].sender", 6, "a number stands here"),
        ('"20260101"', '"2026 01"', "devices[0].sender", 6, "not allowed"),
        ('sender: "20260101"', 'unit_id: 2, sender: "20260101"', "devices[0].unit_id", 6, "has no unit id"),
        ('"20260101"', '"20260102"', "devices[0].sender", 6, "2 more meters have the sender '20260102'"),
        ('meter: "2"', 'meter: "1"', "devices[2].sender", 8, "20260102 on 1 on push stands twice (first in line 7)"),
        ("0.0.0.0:7200", "0.0.0.0", "buses[0].url", 4, "names no port"),
    ],
)
def test_each_mistake_is_named(tmp_path, old, new, field, line, said):
    assert_said(tmp_path, SITE, (old, new), field, line, said)
