"""Carries SQLite's write-ahead log over into the database file beside the writers (hub.process.Part).

Left to itself SQLite does it within the commit that fills the log up: a quarter of a second in which an alarm waits. Here it is done
every few seconds by a thread of its own, in the mode that waits for nobody and makes nobody wait. The commit's own remains as a
backstop (`WAL_BACKSTOP_PAGES`), which a busy hub would meet all the time: the log begins anew only when all of it is in the file,
and those who write are never done. So the little that came meanwhile is carried over while they are held.

Rule: beside writers nobody looks at a log that may be in the file already. SQLite before 3.51.3 takes what a commit writes at that
moment, with which the log begins anew, for carried over: it is committed, and gone (https://www.sqlite.org/wal.html#walresetbug;
seen here with 3.40.1 after ten seconds of looks in a row). Something committed since says that it is not, and it cannot begin anew
before that is carried over: by this thread, or by a commit that meets the backstop.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any, Final, NamedTuple

from hub.store.database import BUSY_TIMEOUT_MS, Store
from hub.store.rounds import Rounds

EVERY_S: Final = 2.0
STOP_WITHIN_S: Final = 5.0
LONG_PAGES: Final = 1_000
"""4 MB. A shorter log is left to the next writer, who begins it anew if nobody reads at that moment."""
LOOKS: Final = 3
"""Beside the writers, until nothing comes any more; then the rest is too little to keep them waiting."""
SOON_S: Final = 0.02
"""Those who are busy have written again by then, so that another look is safe and worth its while."""
ASK_EVERY_S: Final = 0.005


class Checkpoints:
    """Rounds of checkpoints; nothing to do on PostgreSQL, which does it by itself."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._log = WriteAheadLog(store)
        self._rounds = Rounds("checkpoint", "checkpoints", self._cycle, lambda: EVERY_S, self._log.close, store.way)

    def start(self) -> None:
        """Begin."""
        if self._store.is_sqlite:
            self._rounds.start()

    def stop(self) -> None:
        """End; what is left in the log is safe there."""
        self._rounds.stop(STOP_WITHIN_S)

    def _cycle(self) -> bool:
        return not self._log.carry_over()


class _Found(NamedTuple):
    """What a checkpoint found."""

    busy: int
    pages: int
    carried: int

    @property
    def is_whole(self) -> bool:
        """Whether all of it was in the database file; else somebody reads an older state, or another process is about it (-1)."""
        return self.pages == self.carried >= 0


class WriteAheadLog:
    """The log of an SQLite database, to be carried over by one thread of one process. What raises, raises what the database does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._connection: Any = None  # its own: what it has seen of the others counts
        self._seen: int | None = None  # of the others, when the log may have been in the file; None: it is not
        self._found: _Found | None = None
        self._begins_anew = False

    def close(self) -> None:
        """What is left in the log is safe there."""
        if self._connection is not None:
            self._connection.close()

    def carry_over(self) -> bool:
        """Whether all that was committed is in the database file now, and the next writer begins the log anew."""
        if self._connection is None:
            self._connection = self._store.reader.raw_connection()
            self._connection.detach()
        found = self._found
        if found is None:
            return self._begin_anew()  # what is left from before may be in the file or not
        for look in range(LOOKS):
            if not self._written(SOON_S if look else 0.0):
                break
            found = self._look("PASSIVE")
        return self._begins_anew or (found.is_whole and (found.pages < LONG_PAGES or self._begin_anew()))

    def _begin_anew(self) -> bool:
        """With nobody writing; false where somebody reads, who is not waited for."""
        with self._store.nobody_writing():
            _run(self._connection, "busy_timeout=0")
            try:
                found = self._look("RESTART")  # holds the place of those who write, also against other processes
            finally:
                _run(self._connection, f"busy_timeout={BUSY_TIMEOUT_MS}")
        self._begins_anew = found.is_whole and not found.busy
        return self._begins_anew

    def _written(self, within_s: float) -> bool:
        """Whether something is in the log, within that time, that is certainly not in the file."""
        until = time.monotonic() + within_s
        while self._seen is not None and self._version() == self._seen:
            if time.monotonic() >= until:
                return False
            time.sleep(ASK_EVERY_S)
        return True

    def _look(self, mode: str) -> _Found:
        self._begins_anew = False
        self._found = found = _checkpoint(self._connection, mode)
        self._seen = None if found.pages > found.carried >= 0 else self._version()
        return found

    def _version(self) -> int:
        """Another one as soon as anybody else has committed something (https://www.sqlite.org/pragma.html#pragma_data_version)."""
        version: int = _run(self._connection, "data_version")[0]
        return version


def _checkpoint(connection: Any, mode: str) -> _Found:
    return _Found(*_run(connection, f"wal_checkpoint({mode})"))


def _run(connection: Any, pragma: str) -> Any:
    with contextlib.closing(connection.cursor()) as cursor:
        return cursor.execute(f"PRAGMA {pragma}").fetchone()
