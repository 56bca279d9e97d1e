"""A glance sees what is committed now, in one statement, and waits for nobody: requests are signed in by it, on the event loop."""

import contextlib
import sqlite3
import threading

import pytest
from sqlalchemy import bindparam, make_url, select
from sqlalchemy.exc import OperationalError

from hub.store.database import Store, set_meta
from hub.store.prepared import Prepared
from hub.store.schema import meta

VALUE = Prepared(select(meta.c.value).where(meta.c.key == bindparam("_key")))


def seen(store: Store, key: str = "colour") -> str | None:
    row = store.glance(VALUE, {"_key": key})
    return None if row is None else row.value


def write(store: Store, value: str) -> None:
    with store.write() as connection:
        set_meta(connection, "colour", value)


def log_begins_anew(path: str) -> bool:
    """Whether no reader holds SQLite's log where it is."""
    with contextlib.closing(sqlite3.connect(path)) as other:
        return other.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()[0] == 0


def test_it_sees_what_was_committed_since_the_last_one(store):
    assert seen(store) is None
    for value in ("red", "green", "blue"):
        write(store, value)
        assert seen(store) == value


def test_it_waits_for_no_writer_and_sees_nothing_of_what_is_not_committed(store):
    write(store, "red")
    with store.write() as connection:
        set_meta(connection, "colour", "green")
        assert seen(store) == "red"
    assert seen(store) == "green"


def test_it_gives_way_to_no_alarm(store, monkeypatch):
    monkeypatch.setattr(store.way.alarms, "give_way", lambda *_: pytest.fail("waited"))
    store.way.alarms.came()
    assert seen(store) is None


def test_what_another_process_has_committed_is_seen(sqlite_store):
    assert seen(sqlite_store) is None
    with contextlib.closing(sqlite3.connect(make_url(sqlite_store.url).database)) as other, other:
        other.execute("INSERT INTO meta (key, value) VALUES ('colour', 'red')")
    assert seen(sqlite_store) == "red"


def test_it_holds_no_log_back(sqlite_store):
    path = make_url(sqlite_store.url).database
    write(sqlite_store, "red")
    assert seen(sqlite_store) == "red"
    assert log_begins_anew(path)
    with sqlite_store.read() as connection:
        connection.execute(select(meta.c.value)).all()
        write(sqlite_store, "green")
        assert not log_begins_anew(path), "a reader in a transaction does"


def test_nor_does_a_brief_read_that_is_over(sqlite_store):
    path = make_url(sqlite_store.url).database
    write(sqlite_store, "red")
    for failure in (None, ZeroDivisionError):
        with contextlib.suppress(ZeroDivisionError), sqlite_store.brief_read() as connection:
            before = connection.execute(select(meta.c.value)).all()
            write(sqlite_store, "green" if failure is None else "blue")
            assert connection.execute(select(meta.c.value)).all() == before, "one state"
            if failure is not None:
                raise failure
        assert log_begins_anew(path)
    assert seen(sqlite_store) == "blue"


def test_a_brief_read_is_of_one_state_whichever_way_its_statements_go(store):
    write(store, "red")
    with store.brief_read() as connection:
        assert VALUE.one_or_none(connection, {"_key": "colour"}).value == "red"
        write(store, "green")
        assert VALUE.one_or_none(connection, {"_key": "colour"}).value == "red"
        assert connection.execute(select(meta.c.value).where(meta.c.key == "colour")).scalar_one() == "red"
    assert seen(store) == "green"


def test_it_takes_none_of_the_connections_that_readers_wait_for(sqlite_store):
    with sqlite_store.brief_read() as connection:
        connection.execute(select(meta.c.value)).all()
        assert sqlite_store.reader.pool.checkedout() == 0
    assert seen(sqlite_store) is None
    assert sqlite_store.reader.pool.checkedout() == 0


def test_a_brief_read_gives_way_to_no_alarm(store, monkeypatch):
    monkeypatch.setattr(store.way.alarms, "give_way", lambda *_: pytest.fail("waited"))
    store.way.alarms.came()
    with store.brief_read() as connection:
        assert connection.execute(select(meta.c.value)).all() == []


def test_after_a_failure_it_looks_anew(sqlite_store):
    write(sqlite_store, "red")
    with sqlite_store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE meta RENAME TO elsewhere")
    for _ in range(2):
        with pytest.raises(OperationalError, match="no such table"):
            seen(sqlite_store)
    with sqlite_store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO meta")
    assert seen(sqlite_store) == "red"


def test_threads_that_look_at_once_see_each_what_it_asked_for(store):
    with store.write() as connection:
        for number in range(8):
            set_meta(connection, f"key-{number}", f"value-{number}")
    wrong = []

    def look(number: int) -> None:
        found = [seen(store, f"key-{number}") for _ in range(100)]
        wrong.extend(value for value in found if value != f"value-{number}")

    threads = [threading.Thread(target=look, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert wrong == []


def test_a_closed_store_leaves_no_log_behind(tmp_path, migrated_sqlite):
    path = tmp_path / "hub.db"
    path.write_bytes(migrated_sqlite.read_bytes())
    store = Store(f"sqlite:///{path}")
    write(store, "red")
    assert seen(store) == "red"
    store.close()
    assert [each.name for each in tmp_path.iterdir()] == ["hub.db"], "the last connection to close takes it along"
