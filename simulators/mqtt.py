"""A device's own connection to the broker: QoS 1, last will, commands in, and the faults of real uplinks.

paho runs its own thread; what it receives is put on a queue and handled where the simulated time runs, so device logic never
runs in two threads.
"""

from __future__ import annotations

import json
import queue
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

KEEPALIVE_S = 20
RECONNECT_MAX_S = 5
QOS = 1


class BrokerError(Exception):
    """A broker address that cannot be used."""


@dataclass(frozen=True)
class Broker:
    """Where the broker is and how to sign in; `ca`, `cert` and `key` are files, used with mqtts."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class Will:
    """What the broker says when the connection is lost without a goodbye."""

    topic: str
    payload: bytes


def parse_broker(url: str, ca: Path | None = None, cert: Path | None = None, key: Path | None = None) -> Broker:
    """Read mqtt://user:password@host:port or mqtts://…; raises BrokerError."""
    parts = urlsplit(url)
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        raise BrokerError(f"{parts.scheme}://{parts.hostname}: expected mqtt://host:port or mqtts://host:port")
    tls = parts.scheme == "mqtts"
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return Broker(parts.hostname, parts.port or (8883 if tls else 1883), tls, username, password, ca, cert, key)


def encode(payload: dict[str, Any]) -> bytes:
    """JSON as devices send it: UTF-8, no spaces."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


class Link:
    """One MQTT 3.1.1 connection with its own client id and clean session, as small devices have."""

    def __init__(
        self, broker: Broker, client_id: str, will: Callable[[], Will | None], commands: str | None = None
    ) -> None:
        self._broker, self._client_id, self._will, self._commands = broker, client_id, will, commands
        self._inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._connected = False
        self._fresh = False
        self._told = False
        self._client: mqtt.Client | None = None
        self.published = 0

    def start(self) -> None:
        """Connect in the background and keep trying."""
        if self._client is not None:
            return
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=self._client_id, clean_session=True)
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._broker.password)
        if self._broker.tls:
            path = {name: str(file) if file else None for name, file in self._files().items()}
            client.tls_set(ca_certs=path["ca"], certfile=path["cert"], keyfile=path["key"])
        self._write_will(client)
        client.on_connect_fail = self._on_connect_fail
        client.on_connect, client.on_disconnect, client.on_message = (
            self._on_connect,
            self._on_disconnect,
            self._on_message,
        )
        client.reconnect_delay_set(1, RECONNECT_MAX_S)
        client.connect_async(self._broker.host, self._broker.port, KEEPALIVE_S)
        client.loop_start()
        self._client = client

    def stop(self) -> None:
        """Say goodbye (no last will) and end the thread."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()
        self._connected = False

    def lose(self) -> None:
        """Lose the connection without a goodbye, so that the broker sends the last will; `start` comes back."""
        client, self._client = self._client, None
        if client is None:
            return
        client.loop_stop()
        sock = client.socket()
        if isinstance(sock, socket.socket):
            sock.close()
        self._connected = False

    def publish(self, topic: str, payload: bytes) -> bool:
        """Hand a message to the connection; False when it is lost. While the broker is away messages wait here."""
        if self._client is None:
            return False
        self._client.publish(topic, payload, qos=QOS)
        self.published += 1
        return True

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted this connection."""
        return self._connected

    def just_connected(self) -> bool:
        """True once after every (re)connect."""
        fresh, self._fresh = self._fresh, False
        return fresh

    def commands(self) -> list[dict[str, Any]]:
        """Commands received since the last call; what is no JSON object is dropped, as devices do."""
        received = []
        while not self._inbox.empty():
            try:
                message = json.loads(self._inbox.get())
            except ValueError:
                continue
            if isinstance(message, dict):
                received.append(message)
        return received

    def _files(self) -> dict[str, Path | None]:
        return {"ca": self._broker.ca, "cert": self._broker.cert, "key": self._broker.key}

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            self._tell(f"the broker refuses: {reason}")
            return
        self._told = False
        if self._commands is not None:
            client.subscribe(self._commands, QOS)
        self._connected = self._fresh = True

    def _on_connect_fail(self, *_: Any) -> None:
        self._tell(f"cannot reach {self._broker.host}:{self._broker.port}, trying on")

    def _tell(self, trouble: str) -> None:
        """Once per outage, on stderr."""
        if not self._told:
            self._told = True
            print(f"{self._client_id}: {trouble}", file=sys.stderr, flush=True)

    def _on_disconnect(self, client: mqtt.Client, *_: Any) -> None:
        self._connected = False
        self._write_will(client)  # the next connection's will is a message of its own

    def _write_will(self, client: mqtt.Client) -> None:
        will = self._will()
        if will is not None:
            client.will_set(will.topic, will.payload, qos=QOS)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._inbox.put(bytes(message.payload))
