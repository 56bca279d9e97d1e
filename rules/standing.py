"""A condition that messages add and clear, in the order in which it happened and not in which it arrived.

A clear older than the last add is stale: it belongs to an earlier add (domain/elevator.md 5 'Late, out-of-order, replayed').
"""

from __future__ import annotations

import msgspec

from hub.vocabulary.instants import SECOND_MS, UtcMs


class Standing(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """When the condition last came and last went, in the device's time."""

    added_at: UtcMs | None = None
    cleared_at: UtcMs | None = None

    @property
    def stands(self) -> bool:
        """Whether it is there: of an add and a clear of the same instant the clear counts, if it came second."""
        return self.added_at is not None and (self.cleared_at is None or self.cleared_at < self.added_at)

    def added(self, at: UtcMs) -> Standing:
        """With an add that happened at `at`. One of the same instant as a known clear is taken to come after it."""
        added_at = at if self.added_at is None else max(at, self.added_at)
        tied = self.cleared_at is not None and self.cleared_at == added_at
        return Standing(added_at, None if tied else self.cleared_at)

    def cleared(self, at: UtcMs) -> Standing:
        """With a clear that happened at `at`."""
        return Standing(self.added_at, at if self.cleared_at is None else max(at, self.cleared_at))

    def ended(self) -> Standing:
        """As if its clear had come: people have dealt with it, and not every device sends clears."""
        return self if not self.stands else Standing(self.added_at, self.added_at)

    def is_stale_clear(self, at: UtcMs) -> bool:
        """Whether a clear at `at` belongs to an earlier add than the last one."""
        return self.added_at is not None and at < self.added_at


CHATTER_WINDOW_MS = 60 * SECOND_MS


def recent_adds(adds: tuple[UtcMs, ...], at: UtcMs, keep: int) -> tuple[UtcMs, ...]:
    """Arrival times of the last adds within a minute, at most `keep`, with this one."""
    return (*(each for each in adds if at - each < CHATTER_WINDOW_MS), at)[-keep:]
