"""What cannot be used is kept with its bytes and its reason, shown, and goes through again after a fix."""

import base64
from collections.abc import Callable

import pytest

from support.brokers import TestBroker
from support.estate_files import elevator, meter, site_file
from support.hub_json import alarm, reading
from support.mqtt import MqttClient
from support.running_hub import RunningHub
from support.waiting import wait_until

SITE = site_file(devices=[elevator("b1-e1"), meter("m-1")])


def test_an_alarm_of_a_device_that_nobody_has_entered_waits_for_the_site_file(
    nats_broker: TestBroker, start_hub: Callable[..., RunningHub], device_on: Callable[[TestBroker], MqttClient]
) -> None:
    """The technician fitted a lift and forgot the site file; the alarm is not lost."""
    hub = start_hub(nats_broker, [SITE])
    topic, payload = alarm("b1-e9", "a1")
    device_on(nats_broker).publish(topic, payload)
    (kept,) = wait_until(hub.rejected, 5, "nothing was put aside")
    assert (kept["reason"], kept["address"], kept["outcome"]) == ("unknown_device", topic, None)
    assert base64.b64decode(kept["payload_base64"]) == payload
    assert "b1-e9" in kept["detail"]
    assert hub.api.post(f"/rejected/{kept['id']}/replay").json()["outcome"] == "unknown_device"

    hub.stop()
    hub.configure([site_file(devices=[elevator("b1-e1"), elevator("b1-e9"), meter("m-1")])])
    hub.start()
    hub.wait_ready()
    assert hub.api.post(f"/rejected/{kept['id']}/replay").json()["outcome"] == "accepted"
    assert hub.wait_for_ticket("entrapment", "b1-e9")["count"] == 1
    assert hub.get(f"/rejected/{kept['id']}")["outcome"] == "accepted"


def _in_place_of_the_balance(id_: str, written: bytes) -> bytes:
    """A reading with something else where the number was, and nowhere else: seconds have decimals, too."""
    whole, number = reading("m-1", id_, 1.5)[1], b'"balance": 1.5'
    assert whole.count(number) == 1
    return whole.replace(number, b'"balance": ' + written)


BAD: dict[str, tuple[str, bytes, str]] = {
    "no JSON": ("m-1/reading", b"balance=12", "not_json"),
    "no bytes": ("m-1/reading", b"", "empty"),
    "NaN": ("m-1/reading", _in_place_of_the_balance("n", b"NaN"), "not_finite"),
    "a number beyond all": ("m-1/reading", _in_place_of_the_balance("i", b"1e999"), "implausible"),
    "a key twice": ("m-1/reading", reading("m-1", "d", 1.5)[1].replace(b"{", b'{"balance": 2, ', 1), "duplicate_key"),
    "true for a number": ("m-1/reading", _in_place_of_the_balance("t", b"true"), "wrong_type"),
    "text for a number": ("m-1/reading", _in_place_of_the_balance("x", b'"12"'), "wrong_type"),
    "5,000 digits": ("m-1/reading", _in_place_of_the_balance("l", b"9" * 5000), "number_out_of_range"),
    "100,000 brackets": ("m-1/reading", b"[" * 100_000, "too_deep"),
    "bytes that are no text": ("m-1/reading", b'{"id": "\xff\xfe"}', "not_utf8"),
    "NUL in an id": ("m-1/reading", reading("m-1", "a\0b", 1.5)[1], "bad_text"),
    "no id": ("m-1/reading", b'{"at": "2026-11-21T10:00:00+08:00", "balance": 1, "unit": "CNY"}', "missing_field"),
    "no such unit": ("m-1/reading", reading("m-1", "u", 1.5, unit="EUR")[1], "unknown_value"),
    "a meter's word from an elevator": ("b1-e1/reading", reading("b1-e1", "w", 1.5)[1], "wrong_profile"),
    "half a megabyte": ("m-1/reading", b"x" * 500_000, "too_large"),
}


@pytest.mark.timeout(120)
def test_every_kind_of_bad_input_is_kept_with_its_reason_and_stops_nothing(
    nats_broker: TestBroker, start_hub: Callable[..., RunningHub], device_on: Callable[[TestBroker], MqttClient]
) -> None:
    hub = start_hub(nats_broker, [SITE])
    device = device_on(nats_broker)
    for place, payload, _ in BAD.values():
        device.publish(f"hub/v1/lakeside/{place}", payload)
    device.publish("hub/v1/nowhere/m-1/reading", reading("m-1", "s", 1.5)[1])
    device.publish(*alarm("b1-e1", "a1"))
    hub.wait_for_ticket("entrapment", "b1-e1")
    device.publish(*reading("m-1", "good", 77))
    wait_until(lambda: hub.readings("m-1"), 10, "the good reading behind the bad ones was not stored")

    kept = list(reversed(hub.rejected()))
    got = {name: row["reason"] for name, row in zip(BAD, kept, strict=False)}
    assert got == {name: reason for name, (_, _, reason) in BAD.items()}
    assert [row["reason"] for row in kept[len(BAD) :]] == ["unknown_site"]
    assert [row["size"] for row in kept[: len(BAD)]] == [len(payload) for _, payload, _ in BAD.values()]
    assert [row["balance"]["amount"] for row in hub.readings("m-1")] == ["77.00"]


def test_a_problem_says_what_to_do_in_both_languages(
    rumqttd_broker: TestBroker, start_hub: Callable[..., RunningHub], device_on: Callable[[TestBroker], MqttClient]
) -> None:
    """A broker that forgot the hub's session may have lost alarms: people are told, and told what to do."""
    hub = start_hub(rumqttd_broker, [SITE])
    rumqttd_broker.restart()
    problem = wait_until(lambda: hub.problems().get("possible_loss"), 30, lambda: f"{hub.problems()}\n{hub.log_tail()}")
    for language in ("zh-CN", "en"):
        assert len(problem["texts"][language]["text"]) > 5
        assert len(problem["texts"][language]["what_to_do"]) > 5
    assert problem["texts"]["zh-CN"] != problem["texts"]["en"]
    raised = [row for row in hub.feed() if row["type"] == "problem_raised"]
    assert "possible_loss" in [row["body"]["code"] for row in raised]
