"""Scenario files: every one parses, finds its cast in the demonstration estate and asks only for what devices can do."""

import re
from importlib import resources
from pathlib import Path

import pytest

from simulators.estate import Estate
from simulators.mqtt import Broker
from simulators.scenario import ScenarioError, Target, available, parse, plan, resolve
from simulators.site import SiteFileError, load_site

ESTATES = Path(str(resources.files("simulators") / "estates"))
DEMO = load_site(ESTATES / "demo.yaml")
HILLSIDE = load_site(ESTATES / "hillside.yaml")
BROKER = Broker("127.0.0.1", 1)

NAMED_BY_THE_ISSUE = {
    "normal_day",
    "button_press",
    "stuck_between_floors",
    "presence_flicker",
    "inspection_with_button",
    "mass_power_cut",
    "telemetry_lost_during_entrapment",
    "duplicates_and_reordering",
    "clock_skew",
    "balance_runs_out_and_topped_up",
    "gateway_of_36_meters_dies_and_returns",
}

MINIMAL = """
name: x
title: x
title_zh: x
cast: {car: {kind: elevator}}
timeline: [{at_s: 1, who: car, do: stick}]
ends_at_s: 5
"""


def script(name):
    return resolve(parse(available()[name].read_text(encoding="utf-8")), [DEMO, HILLSIDE])


def test_the_issues_scenarios_are_there():
    assert available().keys() >= NAMED_BY_THE_ISSUE


@pytest.mark.parametrize("name", sorted(available()))
def test_every_scenario_can_be_played_on_the_demonstration_estate(name):
    found = script(name)
    only = {(target.site, target.id) for target in found.targets}
    Estate([DEMO, HILLSIDE], BROKER, only=only).check(found)
    assert found.name == name
    assert found.steps
    assert all(step.at_s <= found.ends_at_s for step in found.steps)
    assert all(item.from_s <= item.by_s <= found.ends_at_s for item in found.expectations)
    assert all((step.what is None) == (step.what_zh is None) for step in found.steps)


@pytest.mark.parametrize("name", sorted(NAMED_BY_THE_ISSUE))
def test_every_scenario_says_what_must_not_happen(name):
    """A scenario that only waits for tickets would pass on a hub that raises everything always."""
    assert any(item.count_max == 0 or item.hold for item in script(name).expectations)


def test_the_demonstration_estate_has_the_promised_size():
    kinds = [device.kind for device in DEMO.devices]
    profiles = {device.profile for device in DEMO.devices if device.kind == "elevator"}
    assert (kinds.count("elevator"), kinds.count("meter"), kinds.count("access_controller")) == (8, 120, 2)
    assert profiles == {"hub-json", "car-top-monitor", "lift-controller", "elevatorcloud-json"}
    assert len({device.place.partition("/")[0] for device in DEMO.devices}) == 3
    assert len({device.id for device in DEMO.devices}) == len(DEMO.devices)


def test_units_of_a_bus_are_unique():
    for site in (DEMO, HILLSIDE):
        units = [(device.bus, device.unit_id) for device in site.devices if device.bus]
        assert len(set(units)) == len(units)


def test_floors_come_from_the_units_of_the_building():
    elevator = next(device for device in DEMO.devices if device.id == "b3-e1")
    assert elevator.floors == ("B1", "1", "2", "3", "4", "5", "6")


def test_the_plan_tells_both_languages_in_order_and_in_real_seconds():
    lines = plan(script("demo"), speed=10)
    assert [line["in_s"] for line in lines] == sorted(line["in_s"] for line in lines)
    stuck = next(line for line in lines if "stuck" in line["what"])
    assert stuck["in_s"] == 4.0
    assert "1栋2号梯" in stuck["what"]
    assert re.search("[一-龥]", stuck["what_zh"])
    assert not any("{" in line["what"] + line["what_zh"] for line in lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("ends_at_s: 5", "ends_at: 5"), "ends_at_s"),
        (("who: car, ", ""), "timeline step 1"),
        (("kind: elevator", "sort: elevator"), "cast car"),
        (("who: car", "who: cart"), "cart is not in the cast"),
        (("kind: elevator", "id: nowhere"), "no device"),
        (("name: x", "name: ["), "while parsing"),
    ],
)
def test_mistakes_in_a_scenario_are_named(change, message):
    with pytest.raises(ScenarioError, match=message):
        resolve(parse(MINIMAL.replace(*change)), [DEMO])


def test_a_role_can_be_given_to_another_device():
    found = resolve(parse(MINIMAL), [DEMO], {"car": "b2-e2"})
    assert found.targets == (Target("lakeside", "b2-e2", "2栋2号梯"),)


def test_repeated_and_staggered_steps_are_expanded():
    text = MINIMAL.replace("{kind: elevator}", "{kind: elevator, all: true, limit: 2}").replace(
        "{at_s: 1, who: car, do: stick}", "{at_s: 1, who: car, do: stick, every_s: 2, until_s: 3, stagger_s: 0.5}"
    )
    found = resolve(parse(text), [DEMO])
    assert [(step.at_s, step.targets[0].id) for step in found.steps] == [
        (1.0, "b1-e1"),
        (1.5, "b1-e2"),
        (3.0, "b1-e1"),
        (3.5, "b1-e2"),
    ]


def test_an_expectation_for_many_is_one_for_each_unless_together():
    cast = "cast: {car: {kind: elevator, all: true, limit: 3}}"
    expect = "expect: [{kind: entrapment, subject: car, count: 1, by_s: 5}]"
    each = MINIMAL.replace("cast: {car: {kind: elevator}}", f"{cast}\n{expect}")
    together = each.replace("count: 1,", "count: 1, together: true,")
    assert [len(item.subjects) for item in resolve(parse(each), [DEMO]).expectations] == [1, 1, 1]
    assert [len(item.subjects) for item in resolve(parse(together), [DEMO]).expectations] == [3]


def test_a_broken_site_file_is_named(tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text("site: {id: a}\ndevices: [{id: m, kind: meter, profile: p, bus: nowhere}]", encoding="utf-8")
    with pytest.raises(SiteFileError, match=r"broken.yaml.*nowhere"):
        load_site(broken)
    with pytest.raises(SiteFileError, match=r"missing.yaml"):
        load_site(tmp_path / "missing.yaml")
