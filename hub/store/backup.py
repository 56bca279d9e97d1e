"""Backup while running: one moment of the database in one archive (hub.store.archive).

An online copy on SQLite, one REPEATABLE READ snapshot on PostgreSQL; whoever writes meanwhile is not held up.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec
from sqlalchemy import URL, Connection, Engine, Table, create_engine, make_url, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from hub.store import migrate
from hub.store.archive import FORMAT, MANIFEST, ROWS_AT_A_TIME, ColumnEntry, Manifest, TableEntry, encoded, type_word
from hub.store.database import StoreError, explain
from hub.store.schema import metadata
from hub.vocabulary.instants import UtcMs, iso


def backup(url: str, file: Path, now: UtcMs) -> Manifest:
    """Write everything in the database into a new `file`. Raises StoreError; then there is no `file`."""
    if file.exists():
        raise StoreError(f"{file} is there already: give another name, nothing was overwritten.")
    part = file.with_name(f".{file.name}.part")
    try:
        with _private(part) as out, _snapshot(url, file.absolute().parent) as connection:
            manifest = _write_archive(out, connection, _revision(connection), now)
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StoreError(explain(error, url)) from error
    except OSError as error:
        raise StoreError(f"The backup {file} cannot be written: {error.strerror or error}.") from error
    finally:
        part.unlink(missing_ok=True)
    return manifest


def _private(path: Path) -> IO[bytes]:
    """A new file for its owner alone: the archive holds password hashes and people's names."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b")


@contextlib.contextmanager
def _snapshot(url: str, folder: Path) -> Iterator[Connection]:
    """A connection that sees one moment of the database for as long as it is used."""
    with contextlib.ExitStack() as stack:
        if make_url(url).get_backend_name() == "sqlite":
            engine = _quiet_sqlite(stack.enter_context(_sqlite_copy(url, folder)))
        else:
            engine = create_engine(url, poolclass=NullPool)
        stack.callback(engine.dispose)
        connection = stack.enter_context(engine.connect())
        if connection.dialect.name != "sqlite":
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        yield connection
        connection.rollback()


@contextlib.contextmanager
def _sqlite_copy(url: str, folder: Path) -> Iterator[Path]:
    """SQLite's online copy, beside the archive: the running hub writes on meanwhile and is never held up."""
    source = Path(make_url(url).database or "")
    if not source.is_file():
        raise StoreError(f"There is no database {source}: nothing to back up.")
    with tempfile.TemporaryDirectory(prefix=".hub-backup-", dir=folder) as temporary:
        copy = Path(temporary) / "copy.db"
        with (
            contextlib.closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=rw", uri=True, timeout=30)) as live,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            live.backup(target)
            _refuse_damage(target, source)
        yield copy


def _refuse_damage(connection: sqlite3.Connection, shown: Path) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found[0] != "ok":
        raise StoreError(f"{shown} is damaged ({found[0]}): it cannot be backed up, restore an earlier backup.")


def _quiet_sqlite(path: Path) -> Engine:
    return create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool)


def _revision(connection: Connection) -> str:
    """The snapshot's revision. Raises StoreError unless it is this program's: other tables would be missed."""
    found = migrate.revision_of(connection)
    if found == migrate.head_revision():
        return found
    if found is None:
        raise StoreError("The database has no tables of the hub: nothing to back up.")
    if found not in migrate.known_revisions():
        raise StoreError(f"The database was written by a newer version of the hub (revision {found}): use that one.")
    raise StoreError(
        f"The database is of an older version (revision {found}): start the hub once, or use that version."
    )


def _write_archive(out: IO[bytes], connection: Connection, revision: str, now: UtcMs) -> Manifest:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        manifest = Manifest(
            format=FORMAT,
            hub_version=importlib.metadata.version("property-hub"),
            schema_revision=revision,
            made_at=iso(now),
            tables=tuple(_write_table(archive, connection, table) for table in metadata.sorted_tables),
        )
        archive.writestr(MANIFEST, json.dumps(msgspec.to_builtins(manifest), indent=1, ensure_ascii=False))
    return manifest


def _write_table(archive: zipfile.ZipFile, connection: Connection, table: Table) -> TableEntry:
    digest, count = hashlib.sha256(), 0
    columns = tuple(ColumnEntry(str(column.name), type_word(column)) for column in table.columns)
    rows = connection.execute(
        select(table).order_by(*table.primary_key.columns), execution_options={"yield_per": ROWS_AT_A_TIME}
    )
    with archive.open(f"tables/{table.name}.jsonl", "w", force_zip64=True) as file:
        for batch in rows.partitions():
            lines = b"".join(encoded(row) for row in batch)
            digest.update(lines)
            file.write(lines)
            count += len(batch)
    return TableEntry(str(table.name), columns, count, digest.hexdigest())
