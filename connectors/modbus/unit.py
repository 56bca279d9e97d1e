"""What the scheduler remembers of one device on a bus: its plan, when it is due, and how well it is.

Pure: times are handed in. A plan is cut down when the device refuses registers, and whole again every day.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from connectors.codecs.modbus_poll import Refused
from connectors.codecs.modbus_profile import Period
from connectors.codecs.modbus_values import Segment, text_at
from connectors.modbus.exchange import MonotonicMs, UnitSpec
from connectors.modbus.planner import Point, Read, by_period, remerge, split
from hub.vocabulary.instants import DAY_MS

RETRY_MS: Final = 1_000
"""A suspect is asked again after so long, or after its own period where that is shorter."""

TRIES: Final = 3
"""Failures in a row until a device is quarantined."""

ATTENDED_MS: Final = 300_000
"""A device for whose values somebody waits is read at least so often (domain/meters.md 5.5)."""

ALARM_PROBE_MS: Final = (5_000, 30_000)
PROBE_MS: Final = (60_000, 900_000)
"""First and longest time between probes of a quarantined device, with and without alarm points."""


class Health(StrEnum):
    """Which queue a device waits in."""

    HEALTHY = "healthy"
    SUSPECT = "suspect"
    QUARANTINED = "quarantined"


class Poll(msgspec.Struct, kw_only=True):
    """A poll under way: what is still to be read, what came, what was refused."""

    unit: Unit
    period: Period
    pending: list[Read]
    segments: list[Segment] = []
    refused: list[Refused] = []
    tried: list[Read] = []  # parts of a refused read, being asked for alone
    started_at: MonotonicMs = 0
    daily: bool = False  # settings and identity are in it


class Unit:
    """State of one device. Attributes are the scheduler's; methods say what changes together."""

    def __init__(self, spec: UnitSpec, index: int, count: int, now: MonotonicMs) -> None:
        self.spec = spec
        self.index = index
        self.health = Health.HEALTHY
        self.failures = 0
        self.busy = 0
        self.failed_since: MonotonicMs | None = None
        self.tried_at: MonotonicMs = now
        self.answered_at: MonotonicMs | None = None
        self.retry_at: MonotonicMs = now
        self.pending_loss: str | None = None
        self.lost = False
        self.cause: str | None = None  # of its last failure; None: it answers
        self.doubtful = False  # something of this unit may still be on the wire
        self.identity = spec.expected_identity
        self.anonymous = False  # it refuses to say who it is
        self.candidate: str | None = None
        self.urgent = False
        self.attended = False  # somebody waits for its values
        self.took_ms: dict[Period, int] = {}
        self.alarm_gap_ms = 0  # longest recent time between two looks at the alarm points; fades by 1/64 a look
        self._alarm_at: MonotonicMs | None = None
        self._reads = by_period(spec.reads)
        self._unsupported: set[Point] = set()
        self._phase = spec.every_ms * index // max(count, 1)
        self._first = True
        self.fast_at: MonotonicMs | None = None
        self.slow_at: MonotonicMs | None = None
        self.daily_at: MonotonicMs = now
        self.start(now, count)

    def start(self, now: MonotonicMs, count: int) -> None:
        """Due soon, each unit at its own moment."""
        self.fast_at = now + self.spec.fast_ms * self.index // max(count, 1) if self._reads[Period.FAST] else None
        self.slow_at = now + self.index * self.spec.min_gap_ms if self._reads[Period.SLOW] else None
        self._first = True

    @property
    def has_alarms(self) -> bool:
        return bool(self._reads[Period.FAST])

    def period_of_try(self) -> Period:
        """What a device that does not answer is asked for."""
        return Period.FAST if self.has_alarms else Period.SLOW

    def poll(self, period: Period, now: MonotonicMs) -> Poll:
        """A poll with all that is due: settings and identity once a day, identity first when something is in doubt."""
        daily = (period is Period.SLOW or not self._reads[Period.SLOW]) and now >= self.daily_at
        if daily:
            self._restore()
            self.daily_at = now + DAY_MS
            reads = [*self._reads[period], *self._reads[Period.DAILY]]
        else:
            reads = list(self._reads[period])
        if self.doubtful and self.spec.identity is not None and not self.anonymous:
            own = Read(self.spec.identity, Period.DAILY, ())
            reads = [own, *(read for read in reads if read.span != own.span)]
        return Poll(
            unit=self, period=period, pending=reads, segments=[], refused=[], tried=[], started_at=now, daily=daily
        )

    def unfinished(self, poll: Poll) -> None:
        """A poll came to nothing: what is read once a day is due with the next one, not tomorrow."""
        if poll.daily:
            self.daily_at = poll.started_at

    def advance(self, period: Period, now: MonotonicMs) -> None:
        """Due again one period later; what was missed is not made up for."""
        if period is Period.FAST:
            self.fast_at = max((self.fast_at or now) + self.spec.fast_ms, now)
        elif self._first:
            self._first = False
            spread = self._phase if self._phase * 4 >= self.spec.every_ms else self._phase + self.spec.every_ms
            self.slow_at = now + (min(spread, self.every_ms) if self.attended else spread)
        else:
            self.slow_at = max((self.slow_at or now) + self.every_ms, now + self.every_ms // 2)
        if period is Period.SLOW or self.slow_at is None:
            self.urgent = False

    def polled(self, poll: Poll, now: MonotonicMs) -> None:
        """A poll is complete."""
        self.busy = 0
        self.took_ms[poll.period] = now - poll.started_at
        if poll.period is Period.FAST:
            gap = 0 if self._alarm_at is None else now - self._alarm_at
            self._alarm_at = now
            self.alarm_gap_ms = max(gap, self.alarm_gap_ms - self.alarm_gap_ms // 64)

    @property
    def every_ms(self) -> int:
        """Between two slow reads."""
        return min(self.spec.every_ms, ATTENDED_MS) if self.attended else self.spec.every_ms

    def attend(self, now: MonotonicMs, *, wanted: bool) -> None:
        """Somebody begins, or ceases, to wait for its values. Whoever begins has it read at once."""
        if wanted and not self.attended:
            self.hurry(now)
        self.attended = wanted

    def hurry(self, now: MonotonicMs) -> None:
        """Due at once, before the others."""
        self.urgent = True
        self.retry_at = now
        self.slow_at = None if self.slow_at is None else now
        self.fast_at = None if self.fast_at is None else now

    def later(self, period: Period, at: MonotonicMs) -> None:
        """The device is busy: ask again then."""
        self.busy += 1
        if period is Period.FAST:
            self.fast_at = at
        else:
            self.slow_at = at

    def is_itself(self, registers: Sequence[int]) -> bool:
        """Whether the device behind the address is the one that was there before (or that the site file names)."""
        found = text_at(self.spec.identity, registers) if self.spec.identity else None
        name = found if isinstance(found, str) else ""
        replaced = self.spec.expected_identity is None and name != "" and name == self.candidate  # said twice
        if self.identity in {None, name} or replaced:
            self.identity = name or self.identity
            self.candidate = None
            self.doubtful = False
            return True
        self.candidate = name
        self.doubtful = True
        return False

    def answered(self, now: MonotonicMs) -> None:
        """Well (again)."""
        self.answered_at = now
        self.health = Health.HEALTHY
        self.failures = 0
        self.failed_since = None
        self.pending_loss = None
        self.cause = None

    def failed(self, cause: str, now: MonotonicMs) -> None:
        """One failure more: tried again soon, then quarantined with ever longer pauses."""
        self.failures += 1
        self.cause = cause
        if self.failed_since is None:
            self.failed_since = now
        self.busy = 0
        if self.failures < TRIES:
            self.health = Health.SUSPECT
            self.retry_at = now + min(RETRY_MS, self.spec.fast_ms if self.has_alarms else self.spec.every_ms)
            return
        if self.health is not Health.QUARANTINED:
            self.pending_loss = cause
        self.health = Health.QUARANTINED
        first, longest = ALARM_PROBE_MS if self.has_alarms else PROBE_MS
        self.retry_at = now + min(first << min(self.failures - TRIES, 10), longest)

    def fresh(self, now: MonotonicMs, count: int) -> None:
        """The bus is back: nothing that was held against the unit counts any more."""
        self.health = Health.HEALTHY
        self.failures = 0
        self.failed_since = None
        self.pending_loss = None
        self.cause = None
        self.start(now, count)

    def split(self, read: Read, poll: Poll) -> bool:
        """Ask for the parts of a refused read alone, once; False when it is such a part already."""
        parts = split(read) if read not in poll.tried else ()
        poll.tried += parts
        poll.pending[:0] = parts
        return bool(parts)

    def give_up(self, read: Read) -> None:
        """The device does not have these registers (until the next day)."""
        self._unsupported.update(read.points)
        self.anonymous = self.anonymous or read.span == self.spec.identity

    def replan(self) -> None:
        """Leave out what is not supported, and read nothing beside what is."""
        if not self._unsupported:
            return
        reads: list[Read] = []
        for read in self.spec.reads:
            if self._unsupported.isdisjoint(read.points):
                reads.append(read)
            else:
                reads += remerge((p for p in read.points if p not in self._unsupported), self.spec.limits)
        self._reads = by_period(reads)

    def has_reads(self, period: Period) -> bool:
        return bool(self._reads[period])

    def _restore(self) -> None:
        self._unsupported.clear()
        self.anonymous = False
        self._reads = by_period(self.spec.reads)

    def whole_again(self) -> None:
        """Forget what was refused."""
        self._restore()
