"""One door's relay: opened for a while, let go again, and read back after each write, because an echo proves nothing.

What a maintainer must keep: a relay that may stand open is tried again until it is locked, and people are told meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from connectors.access.door_bus import DoorBus, cause_of
from connectors.codecs.reader_profile import Writable
from connectors.modbus.exchange import Answer
from hub.vocabulary.readers import NOT_AS_WRITTEN, DoorOpening, HubAway

AGAIN_MS: Final = 1_000
UNKNOWN_AGAIN_MS: Final = 10_000
"""Of a relay that was not told to open: each try at one that is away costs its bus a time-out."""
NEVER: Final = float("inf")
Told: TypeAlias = Callable[[bool, str, bool], None]
"""Hears (ok, cause, may be open) when a relay stops doing what it is told, and when it does again."""


class DoorLock:
    """Times are monotonic milliseconds."""

    def __init__(
        self,
        bus: DoorBus,
        unit_id: int,
        point: Writable,
        opening: DoorOpening,
        timeout_ms: int,
        told: Told,
    ) -> None:
        self._bus, self._unit_id, self._point, self._timeout_ms = bus, unit_id, point, timeout_ms
        self._opening, self._told = opening, told
        self.lock_at = 0.0  # 0: how it stands is not known yet, so it is locked first of all
        self.unlocked = False  # told to open, and not seen to be locked since
        self._well: bool | None = None
        self._may_be_open = False

    async def open(self, now: int) -> str | None:
        """Open it for the time that the file gives; why not, else None. It is locked again by `tend` in any case."""
        self.lock_at = now + self._opening.open_ms
        self._may_be_open = True
        self.unlocked = True
        cause = await self._set(not self._opening.locked)
        if cause is not None:
            # The write may have worked all the same: lock it, and until that is seen it may stand open.
            self.lock_at = now
            self._say(ok=False, cause=cause)
        else:
            self._say(ok=True)
        return cause

    async def tend(self, now: int) -> None:
        """Lock it when its time is over, and again until it is seen to be locked."""
        if now < self.lock_at:
            return
        cause = await self._set(self._opening.locked)
        urgent = self._may_be_open or cause == NOT_AS_WRITTEN
        self.lock_at = NEVER if cause is None else now + (AGAIN_MS if urgent else UNKNOWN_AGAIN_MS)
        self._may_be_open = self._may_be_open and cause is not None
        self.unlocked = self.unlocked and cause is not None
        self._say(ok=cause is None, cause=cause or "")

    async def release(self) -> None:
        """The hub leaves: the lock is left as the site file says that it is without a hub."""
        locked = self._opening.hub_away is HubAway.STAYS_LOCKED
        await self._set(self._opening.locked if locked else not self._opening.locked)

    async def _set(self, value: bool) -> str | None:
        outcome = await self._bus.write(self._unit_id, self._point, int(value), self._timeout_ms)
        if not isinstance(outcome, Answer):
            return f"write_{cause_of(outcome)}"
        back = await self._bus.read(self._unit_id, self._point.back, self._timeout_ms)
        if not isinstance(back, Answer):
            return f"read_back_{cause_of(back)}"
        return None if bool(back.registers[0]) is value else NOT_AS_WRITTEN

    def _say(self, *, ok: bool, cause: str = "") -> None:
        if self._well is not ok:
            self._well = ok
            self._told(ok, cause, self._may_be_open or cause == NOT_AS_WRITTEN)
