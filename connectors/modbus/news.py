"""Whether a poll is worth handing in: alarm points only when they changed, and every few seconds as a sign of life.

Polling repeats a state twice a second; the database wants its changes. Slow polls are readings and always go through.
"""

from __future__ import annotations

from typing import Final

from connectors.codecs.modbus_profile import Period
from connectors.codecs.modbus_values import Segment
from connectors.modbus.exchange import MonotonicMs, PollDone

HEARTBEAT_MS: Final = 10_000


class News:
    """Remembers what was handed in last of each device."""

    def __init__(self, heartbeat_ms: int = HEARTBEAT_MS) -> None:
        self._heartbeat_ms = heartbeat_ms
        self._last: dict[str, tuple[tuple[Segment, ...], MonotonicMs]] = {}

    def is_news(self, poll: PollDone, now: MonotonicMs) -> bool:
        """True for a slow poll, a change, or when the last one is older than the heartbeat."""
        if poll.period is not Period.FAST:
            return True
        last = self._last.get(poll.device)
        if last is not None and last[0] == poll.segments and now - last[1] < self._heartbeat_ms:
            return False
        self._last[poll.device] = (poll.segments, now)
        return True

    def forget(self, device: str) -> None:
        """The device was lost: whatever it says first is news."""
        self._last.pop(device, None)

    def forget_all(self) -> None:
        self._last.clear()
