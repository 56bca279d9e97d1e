"""Two ways of doing one thing, in turn every three seconds inside one hub: what the host takes meanwhile meets both alike.

For trials on a machine with other guests, where two hubs one after the other differ by their weather. The code under trial, in a
copy of the project, asks `int(time.time() / TURN_S) % 2` itself; alarms are counted by the way that held when they left.

    PYTHONPATH=COPY:COPY/tests .venv/bin/python -m bench.two_ways --broker nats --rate 2000 --alarms 240
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from bench import machine
from bench.brokers import BROKERS, present
from bench.ingest import start_ms
from bench.latency import GAP_S, SETTLE_S, Stream, by_get, hub_running, send, summary, through_the_feed

TURN_S: Final = 3
SECOND_NS: Final = 1_000_000_000


def by_way(left_ns: Iterable[int], taken_ns: Iterable[int]) -> dict[int, list[int]]:
    """What alarms took, by the way (0, 1) that held when each left (time.time_ns()); a way in which none left is missing."""
    found: dict[int, list[int]] = {}
    for left, taken in zip(left_ns, taken_ns, strict=True):
        found.setdefault(left // (TURN_S * SECOND_NS) % 2, []).append(taken)
    return found


def measure(folder: Path, broker_name: str, rate: int, alarms: int) -> Iterator[str]:
    """A line for each way, first of the feed, then of GET."""
    chance = random.Random(1)
    with hub_running(folder, BROKERS[broker_name], 2 * alarms) as (broker, hub, publisher):
        seconds = SETTLE_S + 2 * alarms * (GAP_S + 0.05) * 1.3 + 10
        with Stream(broker, rate, seconds, 0, start_ms()), hub.stream() as feed:
            since = machine.processor_time()
            left = send(publisher, 0, alarms, chance)
            yield from _lines("feed", broker_name, rate, by_way(left.values(), through_the_feed(feed, left)), since)
            since = machine.processor_time()
            asked_ns = by_get(hub, publisher, alarms, alarms, chance)
            yield from _lines("GET", broker_name, rate, by_way(publisher.sent_ns[-alarms:], asked_ns), since)


def _lines(what: str, broker: str, rate: int, taken: dict[int, list[int]], since: tuple[int, int]) -> Iterator[str]:
    for way, taken_ns in sorted(taken.items()):
        found = summary(what, broker, rate, taken_ns, since)
        yield (
            f"{broker} {rate}/s {what} way {way}: {found.alarms} alarms, p50 {found.p50_ms}, p99 {found.p99_ms}, "
            f"max {found.max_ms} ms, stolen {found.stolen_percent} %"
        )


def main() -> None:
    """Prints as it goes; writes nothing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--broker", choices=present(), default=present()[0])
    parser.add_argument("--rate", type=int, default=2_000, help="readings a second beside the alarms")
    parser.add_argument("--alarms", type=int, default=240, help="each on the feed and by GET")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as place:
        for line in measure(Path(place), options.broker, options.rate, options.alarms):
            print(line, flush=True)


if __name__ == "__main__":
    main()
