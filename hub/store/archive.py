"""The archive of a backup: a zip with one JSON-lines file per table and `manifest.json` with columns, row counts and SHA-256.

One neutral format for SQLite and PostgreSQL: five types of columns, bytes as base64. A table is never held in memory at once.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Float, LargeBinary, MetaData, Table, Text
from sqlalchemy.types import TypeEngine

from hub.store import migrate
from hub.store.database import StoreError

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
ROWS_AT_A_TIME: Final = 1_000
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


def type_word(column: Column[Any]) -> Literal["integer", "text", "boolean", "bytes", "real"]:
    return _WORDS[column.type.python_type]


def encoded(row: Sequence[Any]) -> bytes:
    """One line; bytes become base64 text, which their column's type tells apart."""
    values = [base64.b64encode(value).decode() if isinstance(value, bytes) else value for value in row]
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


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


def verified(archive: zipfile.ZipFile, file: Path) -> Manifest:
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


def table_of(entry: TableEntry) -> Table:
    """By the manifest, not by today's schema: an older backup has older columns."""
    return Table(entry.name, MetaData(), *(Column(column.name, _TYPES[column.type]) for column in entry.columns))


def batches(lines: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for line in lines:
        batch.append(line)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def decoded(line: bytes, columns: tuple[ColumnEntry, ...]) -> dict[str, Any]:
    values = json.loads(line)
    return {
        column.name: base64.b64decode(value) if column.type == "bytes" and value is not None else value
        for column, value in zip(columns, values, strict=True)
    }
