"""Others misbehave: a storm of senseless messages, somebody who holds the database. Alarms still become tickets."""

import sqlite3
import threading
from collections.abc import Callable

import pytest

from support.brokers import TestBroker
from support.hub_json import alarm
from support.lean_publisher import LeanPublisher, Message
from support.load import Workload, estate, settle
from support.running_hub import RunningHub
from support.waiting import wait_until

METERS = 20


def _poison(count: int) -> list[Message]:
    """One of seven kinds in turn, no two alike."""
    kinds = [
        ("m-1/reading", '{"id": "p%d", "at": "yesterday", "balance": 5, "unit": "CNY"}'),
        ("m-1/reading", '{"id": "p%d", "balance": NaN, "unit": "CNY", "at": "2026-11-21T08:00:00+08:00"}'),
        ("m-1/reading", "no JSON %d"),
        ("e-0/alarm", '{"id": "p%d", "at": "2026-11-21T08:00:00+08:00", "type": "fire", "state": "add"}'),
        ("nobody/alarm", '{"id": "p%d", "at": "2026-11-21T08:00:00+08:00", "type": "trapped", "state": "add"}'),
        ("m-2/reading", "[" * 500 + "%d"),
        ("e-0/alarm", '{"id": "p%d", "id": "p", "type": "trapped"}'),
    ]
    return [
        (f"hub/v1/lakeside/{kinds[number % 7][0]}", (kinds[number % 7][1] % number).encode()) for number in range(count)
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_storm_of_poison_beside_alarms(
    nats_broker: TestBroker, make_hub: Callable[..., RunningHub], publisher_on: Callable[..., LeanPublisher]
) -> None:
    """1,000 bad messages a second for four seconds: all are kept, and every alarm becomes its ticket."""
    hub = make_hub(nats_broker, [estate(METERS, 41)])
    hub.start()
    hub.wait_ready()
    storm, good = publisher_on(nats_broker), publisher_on(nats_broker)
    storm.add(_poison(4_000))
    raging = threading.Thread(target=storm.run, kwargs={"rate": 1_000.0}, daemon=True)
    raging.start()
    for number in range(1, 41):
        good.add([alarm(f"e-{number}", "a1")])
        good.run()
        hub.wait_for_ticket("entrapment", f"e-{number}", 10)
    raging.join(60)
    assert sum(storm.acked) == 4_000
    wait_until(lambda: len(hub.rejected()) == 4_000, 60, lambda: f"{len(hub.rejected())} of 4000 rejected are kept")
    assert {ticket["subject"]["id"] for ticket in hub.tickets(kind="entrapment")} == {f"e-{n}" for n in range(1, 41)}
    assert hub.ready()[0]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("held_s", [3.0, 7.0])
def test_somebody_holds_the_database(
    held_s: float,
    nats_broker: TestBroker,
    make_hub: Callable[..., RunningHub],
    publisher_on: Callable[..., LeanPublisher],
) -> None:
    """Shorter and longer than the hub waits for a lock (5 s): nothing is acknowledged meanwhile, and nothing is lost."""
    hub = make_hub(nats_broker, [estate(METERS, 20)])
    assert hub.token
    hub.start()
    hub.wait_ready()
    publisher = publisher_on(nats_broker)
    work = Workload(METERS, seed=5)
    other = sqlite3.connect(hub.folder / "hub.db", isolation_level=None, timeout=30)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Event()
    publisher.add(work.messages(2_000, range(20)))
    publisher.run()
    assert not release.wait(held_s)  # how long it is held is the experiment
    assert hub.tickets() == []
    other.execute("ROLLBACK")
    other.close()
    wait_until(lambda: len(hub.tickets()) == 20, 30, lambda: f"{len(hub.tickets())} tickets\n{hub.log_tail()}")
    wait_until(lambda: hub.ready()[0], 30, lambda: str(hub.ready()))
    result = settle(hub, publisher, work)
    print(result)
    assert result.clean, result
