"""The write-ahead log is carried over beside the writers, and begins anew instead of growing."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from hub.store.checkpoint import Checkpoints, carry_over
from hub.store.database import open_store, set_meta
from hub.store.schema import meta
from support.waiting import wait_until


@pytest.fixture
def store(tmp_path):
    found = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield found
    found.close()


def write(store, number):
    with store.write() as connection:
        set_meta(connection, f"key {number}", "x" * 4_000)


def log_bytes(store):
    return Path(f"{store.url.database}-wal").stat().st_size


def test_the_log_begins_anew_after_it_was_carried_over(store):
    assert carry_over(store)
    before = log_bytes(store)
    for number in range(200):
        write(store, number)
        assert carry_over(store)
    assert log_bytes(store) <= before + 100_000, "200 writes of 4 kB, and the log is used again and again"
    with store.read() as connection:
        kept = connection.execute(select(func.count()).select_from(meta).where(meta.c.key.like("key %"))).scalar_one()
    assert kept == 200


def test_who_writes_meanwhile_is_not_kept_waiting_and_their_rows_follow_later(store):
    with store.write() as connection:
        set_meta(connection, "open", "yes")
        assert carry_over(store), "what is committed"
    write(store, 1)
    with store.read() as reading:
        reading.execute(select(meta.c.value)).all()
        write(store, 2)
        assert not carry_over(store), "somebody still reads the older state"
    assert carry_over(store)


def test_it_is_done_by_itself(store, monkeypatch):
    monkeypatch.setattr("hub.store.checkpoint.EVERY_S", 0.01)
    file = Path(str(store.url.database))
    write(store, 48)
    assert b"key 48" not in file.read_bytes(), "SQLite itself leaves it in the log"
    running = Checkpoints(store)
    running.start()
    try:
        assert wait_until(lambda: b"key 48" in file.read_bytes(), 10, "the row is in the database file")
        write(store, 49)
        assert wait_until(lambda: b"key 49" in file.read_bytes(), 10, "so is one of the next round")
    finally:
        running.stop()
