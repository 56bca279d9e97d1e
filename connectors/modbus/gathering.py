"""Readings of all buses go to the intake together, a few times a second, instead of one by one.

A step of the pipeline costs about the same for one reading as for two hundred, and a thread that is woken for each of them
takes the interpreter away from the buses. What a maintainer must keep: alarm points wait for nobody, and nothing that is
reported of a device or bus overtakes what was read before it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

import structlog

from hub.vocabulary.events import Event
from hub.vocabulary.ports import Intake, Lane, RawMessage

GATHER_S: Final = 0.05
"""So long a reading waits for others; its period is seconds at least."""

ENOUGH: Final = 256
"""So many are handed in at once: what one step of the pipeline takes."""

_log = structlog.get_logger(__name__)


class Gathering:
    """An Intake before the intake. For the thread of the event loop in which it is made; `flush` when that ends."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._loop = asyncio.get_running_loop()
        self._kept: list[RawMessage] = []
        self._timer: asyncio.TimerHandle | None = None
        self.stumbles: Counter[str] = Counter()  # readings that the intake did not take, by address

    def offer(self, message: RawMessage) -> None:
        """Alarm points at once, readings within `GATHER_S`."""
        if message.lane is Lane.ALARM:
            self._intake.offer(message)
            return
        self._kept.append(message)
        if len(self._kept) >= ENOUGH:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(GATHER_S, self.flush)

    def report(self, event: Event) -> None:
        """Behind what was read before it."""
        self.flush()
        self._intake.report(event)

    def flush(self) -> None:
        """Hand in what has come together. What fails above costs its own reading, and is counted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        kept, self._kept = self._kept, []
        for message in kept:
            try:
                self._intake.offer(message)
            except Exception:  # noqa: BLE001 - one reading's trouble is not the others'
                self.stumbles[message.address] += 1
                _log.exception("modbus.not_taken", address=message.address)
