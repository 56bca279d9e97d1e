"""`hub check --connect` says what is wrong in words that lead to the setting, and disturbs nobody."""

import pytest

from connectors.mqtt_check import check_connection
from support.mqtt import MqttClient
from support.waiting import wait_until


@pytest.fixture
def look(mqtt_settings):
    return lambda broker, **changes: check_connection(mqtt_settings(broker, **changes), timeout_s=8.0)


def test_a_broker_in_order_gives_one_good_finding_with_its_version(mqtt_broker, look):
    (finding,) = look(mqtt_broker)
    assert finding.ok
    assert f"MQTT {mqtt_broker.mqtt_version}" in finding.text


def test_a_running_hub_is_not_thrown_out_and_gets_nothing(nats_broker, start, look):
    connector, intake = start(nats_broker)
    assert look(nats_broker)[0].ok
    with MqttClient(nats_broker) as device:
        device.publish("hub/v1/lakeside/b1-e1/alarm", b"after")
    wait_until(lambda: intake.payloads() == [b"after"])
    assert connector.connected
    assert intake.causes() == [(True, "connected")]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"url": "mqtt://127.0.0.1:1"}, "unreachable"),
        ({"url": "mqtt://no-such-host.invalid"}, "unknown_host"),
        ({"password": "wrong"}, "not_authorised"),
        ({"url": "x"}, "settings"),
        ({"url": "mqtts://127.0.0.1", "ca": "/nowhere.pem"}, "tls_failed"),
    ],
)
def test_each_fault_has_its_word(nats_broker, look, changes, cause):
    (finding,) = look(nats_broker, **changes)
    assert not finding.ok
    assert finding.cause == cause


def test_something_that_is_no_broker_is_not_waited_for_for_ever(nats_broker, mqtt_settings):
    nats_broker.freeze()
    try:
        (finding,) = check_connection(mqtt_settings(nats_broker, connect_timeout_s=0.5), timeout_s=2.0)
    finally:
        nats_broker.thaw()
    assert finding.cause == "no_answer"
