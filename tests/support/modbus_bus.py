"""A bus without sockets and without a clock: the schedule runs against units that answer, dawdle, refuse or are dead."""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from connectors.codecs.modbus_fields import Span
from connectors.codecs.modbus_profile import Period
from connectors.modbus.exchange import Answer, Effect, Exceptional, Outcome, Request, Silence, Sleep, UnitSpec, check
from connectors.modbus.planner import Limits, Point, Read
from connectors.modbus.scheduler import Schedule

T = TypeVar("T")
Places = Collection[tuple[int, int]]
Behaviour = Callable[[Request, int], tuple[Outcome, int]]
LINE_MS = 40
"""Time of an exchange on the line."""


def spec(
    number: int, *, fast: Places = (), slow: Places = (), identity: tuple[int, int] | None = None, **options: Any
) -> UnitSpec:
    """A unit that is asked for spans (addr, count) of holding registers."""
    reads = tuple(
        Read(Span(3, *span), period, (Point(Span(3, *span), period, (f"{period}-{span[0]}",)),))
        for period, spans in ((Period.FAST, fast), (Period.SLOW, slow))
        for span in spans
    )
    settings: dict[str, Any] = {"fast_ms": 500, "every_ms": 60_000, "timeout_ms": 500, "min_gap_ms": 20} | options
    return UnitSpec(
        device=f"d{number}",
        unit_id=number,
        reads=reads,
        limits=Limits(max_registers=48, merge_gap=8),
        identity=Span(3, *identity) if identity else None,
        **settings,
    )


def truth(unit: int, addr: int) -> int:
    """What register `addr` of `unit` holds: different everywhere, so that a mixed-up reply shows."""
    return (unit * 7919 + addr * 31 + 1) & 0xFFFF


def right(request: Request) -> Answer:
    return Answer(tuple(truth(request.unit_id, addr) for addr in range(request.span.addr, request.span.end)))


@dataclass
class SimulatedBus:
    """Runs a schedule in virtual milliseconds. `behave(request, now)` gives an outcome and how long it took."""

    schedule: Schedule
    behave: Behaviour
    now: int = 0
    sent: list[tuple[int, Request]] = field(default_factory=list)
    effects: list[tuple[int, Effect]] = field(default_factory=list)
    busy_ms: int = 0

    def run(self, until: int) -> Self:
        while self.now < until:
            step = self.schedule.next(self.now)
            if isinstance(step, Sleep):
                assert step.until > self.now, "a sleep must end later than it starts"
                self.now = min(step.until, until)
                continue
            assert isinstance(step, Request)
            self.sent.append((self.now, step))
            outcome, took = self.behave(step, self.now)
            self.now += took
            self.busy_ms += took
            self.effects += [(self.now, effect) for effect in self.schedule.done(outcome, self.now)]
        return self

    def told(self, kind: type[T]) -> list[T]:
        return [effect for _, effect in self.effects if isinstance(effect, kind)]


def healthy(request: Request, now: int) -> tuple[Outcome, int]:
    return right(request), LINE_MS


def bus(
    specs: Sequence[UnitSpec], behave: Behaviour = healthy, *, quiet_ms: int = 0, traceable: bool = True
) -> SimulatedBus:
    """One with a fresh schedule, at the beginning of time."""
    return SimulatedBus(Schedule(specs, now=0, quiet_ms=quiet_ms, traceable=traceable), behave)


def meters(count: int, **options: Any) -> list[UnitSpec]:
    """Units with one block each, read once a period."""
    return [spec(number, slow=[(0x300, 21)], **options) for number in range(1, count + 1)]


def dead(units: Collection[int]) -> Behaviour:
    """These units are silent, all others answer."""
    return lambda request, now: (Silence(), request.timeout_ms) if request.unit_id in units else healthy(request, now)


def refusing(units: Collection[int], code: int) -> Behaviour:
    return lambda request, now: (Exceptional(code), LINE_MS) if request.unit_id in units else healthy(request, now)


class LateWire:
    """RTU framing: a share of the replies comes after the time-out and then answers whatever is asked next.

    As the client library does it: a frame of another unit is skipped, one of the same unit is taken, and `check` judges it.
    """

    def __init__(self, seed: int, share: float, lateness_ms: int, timeout_ms: int) -> None:
        self._chance = random.Random(seed)
        self._share, self._lateness_ms, self._timeout_ms = share, lateness_ms, timeout_ms
        self._on_the_way: list[tuple[int, Request]] = []  # (arrives at, request)
        self.late = 0

    def __call__(self, request: Request, now: int) -> tuple[Outcome, int]:
        slow = self._chance.random() < self._share
        arrives = now + (self._chance.randint(self._timeout_ms + 1, self._lateness_ms) if slow else LINE_MS)
        self.late += slow
        self._on_the_way.append((arrives, request))
        self._on_the_way = [each for each in self._on_the_way if each[0] >= now]
        for at, asked in sorted(self._on_the_way, key=lambda each: each[0]):
            if now <= at <= now + self._timeout_ms and asked.unit_id == request.unit_id:
                self._on_the_way.remove((at, asked))
                return check(request.span, asked.span.fc, right(asked).registers), at - now
        return Silence(), self._timeout_ms
