"""The command `hub-sim` as a user and as `hub demo` start it."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from simulators.scenario import available

DEMO = Path("simulators/estates/demo.yaml")
SITE = """
site: {{id: s1}}
buses: [{{id: bus, url: "modbus+tcp://127.0.0.1:{port}"}}]
devices: [{{id: m1, kind: meter, profile: acrel-adf400l-1p, bus: bus, unit_id: 1}}]
"""


@pytest.fixture
def site_file(tmp_path, free_port):
    file = tmp_path / "s1.yaml"
    file.write_text(SITE.format(port=free_port()), encoding="utf-8")
    return str(file)


def hub_sim(*args: str, **more) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "simulators", *args],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        **more,
    )


def test_scenarios_lists_every_scenario():
    listed = hub_sim("scenarios").stdout
    assert all(name in listed for name in available())


def test_the_plan_is_json_lines_and_needs_no_broker():
    done = hub_sim("estate", "--site", str(DEMO), "--scenario", "demo", "--plan", "--speed", "2")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert {"in_s": 20.0, "what": "1栋2号梯 gets stuck between two floors, one passenger inside"}.items() <= lines[
        1
    ].items()
    assert all(line["what_zh"] for line in lines)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("estate", "--site", "nowhere.yaml"), "nowhere.yaml"),
        (("estate", "--site", str(DEMO)), "--mqtt"),
        (("estate", "--site", str(DEMO), "--mqtt", "amqp://x"), "expected mqtt://"),
        (("estate", "--site", str(DEMO), "--scenario", "nothing"), "no scenario nothing"),
        (
            (
                "play",
                "stuck_between_floors",
                "--site",
                str(DEMO),
                "--api",
                "http://127.0.0.1:9",
                "--cast",
                "car=nobody",
            ),
            "no device",
        ),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(args, said):
    done = hub_sim(*args)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly(site_file, number):
    process = subprocess.Popen(
        [sys.executable, "-m", "simulators", "meters", "--site", site_file],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == {"simulating": 1, "buses": 1}
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


def test_it_dies_with_its_parent(site_file, wait_until):
    """`hub demo` may be killed with SIGKILL: its simulators must not go on alone."""
    starter = (
        "import subprocess, sys; "
        f"p = subprocess.Popen([sys.executable, '-m', 'simulators', 'meters', '--site', {site_file!r}, '--die-with-parent'],"
        " stdout=subprocess.PIPE, text=True); p.stdout.readline(); print(p.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen([sys.executable, "-c", starter], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate(timeout=20)

    def gone() -> bool:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{child}/stat")
        return state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z"

    try:
        wait_until(gone, 20, "the child lives on")
    finally:
        if not gone():
            os.kill(child, signal.SIGKILL)


BOARD_SITE = """
site: {{id: s1, timezone: Asia/Shanghai}}
devices: [{{id: g1, kind: access_controller, profile: uhppote, serial: 405419896, host: "127.0.0.1:{port}", place: b1}}]
"""


def test_door_boards_answer_at_the_address_of_the_site_file_and_end_on_sigterm(tmp_path, free_port):
    port, file = free_port(), tmp_path / "s1.yaml"
    file.write_text(BOARD_SITE.format(port=port), encoding="utf-8")
    line = [sys.executable, "-m", "simulators", "doors", "--protocol", "uhppote", "--calm", "--site", str(file)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"simulating": 1}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.settimeout(5)
            wire.sendto(bytes.fromhex("1758000078372a18").ljust(64, b"\0"), ("127.0.0.1", port))
            assert wire.recv(64) == bytes.fromhex("1758000078372a18").ljust(64, b"\0")  # no cards yet
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    process.stdout.close()


def test_an_unknown_protocol_is_wrong_use(site_file):
    done = hub_sim("doors", "--protocol", "smoke", "--site", site_file)
    assert done.returncode == 2
    assert "mqtt, uhppote and modbus" in done.stderr
