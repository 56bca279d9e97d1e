"""What is known of devices is written a few at a time, the longest known first, and none is forgotten."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from hub.pipeline.board import FLUSH_AGAIN_MS, FLUSH_AT_ONCE, FLUSH_EVERY_MS
from hub.store import schema
from hub.store.database import Store, open_store
from hub.vocabulary.events import DeviceStatus
from support.rig import SITE, START, Rig, device

MANY = 2 * FLUSH_AT_ONCE + 10


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    found = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield found
    found.close()


def written(store):
    with store.read() as connection:
        return set(connection.execute(select(schema.device_state.c.device_pk)).scalars())


def test_a_step_writes_some_devices_and_the_next_ones_write_the_rest(store):
    rig = Rig(store, [], [device(f"lift-{number}") for number in range(MANY)])
    rig.now = START + FLUSH_EVERY_MS
    heard = [
        DeviceStatus(
            site=SITE,
            device=f"lift-{number}",
            source_key=f"{number}",
            occurred_at=rig.now,
            received_at=rig.now,
            online=True,
        )
        for number in range(MANY)
    ]
    rig.take(*heard)
    assert written(store) == set(), "what a step hears is written by a later one"
    sizes = []
    for _ in range(4):
        rig.now += FLUSH_AGAIN_MS
        rig.take()
        sizes.append(len(written(store)))
    assert sizes == [FLUSH_AT_ONCE, 2 * FLUSH_AT_ONCE, MANY, MANY]
    assert not rig.core.board.flush_due(rig.now + FLUSH_EVERY_MS), "nothing is left"
