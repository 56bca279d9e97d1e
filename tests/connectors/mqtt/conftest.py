"""A connector under test with an intake that remembers; nothing is acknowledged unless the test does it."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.mqtt import MqttConnector
from connectors.mqtt_settings import MqttSettings
from hub.vocabulary.events import Event, GatewayChanged
from hub.vocabulary.ports import Lane, RawMessage
from support.brokers import TestBroker
from support.waiting import wait_until

FILTERS = [
    ("hub/v1/+/+/alarm", Lane.ALARM),
    ("hub/v1/+/+/state", Lane.TELEMETRY),
    ("hub/v1/+/+/reading", Lane.TELEMETRY),
]
CANARIES = [("hub/v1/_hub/hub-1/canary-alarm", Lane.ALARM), ("hub/v1/_hub/hub-1/canary-telemetry", Lane.TELEMETRY)]


class Intake:
    """Remembers everything; `broken` makes it raise, which no intake may do."""

    def __init__(self) -> None:
        self.messages: list[RawMessage] = []
        self.events: list[Event] = []
        self.broken = False
        self._guard = threading.Lock()

    def offer(self, message: RawMessage) -> None:
        if self.broken:
            raise RuntimeError("planted")
        with self._guard:
            self.messages.append(message)

    def report(self, event: Event) -> None:
        self.events.append(event)

    def payloads(self) -> list[bytes]:
        return [message.payload for message in list(self.messages)]

    def causes(self) -> list[tuple[bool, str]]:
        return [(event.up, str(event.cause)) for event in list(self.events) if isinstance(event, GatewayChanged)]

    def acknowledge_all(self) -> None:
        for message in list(self.messages):
            assert message.sink is not None
            if message.receipt is not None:
                message.sink.acknowledge([message.receipt])


def settings_for(broker: TestBroker, **changes: Any) -> MqttSettings:
    values: dict[str, Any] = {
        "url": broker.url,
        "client_id": "hub-1",
        "username": broker.username,
        "password": broker.password,
        "longest_wait_s": 1.0,
        **changes,
    }
    return MqttSettings(**values)


@pytest.fixture
def mqtt_settings() -> Callable[..., MqttSettings]:
    """`mqtt_settings(broker, **changes)`: how to reach a broker of a test."""
    return settings_for


Start = Callable[..., tuple[MqttConnector, Intake]]


@pytest.fixture
def start() -> Iterator[Start]:
    """`start(broker, wait=True, **settings)`; every connector is stopped at the end."""
    running: list[MqttConnector] = []

    def begin(
        broker: TestBroker, *, wait: bool = True, filters: Any = None, options: Any = None, **changes: Any
    ) -> tuple[MqttConnector, Intake]:
        intake = Intake()
        connector = MqttConnector(
            settings_for(broker, **changes), intake, filters or FILTERS + CANARIES, ["lakeside"], **(options or {})
        )
        running.append(connector)
        connector.start()
        if wait:
            wait_until(lambda: (True, "connected") in intake.causes(), 15, lambda: str(connector.state()))
        return connector, intake

    yield begin
    for connector in running:
        connector.stop()
