"""The papers of a lift in a site file, and each mistake with its line."""

import pytest

from hub.settings.lift_card import LIFT_CARD
from support.configuration import load_configuration, write_configuration
from support.slips import assert_said

SITE = """\
site: {id: lakeside, name: 湖畔花园, timezone: Asia/Shanghai, locale: zh-CN}
buildings: [{id: b1, name: 1栋, units: ["0101"]}]
devices:
  - {id: e1, kind: elevator, profile: hub-json, place: b1, lift: {register_code: "00310104", firm: 甲维保, safety_officer: 李安全}}
  - {id: e2, kind: elevator, profile: hub-json, place: b1}
  - {id: gate-1, kind: access_controller, profile: hub-json, place: b1}
"""


def read(tmp_path, text):
    return load_configuration(write_configuration(tmp_path, lakeside=text))


def test_what_is_said_of_a_lift_is_text_as_it_stands(tmp_path):
    [site] = read(tmp_path, SITE).sites
    lifts = {device.id: dict(device.lift) for device in site.devices}
    assert lifts["e1"] == {"register_code": "00310104", "firm": "甲维保", "safety_officer": "李安全"}
    assert (lifts["e2"], set(lifts["e1"]) <= set(LIFT_CARD)) == ({}, True)


@pytest.mark.parametrize(
    ("old", "new", "field", "line", "said"),
    [
        ('"00310104"', "310104", "devices[0].lift.register_code", 4, "a number stands here"),
        ("firm:", "frim:", "devices[0].lift.frim", 4, "did you mean 'firm'"),
        ("access_controller, ", "access_controller, lift: {firm: x}, ", "devices[2].lift", 6, "only elevators"),
    ],
)
def test_each_mistake_is_named(tmp_path, old, new, field, line, said):
    assert_said(tmp_path, SITE, (old, new), field, line, said)
