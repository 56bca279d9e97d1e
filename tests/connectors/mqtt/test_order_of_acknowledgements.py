"""PUBACKs leave in the order of arrival (MQTT 4.6), whoever was finished first: rumqttd hangs up on anybody who does otherwise."""

from collections.abc import Callable
from typing import Any

from hub.vocabulary.ports import Lane
from support.brokers import TestBroker
from support.mqtt import MqttClient
from support.waiting import wait_until

STATE = "hub/v1/lakeside/b1-e1/state"
ALARM = "hub/v1/lakeside/b1-e1/alarm"


def test_a_message_that_is_safe_early_waits_for_older_ones(
    rumqttd_broker: TestBroker, start: Callable[..., Any]
) -> None:
    connector, intake = start(rumqttd_broker)
    with MqttClient(rumqttd_broker) as device:
        for number in range(6):
            device.publish(STATE, f"{number}")
        wait_until(lambda: len(intake.messages) == 6)
        receipts = [message.receipt for message in intake.messages]
        session = connector._sessions[Lane.TELEMETRY]
        session.acknowledge(receipts[4:])
        session.acknowledge(receipts[1:3])
        assert connector.state().lanes[Lane.TELEMETRY].unacked == 6, "told the broker of younger ones first"
        session.acknowledge(receipts[:1])
        assert connector.state().lanes[Lane.TELEMETRY].unacked == 3
        session.acknowledge(receipts[3:4])
        assert connector.state().lanes[Lane.TELEMETRY].unacked == 0
        assert connector.state().lanes[Lane.TELEMETRY].stale_acks == 0
        device.publish(STATE, b"and on")
        wait_until(lambda: b"and on" in intake.payloads())
    assert intake.causes() == [(True, "connected")], "the broker hung up"


def test_what_the_other_session_delivers_waits_for_older_readings(
    rumqttd_broker: TestBroker, start: Callable[..., Any]
) -> None:
    """The wide filter brings alarms and canaries to the readings' session too; they are acknowledged there at once, unless …"""
    filters = [("hub/v1/+/+/alarm", Lane.ALARM), ("hub/v1/#", Lane.TELEMETRY)]
    options = {"lane_of": lambda topic: Lane.ALARM if topic.endswith("/alarm") else Lane.TELEMETRY}
    connector, intake = start(rumqttd_broker, filters=filters, options=options)
    with MqttClient(rumqttd_broker) as device:
        device.publish(STATE, b"first")
        device.publish(ALARM, b"second")
        wait_until(lambda: len(intake.messages) == 2)
        wait_until(lambda: connector.state().lanes[Lane.TELEMETRY].unacked == 2)
        intake.acknowledge_all()
        wait_until(lambda: connector.state().lanes[Lane.TELEMETRY].unacked == 0)
        device.publish(STATE, b"third")
        wait_until(lambda: b"third" in intake.payloads())
    assert intake.causes() == [(True, "connected")], "the broker hung up"
