"""`hub demo`: a right configuration on free ports, sign-ins that stay, children that never outlive it."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from hub import cli, demo, wiring
from hub.demo_speed import limits_at
from hub.launch import load_settings
from hub.store import accounts
from hub.store.database import open_store

pytestmark = pytest.mark.slow  # real processes or sockets with their own times

ROOT = Path(__file__).parents[2]
NOW = 1_750_000_000_000


class Limits(msgspec.Struct):
    wait_s: float = 60
    whole_s: int = 90
    short_s: Annotated[float, msgspec.Meta(ge=10)] = 20
    by_kind_s: dict[str, float] = msgspec.field(default_factory=lambda: {"meter": 100.0})
    level: int = 7


@pytest.fixture
def folder(tmp_path):
    return demo.Folder(tmp_path)


@pytest.mark.parametrize("speed", [1.0, 4.0, 20.0])
@pytest.mark.parametrize("scenario", ["demo", "mass_power_cut"])
def test_what_the_demo_writes_is_a_right_configuration(scenario, speed, folder):
    port = demo.write_configuration(folder, 8000, speed, scenario, 1)
    settings = load_settings(folder.config)
    assert (settings.mqtt.embedded, settings.mqtt.port) == (True, port)
    assert settings.database == folder.database
    assert len(settings.sites) == 2
    devices = settings.sites[0].devices
    assert sum(device.kind == "elevator" for device in devices) >= 8
    assert sum(device.kind == "meter" for device in devices) >= 120
    assert len(settings.sites[0].buildings) >= 3


def test_every_bus_has_a_port_of_its_own(folder):
    port = demo.write_configuration(folder, 8000, 1, "demo", 1)
    settings = load_settings(folder.config)
    urls = [bus.url for site in settings.sites for bus in site.buses]
    assert len({*urls, f"modbus+tcp://127.0.0.1:{port}"}) == len(urls) + 1


def test_limits_of_the_scenario_win_over_the_estates(folder):
    demo.write_configuration(folder, 8000, 1, "demo", 1)
    rules = yaml.safe_load(folder.site("demo").read_text(encoding="utf-8"))["rules"]
    assert rules["entrapment"] == {"off_level_s": 20, "level_s": 40}


def test_a_faster_world_has_shorter_durations_and_the_same_levels():
    scaled = limits_at({"rule": Limits}, {"rule": {"wait_s": 30, "level": 3}, "unknown": {"x": 1}}, 4)
    assert scaled == {
        "rule": {"wait_s": 7.5, "level": 3, "whole_s": 22, "short_s": 20, "by_kind_s": {"meter": 25.0}},
    }, "what a rule would refuse (short_s below 10) keeps its length, whole numbers stay whole"


def test_limits_are_left_alone_at_the_worlds_own_speed():
    assert limits_at({"rule": Limits}, {"rule": {"wait_s": 30}}, 1) == {"rule": {"wait_s": 30}}


@pytest.mark.parametrize("speed", [0.1, 2.0, 10.0, 100.0])
def test_the_rules_accept_their_limits_at_every_speed(speed):
    types = wiring.rule_limits()
    scaled = limits_at(types, {}, speed)
    assert {"entrapment", "device_silent"} <= set(scaled)
    for name, values in scaled.items():
        limits, own = msgspec.convert(values, types[name], strict=True), types[name]()
        assert {field for field in values if getattr(limits, field) != getattr(own, field)}, name


def test_sign_ins_are_made_once_and_only_their_owner_can_read_them(folder):
    store = open_store(folder.database)
    try:
        first = demo.ensure_sign_ins(store, folder.sign_ins, NOW)
        second = demo.ensure_sign_ins(store, folder.sign_ins, NOW)
        assert first == second
        assert stat.S_IMODE(folder.sign_ins.stat().st_mode) == 0o600
        assert set(first.people) == {name for name, _ in demo.PEOPLE}
        assert len(set(first.people.values())) == len(demo.PEOPLE)
        assert accounts.sign_in(store, "control", first.people["control"], NOW) is not None
        assert accounts.by_token(store, first.token) is not None
    finally:
        store.close()


def test_a_new_database_beside_old_sign_ins_gets_the_same_people(folder):
    store = open_store(folder.database)
    first = demo.ensure_sign_ins(store, folder.sign_ins, NOW)
    store.close()
    for file in folder.root.glob("hub.db*"):
        file.unlink()
    store = open_store(folder.database)
    try:
        second = demo.ensure_sign_ins(store, folder.sign_ins, NOW)
        assert second.people == first.people
        assert accounts.sign_in(store, "admin", first.people["admin"], NOW) is not None
        assert accounts.by_token(store, second.token) is not None, "the old token is unknown there: a new one"
    finally:
        store.close()


def test_the_welcome_says_where_who_and_what_next(folder):
    sign_ins = demo.SignIns(people={name: f"pw-{name}" for name, _ in demo.PEOPLE}, token="hub_x")
    plan = [{"in_s": 5.0, "what": "past", "what_zh": "过"}, {"in_s": 40.0, "what": "elevator 2 stuck", "what_zh": "困"}]
    text = demo.welcome("http://127.0.0.1:8000", folder, sign_ins, 1883, plan, elapsed_s=10)
    for part in (
        "http://127.0.0.1:8000",
        "pw-control",
        "hub_x",
        "mqtt://127.0.0.1:1883",
        "in    30 s  elevator 2 stuck",
    ):
        assert part in text
    assert "now         past" in text


def test_a_port_in_use_ends_before_anything_is_written(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = CliRunner().invoke(cli.app, ["demo", "--port", str(port), "--data", str(tmp_path / "demo")])
    assert result.exit_code == 1
    assert (
        result.stderr
        == f"Port {port} of 127.0.0.1 cannot be used (Address already in use): choose another with --port.\n"
    )
    assert not (tmp_path / "demo").exists()


def test_an_unknown_scenario_is_wrong_use_and_names_the_known_ones(tmp_path, free_port):
    arguments = ["demo", "--port", str(free_port()), "--data", str(tmp_path / "demo"), "--scenario", "flood"]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 2
    assert "no scenario 'flood'" in result.stderr
    assert "mass_power_cut" in result.stderr
    assert not (tmp_path / "demo").exists()


class RunningDemo:
    """The command as a newcomer gives it."""

    def __init__(self, data, port):
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
        environ |= {"HUB_DATABASE": "sqlite:////proc/never.db", "HUB_HTTP__PORT": "1"}  # of a real installation
        command = [sys.executable, "-m", "hub", "demo", "--port", str(port), "--data", str(data), "--speed", "10"]
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.token = ""
        for line in self.process.stdout:
            self.token = line.split()[-1] if line.startswith("Token") else self.token
            if line.startswith("Ctrl-C stops"):
                return
        raise AssertionError("the demo did not come up")

    def kinds(self):
        """Kinds of the tickets that there are."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/tickets?limit=100", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return {ticket["kind"] for ticket in json.load(answer)["items"]}

    def children(self):
        """Every process below this one."""
        found, open_ids = [], [self.process.pid]
        while open_ids:
            parent = open_ids.pop()
            for task in Path(f"/proc/{parent}/task").iterdir():
                below = [int(word) for word in (task / "children").read_text().split()]
                found += below
                open_ids += below
        return found


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _told(pids):
    return str([Path(f"/proc/{pid}/cmdline").read_bytes()[:200] for pid in pids if _alive(pid)])


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_newcomer_sees_tickets_and_ctrl_c_leaves_nothing_behind(tmp_path, free_port, wait_until):
    first = RunningDemo(tmp_path / "demo", free_port())
    try:
        wait_until(
            lambda: {"entrapment", "low_balance"} <= first.kinds(), timeout=60, message=lambda: str(first.kinds())
        )
        children = first.children()
        assert len(children) == 2, "broker and simulators"
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(30) == 0
        wait_until(lambda: not any(map(_alive, children)))
    finally:
        first.process.kill()
        first.process.wait()
        first.process.stdout.close()
    second = RunningDemo(tmp_path / "demo", free_port())
    try:
        assert {"entrapment", "low_balance"} <= second.kinds(), "the data of the first start"
        assert second.token == first.token
        children = second.children()
        second.process.kill()
        second.process.wait()
        wait_until(lambda: not any(map(_alive, children)), timeout=30, message=lambda: _told(children))
    finally:
        second.process.kill()
        second.process.wait()
        second.process.stdout.close()
