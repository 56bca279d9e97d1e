"""What every fault needs: a hub that ends with the test, and a publisher that knows what the broker has acknowledged."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.brokers import TestBroker
from support.lean_publisher import LeanPublisher
from support.running_hub import RunningHub


@pytest.fixture
def make_hub(tmp_path: Path) -> Iterator[Callable[..., RunningHub]]:
    """`make_hub(broker, [site_file(…)], …)`: not started yet."""
    made: list[RunningHub] = []

    def make(broker: TestBroker, sites: list[dict[str, Any]], **options: Any) -> RunningHub:
        hub = RunningHub(options.pop("folder", tmp_path / f"hub-{len(made)}"), broker, sites, **options)
        made.append(hub)
        return hub

    yield make
    for hub in made:
        print(f"--- log of {hub.folder.name} ---\n{hub.log_tail(60)}")
        hub.stop()


@pytest.fixture
def publisher_on() -> Iterator[Callable[..., LeanPublisher]]:
    """`publisher_on(broker)`: connected."""
    made: list[LeanPublisher] = []

    def connect(broker: TestBroker, **options: Any) -> LeanPublisher:
        publisher = LeanPublisher(broker, f"lean-{len(made)}", **options)
        publisher.connect()
        made.append(publisher)
        return publisher

    yield connect
    for publisher in made:
        publisher.close()
