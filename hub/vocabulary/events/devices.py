"""What any device says, and what connectors notice about it.

What hangs on a gateway that is down is unknown, not silent.
"""

from __future__ import annotations

from typing import Any

from hub.vocabulary.events.base import Event, Subject, SubjectType


class DeviceStatus(Event, frozen=True, kw_only=True):
    """Online, or gone (also as last will)."""

    online: bool
    boot_id: str | None = None
    firmware: str | None = None


class CommandResult(Event, frozen=True, kw_only=True):
    """A device's answer to a command of ours."""

    command_id: str
    ok: bool
    detail: str | None = None
    cards: tuple[dict[str, Any], ...] | None = None


class Unreachable(Event, frozen=True, kw_only=True):
    """A polled device did not answer while its bus was alive."""

    cause: str  # timeout | exception_04 | exception_0b | short_reply | wrong_function | …


class GatewayChanged(Event, frozen=True, kw_only=True):
    """A bus or the broker connection came up or went down: what hangs on it is unknown, not silent."""

    gateway: str  # bus id, or `mqtt`
    up: bool
    cause: str

    def subject(self) -> Subject:
        """The gateway itself."""
        return Subject(self.site, SubjectType.GATEWAY, self.gateway)
