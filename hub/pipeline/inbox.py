"""The front door: connectors and people put things in, the engine takes batches out, alarms first.

`offer` and `report` run in connectors' threads: they append and return, a reading after it has given way to what is urgent.
Nothing is dropped here; what bounds the inbox is the broker's window of unacknowledged messages and the buses' own pace.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

import msgspec

from hub.pipeline.gathering import ENOUGH, Gathering
from hub.right_of_way import RightOfWay
from hub.vocabulary.events import Event
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import Lane, RawMessage


class Task(msgspec.Struct, frozen=True, eq=False):
    """Something that a person wants done within the next step, or the hub itself: then nobody waits. `run` gets the step."""

    run: Callable[[Any], Any]
    answer: Future[Any]
    awaited: bool = True


READINGS_BESIDE_ALARMS = 8
"""While alarms keep coming, every second batch takes along what people want, and so many readings."""
BACKLOG = 1_000
"""With so many waiting, what counts is to catch up: batches are as large as they may be."""

QUESTION_TURN_S = 0.001
"""So often whoever lets questions pass looks for something more urgent."""

Item: TypeAlias = RawMessage | Event | Task


class Inbox:
    """Four queues in order of urgency: alarms, people and connectors' own reports, the hub's own errands, readings."""

    def __init__(self, way: RightOfWay | None = None) -> None:
        self.way = way or RightOfWay()
        self._alarms: deque[RawMessage] = deque()
        self._inside: deque[Event | Task] = deque()
        self._errands: deque[Task] = deque()
        self._telemetry: deque[RawMessage] = deque()
        self._were_alone = False  # the batch before was alarms and nothing else
        self._gathering = Gathering()
        self._changed = threading.Condition(threading.Lock())
        self._woken = False
        self.last_offer_at: UtcMs = 0

    def offer(self, message: RawMessage) -> None:
        """A message from outside."""
        if message.lane is Lane.ALARM:
            self.way.alarms.came()
            self._put(self._alarms, message)
        else:
            self.way.give_way()
            with self._changed:
                self._telemetry.append(message)
                if len(self._telemetry) in (1, self._gathering.enough):  # between the two it would be in vain
                    self._changed.notify()
        self.last_offer_at = message.received_at

    def report(self, event: Event) -> None:
        """Something that a connector noticed."""
        self._put(self._inside, event)

    def ask(self, run: Callable[[Any], Any]) -> Future[Any]:
        """Have `run(step)` done within a step; the future is answered after its commit."""
        answer: Future[Any] = Future()
        self._put(self._inside, Task(run, answer))
        return answer

    def errand(self, run: Callable[[Any], Any]) -> Future[Any]:
        """The same for what the hub has to do by itself: whoever waits for an answer goes first."""
        answer: Future[Any] = Future()
        self._put(self._errands, Task(run, answer, awaited=False))
        return answer

    def _put(self, queue: deque[Any], item: Item) -> None:
        with self._changed:
            queue.append(item)
            self._changed.notify()

    def wake(self) -> None:
        """End a wait early, this one or the next."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def wait(self, timeout_s: float) -> None:
        """Until there is something, or the time is over; readings gather meanwhile, for a moment."""
        until_s = time.monotonic() + timeout_s
        with self._changed:
            while not self._woken and (left_s := self._nothing_for_s(until_s)) > 0:
                self._changed.wait(left_s)
            self._woken = False

    def _nothing_for_s(self, until_s: float) -> float:
        if self._alarms or self._inside or self._errands:
            return 0.0
        now_s = time.monotonic()
        left_s = until_s - now_s
        if self._telemetry:
            gathering_s = self._gathering.left_s(len(self._telemetry), now_s, held_up=not self.way.is_free)
            left_s = min(left_s, gathering_s)
        return left_s

    def alarms_done(self, number: int) -> None:
        """So many alarms are through, in the database or put aside."""
        self.way.alarms.done(number)

    @property
    def alarm_waits(self) -> bool:
        """Whether there is something more urgent than what has been taken."""
        return bool(self._alarms)

    def let_questions_pass(self) -> None:
        """Before what can wait is worked on; what is more urgent, or what the question itself has asked for, ends the wait."""
        for claim in (self.way.news, self.way.questions):
            while claim.left_s() and not self._alarms and not self._inside:
                claim.give_way(QUESTION_TURN_S)

    def give_back(self, batch: Sequence[Item]) -> None:
        """Taken without an alarm, and not worked on after all: each comes first in its queue again."""
        with self._changed:
            for item in reversed(batch):
                self._queue_of(item).appendleft(item)

    def _queue_of(self, item: Item) -> deque[Any]:
        if isinstance(item, RawMessage):
            return self._telemetry
        return self._inside if is_prompt(item) else self._errands

    def take(self, limit: int) -> list[Item]:
        """Up to `limit` items, in the order in which they are to be decided."""
        with self._changed:
            readings = len(self._telemetry)
            batch = self._batch(limit)
            if len(self._telemetry) < readings:
                self._gathering.taken()
            return batch

    def _batch(self, limit: int) -> list[Item]:
        batch: list[Item] = []
        if self._alarms and not self._were_alone:  # a batch commits as a whole: what is beside an alarm holds it up
            self._were_alone = True
            return [self._alarms.popleft() for _ in range(min(limit, len(self._alarms)))]
        self._were_alone = False
        readings = READINGS_BESIDE_ALARMS if self._alarms else self._readings_at_once(limit)
        for queue in (self._alarms, self._inside, self._errands, self._telemetry):
            room = limit - len(batch)
            if queue is self._telemetry:
                room = min(room, readings)
            batch.extend(queue.popleft() for _ in range(min(room, len(queue))))
        return batch

    def _readings_at_once(self, limit: int) -> int:
        return limit if len(self._telemetry) > BACKLOG else ENOUGH

    @property
    def readings(self) -> int:
        """How many of them wait."""
        return len(self._telemetry)

    def depth(self) -> int:
        """How many items wait."""
        return len(self._alarms) + len(self._inside) + len(self._errands) + len(self._telemetry)


def is_prompt(item: Item) -> bool:
    """Whether it waits for nobody but alarms: a question may be waiting for it."""
    return item.awaited if isinstance(item, Task) else isinstance(item, Event)
