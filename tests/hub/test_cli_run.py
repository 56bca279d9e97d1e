"""Command `hub run`: ready when it serves, one hub to a database, one sentence where it cannot start."""

import json
import re
import signal
import socket
import urllib.request
from types import SimpleNamespace

import pytest

from support.brokers import NatsBroker
from support.commands import RunCommand, hub_here, hub_process, write_place

pytestmark = pytest.mark.slow  # real processes or sockets with their own times


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_run_says_ready_once_and_ends_cleanly(how, place):
    with RunCommand(place) as hub:
        url = hub.ready()
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
            assert json.load(answer)["ready"]
        assert hub.end(how) == (0, ""), hub.said()
        assert "Traceback" not in hub.said()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One running hub for the tests that leave it as it is: its folder and its address."""
    place = write_place(tmp_path_factory.mktemp("shared"))
    with RunCommand(place) as hub:
        yield SimpleNamespace(place=place, url=hub.ready(), process=hub.process)
        assert hub.end(signal.SIGTERM) == (0, ""), hub.said()


def test_a_backup_can_be_made_while_the_hub_runs(shared):
    result = hub_here("backup", "b.zip", cwd=shared.place)
    assert result.returncode == 0, result.stderr


def test_people_and_machines_can_be_added_while_the_hub_runs(shared):
    token = hub_here("token", "add", "x", "--role", "control_room", cwd=shared.place).stdout.strip()
    request = urllib.request.Request(f"{shared.url}/api/v1/devices", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert [device["id"] for device in json.load(answer)["items"]] == ["b1-e1"]


def test_two_hubs_on_one_database_are_refused(shared):
    result = hub_process("run", cwd=shared.place)
    assert result.returncode == 1
    assert "Another hub" in result.stderr.splitlines()[-1]
    assert shared.process.poll() is None


def test_a_broker_that_is_away_keeps_the_hub_waiting_and_not_dead(tmp_path, wait_until):
    broker = NatsBroker(tmp_path / "nats")
    broker.folder.mkdir(exist_ok=True)
    place = write_place(
        tmp_path, mqtt=f'{{url: "mqtt://127.0.0.1:{broker.port}", username: {broker.username}, password_env: PW}}'
    )
    with RunCommand(place, {"PW": broker.password}) as hub:
        wait_until(lambda: "no connection" in hub.said() or "connect" in hub.said(), timeout=60, message=hub.said)
        assert hub.process.poll() is None
        broker.start()
        try:
            hub.ready()
            assert hub.end(signal.SIGTERM)[0] == 0, hub.said()
        finally:
            broker.stop()


def test_a_port_in_use_is_one_sentence(place, free_port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        write_place(place, port=other.getsockname()[1])
        result = hub_process("run", cwd=place)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"Port {other_port(place)} of 127.0.0.1 cannot be used")
    assert "Traceback" not in result.stderr
    assert not (place / "hub.db").exists(), "nothing is touched"


def other_port(place):
    return re.search(r"port: (\d+)", (place / "hub.yaml").read_text())[1]
