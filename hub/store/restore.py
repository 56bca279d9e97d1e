"""Restore into an empty place: all or nothing.

Everything is verified before anything is written, and a half-filled place is never left.
"""

from __future__ import annotations

import os
import sqlite3
import zipfile
import zlib
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from hub.store import migrate
from hub.store.archive import ROWS_AT_A_TIME, Manifest, TableEntry, batches, decoded, table_of, verified
from hub.store.database import StoreError, explain
from hub.store.schema import metadata

SEEDED: Final = frozenset({"meta", "feed_head"})
"""Tables that a migration or a first start fills by itself: they do not make a place used."""


def restore(url: str, file: Path) -> Manifest:
    """Fill the empty database at `url` from the archive. Raises StoreError; then the place is as it was."""
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = verified(archive, file)
            if make_url(url).get_backend_name() == "sqlite":
                _restore_sqlite(url, archive, manifest)
            else:
                _restore_postgresql(url, archive, manifest)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise StoreError(f"{file} is damaged or no backup of the hub ({error}); nothing was restored.") from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StoreError(explain(error, url)) from error
    except OSError as error:
        raise StoreError(f"The backup {file} cannot be restored: {error.strerror or error}.") from error
    return manifest


def _restore_sqlite(url: str, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    """Into a file beside the place, which takes it only when complete."""
    target = Path(make_url(url).database or "")
    target.parent.mkdir(parents=True, exist_ok=True)
    _refuse_used_file(target)
    part = target.with_name(f".{target.name}.restoring")
    part.unlink(missing_ok=True)
    try:
        engine = create_engine(URL.create("sqlite", database=str(part)), poolclass=NullPool)
        event.listen(engine, "connect", _enforce_references)
        try:
            _fill(engine, archive, manifest)
        finally:
            engine.dispose()
        with part.open("rb") as file:
            os.fsync(file.fileno())
        _take_place(part, target)
    finally:
        part.unlink(missing_ok=True)


def _enforce_references(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON")


def _refuse_used_file(target: Path) -> None:
    if target.exists() and target.stat().st_size:
        raise StoreError(f"{target} is there already: restore into an empty place, nothing was changed.")
    for leftover in (Path(f"{target}-wal"), Path(f"{target}-journal")):
        if leftover.exists():
            raise StoreError(f"{leftover} of another database is still there: move it away, nothing was changed.")


def _take_place(part: Path, target: Path) -> None:
    if target.exists() and not target.stat().st_size:
        target.unlink()
    try:
        target.hardlink_to(part)  # unlike a rename it fails when somebody else was first
    except FileExistsError:
        raise StoreError(f"{target} came into being meanwhile: nothing was changed.") from None
    if os.name != "nt":  # a directory cannot be synced there
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _restore_postgresql(url: str, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    engine = create_engine(url, poolclass=NullPool)
    try:
        had_tables = _refuse_used_database(engine)
        try:
            if had_tables:  # of an earlier try that was cut off, or of a first start
                _drop_tables(engine)
            _fill(engine, archive, manifest)
        except BaseException:
            _drop_tables(engine)
            raise
    finally:
        engine.dispose()


def _refuse_used_database(engine: Engine) -> bool:
    """Raises StoreError when a table of ours or of anybody holds a row; True when there are empty tables of ours."""
    names = set(inspect(engine).get_table_names())
    ours = set(metadata.tables) | {"alembic_version"}
    with engine.connect() as connection:
        for name in sorted(names):
            if name not in ours:
                raise StoreError(f"The database holds another table ({name}): restore into an empty place.")
            quoted = connection.dialect.identifier_preparer.quote(name)
            statement = text(f"SELECT 1 FROM {quoted} LIMIT 1")  # noqa: S608 - a quoted name of our own schema
            if name not in SEEDED | {"alembic_version"} and connection.execute(statement).first() is not None:
                raise StoreError("The database is not empty: restore into an empty place, nothing was changed.")
    return bool(names)


def _drop_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        for name in inspect(connection).get_table_names():
            quoted = connection.dialect.identifier_preparer.quote(name)
            connection.execute(text(f"DROP TABLE {quoted} CASCADE"))


def _fill(engine: Engine, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    """The tables as they were, every row, then today's shape."""
    migrate.create_at(engine, manifest.schema_revision)
    with engine.begin() as connection:
        for entry in reversed(manifest.tables):
            connection.execute(table_of(entry).delete())  # what the migration has seeded
        for entry in manifest.tables:
            _fill_table(connection, archive, entry)
        if connection.dialect.name == "postgresql":
            _continue_sequences(connection, manifest)
    migrate.bring_up_to_date(engine, seen_by=engine)


def _fill_table(connection: Connection, archive: zipfile.ZipFile, entry: TableEntry) -> None:
    table = table_of(entry)
    with archive.open(entry.file) as lines:
        for rows in batches(lines, ROWS_AT_A_TIME):
            connection.execute(table.insert(), [decoded(row, entry.columns) for row in rows])


def _continue_sequences(connection: Connection, manifest: Manifest) -> None:
    """PostgreSQL hands out the next key after the highest restored one; SQLite does so by itself."""
    for entry in manifest.tables:
        for column in entry.columns:
            if column.type != "integer":
                continue
            names = {"table": entry.name, "column": column.name}
            sequence = connection.execute(text("SELECT pg_get_serial_sequence(:table, :column)"), names).scalar()
            if sequence is not None:
                key = table_of(entry).c[column.name]
                highest = connection.execute(select(key).order_by(key.desc()).limit(1)).scalar()
                if highest is not None:
                    connection.execute(text("SELECT setval(:sequence, :key)"), {"sequence": sequence, "key": highest})
