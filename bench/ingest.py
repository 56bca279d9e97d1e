"""(a) sustained durable ingest, (d) memory and processor, (e) cost against the number of devices.

Two ways, the same for both contestants: *live*, the publisher sends as fast as the broker takes it, while the contestant
works; *backlog*, the contestant comes back to a session in which everything waits, and the publisher is gone. A message
counts when it can be read from the database by another process; then all of them are counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import machine
from bench.contestants import BareLoop, Contestant, HubProcess, Publisher
from bench.payloads import reading_at
from support.brokers import TestBroker
from support.load import estate

MakeBroker = Callable[[Path], TestBroker]
WAIT_S = 300.0


@dataclass(frozen=True)
class Ingest:
    """One run. `cpu_ms` is processor time of the contestant per 1,000 messages."""

    contestant: str
    broker: str
    way: str
    meters: int
    messages: int
    per_second: float
    cpu_ms: float
    rss_mb: float
    peak_mb: float
    load: float

    def asdict(self) -> dict[str, Any]:
        return asdict(self)


def start_ms() -> int:
    """Readings' times begin an hour ago, so that none is in the future however fast they come."""
    return time.time_ns() // 1_000_000 - 3_600_000


class Arena:
    """One broker, one contestant, one database; used once."""

    def __init__(self, folder: Path, make_broker: MakeBroker, contestant: str, meters: int) -> None:
        self.broker = make_broker(folder / "broker")
        self.broker.start()
        self.meters = meters
        self.begins_at = start_ms()
        self.sent = 0
        self.contestant: Contestant = (
            BareLoop(folder / "bare", self.broker)
            if contestant == BareLoop.name
            else HubProcess(folder / "hub", self.broker, [estate(meters, 1)])
        )

    def close(self) -> None:
        self.contestant.stop()
        self.broker.stop()

    def publisher(self, count: int, rate: float = 0) -> Publisher:
        first, self.sent = self.sent, self.sent + count
        return Publisher(self.broker, first, count, self.meters, self.begins_at, rate)

    def wait_all(self) -> int:
        """Until everything is stored; the time at which the last one was seen."""
        last = self.sent - 1
        self.contestant.wait_stored(last % self.meters, reading_at(self.begins_at, last), WAIT_S)
        return time.time_ns()

    def check(self) -> None:
        stored = self.contestant.stored()
        assert stored == self.sent, f"{self.contestant.name}: {stored} stored of {self.sent}"

    def report(self, way: str, count: int, seconds: float, cpu_s: float) -> Ingest:
        used = self.contestant.usage()
        return Ingest(
            contestant=self.contestant.name,
            broker=self.broker.name,
            way=way,
            meters=self.meters,
            messages=count,
            per_second=round(count / seconds, 1),
            cpu_ms=round(cpu_s / count * 1e6, 1),
            rss_mb=round(used.rss_mb, 1),
            peak_mb=round(used.peak_mb, 1),
            load=machine.load(),
        )

    def live(self, count: int) -> Ingest:
        """`count` messages, as fast as the broker takes them."""
        publisher = self.publisher(count)
        before = self.contestant.usage().cpu_s
        publisher.go()
        ended = self.wait_all()
        cpu_s = self.contestant.usage().cpu_s - before
        began = publisher.result()["began_ns"]
        return self.report("live", count, (ended - began) / 1e9, cpu_s)

    def backlog(self, count: int) -> Ingest:
        """`count` messages wait in the broker; from the first that is stored to the last."""
        self.contestant.stop()
        before = self.sent
        publisher = self.publisher(count)
        publisher.go()
        publisher.result()
        self.contestant.launch()
        self.contestant.wait_stored(before % self.meters, reading_at(self.begins_at, before), WAIT_S)
        began, cpu = time.time_ns(), self.contestant.usage().cpu_s
        already = self.contestant.stored() - before
        ended = self.wait_all()
        return self.report("backlog", count - already, (ended - began) / 1e9, self.contestant.usage().cpu_s - cpu)


def warm_up(arena: Arena, count: int) -> None:
    """Caches are filled, and every meter has been heard once."""
    publisher = arena.publisher(count)
    publisher.go()
    arena.wait_all()
    publisher.result()


def measure(
    folder: Path, make_broker: MakeBroker, contestant: str, meters: int, count: int, ways: tuple[str, ...]
) -> list[Ingest]:
    """Live first, then the backlog, on the same database."""
    arena = Arena(folder, make_broker, contestant, meters)
    try:
        arena.contestant.start()
        warm_up(arena, max(meters, count // 10))
        done = [getattr(arena, way)(count) for way in ways]
        arena.check()
    finally:
        arena.close()
    return done
