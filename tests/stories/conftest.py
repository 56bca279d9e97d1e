"""What every story needs: a hub on a broker, and a device that speaks to it. Both end with the test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.brokers import TestBroker
from support.mqtt import MqttClient
from support.running_hub import RunningHub


@pytest.fixture
def start_hub(tmp_path: Path) -> Iterator[Callable[..., RunningHub]]:
    """`start_hub(broker, [site_file(…)], …)`: a hub that is ready; its log is shown when the test fails."""
    started: list[RunningHub] = []

    def start(broker: TestBroker, sites: list[dict[str, Any]], **options: Any) -> RunningHub:
        hub = RunningHub(tmp_path / f"hub-{len(started)}", broker, sites, **options)
        started.append(hub)
        assert hub.token  # its database comes with it
        hub.start()
        hub.wait_ready()
        return hub

    yield start
    for hub in started:
        print(f"--- log of {hub.folder.name} ---\n{hub.log_tail(60)}")
        hub.stop()


@pytest.fixture
def device_on() -> Iterator[Callable[[TestBroker], MqttClient]]:
    """`device_on(broker)`: a device's own connection to a broker."""
    connected: list[MqttClient] = []

    def connect(broker: TestBroker) -> MqttClient:
        client = MqttClient(broker)
        client.__enter__()
        connected.append(client)
        return client

    yield connect
    for client in connected:
        client.close()
