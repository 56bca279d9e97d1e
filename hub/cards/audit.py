"""Who read or took out what about people, in a chain: each row carries the digest of the one before, under a key.

Rows are only ever added, by `append`, within the transaction that they speak of. Without the key nobody can write a row that
fits, so that a changed, a missing and a made-up row are all found; what was cut off at the end is found by comparing with
the head that was printed earlier.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, select

from hub.store.database import set_meta
from hub.store.schema import audit, meta
from hub.vocabulary.instants import MINUTE_MS, DurationMs, UtcMs

HEAD: Final = "audit_head"
READ_AGAIN_MS: Final[DurationMs] = MINUTE_MS
"""Whoever looks at the same thing again within this time has read it once."""
ROWS_AT_A_TIME: Final = 1_000


class Action(StrEnum):
    """What was done."""

    READ = "read"
    LIST = "list"
    REVEAL = "reveal"
    COPY_READ = "copy_read"
    EXPORT = "export"
    PERSON_EXPORT = "person_export"
    ERASE = "erase"
    RETENTION = "retention"
    KEYS_ROTATED = "keys_rotated"


class Chain:
    """Signs rows with one key; `key_id` is written beside them."""

    def __init__(self, key_id: str, key: bytes) -> None:
        self.key_id = key_id
        self._key = key

    def digest(self, previous: str, values: Mapping[str, Any]) -> str:
        """Of a row and all before it."""
        text = previous.encode() + b"\n" + msgspec.json.encode(values, order="deterministic")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A row to be written. `subject` names what was read (`cards/7`), never a person; `reason` is the reader's own."""

    by: str
    roles: Collection[str] = ()
    action: Action
    site: str = ""
    subject: str = ""
    reason: str = ""
    detail: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Head(msgspec.Struct, frozen=True):
    """The newest row: its number and digest."""

    seq: int
    digest: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.digest}"


class Finding(msgspec.Struct, frozen=True):
    """Where the chain is broken, and how. `seq` 0: at its end."""

    seq: int
    problem: str


def head(connection: Connection, *, lock: bool = False) -> Head:
    """Where the chain ends. `lock`: for whoever adds to it; on PostgreSQL the others wait until the commit."""
    statement = select(meta.c.value).where(meta.c.key == HEAD)
    stored = connection.execute(statement.with_for_update() if lock else statement).scalar_one_or_none() or "0:"
    seq, _, digest = stored.partition(":")
    return Head(int(seq), digest)


def append(connection: Connection, chain: Chain, entry: Entry, now: UtcMs) -> Head:
    """Add a row; the new end of the chain."""
    before = head(connection, lock=True)
    values = {
        "seq": before.seq + 1,
        "at": now,
        "by": entry.by,
        "roles": " ".join(sorted(map(str, entry.roles))),
        "action": str(entry.action),
        "site": entry.site,
        "subject": entry.subject,
        "reason": entry.reason,
        "detail_json": msgspec.json.encode(entry.detail, order="deterministic").decode(),
        "key_id": chain.key_id,
    }
    digest = chain.digest(before.digest, values)
    connection.execute(audit.insert().values(**values, previous=before.digest, digest=digest))
    after = Head(before.seq + 1, digest)
    set_meta(connection, HEAD, str(after))
    return after


def read_lately(connection: Connection, entry: Entry, now: UtcMs) -> bool:
    """Whether the same person has just read the same."""
    same = (
        audit.c.by == entry.by,
        audit.c.subject == entry.subject,
        audit.c.at > now - READ_AGAIN_MS,
        audit.c.action == str(entry.action),
        audit.c.site == entry.site,
        audit.c.detail_json == msgspec.json.encode(entry.detail, order="deterministic").decode(),
    )
    return connection.execute(select(audit.c.seq).where(*same).limit(1)).first() is not None


def verify(
    connection: Connection, chains: Mapping[str, Chain], expected: Head | None = None
) -> tuple[Head, tuple[Finding, ...]]:
    """Walk the whole chain; its end and what is wrong with it. `expected`: an end that was printed earlier."""
    findings: list[Finding] = []
    previous, number = "", 0
    seen = None if expected is None or expected.seq else ""
    for row in _rows(connection):
        number += 1
        if row.seq != number:
            findings.append(Finding(number, f"rows {number} to {row.seq - 1} are missing"))
            number = row.seq
        findings += _wrong(row, previous, chains)
        previous = row.digest
        if expected is not None and row.seq == expected.seq:
            seen = row.digest
    end = head(connection)
    if (end.seq, end.digest) != (number, previous):
        findings.append(Finding(0, f"the chain ends at row {number}, the head says {end.seq}"))
    if expected is not None and seen != expected.digest:
        findings.append(Finding(expected.seq, "is not the row that was the end of the chain then"))
    return Head(number, previous), tuple(findings)


def _wrong(row: Row[Any], previous: str, chains: Mapping[str, Chain]) -> list[Finding]:
    chain = chains.get(row.key_id)
    if chain is None:
        return [Finding(row.seq, f"was signed with the key {row.key_id!r}, which is not here")]
    if row.previous != previous:
        return [Finding(row.seq, "does not follow the row before it")]
    names = ("seq", "at", "by", "roles", "action", "site", "subject", "reason", "detail_json", "key_id")
    if not hmac.compare_digest(chain.digest(previous, {name: getattr(row, name) for name in names}), row.digest):
        return [Finding(row.seq, "was changed")]
    return []


def _rows(connection: Connection) -> Iterator[Row[Any]]:
    after = 0
    while True:
        statement = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(ROWS_AT_A_TIME)
        rows = connection.execute(statement).all()
        yield from rows
        if len(rows) < ROWS_AT_A_TIME:
            return
        after = rows[-1].seq


def page(
    connection: Connection,
    sites: Collection[str],
    site: str | None,
    subject: str | None,
    by: str | None,
    before: int | None,
    limit: int,
) -> list[Row[Any]]:
    """Rows, newest first; `sites` empty: all."""
    statement = select(audit).order_by(audit.c.seq.desc()).limit(limit)
    if sites:
        statement = statement.where(audit.c.site.in_(sorted(sites)))
    for column, value in (("site", site), ("subject", subject), ("by", by)):
        if value is not None:
            statement = statement.where(audit.c[column] == value)
    if before is not None:
        statement = statement.where(audit.c.seq < before)
    return list(connection.execute(statement).all())
