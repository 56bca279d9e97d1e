"""Carries SQLite's write-ahead log over into the database file beside the writers (hub.process.Part).

Left to itself SQLite does it within the commit that fills the log up: a quarter of a second in which an alarm waits. Here it is done
every few seconds by a thread of its own, in the mode that waits for nobody and makes nobody wait. The commit's own remains as a
backstop (`WAL_BACKSTOP_PAGES`).
"""

from __future__ import annotations

import contextlib
from typing import Final

from hub.store.database import Store
from hub.store.rounds import Rounds

EVERY_S: Final = 2.0
STOP_WITHIN_S: Final = 5.0
TRIES: Final = 5
"""Of one round: what was written meanwhile is little, and is carried over by the next one at once."""


class Checkpoints:
    """Rounds of checkpoints; nothing to do on PostgreSQL, which does it by itself."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rounds = Rounds("checkpoint", "checkpoints", self._cycle, lambda: EVERY_S, self._nothing, store.way)

    def start(self) -> None:
        """Begin."""
        if self._store.is_sqlite:
            self._rounds.start()

    def stop(self) -> None:
        """End; what is left in the log is safe there."""
        self._rounds.stop(STOP_WITHIN_S)

    def _cycle(self) -> bool:
        carry_over(self._store)
        return False

    def _nothing(self) -> None:
        """No last words: closing the database carries over what is left."""


def carry_over(store: Store) -> bool:
    """Whether all of the log is in the database file now, so that the next writer begins it anew. SQLite only.

    Raises what the database raises.
    """
    with contextlib.closing(store.reader.raw_connection()) as connection:
        for _ in range(TRIES):
            cursor = connection.cursor()
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
            found = cursor.fetchone()
            cursor.close()
            if found is not None and found[1] == found[2]:  # pages in the log, and those that are in the file now
                return True
    return False
