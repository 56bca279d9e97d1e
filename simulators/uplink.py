"""What lies between a device and its broker: message ids, the device's clock, duplicates, reordering, silence.

Ids are unique per device for ever: a boot id that differs at every start, and a counter. A duplicate keeps its id and time. The last will is
written when the connection is made, so its `at` is older than what the device said afterwards, as with any real device.
"""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from simulators.formats import hub_json
from simulators.mqtt import Broker, Link, Will, encode
from simulators.site import Device


class Uplink:
    """One device's way to the broker. `seconds` everywhere are simulated seconds."""

    def __init__(self, broker: Broker, device: Device, zone: str, rng: random.Random, hub_messages: bool) -> None:
        self.device, self.rng = device, rng
        self.zone = ZoneInfo(zone)
        self.boot_id = secrets.token_hex(6)
        self._counter = 0
        self._hub_messages = hub_messages
        self._skew = timedelta()
        self._copies, self._window_s, self._silent = 1, 0.0, False
        self._held: list[tuple[float, str, bytes]] = []
        self.link = Link(broker, client_id(device, self.boot_id), self._will, self._commands())

    # --- faults ---------------------------------------------------------------------------------------------------

    def skew_clock(self, seconds: float) -> None:
        """Let the device's clock be wrong by this much."""
        self._skew = timedelta(seconds=seconds)

    def duplicate(self, times: int) -> None:
        """Send every message this many times."""
        self._copies = times

    def reorder(self, window_s: float) -> None:
        """Hold each message for a random part of this window, so that later ones overtake it."""
        self._window_s = window_s

    def silence(self, enabled: bool) -> None:
        """Send nothing although the connection stays: what is said meanwhile is lost."""
        self._silent = enabled

    def lose(self) -> None:
        """Lose the connection; the broker sends the last will."""
        self.link.lose()

    def actions(self) -> dict[str, Callable[..., None]]:
        """What a scenario can do to this connection, by the word that it uses."""
        return {
            "clock_skew": self.skew_clock,
            "duplicate": self.duplicate,
            "reorder": self.reorder,
            "silence": self.silence,
            "lose_connection": self.lose,
            "reconnect": self.link.start,
        }

    # --- messages -------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The device's own clock with its zone."""
        return datetime.now(self.zone) + self._skew

    def next_id(self) -> str:
        """A message id that this device never used before."""
        self._counter += 1
        return f"{self.boot_id}-{self._counter}"

    def send(self, message: str, **fields: Any) -> None:
        """Send one `hub-json` message of this name."""
        payload = hub_json.envelope(self.next_id(), self.now(), **fields)
        self.send_raw(hub_json.topic(self.device.site, self.device.id, message), payload)

    def send_raw(self, topic: str, payload: dict[str, Any]) -> None:
        """Send any payload to any topic, with this uplink's faults."""
        if self._silent:
            return
        data = encode(payload)
        for _ in range(self._copies):
            self._held.append((self.rng.uniform(0, self._window_s), topic, data))
        self.advance(0.0)

    def greet(self) -> bool:
        """After a (re)connect say that the device is online; True when it did, so that the state can follow."""
        if not self.link.just_connected():
            return False
        self.send("status", online=True, boot_id=self.boot_id, firmware="sim-1")
        return True

    def result(self, command: dict[str, Any], ok: bool, detail: str, **extra: Any) -> None:
        """Answer a command of the hub."""
        self.send("result", command_id=str(command.get("id")), ok=ok, detail=detail, **extra)

    def advance(self, seconds: float) -> None:
        """Let time pass and send what is due."""
        waiting = [(left_s - seconds, topic, data) for left_s, topic, data in self._held]
        self._held = [entry for entry in waiting if entry[0] > 0]
        for _, topic, data in sorted((entry for entry in waiting if entry[0] <= 0), key=lambda entry: entry[0]):
            self.link.publish(topic, data)

    def _will(self) -> Will | None:
        if not self._hub_messages:
            return None
        payload = hub_json.envelope(self.next_id(), self.now(), online=False, boot_id=self.boot_id)
        return Will(hub_json.topic(self.device.site, self.device.id, "status"), encode(payload))

    def _commands(self) -> str | None:
        return hub_json.topic(self.device.site, self.device.id, "command") if self._hub_messages else None


def client_id(device: Device, boot_id: str) -> str:
    """A client id of letters, digits and dashes only: brokers refuse others (NATS a dot)."""
    return re.sub(r"[^A-Za-z0-9-]", "-", f"sim-{device.site}-{device.id}-{boot_id}")
