"""Things stop and come back: the broker, the hub, a device that is taken out of the files. Nothing is forgotten."""

from collections.abc import Callable
from typing import Any

import pytest

from support.brokers import TestBroker
from support.estate_files import elevator, meter, site_file
from support.hub_json import alarm, reading, stuck_state
from support.mqtt import MqttClient
from support.running_hub import RunningHub
from support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ELEVATORS = [elevator("b1-e1"), elevator("b1-e2")]


def test_alarms_sent_while_the_hub_is_down_become_tickets_when_it_is_back(
    mqtt_broker: TestBroker, start_hub: Callable[..., RunningHub], device_on: Callable[[TestBroker], MqttClient]
) -> None:
    hub = start_hub(mqtt_broker, [site_file(devices=ELEVATORS)])
    assert hub.stop() == 0
    device = device_on(mqtt_broker)
    device.publish(*alarm("b1-e1", "a1"))
    device.publish(*alarm("b1-e2", "a2"))
    hub.start()
    hub.wait_ready()
    for name in ("b1-e1", "b1-e2"):
        assert hub.wait_for_ticket("entrapment", name)["count"] == 1


def test_the_broker_is_restarted_while_the_hub_runs(
    mqtt_broker: TestBroker, start_hub: Callable[..., RunningHub], device_on: Callable[[TestBroker], MqttClient]
) -> None:
    """The hub reconnects by itself; a broker that lost its sessions is told as a possible loss."""
    hub = start_hub(mqtt_broker, [site_file(devices=ELEVATORS)])
    device_on(mqtt_broker).publish(*alarm("b1-e1", "a1"))
    hub.wait_for_ticket("entrapment", "b1-e1")
    mqtt_broker.restart()
    wait_until(lambda: _connected(hub), 30, lambda: f"not connected again\n{hub.log_tail()}")
    device_on(mqtt_broker).publish(*alarm("b1-e2", "a2"))
    assert hub.wait_for_ticket("entrapment", "b1-e2", 20)["count"] == 1
    assert [ticket["count"] for ticket in hub.tickets()] == [1, 1]
    if not mqtt_broker.durable:
        wait_until(lambda: "possible_loss" in hub.problems(), 10, lambda: str(hub.problems()))


def _connected(hub: RunningHub) -> bool:
    parts = hub.ready()[1]["parts"]
    brokers = [part["ok"] for part in parts if part["name"] == "broker"]
    return bool(brokers) and all(brokers)


def test_a_deadline_that_fell_due_while_the_hub_was_down_fires_once(
    nats_broker: TestBroker, start_hub: Callable[..., RunningHub], device_on: Callable[[TestBroker], MqttClient]
) -> None:
    """The car is stuck; the hub is killed before the limit is over; after its return the ticket comes, once."""
    limits = {"entrapment": {"off_level_s": 12, "still_s": 1, "restart_grace_s": 1}}
    hub = start_hub(nats_broker, [site_file(devices=ELEVATORS, rules=limits)])
    device = device_on(nats_broker)
    device.publish(*stuck_state("b1-e1", "s1"))
    wait_until(lambda: hub.get("/devices/b1-e1")["state"], 5, "the state was not stored")
    assert hub.tickets() == []
    hub.kill()
    hub.start()
    hub.wait_ready()
    ticket = hub.wait_for_ticket("entrapment", "b1-e1", 30)
    assert ticket["count"] == 1
    hub.restart()
    device.publish(*alarm("b1-e2", "later"))
    hub.wait_for_ticket("entrapment", "b1-e2")
    assert [(each["subject"]["id"], each["count"]) for each in hub.tickets()] == [("b1-e1", 1), ("b1-e2", 1)]
    opened = [row for row in hub.feed() if row["type"] == "ticket_opened"]
    assert len(opened) == 2


def test_a_retired_device_keeps_its_history_and_its_input_is_put_aside(
    nats_broker: TestBroker, start_hub: Callable[..., RunningHub], device_on: Callable[[TestBroker], MqttClient]
) -> None:
    hub = start_hub(nats_broker, [site_file(devices=[*ELEVATORS, meter("m-1")])])
    device = device_on(nats_broker)
    device.publish(*alarm("b1-e1", "a1"))
    device.publish(*reading("m-1", "r1", 88))
    ticket = hub.wait_for_ticket("entrapment", "b1-e1")
    wait_until(lambda: hub.readings("m-1"), 5, "the reading was not stored")

    hub.stop()
    hub.configure([site_file(devices=[elevator("b1-e2")])])
    hub.start()
    hub.wait_ready()
    assert hub.get("/devices/b1-e1")["retired"] is True
    assert _listed(hub) == ["b1-e2"]
    assert hub.get(f"/tickets/{ticket['id']}")["subject"]["id"] == "b1-e1"
    assert [row["balance"]["amount"] for row in hub.readings("m-1")] == ["88.00"]
    device.publish(*alarm("b1-e1", "a2"))
    put_aside = wait_until(hub.rejected, 5, "nothing was put aside")
    assert [(row["reason"], row["address"]) for row in put_aside] == [("unknown_device", "hub/v1/lakeside/b1-e1/alarm")]

    hub.stop()
    hub.configure([site_file(devices=[*ELEVATORS, meter("m-1")])])
    hub.start()
    hub.wait_ready()
    assert hub.get("/devices/b1-e1")["retired"] is False
    assert [row["balance"]["amount"] for row in hub.readings("m-1")] == ["88.00"]


def _listed(hub: RunningHub) -> list[Any]:
    return [item["id"] for item in hub.api.pages("/devices")]
