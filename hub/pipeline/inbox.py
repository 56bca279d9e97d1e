"""The front door: connectors and people put things in, the engine takes batches out, alarms first.

`offer` and `report` run in connectors' threads: they append and return, a reading after it has given way to what is urgent.
Nothing is dropped here; what bounds the inbox is the broker's window of unacknowledged messages and the buses' own pace.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

import msgspec

from hub.right_of_way import RightOfWay
from hub.vocabulary.events import Event
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import Lane, RawMessage


class Task(msgspec.Struct, frozen=True, eq=False):
    """Something that a person (or a job) wants done within the next step; `run` gets the step."""

    run: Callable[[Any], Any]
    answer: Future[Any]


READINGS_BESIDE_ALARMS = 8
"""While alarms keep coming, every second batch takes along what people want, and so many readings."""
READINGS_AT_ONCE = 64
"""An alarm does not wait for a batch of readings, but for its longest statement and its commit: a few milliseconds."""
BACKLOG = 1_000
"""With so many waiting, what counts is to catch up: batches are as large as they may be."""

QUESTION_TURN_S = 0.001
"""So often whoever lets questions pass looks for something more urgent."""

Item: TypeAlias = RawMessage | Event | Task


class Inbox:
    """Three queues in order of urgency: alarms, then people and connectors' own reports, then readings."""

    def __init__(self, way: RightOfWay | None = None) -> None:
        self.way = way or RightOfWay()
        self._alarms: deque[RawMessage] = deque()
        self._inside: deque[Event | Task] = deque()
        self._telemetry: deque[RawMessage] = deque()
        self._were_alone = False  # the batch before was alarms and nothing else
        self._filled = threading.Event()
        self.last_offer_at: UtcMs = 0

    def offer(self, message: RawMessage) -> None:
        """A message from outside."""
        if message.lane is Lane.ALARM:
            self.way.alarms.came()
            self._alarms.append(message)
        else:
            self.way.give_way()
            self._telemetry.append(message)
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

    def alarms_done(self, number: int) -> None:
        """So many alarms are through, in the database or put aside."""
        self.way.alarms.done(number)

    @property
    def alarm_waits(self) -> bool:
        """Whether there is something more urgent than what has been taken."""
        return bool(self._alarms)

    def let_questions_pass(self) -> None:
        """Before readings are worked on; what is more urgent, or what the question itself has asked for, ends the wait."""
        questions = self.way.questions
        while questions.left_s() and not self._alarms and not self._inside:
            questions.give_way(QUESTION_TURN_S)

    def give_back(self, readings: Sequence[RawMessage]) -> None:
        """Taken, and not worked on after all: they come first among the readings again."""
        self._telemetry.extendleft(reversed(readings))
        self._filled.set()

    def take(self, limit: int) -> list[Item]:
        """Up to `limit` items, in the order in which they are to be decided."""
        self._filled.clear()
        batch = self._batch(limit)
        if self.depth():
            self._filled.set()
        return batch

    def _batch(self, limit: int) -> list[Item]:
        batch: list[Item] = []
        if self._alarms and not self._were_alone:  # a batch commits as a whole: what is beside an alarm holds it up
            self._were_alone = True
            return [self._alarms.popleft() for _ in range(min(limit, len(self._alarms)))]
        self._were_alone = False
        readings = READINGS_BESIDE_ALARMS if self._alarms else self._readings_at_once(limit)
        for queue in (self._alarms, self._inside, self._telemetry):
            room = limit - len(batch)
            if queue is self._telemetry:
                room = min(room, readings)
            batch.extend(queue.popleft() for _ in range(min(room, len(queue))))
        return batch

    def _readings_at_once(self, limit: int) -> int:
        return limit if len(self._telemetry) > BACKLOG else READINGS_AT_ONCE

    def depth(self) -> int:
        """How many items wait."""
        return len(self._alarms) + len(self._inside) + len(self._telemetry)
