"""The disk is full: nothing is acknowledged, people are told, and with room again everything is there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.brokers import TestBroker
from support.lean_publisher import LeanPublisher
from support.load import Workload, estate, settle
from support.running_hub import RunningHub
from support.small_disk import NoMountError, SmallDisk
from support.waiting import wait_until

METERS = 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    try:
        disk = SmallDisk(tmp_path / "small", 24)
    except NoMountError as error:
        pytest.skip(f"no small file system: {error}")
    yield disk
    disk.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_full_disk_loses_nothing_and_is_said(
    nats_broker: TestBroker,
    disk: SmallDisk,
    make_hub: Callable[..., RunningHub],
    publisher_on: Callable[..., LeanPublisher],
) -> None:
    hub = make_hub(nats_broker, [estate(METERS, 60)], database=f"sqlite:///{disk.place / 'hub.db'}")
    hub.start()
    hub.wait_ready()
    publisher = publisher_on(nats_broker)
    work = Workload(METERS, seed=4)
    publisher.add(work.messages(500, range(20)))
    publisher.run()
    wait_until(lambda: len(hub.tickets()) == 20, 20, "the first alarms did not arrive")

    disk.fill()
    publisher.add(work.messages(3_000, range(20, 40)))
    publisher.run()
    not_ready = wait_until(lambda: said if not (said := hub.ready())[0] else None, 30, "health says that all is well")
    assert not_ready is not None
    assert any("full" in part["why"] for part in not_ready[1]["parts"]), not_ready[1]["parts"]
    assert hub.running
    wait_until(lambda: (hub.ready()[1]["oldest_unacked_ms"] or 0) > 1000, 20, "something was acknowledged all the same")

    hub.kill()  # if anything had been acknowledged without being stored, it would be gone now
    disk.free()
    hub.start()
    hub.wait_ready()
    publisher.add(work.messages(500, range(40, 50)))
    publisher.run()

    disk.fill()  # and once more, this time it recovers by itself
    publisher.add(work.messages(2_000, range(50, 60)))
    publisher.run()
    wait_until(lambda: not hub.ready()[0], 30, "health says that all is well")
    disk.free()
    wait_until(lambda: hub.ready()[0], 60, lambda: f"did not recover: {hub.ready()[1]}")
    result = settle(hub, publisher, work)
    print(result)
    assert result.clean, result
    assert result.tickets == 60


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_start_on_a_full_disk_ends_with_one_sentence(
    nats_broker: TestBroker, disk: SmallDisk, make_hub: Callable[..., RunningHub]
) -> None:
    hub = make_hub(nats_broker, [estate(1, 1)], database=f"sqlite:///{disk.place / 'hub.db'}")
    disk.fill()
    hub.start()
    assert hub.exit_code(60) == 1
    assert "disk" in hub.log()
    assert "Traceback" not in hub.log()
