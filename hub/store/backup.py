"""Backup while running and restore into an empty place, in one format for SQLite and PostgreSQL.

The archive is a zip: one JSON-lines file per table and `manifest.json` with columns, row counts and SHA-256. It holds one
moment: an online copy on SQLite, one REPEATABLE READ snapshot on PostgreSQL. Rows are streamed, never a table at once.
A restore is all or nothing: everything is verified before anything is written, and a half-filled place is never left.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.metadata
import json
import os
import sqlite3
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, Literal

import msgspec
from sqlalchemy import (
    URL,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    LargeBinary,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeEngine

from hub.store import migrate
from hub.store.database import StoreError, explain
from hub.store.schema import metadata
from hub.vocabulary.instants import UtcMs, iso

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
ROWS_AT_A_TIME: Final = 1_000
SEEDED: Final = frozenset({"meta", "feed_head"})
"""Tables that a migration or a first start fills by itself: they do not make a place used."""

_TYPES: Final[Mapping[str, TypeEngine[Any]]] = {
    "integer": BigInteger(),
    "text": Text(),
    "boolean": Boolean(),
    "bytes": LargeBinary(),
    "real": Float(),
}

_WORDS: Final[Mapping[type, Literal["integer", "text", "boolean", "bytes", "real"]]] = {
    int: "integer",
    str: "text",
    bool: "boolean",
    bytes: "bytes",
    float: "real",
}


class ColumnEntry(msgspec.Struct, frozen=True):
    """A column and which of the five neutral types it has."""

    name: str
    type: Literal["integer", "text", "boolean", "bytes", "real"]


class TableEntry(msgspec.Struct, frozen=True):
    """One table of the archive; `sha256` is of the uncompressed file."""

    name: str
    columns: tuple[ColumnEntry, ...]
    rows: int
    sha256: str

    @property
    def file(self) -> str:
        return f"tables/{self.name}.jsonl"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the archive says of itself; tables stand in the order in which they can be filled."""

    format: int
    hub_version: str
    schema_revision: str
    made_at: str
    tables: tuple[TableEntry, ...]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


# --- backup -----------------------------------------------------------------------------------------------


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
    columns = tuple(ColumnEntry(str(column.name), _type_word(column)) for column in table.columns)
    rows = connection.execute(
        select(table).order_by(*table.primary_key.columns), execution_options={"yield_per": ROWS_AT_A_TIME}
    )
    with archive.open(f"tables/{table.name}.jsonl", "w", force_zip64=True) as file:
        for batch in rows.partitions():
            lines = b"".join(_encoded(row) for row in batch)
            digest.update(lines)
            file.write(lines)
            count += len(batch)
    return TableEntry(str(table.name), columns, count, digest.hexdigest())


def _type_word(column: Column[Any]) -> Literal["integer", "text", "boolean", "bytes", "real"]:
    return _WORDS[column.type.python_type]


def _encoded(row: Sequence[Any]) -> bytes:
    """One line; bytes become base64 text, which their column's type tells apart."""
    values = [base64.b64encode(value).decode() if isinstance(value, bytes) else value for value in row]
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


# --- restore ----------------------------------------------------------------------------------------------


def restore(url: str, file: Path) -> Manifest:
    """Fill the empty database at `url` from the archive. Raises StoreError; then the place is as it was."""
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = _verified(archive, file)
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


def read_manifest(archive: zipfile.ZipFile, file: Path) -> Manifest:
    """Raises StoreError when this is no backup, or one that only a newer hub understands."""
    try:
        head = json.loads(archive.read(MANIFEST))
        newer = head["format"] > FORMAT
    except (KeyError, ValueError, TypeError) as error:
        raise StoreError(f"{file} is no backup of the hub; nothing was restored.") from error
    if newer or head.get("schema_revision") not in migrate.known_revisions():
        version = head.get("hub_version", "unknown")
        raise StoreError(
            f"{file} was made by a newer hub (version {version}): install that version; nothing was restored."
        )
    try:
        return msgspec.convert(head, Manifest)
    except msgspec.ValidationError as error:
        raise StoreError(f"{file} has a damaged manifest ({error}); nothing was restored.") from error


def _verified(archive: zipfile.ZipFile, file: Path) -> Manifest:
    """Everything is read once and compared with its digest before anything is written."""
    manifest = read_manifest(archive, file)
    for table in manifest.tables:
        digest, count = hashlib.sha256(), 0
        try:
            with archive.open(table.file) as lines:
                for line in lines:
                    digest.update(line)
                    count += 1
        except KeyError:
            raise StoreError(f"{file} is damaged: {table.file} is missing; nothing was restored.") from None
        if (count, digest.hexdigest()) != (table.rows, table.sha256):
            raise StoreError(f"{file} is damaged: {table.file} was changed; nothing was restored.")
    return manifest


def _restore_sqlite(url: str, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    """Into a file beside the place, which takes it only when complete."""
    target = Path(make_url(url).database or "")
    target.parent.mkdir(parents=True, exist_ok=True)
    _refuse_used_file(target)
    part = target.with_name(f".{target.name}.restoring")
    part.unlink(missing_ok=True)
    try:
        engine = _quiet_sqlite(part)
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
            connection.execute(_table(entry).delete())  # what the migration has seeded
        for entry in manifest.tables:
            _fill_table(connection, archive, entry)
        if connection.dialect.name == "postgresql":
            _continue_sequences(connection, manifest)
    migrate.bring_up_to_date(engine, is_sqlite=engine.dialect.name == "sqlite")


def _table(entry: TableEntry) -> Table:
    """By the manifest, not by today's schema: an older backup has older columns."""
    return Table(entry.name, MetaData(), *(Column(column.name, _TYPES[column.type]) for column in entry.columns))


def _fill_table(connection: Connection, archive: zipfile.ZipFile, entry: TableEntry) -> None:
    table = _table(entry)
    with archive.open(entry.file) as lines:
        for rows in _batches(lines, ROWS_AT_A_TIME):
            connection.execute(table.insert(), [_decoded(row, entry.columns) for row in rows])


def _batches(lines: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for line in lines:
        batch.append(line)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _decoded(line: bytes, columns: tuple[ColumnEntry, ...]) -> dict[str, Any]:
    values = json.loads(line)
    return {
        column.name: base64.b64decode(value) if column.type == "bytes" and value is not None else value
        for column, value in zip(columns, values, strict=True)
    }


def _continue_sequences(connection: Connection, manifest: Manifest) -> None:
    """PostgreSQL hands out the next key after the highest restored one; SQLite does so by itself."""
    for entry in manifest.tables:
        for column in entry.columns:
            if column.type != "integer":
                continue
            names = {"table": entry.name, "column": column.name}
            sequence = connection.execute(text("SELECT pg_get_serial_sequence(:table, :column)"), names).scalar()
            if sequence is not None:
                key = _table(entry).c[column.name]
                highest = connection.execute(select(key).order_by(key.desc()).limit(1)).scalar()
                if highest is not None:
                    connection.execute(text("SELECT setval(:sequence, :key)"), {"sequence": sequence, "key": highest})
