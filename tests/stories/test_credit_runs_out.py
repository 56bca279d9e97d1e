"""A household's credit runs out, somebody pays, the ticket ends: from readings alone, on SQLite and on PostgreSQL."""

from collections.abc import Callable

import pytest

from support.brokers import TestBroker
from support.estate_files import meter, site_file
from support.hub_json import ago, reading
from support.mqtt import MqttClient
from support.running_hub import RunningHub

SITE = site_file(
    devices=[meter("m-0101"), meter("m-0102")], rules={"low_balance": {"CNY": [30, 10, 0], "confirm_gap_s": 10}}
)


@pytest.fixture
def hub(nats_broker: TestBroker, database_url: str, start_hub: Callable[..., RunningHub]) -> RunningHub:
    """On each kind of database."""
    return start_hub(nats_broker, [SITE], database=database_url)


def test_low_balance_is_raised_after_two_readings_and_closed_by_a_purchase(
    hub: RunningHub, device_on: Callable[[TestBroker], MqttClient]
) -> None:
    device = device_on(hub.broker)
    device.publish(*reading("m-0101", "r1", 31.5, purchases=3, at=ago(300)))
    device.publish(*reading("m-0101", "r2", 24.6, purchases=3, at=ago(200)))
    device.publish(*reading("m-0102", "r1", 24.6, purchases=1, at=ago(190)))
    device.publish(*reading("m-0101", "r3", 24.5, purchases=3, at=ago(100)))
    ticket = hub.wait_for_ticket("low_balance", "m-0101")
    assert ticket["active"]
    assert ticket["subject"]["type"] == "device"
    assert hub.tickets(subject="m-0102") == [], "one low reading is not believed"

    device.publish(*reading("m-0101", "r4", 224.5, purchases=4, at=ago(50)))
    over = hub.wait_for_ticket("low_balance", "m-0101", where=lambda each: not each["active"])
    assert over["id"] == ticket["id"]
    assert over["state"] == "closed"
    shown = hub.get("/meters/m-0101")
    assert shown["balance"] == {"amount": "224.50", "currency": "CNY"}
    assert shown["purchases"] == 4


def test_an_unreadable_balance_neither_raises_nor_shows_as_zero(
    hub: RunningHub, device_on: Callable[[TestBroker], MqttClient]
) -> None:
    device = device_on(hub.broker)
    device.publish(*reading("m-0101", "r1", None, at=ago(200)))
    device.publish(*reading("m-0101", "r2", None, at=ago(100)))
    device.publish(*reading("m-0102", "r1", 5, at=ago(200)))
    device.publish(*reading("m-0102", "r2", 5, at=ago(100)))
    hub.wait_for_ticket("low_balance", "m-0102")
    assert hub.tickets(subject="m-0101") == []
    shown = hub.get("/meters/m-0101")
    assert (shown["balance"], shown["quality"]) == (None, "unknown")


def test_a_late_reading_goes_into_history_and_moves_nothing(
    hub: RunningHub, device_on: Callable[[TestBroker], MqttClient]
) -> None:
    """A 4G meter hands in what it has buffered: two low readings of before the purchase."""
    device = device_on(hub.broker)
    device.publish(*reading("m-0101", "r9", 224.5, purchases=4, at=ago(60)))
    device.publish(*reading("m-0101", "r1", 9.0, purchases=3, at=ago(900)))
    device.publish(*reading("m-0101", "r2", 8.0, purchases=3, at=ago(600)))
    device.publish(*reading("m-0102", "r1", 5, at=ago(200)))
    device.publish(*reading("m-0102", "r2", 5, at=ago(100)))
    hub.wait_for_ticket("low_balance", "m-0102")
    assert hub.tickets(subject="m-0101") == []
    assert [(row["balance"]["amount"], row["late"]) for row in hub.readings("m-0101")] == [
        ("9.00", True),
        ("8.00", True),
        ("224.50", False),
    ]
    assert hub.get("/meters/m-0101")["balance"]["amount"] == "224.50"
