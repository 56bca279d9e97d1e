"""What a door's contact means: opened after somebody was let through, forced, left open, shut again.

Pure: contact, button and a monotonic time in, words out. After a time in which nobody looked a door that is open now was not
forced as far as anybody knows: then the words are plain (domain/access.md 5: forced and held are masked while it is unlocked).
"""

from __future__ import annotations

from typing import Final

from hub.vocabulary.events import DoorState

THROUGH_MS: Final = 5_000
"""So long after the lock has shut, or the exit button was pressed, somebody may still open the door."""


class DoorContact:
    """Remembers one door. Times are monotonic milliseconds."""

    def __init__(self, held_ms: int, stale_after_ms: int) -> None:
        self._held_ms, self._stale_after_ms = held_ms, stale_after_ms
        self._looked_at: int | None = None
        self._shut = True
        self._open_since = 0
        self._told_held = False
        self._let_through_until = 0

    def look(self, now: int, *, shut: bool, unlocked: bool, pressed: bool) -> DoorState | None:
        """What is new at `now`. `unlocked`: the lock is open; `pressed`: the exit button is."""
        first = self._looked_at is None
        gap = self._looked_at is None or now - self._looked_at > self._stale_after_ms
        self._looked_at = now
        if unlocked or pressed:
            self._let_through_until = now + THROUGH_MS
        before, self._shut = self._shut, shut
        if shut:
            return DoorState.CLOSED if not before or first else None
        if before:
            self._open_since, self._told_held = now, False
            return DoorState.OPEN if gap or now <= self._let_through_until else DoorState.FORCED_OPEN
        if not self._told_held and now - self._open_since >= self._held_ms:
            self._told_held = True
            return DoorState.HELD_OPEN
        return None
