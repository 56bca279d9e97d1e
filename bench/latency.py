"""(b) how long an alarm takes while readings stream: publish → ticket on the live feed, and publish → ticket by GET.

Each alarm is the first one of its elevator and opens a ticket. The floors are measured in the same way beside it: the same
alarms and the same stream of readings, to a plain subscriber that stores nothing, and stored by the bare loop, which does
nothing else with them. What the second takes, broker, disk and host take before the hub has decided anything.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import machine
from bench.contestants import BareLoop, HubProcess, Publisher
from bench.ingest import MakeBroker, start_ms
from support.brokers import TestBroker
from support.hub_http import Change, LiveFeed
from support.hub_json import alarm
from support.lean_asker import LeanAsker
from support.lean_publisher import LeanPublisher
from support.load import estate
from support.mqtt import MqttClient
from support.running_hub import RunningHub
from support.waiting import wait_until

METERS = 1_000
GAP_S = 0.15  # some six alarms a second: what one leads to is under way when the next one comes
STORM_GAP_S = 0.035
STORM_RATE = 2_000
BETWEEN_ASKING_S = 0.003  # a client that asks as fast as it can would measure how much of the hub it takes for itself
SETTLE_S = 2.0
COME_WITHIN_S = 30.0
ALARM_MS = {2_000: 20, 5_000: 40}
"""Readings a second → what the p99 of an alarm may take beside them."""
QUIET_PERCENT = 1.0
"""Other guests of the host had so much of a run at most. With 5 % of it a p99 of 10 ms has become one of 20."""
PLAIN = "floor: broker and a plain subscriber"
STORED = "floor: alarm → stored by the bare loop"
STORM = f"storm of {1 / STORM_GAP_S:.0f} alarms/s → feed (SSE)"


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the first byte on the publisher's socket."""

    what: str
    broker: str
    readings_per_second: int
    alarms: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    load: float
    stolen_percent: float  # processor time that other guests of the host had meanwhile

    def asdict(self) -> dict[str, Any]:
        return asdict(self)


def summary(what: str, broker: str, rate: int, taken_ns: list[int], since: tuple[int, int]) -> Latency:
    """`since`: machine.processor_time() when it began."""
    ordered = sorted(taken / 1e6 for taken in taken_ns)
    assert ordered, f"{what}: nothing came"

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)

    return Latency(
        what,
        broker,
        rate,
        len(ordered),
        at(0.5),
        at(0.99),
        round(ordered[-1], 2),
        machine.load(),
        machine.stolen_percent(since),
    )


def least_disturbed(runs: Sequence[Latency]) -> Latency:
    """The run of which the host took least; of equals the slower."""
    return min(runs, key=lambda run: (run.stolen_percent, -run.p99_ms))


def allowed_ms(what: str, readings_per_second: int) -> int | None:
    """The aim of (b) for the p99; neither the floors nor the storm has one."""
    return ALARM_MS.get(readings_per_second) if what.startswith("alarm") else None


def has_quiet_run(runs: Sequence[Latency]) -> bool:
    """Whether one of them was the hub's own; what has no aim need not be."""
    run = least_disturbed(runs)
    return allowed_ms(run.what, run.readings_per_second) is None or run.stolen_percent <= QUIET_PERCENT


class Stream:
    """Readings at a rate, for as long as the block lasts."""

    def __init__(self, broker: TestBroker, rate: int, seconds: float, first: int, start: int) -> None:
        self.count = int(rate * seconds)
        self._publisher = Publisher(broker, first, self.count, METERS, start, rate) if rate else None

    def __enter__(self) -> None:
        if self._publisher is not None:
            self._publisher.go()
        time.sleep(SETTLE_S)

    def __exit__(self, failure: object, *_: object) -> None:
        if self._publisher is not None:
            lasted = self._publisher.running
            self._publisher.end()
            assert failure or lasted, "the stream was over before the alarms were"


def send(
    publisher: LeanPublisher, first: int, count: int, chance: random.Random, gap_s: float = GAP_S
) -> dict[str, int]:
    """One alarm each of elevators `first` …; when it left, by elevator."""
    left = {}
    for number in range(first, first + count):
        publisher.add([alarm(f"e-{number}", "a1")])
        publisher.run()
        left[f"e-{number}"] = publisher.sent_ns[-1]
        time.sleep(chance.uniform(0.5, 1.5) * gap_s)
    return left


def through_the_feed(feed: LiveFeed, left: dict[str, int]) -> list[int]:
    """Nanoseconds from leaving to the frame of the opened ticket."""

    def opened(change: Change) -> str | None:
        if change.event != "message" or change.data["type"] != "ticket_opened":
            return None
        return str(change.data["body"]["subject"]["id"])

    def arrived() -> dict[str, int]:
        return {name: change.received_ns for change in list(feed.frames) if (name := opened(change)) in left}

    wait_until(lambda: len(arrived()) == len(left), COME_WITHIN_S, lambda: f"{len(arrived())} of {len(left)} tickets")
    came = arrived()
    return [came[name] - at for name, at in left.items()]


