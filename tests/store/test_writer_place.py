"""One writer at a time, and an alarm's transaction goes before those of notices, however eager they are.

Commands of `hub` are processes of their own: they get between the transactions of a hub that writes nearly all the time.
"""

import contextlib
import sqlite3
import threading

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from hub.store import database
from hub.store.database import Store, explain, get_meta, open_store, set_meta
from support.waiting import wait_until


@pytest.fixture
def store(tmp_path):
    found = Store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield found
    found.close()


class Writers:
    """Threads that want to write, and the order in which they did."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._threads: list[threading.Thread] = []
        self.order: list[str] = []

    def ask(self, name: str, *, urgent: bool = False) -> None:
        """Ask for the place, and return when the thread waits for it."""

        def write() -> None:
            with self._store.write(urgent=urgent):
                self.order.append(name)

        thread = threading.Thread(target=write)
        thread.start()
        self._threads.append(thread)
        place = self._store._writer_place
        wait_until(lambda: len(place._changed._waiters) == len(self._threads), 5, f"{name} waits")

    def join(self) -> None:
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()


def test_what_is_urgent_goes_before_what_has_waited_longer(store):
    writers = Writers(store)
    with store.write():
        writers.ask("notices")
        writers.ask("webhooks")
        writers.ask("alarm", urgent=True)
        assert writers.order == [], "one at a time"
    writers.join()
    assert writers.order[0] == "alarm"
    assert sorted(writers.order) == ["alarm", "notices", "webhooks"]


def test_the_place_is_free_again_after_a_failure(store):
    with pytest.raises(ZeroDivisionError), store.write(urgent=True):
        raise ZeroDivisionError
    with store.write():
        pass


# --- another process ----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def held(url: str):
    """By somebody else's transaction, until the block ends."""
    other = sqlite3.connect(make_url(url).database, isolation_level=None, timeout=30)
    with contextlib.closing(other):
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.fixture
def url(tmp_path):
    found = f"sqlite:///{tmp_path / 'hub.db'}"
    open_store(found).close()
    return found


def test_who_writes_gets_between_the_transactions_of_somebody_who_hardly_lets_go(url):
    """For 0.2 ms in 30: asked ten times a second, as SQLite does in the end, one writer of three is turned away."""
    enough, begun = threading.Event(), threading.Event()

    def write_all_the_time() -> None:
        other = sqlite3.connect(make_url(url).database, isolation_level=None, timeout=30)
        with contextlib.closing(other):
            while not enough.wait(0.0002):
                other.execute("BEGIN IMMEDIATE")
                begun.set()
                enough.wait(0.03)
                other.execute("ROLLBACK")

    busy = threading.Thread(target=write_all_the_time)
    busy.start()
    try:
        assert begun.wait(10)
        for number in range(10):
            store = open_store(url)
            with contextlib.closing(store), store.write() as connection:
                set_meta(connection, "written", str(number))
    finally:
        enough.set()
        busy.join(10)
    assert not busy.is_alive()


def test_opening_what_is_up_to_date_waits_for_no_writer(url):
    with held(url), contextlib.closing(open_store(url)) as store, store.read() as connection:
        assert get_meta(connection, "nothing") is None


def test_who_is_kept_waiting_too_long_is_told_so_and_may_write_afterwards(url, monkeypatch):
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 100)
    with contextlib.closing(open_store(url)) as store:
        with held(url), pytest.raises(OperationalError) as refused, store.write():
            pytest.fail("the place was somebody else's")
        assert explain(refused.value, url).endswith(
            "is held by another process that writes: try again in a moment (database is locked)."
        )
        with store.write() as connection:
            set_meta(connection, "written", "afterwards")
