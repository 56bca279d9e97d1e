"""One writer at a time, and an alarm's transaction goes before those of notices, however eager they are."""

import threading

import pytest

from hub.store.database import Store
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
