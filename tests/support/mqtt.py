"""A plain paho client for tests: signs in, publishes with acknowledgement, collects what arrives."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from support.brokers import TestBroker
from support.waiting import wait_until


class MqttClient:
    """Use as a context manager. A `session` is kept by the broker over disconnects (client id fixed, no clean start)."""

    def __init__(
        self, broker: TestBroker, client_id: str = "", *, session: bool = False, manual_ack: bool = False
    ) -> None:
        self.received: list[mqtt.MQTTMessage] = []
        self.session_present: bool | None = None
        self.failure = ""
        self._broker = broker
        self._session = session
        self._subscribed = threading.Event()
        v5 = broker.mqtt_version == "5"
        options: dict[str, Any] = {} if v5 else {"clean_session": not session}
        self.paho = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id or f"test-{id(self):x}",
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            manual_ack=manual_ack,
            **options,
        )
        self.paho.username_pw_set(broker.username, broker.password)
        if broker.tls is not None:
            self.paho.tls_set(str(broker.tls.ca), str(broker.tls.client_cert), str(broker.tls.client_key))
        self.paho.on_connect = self._on_connect
        self.paho.on_disconnect = self._on_disconnect
        self.paho.on_connect_fail = lambda _client, _data: None
        self.paho.on_message = lambda _client, _data, message: self.received.append(message)
        self.paho.on_subscribe = lambda *_: self._subscribed.set()

    def _on_connect(
        self, _client: mqtt.Client, _data: object, flags: mqtt.ConnectFlags, reason: Any, _props: object
    ) -> None:
        self.failure = str(reason) if reason.is_failure else ""
        self.session_present = flags.session_present

    def _on_disconnect(self, _client: mqtt.Client, _data: object, _flags: Any, reason: Any, _props: object) -> None:
        if self.session_present is None:
            self.failure = f"the broker hung up without CONNACK: {reason}"

    def __enter__(self) -> Self:
        options: dict[str, Any] = {}
        if self._broker.mqtt_version == "5":
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 3600 if self._session else 0
            options = {"clean_start": not self._session, "properties": properties}
        self.paho.connect(self._broker.host, self._broker.port, keepalive=20, **options)
        self.paho.loop_start()
        try:
            wait_until(lambda: self.failure or self.session_present is not None, 10, "no CONNACK")
            assert not self.failure, self.failure
        except AssertionError:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()

    def subscribe(self, topic: str, qos: int = 1) -> None:
        """Returns when the broker has confirmed."""
        self._subscribed.clear()
        self.paho.subscribe(topic, qos)
        assert self._subscribed.wait(10), f"no SUBACK for {topic}"

    def publish(
        self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False, timeout: float = 10
    ) -> None:
        """Returns when the broker has acknowledged (QoS 1)."""
        info = self.paho.publish(topic, payload, qos, retain)
        info.wait_for_publish(timeout)
        assert info.is_published(), f"no PUBACK for {topic}"

    def wait_for(
        self, count: int, timeout: float = 10, where: Callable[[mqtt.MQTTMessage], bool] | None = None
    ) -> list[bytes]:
        """The payloads, once at least `count` messages have arrived."""

        def wanted() -> list[bytes]:
            return [bytes(message.payload) for message in list(self.received) if where is None or where(message)]

        wait_until(lambda: len(wanted()) >= count, timeout, lambda: f"{len(wanted())} of {count} messages")
        return wanted()
