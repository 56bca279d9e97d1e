"""Promise 1: kill -9 of the hub at random moments under load loses nothing and opens nothing twice."""

import random
import threading
import time
from collections.abc import Callable

import pytest

from support.brokers import TestBroker
from support.lean_publisher import LeanPublisher
from support.load import Workload, estate, settle
from support.running_hub import RunningHub

SEEDS = range(20)
METERS = 40
RATE = 1_200.0
PER_SEED = 2_400
ALARMS = 8


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kill_nine_at_random_moments_under_load(
    nats_broker: TestBroker, make_hub: Callable[..., RunningHub], publisher_on: Callable[..., LeanPublisher]
) -> None:
    """Each seed: a workload with duplicates and disorder streams in; the hub is killed somewhere in it and started again.

    Two of three kills fall into the second and a half after it has said `ready`; every third falls into the start itself,
    while the broker delivers again what the last life did not acknowledge.
    """
    hub = make_hub(nats_broker, [estate(METERS, ALARMS * len(SEEDS))])
    assert hub.token
    hub.start()
    hub.wait_ready()
    publisher = publisher_on(nats_broker)
    work = Workload(METERS, seed=0)
    for seed in SEEDS:
        chance = random.Random(seed)
        publisher.add(work.messages(PER_SEED, range(ALARMS * seed, ALARMS * (seed + 1))))
        stream = threading.Thread(target=publisher.run, kwargs={"rate": RATE}, daemon=True)
        stream.start()
        in_the_start = seed % 3 == 2
        when = chance.uniform(0, 3 if in_the_start else 1.5)
        time.sleep(when)  # the moment of the kill is the experiment itself, not a wait for something
        hub.kill()
        since = "its start" if in_the_start else "ready"
        print(f"seed {seed}: killed {when:.3f} s after {since}; sent {publisher.sent}, unacked {publisher.unacked}")
        hub.start()
        if seed % 3 != 1:  # the next seed kills it while it starts
            hub.wait_ready()
        stream.join(60)
        assert not stream.is_alive()
    hub.wait_ready()
    result = settle(hub, publisher, work, timeout=120)
    print(result)
    assert result.acked == result.sent > len(SEEDS) * PER_SEED
    assert result.clean, (
        f"{result}: lost {result.lost[:5]} twice {result.duplicated[:5]} strange {result.unexpected[:5]}"
    )
    assert result.tickets == ALARMS * len(SEEDS)
    assert "possible_loss" not in hub.problems()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_frozen_hub_takes_up_where_it_was(
    nats_broker: TestBroker, make_hub: Callable[..., RunningHub], publisher_on: Callable[..., LeanPublisher]
) -> None:
    """SIGSTOP for longer than the broker waits for acknowledgements (2 s): everything is delivered again, once is kept."""
    hub = make_hub(nats_broker, [estate(METERS, 20)])
    hub.start()
    hub.wait_ready()
    publisher = publisher_on(nats_broker)
    work = Workload(METERS, seed=1)
    publisher.add(work.messages(6_000, range(20)))
    stream = threading.Thread(target=publisher.run, kwargs={"rate": RATE}, daemon=True)
    stream.start()
    for pause in (0.5, 3.0, 0.2, 2.5):
        time.sleep(0.4)
        hub.freeze()
        time.sleep(pause)
        hub.thaw()
    stream.join(60)
    result = settle(hub, publisher, work)
    print(result)
    assert result.clean, result
    assert result.tickets == 20
