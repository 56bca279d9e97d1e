"""The hub is broker-neutral: the same alarm becomes the same ticket over each broker, each version of MQTT, and TLS."""

from collections.abc import Callable
from typing import Any

import pytest

from support.brokers import RumqttdBroker, TestBroker
from support.estate_files import elevator, meter, mqtt_section, site_file
from support.hub_json import alarm, reading
from support.mqtt import MqttClient
from support.running_hub import RunningHub

SITE = site_file(devices=[elevator("b1-e1"), meter("m-1")])


@pytest.fixture(params=["nats", "rumqttd-3.1.1", "rumqttd-5", "mosquitto", "mosquitto-tls"])
def way(request: pytest.FixtureRequest) -> tuple[TestBroker, dict[str, Any]]:
    """A broker and the hub's `mqtt:` section for it."""
    name: str = request.param
    fixture = {"rumqttd-3.1.1": "rumqttd_broker", "rumqttd-5": "rumqttd_broker"}.get(
        name, f"{name.replace('-', '_')}_broker"
    )
    broker: TestBroker = request.getfixturevalue(fixture)
    if name == "rumqttd-3.1.1":
        assert isinstance(broker, RumqttdBroker)
        return broker, mqtt_section(broker, port=broker.port_311)
    return broker, mqtt_section(broker)


def test_alarms_and_readings_arrive_once_each(
    way: tuple[TestBroker, dict[str, Any]],
    start_hub: Callable[..., RunningHub],
    device_on: Callable[[TestBroker], MqttClient],
) -> None:
    broker, section = way
    hub = start_hub(broker, [SITE], mqtt=section)
    device = device_on(broker)
    for number in range(20):
        device.publish(*reading("m-1", f"r{number}", 100 + number / 100))
    device.publish(*alarm("b1-e1", "a1"))
    ticket = hub.wait_for_ticket("entrapment", "b1-e1")
    assert ticket["count"] == 1
    device.publish(*reading("m-1", "last", 99))

    stored = wait_for_readings(hub, 21)
    assert [row["balance"]["amount"] for row in stored][-1] == "99.00"
    assert len(stored) == 21
    assert hub.ready()[0]


def wait_for_readings(hub: RunningHub, count: int) -> list[dict[str, Any]]:
    from support.waiting import wait_until

    return wait_until(
        lambda: rows if len(rows := hub.readings("m-1")) >= count else [],
        10,
        lambda: f"{len(hub.readings('m-1'))} of {count} readings",
    )
