"""The broker dies: what it has acknowledged to a device still arrives, and the hub's session goes on."""

import random
import threading
import time
from collections.abc import Callable

import pytest

from support.brokers import TestBroker
from support.lean_publisher import LeanPublisher
from support.load import Workload, estate, settle
from support.running_hub import RunningHub

METERS = 40
KILLS = 5


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_kill_nine_of_a_durable_broker_under_load(
    nats_broker: TestBroker, make_hub: Callable[..., RunningHub], publisher_on: Callable[..., LeanPublisher]
) -> None:
    hub = make_hub(nats_broker, [estate(METERS, 10 * KILLS)])
    hub.start()
    hub.wait_ready()
    publisher = publisher_on(nats_broker)
    work = Workload(METERS, seed=2)
    chance = random.Random(2)
    for kill in range(KILLS):
        publisher.add(work.messages(2_500, range(10 * kill, 10 * kill + 10)))
        stream = threading.Thread(target=publisher.run, kwargs={"rate": 1_000.0}, daemon=True)
        stream.start()
        time.sleep(chance.uniform(0.2, 2.0))
        nats_broker.kill()
        time.sleep(chance.uniform(0, 0.5))
        nats_broker.start()
        stream.join(60)
        assert not stream.is_alive()
    result = settle(hub, publisher, work)
    print(result, f"reconnects {publisher.reconnects}")
    assert publisher.reconnects >= KILLS
    assert result.clean, f"{result}: lost {result.lost[:5]} twice {result.duplicated[:5]}"
    assert "possible_loss" not in hub.problems(), "the session was there each time"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_hub_and_broker_die_together(
    nats_broker: TestBroker, make_hub: Callable[..., RunningHub], publisher_on: Callable[..., LeanPublisher]
) -> None:
    """A power cut of the machine, as far as processes go; whoever comes back first waits for the other."""
    hub = make_hub(nats_broker, [estate(METERS, 40)])
    hub.start()
    hub.wait_ready()
    publisher = publisher_on(nats_broker)
    work = Workload(METERS, seed=3)
    for round_, hub_first in enumerate((True, False)):
        publisher.add(work.messages(2_500, range(20 * round_, 20 * round_ + 20)))
        stream = threading.Thread(target=publisher.run, kwargs={"rate": 1_500.0}, daemon=True)
        stream.start()
        time.sleep(0.9)
        nats_broker.kill()
        hub.kill()
        if hub_first:
            hub.start()
            time.sleep(1)
            nats_broker.start()
        else:
            nats_broker.start()
            hub.start()
        hub.wait_ready()
        stream.join(60)
        assert not stream.is_alive()
    result = settle(hub, publisher, work)
    print(result)
    assert result.clean, result
    assert result.tickets == 40
