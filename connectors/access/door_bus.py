"""One bus of doors: readers and relay modules, one request in flight, reconnects by itself, says once when it goes and comes.

Nothing waits here for longer than a time-out: whoever asks gets an outcome, and decides itself what a failure means.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from connectors.codecs.modbus_fields import Span
from connectors.codecs.reader_profile import Writable
from connectors.modbus.address import BusAddress
from connectors.modbus.exchange import Answer, Dropped, Exceptional, Mismatch, Outcome, Silence
from connectors.modbus.poller import gateway_changed
from connectors.modbus.writing import WritingClient
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import BusEntry, Intake

CONNECT_MS: Final = 3_000
RETRY_S: Final = (0.5, 15.0)
SILENCES: Final = 3
"""Requests in a row without a reply, after which the link is made anew: it may be half open."""


class DoorBus:
    """Used within one event loop. `writable`: unit id → points; `quiet_ms`: how late a reply can be where none has a number."""

    def __init__(
        self,
        bus: BusEntry,
        address: BusAddress,
        writable: Mapping[int, frozenset[Writable]],
        quiet_ms: int,
        intake: Intake,
        clock: Callable[[], UtcMs],
    ) -> None:
        self.bus = bus
        self._link = WritingClient(address, lambda _: None, writable)
        self._traceable, self._quiet_ms = address.traceable, quiet_ms
        self._intake, self._clock = intake, clock
        self._turn = asyncio.Lock()
        self._retry_s = RETRY_S[0]
        self._retry_at = 0.0
        self._quiet_until = 0.0
        self._silences = 0
        self.up: bool | None = None
        self.cause = ""
        self.answers = 0
        self.failures = 0

    async def read(self, unit_id: int, span: Span, timeout_ms: int) -> Outcome:
        """Ask for registers or bits."""
        return await self._exchange(lambda: self._link.read(unit_id, span, timeout_ms))

    async def write(self, unit_id: int, point: Writable, value: int, timeout_ms: int) -> Outcome:
        """Write one point. Raises NotWritableError, which is a defect."""
        return await self._exchange(lambda: self._link.write(unit_id, point, value, timeout_ms))

    def close(self) -> None:
        """Close the link."""
        self._link.close()

    async def _exchange(self, ask: Callable[[], Awaitable[Outcome]]) -> Outcome:
        async with self._turn:
            cause = await self._connected()
            if cause is not None:
                return Dropped(cause)
            if (wait := self._quiet_until - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            outcome = await ask()
            self._note(outcome)
            return outcome

    async def _connected(self) -> str | None:
        """Why there is no link now; None: there is one."""
        if self._link.connected:
            return None
        if time.monotonic() < self._retry_at:
            return self.cause or "not_connected"
        cause = await self._link.connect(CONNECT_MS)
        if cause is None:
            self._retry_s, self._silences = RETRY_S[0], 0
            return None
        self._retry_at = time.monotonic() + self._retry_s
        self._retry_s = min(self._retry_s * 2, RETRY_S[1])
        self._say(up=False, cause=cause)
        return cause

    def _note(self, outcome: Outcome) -> None:
        if isinstance(outcome, Answer | Exceptional):
            self._silences = 0
            self.answers += 1
            self._say(up=True, cause="")
            return
        self.failures += 1
        if isinstance(outcome, Silence | Mismatch) and not self._traceable:
            self._quiet_until = time.monotonic() + self._quiet_ms / 1000
        self._silences += 1
        if self._silences >= SILENCES or isinstance(outcome, Dropped):
            self._silences = 0
            self._link.close()

    def _say(self, *, up: bool, cause: str) -> None:
        """Once when it changes, and at a start: it may have been down when the hub before this one stopped."""
        self.cause = cause
        if self.up is not up:
            self.up = up
            self._intake.report(gateway_changed(self.bus, up=up, cause=cause, at=self._clock()))


def cause_of(outcome: Outcome) -> str:
    """The word for a failure."""
    if isinstance(outcome, Exceptional):
        return f"exception_{outcome.code:02x}"
    return outcome.cause if isinstance(outcome, Mismatch | Dropped) else "timeout"
