"""The write-ahead log is carried over beside the writers, and begins anew instead of growing."""

import sqlite3
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from hub.store import checkpoint
from hub.store.checkpoint import Checkpoints, WriteAheadLog
from hub.store.database import BUSY_TIMEOUT_MS, WAL_BACKSTOP_PAGES, open_store, set_meta
from hub.store.schema import meta
from support.waiting import wait_until


@pytest.fixture
def store(tmp_path):
    found = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield found
    found.close()


@pytest.fixture
def log(store):
    found = WriteAheadLog(store)
    assert found.carry_over()
    yield found
    found.close()


@pytest.fixture
def at_each_look(monkeypatch):
    """What to do instead of a look at the log; it is given the look."""

    def use(instead):
        monkeypatch.setattr("hub.store.checkpoint._checkpoint", partial(instead, checkpoint._checkpoint))

    return use


def write(store, number):
    with store.write() as connection:
        set_meta(connection, f"key {number}", "x" * 4_000)


def write_much(store):
    with store.write() as connection:
        set_meta(connection, "much", "x" * 4_096 * checkpoint.LONG_PAGES)


def log_bytes(store):
    return Path(f"{store.url.database}-wal").stat().st_size


def beginnings(store):
    """How often the log began anew (its header: https://www.sqlite.org/fileformat2.html, 4.1)."""
    return int.from_bytes(Path(f"{store.url.database}-wal").read_bytes()[12:16], "big")


def is_in_the_file(store):
    """Whether all of the log is (https://www.sqlite.org/walformat.html, 2.3: mxFrame at 16, nBackfill at 96).

    Read by another process: who closes a file of the database lets go of all locks that his own process has on it.
    """
    read = "import struct, sys; head = open(sys.argv[1], 'rb').read(100); print(*struct.unpack_from('<II', head[16:20] + head[96:]))"
    said = subprocess.check_output([sys.executable, "-ISc", read, f"{store.url.database}-shm"])
    frames, carried = map(int, said.split())
    return frames == carried


def test_nobody_looks_beside_writers_at_a_log_that_is_in_the_file(store, log, at_each_look):
    """SQLite before 3.51.3 loses what is committed during such a look."""
    looks = []

    def look(run, connection, mode):
        looks.append((mode, is_in_the_file(store)))
        return run(connection, mode)

    at_each_look(look)
    assert is_in_the_file(store)
    assert log.carry_over()
    assert looks == [], "nothing was written"
    write(store, 1)
    assert log.carry_over()
    assert log.carry_over()
    with store.read() as reading:
        reading.execute(select(meta.c.key)).all()
        write(store, 2)
        assert not log.carry_over(), "somebody still reads the older state"
    assert log.carry_over()
    write_much(store)
    assert log.carry_over()
    assert log.carry_over()
    write(store, 3)
    assert log.carry_over()
    assert looks == [("PASSIVE", False)] * 6 + [("RESTART", True), ("PASSIVE", False)]


def test_what_an_earlier_process_left_is_carried_over_with_nobody_writing(store, at_each_look):
    looks = []

    def look(run, connection, mode):
        looks.append(mode)
        if len(looks) == 1:
            raise sqlite3.OperationalError("disk I/O error")
        return run(connection, mode)

    at_each_look(look)
    write(store, 1)
    found = WriteAheadLog(store)
    with pytest.raises(sqlite3.OperationalError):
        found.carry_over()
    assert found.carry_over()
    assert looks == ["RESTART", "RESTART"]
    assert is_in_the_file(store)
    found.close()


def test_the_log_begins_anew_after_it_was_carried_over(store, log):
    assert log.carry_over()
    before = log_bytes(store)
    for number in range(200):
        write(store, number)
        assert log.carry_over()
    assert log_bytes(store) <= before + 100_000, "200 writes of 4 kB, and the log is used again and again"
    with store.read() as connection:
        kept = connection.execute(select(func.count()).select_from(meta).where(meta.c.key.like("key %"))).scalar_one()
    assert kept == 200


