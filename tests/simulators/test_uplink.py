"""What a real uplink does to messages: unique ids, skewed clocks, duplicates, reordering, silence."""

import json
import random
from datetime import datetime, timedelta

import pytest

from simulators.mqtt import Broker, BrokerError, parse_broker
from simulators.site import Device
from simulators.uplink import Uplink, client_id

DEVICE = Device("b1-e1", "lakeside", "elevator", "hub-json", "b1", "1号梯", ("1", "2"))


class Wire:
    def __init__(self):
        self.sent = []

    def publish(self, topic, payload):
        self.sent.append((topic, json.loads(payload)))
        return True


@pytest.fixture
def uplink():
    uplink = Uplink(Broker("127.0.0.1", 1), DEVICE, "Asia/Shanghai", random.Random(3), hub_messages=True)
    uplink.link = Wire()
    return uplink


def ids(uplink):
    return [payload["id"] for _, payload in uplink.link.sent]


def test_ids_are_unique_even_over_restarts(uplink):
    other = Uplink(Broker("127.0.0.1", 1), DEVICE, "Asia/Shanghai", random.Random(3), hub_messages=True)
    made = [link.next_id() for link in (uplink, other) for _ in range(50)]
    assert len(set(made)) == 100


def test_every_last_will_is_a_message_of_its_own(uplink):
    first, second = uplink._will(), uplink._will()
    assert first is not None
    assert second is not None
    assert json.loads(first.payload)["id"] != json.loads(second.payload)["id"]
    assert json.loads(first.payload)["online"] is False
    assert first.topic == "hub/v1/lakeside/b1-e1/status"


def test_duplicates_keep_id_and_time(uplink):
    uplink.duplicate(3)
    uplink.send("alarm", type="trapped", state="add")
    assert len(uplink.link.sent) == 3
    assert len({json.dumps(payload) for _, payload in uplink.link.sent}) == 1


def test_reordering_changes_the_order_and_loses_nothing(uplink):
    uplink.reorder(5.0)
    for number in range(40):
        uplink.send("state", number=number)
        uplink.advance(0.2)
    uplink.advance(5.0)
    numbers = [payload["number"] for _, payload in uplink.link.sent]
    assert sorted(numbers) == list(range(40))
    assert numbers != sorted(numbers)


def test_a_skewed_clock_shifts_the_time_and_keeps_the_offset(uplink):
    uplink.skew_clock(-3600)
    uplink.send("status", online=True)
    at = datetime.fromisoformat(uplink.link.sent[0][1]["at"])
    assert at.utcoffset() == timedelta(hours=8)
    assert timedelta(minutes=59) < datetime.now(at.tzinfo) - at < timedelta(minutes=61)


def test_silence_loses_what_is_said_meanwhile(uplink):
    uplink.silence(True)
    uplink.send("state", number=1)
    uplink.silence(False)
    uplink.send("state", number=2)
    assert [payload["number"] for _, payload in uplink.link.sent] == [2]


def test_a_result_names_the_command(uplink):
    uplink.result({"id": "c-7", "name": "report_state"}, ok=True, detail="")
    topic, payload = uplink.link.sent[0]
    assert topic.endswith("/result")
    assert (payload["command_id"], payload["ok"]) == ("c-7", True)


def test_client_ids_hold_nothing_that_a_broker_refuses():
    device = Device("e.1 / ä", "s", "elevator", "hub-json", "", "", ())
    assert client_id(device, "ab12") == "sim-s-e-1-----ab12"


def test_broker_addresses():
    plain = parse_broker("mqtt://sim:s%40crt@broker.example:1884")
    assert (plain.host, plain.port, plain.username, plain.password, plain.tls) == (
        "broker.example",
        1884,
        "sim",
        "s@crt",
        False,
    )
    assert (parse_broker("mqtts://h").port, parse_broker("mqtts://h").tls) == (8883, True)


@pytest.mark.parametrize("url", ["127.0.0.1:1883", "http://h:1", "mqtt://"])
def test_other_addresses_are_refused_without_showing_a_password(url):
    with pytest.raises(BrokerError, match="expected mqtt"):
        parse_broker(url)
