"""What is shipped for an installation works as it is: the example configuration, Mosquitto's file and its access list."""

import os
import queue
import subprocess
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
import yaml
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from connectors import profiles
from hub.settings import load
from rules import RULES
from support.brokers import BrokerUnavailableError, MosquittoBroker, _program

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_the_example_configuration_is_right():
    facts = {name: profile.facts() for name, profile in profiles.load().items()}
    limits = {rule.name: rule.limits_type for rule in RULES}
    settings = load(DEPLOY / "hub.yaml", {"BROKER_PASSWORD": "x"}, facts, limits)
    assert [site.id for site in settings.sites] == ["lakeside"]
    assert settings.database == "sqlite:////var/lib/property-hub/hub.db"


def test_the_compose_file_mounts_what_lies_beside_it():
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    mounted = [mount.split(":")[0] for service in compose["services"].values() for mount in service.get("volumes", ())]
    made_by_the_operator = {"./mosquitto.passwords", "./certs"}
    files = {mount for mount in mounted if mount.startswith("./")} - made_by_the_operator
    assert files
    assert [name for name in files if not (DEPLOY / name).exists()] == []


def test_the_unit_starts_commands_that_exist():
    unit = (DEPLOY / "property-hub.service").read_text(encoding="utf-8")
    commands = [line.split("/bin/hub ")[1] for line in unit.splitlines() if line.startswith("ExecStart")]
    assert commands == ["check --config /etc/property-hub/hub.yaml", "run --config /etc/property-hub/hub.yaml"]


class ShippedMosquitto(MosquittoBroker):
    """Runs the shipped configuration itself; only places, port and user are the test's."""

    def _command(self):
        binary = _program("mosquitto")
        passwords = self.folder / "passwords"
        passwords.touch(mode=0o600)
        for user in ("hub", "b1-e1", "b1-e2"):
            command = [_program("mosquitto_passwd"), "-b", str(passwords), user, self.password]
            subprocess.run(command, check=True, capture_output=True)
        text = (DEPLOY / "mosquitto.conf").read_text(encoding="utf-8")
        for shipped, ours in {
            "/var/lib/mosquitto/": f"{self.folder}/",
            "/etc/mosquitto/hub.passwords": str(passwords),
            "/etc/mosquitto/hub.acl": str(DEPLOY / "mosquitto.acl"),
            "/etc/mosquitto/certs/ca.crt": str(self.tls.ca),
            "/etc/mosquitto/certs/server.crt": str(self.tls.server_cert),
            "/etc/mosquitto/certs/server.key": str(self.tls.server_key),
            "listener 8883": f"listener {self.port} 127.0.0.1",
        }.items():
            assert shipped in text
            text = text.replace(shipped, ours)
        if os.geteuid() == 0:
            text += "user root\n"
        config = self.folder / "mosquitto.conf"
        config.write_text(text)
        return [binary, "-c", str(config)]


@pytest.fixture
def broker(tmp_path, tls_files):
    broker = ShippedMosquitto(tmp_path / "mosquitto", tls=tls_files)
    try:
        broker.start()
    except BrokerUnavailableError as error:
        pytest.skip(str(error))
    yield broker
    broker.stop()


class Client:
    """MQTT 5, so that a refused publish is told."""

    def __init__(self, broker, user, client_id, *, keep=False):
        self.received, self.connected, self.reasons, self.subscribed = queue.Queue(), queue.Queue(), {}, queue.Queue()
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5)
        client.username_pw_set(user, broker.password)
        client.tls_set(ca_certs=str(broker.tls.ca))
        client.on_connect = lambda _c, _u, flags, _rc, _p: self.connected.put(flags.session_present)
        client.on_message = lambda _c, _u, message: self.received.put((message.topic, message.payload))
        client.on_publish = lambda _c, _u, mid, reason, _p: self.reasons.update({mid: str(reason)})
        client.on_subscribe = lambda _c, _u, _mid, _reasons, _p: self.subscribed.put(True)
        properties = mqtt.Properties(mqtt.PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600 if keep else 0
        client.connect_async("127.0.0.1", broker.port, clean_start=not keep, properties=properties)
        client.loop_start()
        self.client = client
        self.session_present = self.connected.get(timeout=10)

    def subscribe(self, topic):
        self.client.subscribe(topic, qos=1)
        self.subscribed.get(timeout=10)

    def publish(self, topic, payload, wait_until):
        mid = self.client.publish(topic, payload, qos=1).mid
        wait_until(lambda: mid in self.reasons)
        return self.reasons[mid]

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def test_a_device_reaches_its_own_topics_and_no_others(broker, wait_until):
    hub, device = Client(broker, "hub", "hub-1"), Client(broker, "b1-e1", "b1-e1")
    try:
        hub.subscribe("hub/v1/#")
        assert device.publish("hub/v1/lakeside/b1-e1/alarm", b"mine", wait_until) == "Success"
        for topic in ("hub/v1/lakeside/b1-e2/alarm", "hub/v1/other/b1-e1/alarm", "hub/v1/_hub/hub-1/canary-alarm"):
            assert device.publish(topic, b"forged", wait_until) == "Not authorized"
        assert hub.received.get(timeout=10) == ("hub/v1/lakeside/b1-e1/alarm", b"mine")
        assert hub.publish("hub/v1/lakeside/b1-e1/command", b"{}", wait_until) in ("Success", "No matching subscribers")
        assert hub.publish("hub/v1/_hub/hub-1/canary-alarm", b"1", wait_until) == "Success"
    finally:
        hub.close()
        device.close()


def test_what_was_acknowledged_survives_the_brokers_death(broker, wait_until):
    """P1, P2: 1,500 messages for a hub that is away, then kill -9; with Mosquitto's defaults all or a third are gone."""
    hub = Client(broker, "hub", "hub-1", keep=True)
    hub.subscribe("hub/v1/#")
    hub.close()
    device = Client(broker, "b1-e1", "b1-e1")
    for number in range(1_500):
        device.client.publish("hub/v1/lakeside/b1-e1/state", str(number).encode(), qos=1)
    wait_until(lambda: len(device.reasons) == 1_500, timeout=60)
    device.close()
    broker.kill()
    broker.start()
    hub = Client(broker, "hub", "hub-1", keep=True)
    try:
        assert hub.session_present
        found = [hub.received.get(timeout=20)[1] for _ in range(1_499)]  # one may have been under way to the disk
        assert found == [str(number).encode() for number in range(1_499)]
    finally:
        hub.close()