def test_who_writes_meanwhile_is_not_kept_waiting_and_their_rows_follow_later(store, log):
    with store.write() as connection:
        set_meta(connection, "open", "yes")
        assert log.carry_over(), "what is committed"
    write(store, 1)
    with store.read() as reading:
        reading.execute(select(meta.c.value)).all()
        write(store, 2)
        assert not log.carry_over(), "somebody still reads the older state"
    assert log.carry_over()


def test_a_long_log_begins_anew_although_those_who_write_are_never_done(store, log, at_each_look):
    looks = []

    def look(run, connection, mode):
        if mode != "PASSIVE":
            return run(connection, mode)
        looks.append(mode)
        with store.write() as writing:  # begins before the look and is done after it
            set_meta(writing, f"key {len(looks)}", "x")
            return run(connection, mode)

    write_much(store)
    before = beginnings(store)
    at_each_look(look)
    assert log.carry_over()
    write(store, 0)
    assert beginnings(store) == before + 1
    assert len(looks) <= 3, "then they are held"


def test_while_others_go_on_writing_it_is_looked_again_before_they_are_held(store, log, at_each_look, monkeypatch):
    looks, over = [], threading.Event()

    def look(run, connection, mode):
        looks.append(mode)
        return run(connection, mode)

    def go_on():
        number = 0
        while not over.is_set():
            write(store, number := number + 1)

    def thrice():  # now and then one meets a commit and finds it not carried over: the next follows at once then
        looks.clear()
        return log.carry_over() and len(looks) == checkpoint.LOOKS

    monkeypatch.setattr("hub.store.checkpoint.SOON_S", 10)
    monkeypatch.setattr("hub.store.checkpoint.LONG_PAGES", 1_000_000)
    write(store, 0)
    at_each_look(look)
    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        assert wait_until(thrice, 30, lambda: f"looked {looks}")
    finally:
        over.set()
        writer.join(10)
    assert looks == ["PASSIVE"] * 3, "each after something that was written since the one before"


def test_who_reads_a_long_log_is_not_waited_for_and_the_next_round_comes_at_once(store, log, at_each_look):
    def look(run, connection, mode):
        used.append((mode, connection.dbapi_connection, patience_ms(connection)))
        return run(connection, mode)

    def patience_ms(connection):
        return connection.cursor().execute("PRAGMA busy_timeout").fetchone()[0]

    write_much(store)
    used = []
    at_each_look(look)
    with store.read() as reading:
        reading.execute(select(meta.c.key)).all()
        assert not log.carry_over(), "all of it is in the file, but the next writer could not begin anew"
        write(store, 1)
    mode, connection, waits_ms = used[-1]
    assert (mode, waits_ms) == ("RESTART", 0)
    assert patience_ms(connection) == BUSY_TIMEOUT_MS, "who reads with it next waits as ever"
    assert log.carry_over()


def test_nobody_writes_while_the_log_begins_anew_and_all_do_afterwards(store, log, at_each_look):
    begun, written = [], threading.Event()

    def writer():
        with store.write(urgent=True) as connection:
            set_meta(connection, "urgent", "yes")
        written.set()

    def look(run, connection, mode):
        if mode == "RESTART":
            begun.append(threading.Thread(target=writer))
            begun[0].start()
            assert not written.wait(0.1)
        return run(connection, mode)

    write_much(store)
    at_each_look(look)
    assert log.carry_over()
    begun[0].join(10)
    assert written.is_set()


def test_the_log_is_not_cut_off_before_a_commit_would_carry_it_over(store):
    with store.read() as connection:
        page = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    for engine in (store.reader, store.writer):
        with engine.connect() as connection:
            assert (
                connection.exec_driver_sql("PRAGMA journal_size_limit").scalar_one() > WAL_BACKSTOP_PAGES * page * 1.1
            )


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