def by_get(hub: RunningHub, publisher: LeanPublisher, first: int, count: int, chance: random.Random) -> list[int]:
    """Publish one, ask for it until it is there, then the next."""
    asker = LeanAsker(hub.url, hub.token)
    taken = []
    for number in range(first, first + count):
        question = asker.question("/tickets", subject=f"e-{number}", limit=1)
        publisher.add([alarm(f"e-{number}", "a1")])
        sender = threading.Thread(target=publisher.run)
        sender.start()
        deadline = time.monotonic() + COME_WITHIN_S
        while not asker.ask(question)["items"]:
            assert time.monotonic() < deadline, f"no ticket of e-{number}"
            time.sleep(BETWEEN_ASKING_S)
        came = time.time_ns()
        sender.join()
        taken.append(came - publisher.sent_ns[-1])
        time.sleep(chance.uniform(0.5, 1.5) * GAP_S)
    asker.close()
    return taken


@contextmanager
def hub_running(
    folder: Path, make_broker: MakeBroker, elevators: int
) -> Iterator[tuple[TestBroker, RunningHub, LeanPublisher]]:
    """A broker, the hub at it, and who publishes the alarms of so many elevators."""
    broker = make_broker(folder / "broker")
    broker.start()
    contestant = HubProcess(folder / "hub", broker, [estate(METERS, elevators)])
    try:
        contestant.start()
        publisher = LeanPublisher(broker, "alarms")
        publisher.connect()
        yield broker, contestant.hub, publisher
        publisher.close()
    finally:
        contestant.stop()
        broker.stop()


def of_hub(folder: Path, make_broker: MakeBroker, rates: tuple[int, ...], alarms: int) -> list[Latency]:
    """One hub; for each rate a feed phase and a phase of asking, and once a storm of alarms."""
    chance, asked = random.Random(1), alarms
    done = []
    with hub_running(folder, make_broker, (alarms + asked) * len(rates) + alarms) as (broker, hub, publisher):
        start, sent, elevator = start_ms(), 0, 0
        for rate in rates:
            stream = Stream(broker, rate, SETTLE_S + (alarms + asked) * (GAP_S + 0.05) * 1.3 + 10, sent, start)
            sent += stream.count
            with stream, hub.stream() as feed:
                since = machine.processor_time()
                left = send(publisher, elevator, alarms, chance)
                done.append(summary("alarm → feed (SSE)", broker.name, rate, through_the_feed(feed, left), since))
                since = machine.processor_time()
                asked_ns = by_get(hub, publisher, elevator + alarms, asked, chance)
                done.append(summary("alarm → GET", broker.name, rate, asked_ns, since))
            elevator += alarms + asked
        stream = Stream(broker, STORM_RATE, SETTLE_S + alarms * STORM_GAP_S * 1.5 + 10, sent, start)
        with stream, hub.stream() as feed:
            since = machine.processor_time()
            left = send(publisher, elevator, alarms, chance, STORM_GAP_S)
            done.append(summary(STORM, broker.name, STORM_RATE, through_the_feed(feed, left), since))
    return done


def of_floor(folder: Path, make_broker: MakeBroker, rates: tuple[int, ...], alarms: int) -> list[Latency]:
    """Without the hub: the bare loop, and a plain subscriber beside it."""
    chance = random.Random(1)
    broker = make_broker(folder / "broker")
    broker.start()
    bare = BareLoop(folder / "bare", broker)
    done = []
    try:
        bare.start()
        publisher = LeanPublisher(broker, "alarms")
        publisher.connect()
        with MqttClient(broker, "floor") as subscriber:
            came: dict[str, int] = {}

            def on_message(_client: Any, _data: Any, message: Any) -> None:
                came.setdefault(message.topic.split("/")[3], time.time_ns())

            subscriber.paho.on_message = on_message
            subscriber.subscribe("hub/v1/+/+/alarm")
            start, sent, elevator = start_ms(), 0, 0
            for rate in rates:
                stream = Stream(broker, rate, SETTLE_S + alarms * (GAP_S + 0.02) * 1.5 + 15, sent, start)
                sent += stream.count
                with stream:
                    since = machine.processor_time()
                    left = send(publisher, elevator, alarms, chance)
                    for what, when in ((PLAIN, came), (STORED, bare.alarms)):
                        wait_until(lambda: left.keys() <= when.keys(), COME_WITHIN_S, f"{what}: some are missing")  # noqa: B023
                        taken = [when[name] - at for name, at in left.items()]
                        done.append(summary(what, broker.name, rate, taken, since))
                elevator += alarms
        publisher.close()
    finally:
        bare.stop()
        broker.stop()
    return done
