"""Opening the database: one writer at a time, readers beside it, SQLite and PostgreSQL alike.

Every write transaction goes through `Store.write()`: it holds the process-wide writer's place, and on SQLite begins
IMMEDIATE, because a deferred transaction that turns into a writer fails at once when another one has committed in
between (domain/reliability.md P12). `synchronous=FULL`: what is acknowledged to the broker must survive a power cut.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from hub.right_of_way import RightOfWay
from hub.store import migrate
from hub.store.prepared import Prepared
from hub.store.schema import meta

if sys.platform != "win32":
    import fcntl

PAGE_CACHE_KIB = 32_768
WAL_BACKSTOP_PAGES = 25_000  # 100 MB; hub.store.checkpoint keeps the log below
WAL_KEPT_BYTES = 128 * 1024 * 1024  # above the backstop: each time the log is cut off, two commits take 15 ms longer
BUSY_TIMEOUT_MS = 5_000
ASK_AGAIN_MS = 10
"""A writer's own wait for another process. SQLite asks ever more rarely, ten times a second at last, and so misses the moments
between the transactions of a hub that has much to do; asked anew, it begins with every millisecond."""
QUICK_CHECK_MAX_BYTES = 256 * 1024 * 1024
CLAIM_WAIT_S = 3.0
ADVISORY_LOCK = 0x70726F70  # 'prop'


class StoreError(Exception):
    """The database cannot be used; the message says in one sentence why and what to do."""


class _WriterPlace:
    """One writer at a time; who comes back for the next transaction at once does not pass by an urgent one that waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self._urgent = 0  # how many that are urgent wait

    @contextlib.contextmanager
    def taken(self, *, urgent: bool) -> Iterator[None]:
        with self._changed:
            self._urgent += urgent
            try:
                self._changed.wait_for(lambda: not self._taken and (urgent or not self._urgent))
                self._taken = True
            finally:
                self._urgent -= urgent
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()


class _KeptReady:
    """One connection of SQLite for those who do not wait until one is free; one after the other, for a moment each."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    @contextlib.contextmanager
    def taken(self) -> Iterator[Connection]:
        """In no transaction: each statement sees what is committed when it is made."""
        with self._lock:
            if self._connection is None:
                self._connection = self._engine.connect()
                self._connection.detach()  # not one of those that readers wait for
            try:
                yield self._connection
            finally:
                self._connection.rollback()

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


class Store:
    """An open database at the schema's newest revision."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.way = RightOfWay()
        self._writer_place = _WriterPlace()
        self._claim: Any = None
        self.reader: Engine
        self.writer: Engine
        self._kept_ready: _KeptReady | None = None
        if self.is_sqlite:
            self.reader = _sqlite_engine(self.url, _begin_reading, BUSY_TIMEOUT_MS, cache_kib=4_096)
            self.writer = _sqlite_engine(self.url, _begin_writing, ASK_AGAIN_MS, cache_kib=PAGE_CACHE_KIB)
            self._kept_ready = _KeptReady(self.reader)
        else:
            self.reader = create_engine(self.url, pool_size=8, max_overflow=16, pool_pre_ping=True)
            self.writer = self.reader
        self._last_reader = self.reader.execution_options()  # the same pool; who reads by it gives way all the time
        event.listen(self._last_reader, "before_cursor_execute", self._let_pass)

    @property
    def engine(self) -> Engine:
        """For reading."""
        return self.reader

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view, with the alarm in it that is under way; nothing is written."""
        self.way.alarms.give_way()
        with (self._last_reader if self.way.stands_last else self.reader).connect() as connection:
            self._begin_view(connection)
            yield connection
            connection.rollback()

    def glance(self, statement: Prepared, values: Mapping[str, Any]) -> Any:
        """The row as it is committed now, or None; gives way to nobody. `values` as the driver takes them.

        With SQLite it takes less than the way to another thread; with PostgreSQL it waits for the network.
        """
        if self._kept_ready is not None:
            with self._kept_ready.taken() as connection:
                return statement.row_of(cast("sqlite3.Connection", connection.connection.dbapi_connection), values)
        with self.reader.connect() as connection:
            return statement.one_or_none(connection, values)

    @contextlib.contextmanager
    def brief_read(self) -> Iterator[Connection]:
        """As `read`, for a millisecond, by somebody who has given way already: gives way to nobody."""
        ready = self._kept_ready.taken() if self._kept_ready is not None else self.reader.connect()
        with ready as connection:
            self._begin_view(connection)
            yield connection
            connection.rollback()

    def _begin_view(self, connection: Connection) -> None:
        if not self.is_sqlite:
            connection.execution_options(isolation_level="REPEATABLE READ")
        connection.begin()

    def _let_pass(self, *_: object) -> None:
        """Between the statements of a reader that can wait; a writer would keep others out meanwhile."""
        self.way.give_way()

    @contextlib.contextmanager
    def write(self, *, urgent: bool = False) -> Iterator[Connection]:
        """One write transaction; committed at the end, rolled back on an exception. `urgent` goes before all that wait."""
        if not urgent:
            self.way.alarms.give_way()
        with self._writer_place.taken(urgent=urgent), self.writer.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def nobody_writing(self) -> Iterator[None]:
        """Writers of this process wait so long, urgent ones too: for milliseconds."""
        self.way.give_way()
        with self._writer_place.taken(urgent=False):
            yield

    def claim(self) -> None:
        """Take this database for the one hub process that may write to it; raises StoreError when another has it."""
        if self.is_sqlite:
            self._claim = _lock_file(Path(str(self.url.database) + ".lock"))
            return
        connection = self.writer.connect().execution_options(isolation_level="AUTOCOMMIT")
        deadline = time.monotonic() + CLAIM_WAIT_S
        while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK}).scalar_one():
            if time.monotonic() > deadline:
                connection.close()
                raise StoreError(
                    "Another hub is running on this database: stop it first, or give this one a database of its own."
                )
            time.sleep(0.1)  # the server needs a moment to notice that a killed hub is gone
        self._claim = connection

    def close(self) -> None:
        """Let go of everything."""
        if self._claim is not None:
            if not self.is_sqlite:
                with contextlib.suppress(SQLAlchemyError):  # the server is gone, and the lock with it
                    self._claim.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})
            self._claim.close()
            self._claim = None
        if self._kept_ready is not None:
            self._kept_ready.close()
        self.reader.dispose()
        self.writer.dispose()


def open_store(url: str) -> Store:
    """Open and bring up to date.

    Raises StoreError: damaged, newer than this program, not reachable, no permission, disk full. Nothing is touched then.
    """
    store: Store | None = None
    try:
        if make_url(url).get_backend_name() == "sqlite":
            _prepare_sqlite_place(url)
        store = Store(url)
        migrate.bring_up_to_date(store.writer, seen_by=store.reader)
    except StoreError:
        raise
    except migrate.NewerDatabaseError as error:
        _close(store)
        raise StoreError(str(error)) from error
    except (SQLAlchemyError, OSError, sqlite3.Error) as error:
        _close(store)
        raise StoreError(explain(error, url)) from error
    return store


def _close(store: Store | None) -> None:
    if store is not None:
        store.close()


def explain(error: BaseException, url: str = "") -> str:
    """One sentence for a person: what is wrong with the database and what to do."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    words = str(original).strip().splitlines()[0] if str(original).strip() else type(original).__name__
    place = make_url(url).render_as_string(hide_password=True) if url else "the database"
    known = (
        ("malformed", "is damaged: restore a backup (`hub restore`), nothing was changed"),
        ("not a database", "is not a database or is damaged: restore a backup (`hub restore`), nothing was changed"),
        ("disk is full", "cannot be written: the disk is full; free some space"),
        ("No space left", "cannot be written: the disk is full; free some space"),
        ("disk I/O error", "cannot be written: the disk reports an input/output error or is full"),
        ("readonly", "cannot be written: no permission"),
        ("unable to open", "cannot be opened: the folder is missing or there is no permission"),
        ("Permission denied", "cannot be opened: no permission"),
        ("is locked", "is held by another process that writes: try again in a moment"),
        ("connection", "cannot be reached"),
    )
    for word, sentence in known:
        if word.lower() in words.lower():
            return f"{place} {sentence} ({words})."
    return f"{place} cannot be used: {words}."


