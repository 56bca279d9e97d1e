"""The feed's numbers are taken in the order of commits: whoever sees one has seen all before it."""

from __future__ import annotations

import threading

from sqlalchemy import select

from hub.pipeline import feed
from hub.store import schema
from hub.store.database import Store, open_store

WRITERS, ROWS = 4, 15


def numbers(store: Store) -> list[int]:
    with store.read() as connection:
        return list(connection.execute(select(schema.feed.c.seq).order_by(schema.feed.c.seq)).scalars())


def test_processes_that_write_at_once_leave_no_gap_and_nothing_appears_behind_what_was_seen(
    database_url: str,
) -> None:
    """Every writer has a store of its own, as separate processes would; a reader looks all the time."""
    stores = [open_store(database_url) for _ in range(WRITERS)]
    over = threading.Event()
    seen: list[list[int]] = []

    def write(store: Store, name: str) -> None:
        for number in range(ROWS):
            with store.write() as connection:
                feed.append(connection, [("s", number, "note", {"by": name})])

    def look() -> None:
        with_reader = open_store(database_url)
        while not over.is_set() or not seen:
            seen.append(numbers(with_reader))
        with_reader.close()

    reader = threading.Thread(target=look)
    reader.start()
    writers = [threading.Thread(target=write, args=(store, str(i))) for i, store in enumerate(stores)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    over.set()
    reader.join()
    assert numbers(stores[0]) == list(range(1, WRITERS * ROWS + 1))
    assert all(found == list(range(1, len(found) + 1)) for found in seen)
    assert seen
    for store in stores:
        store.close()
