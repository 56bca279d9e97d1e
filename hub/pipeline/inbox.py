"""The front door: connectors and people put things in, the engine takes batches out, alarms first.

`offer` and `report` run in connectors' threads: they append and return. Nothing is dropped here; what bounds the
inbox is the broker's window of unacknowledged messages and the buses' own pace.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeAlias

import msgspec

from hub.vocabulary.events import Event
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import Lane, RawMessage


class Task(msgspec.Struct, frozen=True, eq=False):
    """Something that a person (or a job) wants done within the next step; `run` gets the step."""

    run: Callable[[Any], Any]
    answer: Future[Any]


READINGS_BESIDE_ALARMS = 8
"""A batch commits as a whole: an alarm must not wait until hundreds of readings behind it have been worked on too."""
READINGS_AT_ONCE = 64
"""An alarm that comes while a batch of readings is worked on waits for its end: a few milliseconds."""
BACKLOG = 1_000
"""With so many waiting, what counts is to catch up: batches are as large as they may be."""

Item: TypeAlias = RawMessage | Event | Task


class Inbox:
    """Three queues in order of urgency: alarms, then people and connectors' own reports, then readings."""

    def __init__(self) -> None:
        self._alarms: deque[RawMessage] = deque()
        self._inside: deque[Event | Task] = deque()
        self._telemetry: deque[RawMessage] = deque()
        self._filled = threading.Event()
        self.last_offer_at: UtcMs = 0

    def offer(self, message: RawMessage) -> None:
        """A message from outside."""
        (self._alarms if message.lane is Lane.ALARM else self._telemetry).append(message)
        self.last_offer_at = message.received_at
        self._filled.set()

    def report(self, event: Event) -> None:
        """Something that a connector noticed."""
        self._inside.append(event)
        self._filled.set()

    def ask(self, run: Callable[[Any], Any]) -> Future[Any]:
        """Have `run(step)` done within a step; the future is answered after its commit."""
        answer: Future[Any] = Future()
        self._inside.append(Task(run, answer))
        self._filled.set()
        return answer

    def wake(self) -> None:
        """End a wait early."""
        self._filled.set()

    def wait(self, timeout_s: float) -> None:
        """Until there is something, or the time is over."""
        if self.depth():
            return
        self._filled.wait(timeout_s)

    def take(self, limit: int) -> list[Item]:
        """Up to `limit` items, in the order in which they are to be decided."""
        self._filled.clear()
        batch: list[Item] = []
        readings = READINGS_BESIDE_ALARMS if self._alarms else self._readings_at_once(limit)
        for queue in (self._alarms, self._inside, self._telemetry):
            room = limit - len(batch)
            if queue is self._telemetry:
                room = min(room, readings)
            batch.extend(queue.popleft() for _ in range(min(room, len(queue))))
        if self.depth():
            self._filled.set()
        return batch

    def _readings_at_once(self, limit: int) -> int:
        return limit if len(self._telemetry) > BACKLOG else READINGS_AT_ONCE

    def depth(self) -> int:
        """How many items wait."""
        return len(self._alarms) + len(self._inside) + len(self._telemetry)