def get_meta(connection: Connection, key: str) -> str | None:
    """A remembered value of the process itself."""
    return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()


def set_meta(connection: Connection, key: str, value: str) -> None:
    """Remember a value of the process itself."""
    updated = connection.execute(meta.update().where(meta.c.key == key).values(value=value))
    if updated.rowcount == 0:
        connection.execute(meta.insert().values(key=key, value=value))


def _prepare_sqlite_place(url: str) -> None:
    database = make_url(url).database
    if not database or database == ":memory:":
        raise StoreError("The hub needs a database file (sqlite:///var/hub.db): what is in memory does not survive.")
    path = Path(database)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size:
        _check_sqlite(path)


def _check_sqlite(path: Path) -> None:
    """Refuse a damaged file before anything is written to it (read-only, so that it stays as it was found)."""
    wal = Path(f"{path}-wal")
    mode = "rw" if wal.exists() else "ro"  # a WAL left by a crash must be recovered to be read at all
    probe = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True)
    thorough = path.stat().st_size <= QUICK_CHECK_MAX_BYTES  # a large file is not read through at every start
    try:
        found = probe.execute("PRAGMA quick_check(1)" if thorough else "SELECT 'ok' FROM sqlite_master").fetchone()
    finally:
        probe.close()
    if found is None or found[0] != "ok":
        why = " ".join(str(found[0]).split()) if found else "no answer"
        raise StoreError(f"{path} is damaged ({why}): restore a backup (`hub restore`), nothing was changed.")


def _sqlite_engine(url: URL, begin: Callable[[PoolProxiedConnection], None], busy_ms: int, *, cache_kib: int) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=4,
        max_overflow=16,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000, "cached_statements": 256},
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"cache_size=-{cache_kib}",
            f"wal_autocheckpoint={WAL_BACKSTOP_PAGES}",
            f"journal_size_limit={WAL_KEPT_BYTES}",
            f"busy_timeout={busy_ms}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    # Said by the dialect and not by a listener: as soon as there is one, SQLAlchemy looks for listeners with every statement.
    engine.dialect.do_begin = begin  # type: ignore[assignment, method-assign]
    return engine


def _begin_reading(connection: PoolProxiedConnection) -> None:
    connection.cursor().execute("BEGIN")


def _begin_writing(connection: PoolProxiedConnection) -> None:
    """Raises sqlite3.OperationalError where another process holds the database for longer than `BUSY_TIMEOUT_MS`."""
    cursor = connection.cursor()
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
        else:
            return


def _lock_file(path: Path) -> Any:
    """Hold `path` locked for as long as the handle lives; the file names the process for whoever comes second."""
    handle = path.open("a+")
    if sys.platform == "win32":  # one hub per database is then a matter of the service manager
        return handle
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.seek(0)
        owner = handle.read().strip() or "unknown"
        handle.close()
        raise StoreError(f"Another hub (process {owner}) is running on this database: stop it first.") from None
    handle.truncate(0)
    handle.write(str(os.getpid()))
    handle.flush()
    return handle
