"""The main job: simulated elevators and meters, a real broker, the hub; each scenario says which tickets must exist afterwards.

The scenarios' limits and the simulated time are divided by the same speed, so that minutes become seconds.
"""

import os
import signal
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.broker import die_with_parent
from support.brokers import TestBroker
from support.estate_files import elevator, meter, site_file
from support.ports import free_port
from support.running_hub import RunningHub

SPEED = 6.0
SLOWER = {"gateway_of_36_meters_dies_and_returns": 2.0}  # the hub's waits between tries to connect are not divided
HUB_SIM = str(Path(sysconfig.get_path("scripts")) / "hub-sim")
SCENARIOS = Path("simulators/scenarios")
NOT_TIMES = {"level_unproven_factor", "load_percent", "chatter_count", "filter_held_presses", "clear_margin", "muted"}
SECONDS = ("_s",)

PLAYED = (
    ("balance_runs_out_and_topped_up", "gateway_of_36_meters_dies_and_returns", "telemetry_lost_during_entrapment"),
    ("button_press", "clock_skew", "doors_fail_at_landing", "duplicates_and_reordering", "empty_car_between_floors"),
    ("inspection_with_button", "mass_power_cut", "presence_flicker", "stuck_between_floors", "stuck_in_every_format"),
)
"""Scenarios that are played at the same time, each on a site of its own of one hub: they wait more than they work."""


def _estate(site: str) -> dict[str, Any]:
    """Elevators in every format, two buses with meters, of which one has 36."""
    profiles = ["elevatorcloud-json", "shmashine-event"]
    cars = [elevator(f"e-{number}") for number in range(1, 6)]
    cars += [elevator(f"e-{profile}", profile=profile) for profile in profiles]
    buses = [{"id": name, "url": f"modbus+tcp://127.0.0.1:{free_port()}", "every_s": 2} for name in ("few", "many")]
    meters = [
        {
            "id": f"m-{bus}-{unit}",
            "kind": "meter",
            "profile": "acrel-adf400l-1p",
            "bus": bus,
            "unit_id": unit,
            "place": "b1",
            "balance_unit": "CNY",
        }
        for bus, count in (("few", 4), ("many", 36))
        for unit in range(1, count + 1)
    ]
    cars.append(elevator("e-bus", profile="car-top-monitor", bus="few", unit_id=247))
    meters += [meter("m-json-1"), meter("m-json-2", "kWh")]
    return site_file(site, devices=[*cars, *meters], buses=buses)


DEFAULTS: dict[str, dict[str, float]] = {
    # Times of the rules that every scenario takes for granted (their defaults), so that they can be divided too.
    "entrapment": {
        "off_level_s": 30, "level_s": 60, "fault_s": 60, "still_s": 3, "unknown_motion_s": 120, "moving_before_s": 10,
        "ard_grace_s": 120, "comms_grace_s": 30, "button_hold_s": 3, "filter_escape_s": 30, "landing_open_s": 10,
        "pending_press_s": 60, "restart_grace_s": 10,
    },
    "low_balance": {"confirm_gap_s": 300},
    "device_silent": {
        "elevator_s": 600, "meter_s": 2700, "access_controller_s": 600, "grace_s": 120, "bus_s": 30, "gateway_settle_s": 10,
        "offline_s": 120, "many_window_s": 900,
    },
}  # fmt: skip


def _scaled(limits: dict[str, dict[str, Any]], speed: float) -> dict[str, dict[str, Any]]:
    """Every time divided by the speed."""
    merged = {rule: DEFAULTS.get(rule, {}) | limits.get(rule, {}) for rule in {*DEFAULTS, *limits}}
    return {
        rule: {name: value / speed if name.endswith(SECONDS) else value for name, value in values.items()}
        for rule, values in merged.items()
    }


def _site_of(name: str) -> str:
    return name.replace("_", "-")


def _file(name: str) -> dict[str, Any]:
    scenario = yaml.safe_load((SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8"))
    return _estate(_site_of(name)) | {"rules": _scaled(scenario.get("limits", {}), SLOWER.get(name, SPEED))}


def _play(name: str, hub: RunningHub, broker: TestBroker) -> subprocess.Popen[str]:
    address = f"mqtt://{broker.username}:{broker.password}@{broker.host}:{broker.port}"
    file = hub.folder / "sites" / f"{_site_of(name)}.yaml"
    line = [HUB_SIM, "play", name, "--site", str(file), "--api", hub.url, "--mqtt", address]
    line += ["--speed", str(SLOWER.get(name, SPEED)), "--slack", "4"]
    return subprocess.Popen(
        die_with_parent(line, signal.SIGTERM),
        env=os.environ | {"HUB_TOKEN": hub.token},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_every_scenario_is_played() -> None:
    left_out = {"demo", "normal_day"}  # a show, and a day
    assert sorted(name for group in PLAYED for name in group) == sorted(
        {path.stem for path in SCENARIOS.glob("*.yaml")} - left_out
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("names", PLAYED, ids=" ".join)
def test_scenarios_end_with_the_tickets_that_they_name(
    names: tuple[str, ...], nats_broker: TestBroker, start_hub: Callable[..., RunningHub]
) -> None:
    hub = start_hub(nats_broker, [_file(name) for name in names])
    playing = {name: _play(name, hub, nats_broker) for name in names}
    said = {name: process.communicate(timeout=200)[0] for name, process in playing.items()}
    for name, process in playing.items():
        print(said[name])
        assert process.returncode == 0, f"{name}: {said[name]}"
        assert said[name].rstrip().endswith("passed"), name
