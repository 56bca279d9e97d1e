"""A seeded workload whose every message can be found again in the hub, and the ledger that says what became of it.

A reading is known by (meter, time): no two of a meter have the same. A `trapped` alarm is known by its elevator: each
elevator gives one in its life, so it must have exactly one ticket, opened once and never counted up.
Rule: everything is found over the API, as any client would find it.
"""

from __future__ import annotations

import datetime
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from support.estate_files import SiteFile, elevator, meter, site_file
from support.hub_json import SITE, alarm, reading
from support.lean_publisher import LeanPublisher, Message
from support.running_hub import RunningHub
from support.waiting import wait_until

NEVER_SILENT = {"elevator_s": 0, "meter_s": 0, "access_controller_s": 0}
STEP_MS = 100
"""Between one reading and the next. Devices that send what they have kept: all of it lies some hours back, and comes much faster
than it happened (at the pace of time it would be a clock that was set back, which the hub would put right)."""
REDELIVERED_WITHIN_S = 15.0
"""A broker that was killed remembers now and then that it had delivered something, and repeats it only once its `ack_wait` is over
(2 s in tests), when all else has long come: one time in a hundred after a kill of NATS. Only then is a loss a loss."""


def estate(meters: int, elevators: int) -> SiteFile:
    """Meters `m-0` …, elevators `e-0` …; nobody is missed."""
    devices = [
        *(elevator(f"e-{number}") for number in range(elevators)),
        *(meter(f"m-{number}") for number in range(meters)),
    ]
    return site_file(SITE, devices, rules={"device_silent": NEVER_SILENT})


@dataclass
class Workload:
    """Messages in the order in which they leave: `share` of them a second time, as many out of order."""

    meters: int
    seed: int
    share: float = 0.05
    readings: set[tuple[str, int]] = field(default_factory=set)
    elevators: set[str] = field(default_factory=set)
    _sent: int = 0
    _start_ms: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        now = datetime.datetime.now(datetime.UTC)
        self._start_ms = int((now - datetime.timedelta(hours=3)).timestamp() * 1000)

    def messages(self, readings: int, elevators: Sequence[int] = ()) -> list[Message]:
        """The next `readings` readings, with one alarm of each of these elevators strewn in."""
        made = [self._reading() for _ in range(readings)]
        for number in elevators:
            self.elevators.add(f"e-{number}")
            made.insert(self._random.randrange(len(made) + 1), alarm(f"e-{number}", f"trapped-{number}"))
        return self._disturbed(made)

    def _reading(self) -> Message:
        number = self._sent
        self._sent += 1
        name = f"m-{number % self.meters}"
        at_ms = self._start_ms + number * STEP_MS
        self.readings.add((name, at_ms))
        at = datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC)
        balance = 500 + number % 10_000 / 100
        return reading(
            name, f"r-{number}", balance, at=at, energy_kwh=1000.5, purchases=3, relay="closed", meter_alarm=0
        )

    def _disturbed(self, made: list[Message]) -> list[Message]:
        out: list[Message] = []
        held: list[Message] = []
        for each in made:
            if self._random.random() < self.share:
                held.append(each)
                continue
            out.append(each)
            if self._random.random() < self.share:
                out.append(each)
            if held and self._random.random() < 0.1:
                out.append(held.pop(0))
        return out + held


@dataclass(frozen=True)
class Ledger:
    """What became of a workload."""

    sent: int
    acked: int
    stored: int
    tickets: int
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    unexpected: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"sent {self.sent}  acked {self.acked}  stored {self.stored}  tickets {self.tickets}  lost {len(self.lost)}  "
            f"duplicated {len(self.duplicated)}  unexpected {len(self.unexpected)}"
        )

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.unexpected)


def stored_readings(hub: RunningHub, meters: int) -> Counter[tuple[str, int]]:
    """How often each (meter, time) is stored."""
    found: Counter[tuple[str, int]] = Counter()
    for number in range(meters):
        for row in hub.readings(f"m-{number}"):
            at = datetime.datetime.fromisoformat(row["at"])
            found[f"m-{number}", round(at.timestamp() * 1000)] += 1
    return found


def settle(hub: RunningHub, publisher: LeanPublisher, work: Workload, timeout: float = 60) -> Ledger:
    """Once nothing comes in any more and nothing is unacknowledged: the ledger."""
    publisher.run()

    def drained() -> bool:
        metrics = hub.api.request("GET", "/metrics").body.decode()
        depth = [line for line in metrics.splitlines() if line.startswith("hub_inbox_depth")]
        ready = hub.ready()[1]
        connected = all(part["ok"] for part in ready["parts"] if part["name"] == "broker")  # else the broker holds it
        empty = all(float(line.split()[-1]) == 0 for line in depth)
        return connected and empty and ready["oldest_unacked_ms"] in (None, 0)

    last: list[int] = []

    def quiet() -> bool:
        last.append(len(hub.tickets()) + sum(len(hub.readings(f"m-{number}")) for number in range(0, work.meters, 7)))
        return drained() and len(last) > 2 and last[-1] == last[-2] == last[-3]

    def found_then() -> Ledger:
        last.clear()
        wait_until(quiet, timeout, lambda: f"still coming in: {last[-3:]} {hub.ready()}\n{hub.log_tail()}")
        return ledger(hub, publisher, work)

    found = found_then()
    deadline = time.monotonic() + REDELIVERED_WITHIN_S
    while found.lost and time.monotonic() < deadline:
        found = found_then()
    return found


def ledger(hub: RunningHub, publisher: LeanPublisher, work: Workload) -> Ledger:
    """Compare what was sent with what the hub has."""
    stored = stored_readings(hub, work.meters)
    tickets = Counter[str]()
    counted: list[str] = []
    for ticket in hub.tickets(kind="entrapment"):
        name = ticket["subject"]["id"]
        tickets[name] += 1
        if ticket["count"] != 1:
            counted.append(f"{name} ×{ticket['count']}")
    opened = Counter(row["body"]["subject"]["id"] for row in hub.feed() if row["type"] == "ticket_opened")
    lost = sorted(f"{name}@{at}" for name, at in work.readings - stored.keys())
    lost += sorted(work.elevators - tickets.keys())
    twice = [f"{name}@{at}" for (name, at), count in stored.items() if count > 1]
    twice += [name for name, count in tickets.items() if count > 1] + counted
    twice += [f"opened {name}" for name, count in opened.items() if count > 1]
    strange = [f"{name}@{at}" for name, at in stored.keys() - work.readings]
    strange += [name for name in tickets if name not in work.elevators]
    return Ledger(
        sent=publisher.sent,
        acked=sum(publisher.acked),
        stored=sum(stored.values()),
        tickets=sum(tickets.values()),
        lost=tuple(lost),
        duplicated=tuple(twice),
        unexpected=tuple(strange),
    )
