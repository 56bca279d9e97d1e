"""How to reach the broker, as plain checked values; where they come from (hub.yaml, environment) is not known here.

The client ids are part of the durability: the broker keeps what is not acknowledged under them. Changing `client_id`
leaves everything that waits in the old sessions behind.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

import msgspec

from hub.vocabulary.ports import Lane

DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
WEEK_S: Final = 7 * 86_400


class Protocol(StrEnum):
    """Version of MQTT; `auto`: 5 where the broker speaks it, else 3.1.1."""

    AUTO = "auto"
    V5 = "5"
    V311 = "3.1.1"


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One broker. `url` is `mqtt://host:port` or `mqtts://host:port`; files are paths; the password is never logged."""

    url: str
    client_id: str
    username: str | None = None
    password: str | None = None
    ca: str | None = None  # authority that signed the broker's certificate; None: those of the system
    cert: str | None = None
    key: str | None = None
    protocol: Protocol = Protocol.AUTO
    keepalive_s: int = 20
    session_expiry_s: int = 2 * WEEK_S  # at least a week: an outage over a long holiday loses no alarm
    receive_maximum: int = 1000  # unacknowledged messages at a time (MQTT 5; else the broker's own limit counts)
    connect_timeout_s: float = 5.0
    longest_wait_s: float = 30.0  # between two attempts

    def __repr__(self) -> str:
        return f"MqttSettings(url={self.url!r}, client_id={self.client_id!r})"

    def lane_client_id(self, lane: Lane) -> str:
        """Client id of one of the two sessions."""
        return f"{self.client_id}-{lane.name.lower()}"


class Endpoint(msgspec.Struct, frozen=True):
    """Where to connect."""

    host: str
    port: int
    tls: bool


def endpoint(settings: MqttSettings) -> Endpoint:
    """Raises ValueError, with what is allowed, when the settings contradict themselves."""
    parts = urlsplit(settings.url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"mqtt.url {settings.url!r}: allowed are mqtt://host:port and mqtts://host:port")
    if parts.username or parts.password:
        raise ValueError("mqtt.url: no user or password here; use username and password_env")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"mqtt.url {settings.url!r}: nothing may follow the port")
    tls = parts.scheme == "mqtts"
    if not tls and (settings.ca or settings.cert or settings.key):
        raise ValueError("mqtt.ca, cert and key need mqtts:// in mqtt.url")
    if bool(settings.cert) != bool(settings.key):
        raise ValueError("mqtt.cert and mqtt.key: both or neither")
    if settings.password is not None and settings.username is None:
        raise ValueError("mqtt.username is missing; a password alone is not allowed")
    if not settings.client_id or set(settings.client_id) & set("/+# "):
        raise ValueError(f"mqtt.client_id {settings.client_id!r}: letters, digits, '-' and '_' are allowed")
    if settings.session_expiry_s < WEEK_S:
        raise ValueError(f"mqtt.session_expiry_s: at least {WEEK_S} (a week)")
    if not 1 <= settings.receive_maximum <= 65_535:
        raise ValueError("mqtt.receive_maximum: allowed are 1 … 65535")
    return Endpoint(parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme], tls)
