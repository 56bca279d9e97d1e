"""The canary: a message of our own through broker, pipeline and feed; its absence is an alarm (promise 10).

A socket that says 'connected' proves nothing (domain/reliability.md P4): only what came round proves that alarms do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import msgspec

from hub.pipeline.feed import FeedBoard, FeedRow
from hub.vocabulary.instants import SECOND_MS, UtcMs

EVERY_MS = 10 * SECOND_MS
FIRST_EVERY_MS = SECOND_MS // 2  # until one has come round: nobody is told `ready` before
REMEMBERED = 200
MISSING_AFTER_MS = 3 * EVERY_MS
LANES = ("alarm", "telemetry")


class _Body(msgspec.Struct):
    lane: str
    number: int


class CanaryState(msgspec.Struct, frozen=True):
    """One lane: how long ago the last one came round, and how long it took. None: none has come yet."""

    lane: str
    age_ms: int | None
    round_trip_ms: int | None


class CanaryWatch:
    """Sends canaries and sees them come round. `send(number)` hands one to each lane."""

    def __init__(self, feed: FeedBoard, send: Callable[[int], None], clock: Callable[[], UtcMs]) -> None:
        self._send = send
        self._clock = clock
        self._lock = threading.Lock()
        self._number = 0
        self._sent: dict[int, UtcMs] = {}
        self._seen: dict[str, tuple[UtcMs, int]] = {}
        self._started_at = clock()
        self._stop = feed.subscribe(self._on_rows)

    def close(self) -> None:
        """Listen no longer."""
        self._stop()

    def send(self) -> None:
        """Let one fly; called every `every_ms`."""
        with self._lock:
            self._number += 1
            number = self._number
            self._sent = {sent: at for sent, at in self._sent.items() if sent > number - REMEMBERED}
            self._sent[number] = self._clock()
        self._send(number)

    @property
    def every_ms(self) -> int:
        """How long to the next one: a connection that is only now coming up must not make everybody wait."""
        return FIRST_EVERY_MS if any(state.age_ms is None for state in self.states()) else EVERY_MS

    def states(self) -> list[CanaryState]:
        """How it stands on each lane."""
        now = self._clock()
        with self._lock:
            return [
                CanaryState(lane, None, None)
                if (seen := self._seen.get(lane)) is None
                else CanaryState(lane, now - seen[0], seen[1])
                for lane in LANES
            ]

    def missing(self) -> list[str]:
        """Lanes on which nothing came round for too long."""
        waited = self._clock() - self._started_at
        return [
            state.lane
            for state in self.states()
            if (waited if state.age_ms is None else state.age_ms) > MISSING_AFTER_MS
        ]

    def _on_rows(self, rows: Sequence[FeedRow]) -> None:
        for row in rows:
            if row.type == "canary":
                body = msgspec.json.decode(row.body, type=_Body)
                now = self._clock()
                with self._lock:
                    sent = self._sent.get(body.number)
                    if sent is not None:  # one of an earlier life of this process proves nothing
                        self._seen[body.lane] = (now, now - sent)
