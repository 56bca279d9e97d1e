"""A vending system reports a top-up, the meter proves it: over HTTP and MQTT, on each database, through a kill -9."""

from collections.abc import Callable

import pytest

from support.brokers import TestBroker
from support.estate_files import meter, site_file
from support.hub_json import ago, reading, stamp
from support.mqtt import MqttClient
from support.running_hub import RunningHub
from support.waiting import wait_until

SITE = site_file(devices=[meter("m-0101")], rules={"low_balance": {"CNY": [30, 10, 0], "confirm_gap_s": 10}})
TOPUP = {"meter": "m-0101", "amount": {"amount": "200.00", "currency": "CNY"}, "reference": "V-1"}


@pytest.fixture
def hub(nats_broker: TestBroker, database_url: str, start_hub: Callable[..., RunningHub]) -> RunningHub:
    """On each kind of database."""
    return start_hub(nats_broker, [SITE], database=database_url)


def topup(hub: RunningHub) -> tuple[str, str | None]:
    """State and proof of the only one."""
    (row,) = hub.get("/topups")["items"]
    return row["state"], row["proof"]


def test_a_payment_ends_what_was_said_and_the_meter_proves_it_after_a_kill(
    hub: RunningHub, device_on: Callable[[TestBroker], MqttClient]
) -> None:
    device = device_on(hub.broker)
    device.publish(*reading("m-0101", "r1", 24.6, purchases=3, at=ago(300)))
    device.publish(*reading("m-0101", "r2", 24.5, purchases=3, at=ago(200)))
    hub.wait_for_ticket("low_balance", "m-0101")

    told = hub.api.post("/topups", TOPUP | {"paid_at": stamp(ago(100))})
    assert (told.status, told.json()["state"]) == (201, "paid")
    hub.kill()
    hub.start()
    hub.wait_ready()
    again = hub.api.post("/topups", TOPUP | {"state": "issued"})
    assert (again.status, again.json()["id"], again.json()["state"]) == (200, told.json()["id"], "issued")
    assert hub.api.post("/topups", TOPUP | {"amount": {"amount": "1", "currency": "CNY"}}).status == 409

    device.publish(*reading("m-0101", "r3", 224.4, purchases=4, at=ago(10)))
    wait_until(lambda: topup(hub) == ("confirmed", "purchase_count"), 15, lambda: str(topup(hub)))
    over = hub.wait_for_ticket("low_balance", "m-0101", where=lambda each: not each["active"])
    assert over["state"] == "closed"
    assert hub.tickets(kind="topup_missing") == []


def test_paid_but_not_on_the_meter_is_a_ticket_that_ends_with_the_credit(
    hub: RunningHub, device_on: Callable[[TestBroker], MqttClient]
) -> None:
    device = device_on(hub.broker)
    device.publish(*reading("m-0101", "r1", 50, purchases=3, at=ago(4000)))
    device.publish(*reading("m-0101", "r2", 49, purchases=3, at=ago(1000)))
    wait_until(lambda: len(hub.readings("m-0101", **{"from": stamp(ago(8000))})) == 2, 15, "readings")
    assert hub.api.post("/topups", TOPUP | {"paid_at": stamp(ago(3600))}).status == 201
    ticket = hub.wait_for_ticket("topup_missing", "m-0101")
    assert (ticket["reason"], ticket["fields"]["amount"]) == ("not_on_meter", "200.00")
    device.publish(*reading("m-0101", "r3", 248, purchases=4, at=ago(10)))
    over = hub.wait_for_ticket("topup_missing", "m-0101", where=lambda each: not each["active"])
    assert over["state"] == "resolved"
    assert topup(hub) == ("confirmed", "purchase_count")
