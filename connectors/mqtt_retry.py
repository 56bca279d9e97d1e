"""When to connect again, and with which protocol: decided from how the last connection ended. Pure; chance is handed in.

Two hubs under one client id throw each other out for ever; the sign is a row of short lives on a broker that answers.
Then only waiting longer helps, and a person has to hear of it (domain/reliability.md P10).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from connectors.mqtt_settings import Protocol

SHORT_LIFE_S: Final = 10.0
LONG_LIFE_S: Final = 30.0
TAKEN_AFTER: Final = 3
"""So many short lives in a row mean that somebody else uses our client id."""

GIVE_UP_VERSION_AFTER: Final = 5
"""So often a broker must hang up on a version that it has spoken before, until the other one is tried."""

FIRST_WAIT_S: Final = 0.25
TAKEN_WAIT_S: Final = 2.5
TAKEN_LONGEST_S: Final = 8.0
"""A broker that was killed several times in a row looks the same as a second hub: alarms must not wait for long."""


class Cause(StrEnum):
    """How a connection ended, or why there is none; the word of GatewayChanged."""

    CONNECTED = "connected"
    SESSION_LOST = "session_lost"
    CONNECTION_LOST = "connection_lost"
    NO_ANSWER = "no_answer"  # keep-alive or CONNACK missing
    UNREACHABLE = "unreachable"
    UNKNOWN_HOST = "unknown_host"
    TLS_FAILED = "tls_failed"
    NOT_AUTHORISED = "not_authorised"
    REFUSED = "refused"
    PROTOCOL = "protocol"  # the broker does not speak this version of MQTT
    CLOSED_AT_ONCE = (
        "closed_at_once"  # instead of an answer to CONNECT: another version, or TLS without our certificate
    )
    CLIENT_ID_TAKEN = "client_id_taken"
    SUBSCRIPTION_REFUSED = "subscription_refused"
    THREAD_FAILED = "thread_failed"  # a defect: in paho or in ours
    THREAD_DIED = "thread_died"
    STALLED = "stalled"
    STOPPED = "stopped"


class LinkEnd(msgspec.Struct, frozen=True):
    """The end of one connection. `lived_s` from CONNACK; 0 where there was none."""

    cause: Cause
    detail: str = ""
    connected: bool = False
    lived_s: float = 0.0


class Next(msgspec.Struct, frozen=True):
    """What to do now."""

    wait_s: float
    cause: Cause


class RetryPolicy:
    """State of one session's attempts."""

    def __init__(self, protocol: Protocol, longest_wait_s: float) -> None:
        self.protocol = Protocol.V5 if protocol is Protocol.AUTO else protocol
        self._auto = protocol is Protocol.AUTO
        self._longest_wait_s = longest_wait_s
        self._failures = 0
        self._short_lives = 0
        self._switched = False
        self._proven = False
        self._closed_at_once = 0

    def after(self, end: LinkEnd, chance: float) -> Next:
        """`chance` in 0 … 1 spreads the attempts of many hubs over half of the wait."""
        cause = end.cause
        self._closed_at_once = self._closed_at_once + 1 if cause is Cause.CLOSED_AT_ONCE else 0
        if end.connected:
            self._proven, self._switched = True, False
            self._short_lives = self._short_lives + 1 if end.lived_s < SHORT_LIFE_S else 0
            self._failures = 0 if end.lived_s >= LONG_LIFE_S else self._failures + 1
            if cause is Cause.CONNECTION_LOST and self._short_lives >= TAKEN_AFTER:
                cause = Cause.CLIENT_ID_TAKEN
        else:
            self._failures += 1
            if cause is not Cause.CLOSED_AT_ONCE:  # which brokers also do to clients that come too often
                self._short_lives = 0
            if self._auto and self._may_be_version(cause):
                return self._other_protocol(cause, chance)
        if cause is Cause.CLIENT_ID_TAKEN:
            return Next(min(self._wait(TAKEN_WAIT_S, chance), TAKEN_LONGEST_S), cause)
        return Next(self._wait(FIRST_WAIT_S, chance), cause)

    def _may_be_version(self, cause: Cause) -> bool:
        """Whether the broker may want the other version; one that it has taken before is not given up lightly."""
        if cause is Cause.CLOSED_AT_ONCE:
            return not self._proven or self._closed_at_once >= GIVE_UP_VERSION_AFTER
        return cause is Cause.PROTOCOL

    def _other_protocol(self, cause: Cause, chance: float) -> Next:
        """The first refusal is an answer, not a failure: try the other version at once. Then as with any failure."""
        self.protocol = Protocol.V311 if self.protocol is Protocol.V5 else Protocol.V5
        if not self._switched:
            self._switched = True
            self._failures = 0
            return Next(0.0, cause)
        return Next(self._wait(FIRST_WAIT_S, chance), cause)

    def _wait(self, least_s: float, chance: float) -> float:
        doubled = least_s * 2.0 ** min(max(self._failures - 1, 0), 10)
        longest = max(self._longest_wait_s, least_s)
        return float(min(doubled, longest) * (0.5 + chance / 2))
