"""Carries SQLite's write-ahead log over into the database file beside the writers (hub.process.Part).

Left to itself SQLite does it within the commit that fills the log up: a quarter of a second in which an alarm waits. Here it is done
every few seconds by a thread of its own, in the mode that waits for nobody and makes nobody wait. The commit's own remains as a
backstop (`WAL_BACKSTOP_PAGES`), which a busy hub would meet all the time: the log begins anew only when all of it is in the file,
and those who write are never done. So the little that came meanwhile is carried over while they are held.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final, NamedTuple

from hub.store.database import BUSY_TIMEOUT_MS, Store
from hub.store.rounds import Rounds

EVERY_S: Final = 2.0
STOP_WITHIN_S: Final = 5.0
LONG_PAGES: Final = 1_000
"""4 MB. A shorter log is left to the next writer, who begins it anew if nobody reads at that moment."""
BESIDE: Final = 2
"""Looks beside the writers, after the first, until nothing came meanwhile; then the rest is too little to keep them waiting."""


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
        return not carry_over(self._store)

    def _nothing(self) -> None:
        """No last words: closing the database carries over what is left."""


class _Log(NamedTuple):
    """What a checkpoint found."""

    busy: int
    pages: int
    carried: int

    @property
    def is_whole(self) -> bool:
        """Whether all of it is in the database file now; else somebody reads an older state."""
        return not self.busy and self.pages == self.carried


def carry_over(store: Store) -> bool:
    """Whether all of the log is in the database file now, so that the next writer begins it anew. SQLite only.

    Raises what the database raises.
    """
    with contextlib.closing(store.reader.raw_connection()) as connection:
        log = _checkpoint(connection, "PASSIVE")
        for _ in range(BESIDE):
            before, log = log, _checkpoint(connection, "PASSIVE")
            if log == before:
                break
        return log.is_whole and (log.pages < LONG_PAGES or _begin_anew(store, connection))


def _begin_anew(store: Store, connection: Any) -> bool:
    """With nobody writing; false where somebody reads, who is not waited for."""
    with store.nobody_writing():
        _run(connection, "busy_timeout=0")
        try:
            return _checkpoint(connection, "RESTART").is_whole
        finally:
            _run(connection, f"busy_timeout={BUSY_TIMEOUT_MS}")


def _checkpoint(connection: Any, mode: str) -> _Log:
    return _Log(*_run(connection, f"wal_checkpoint({mode})"))


def _run(connection: Any, pragma: str) -> Any:
    with contextlib.closing(connection.cursor()) as cursor:
        return cursor.execute(f"PRAGMA {pragma}").fetchone()
