"""Keys of webhooks that were made here: derived from a file beside the data and a salt in the database.

So no table, no backup and no answer that is kept for repeats ever holds a secret, and yet the hub can sign with it. The
fingerprint tells when the file is another one than the keys were made with.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from hub.pipeline.publication_plan import KEY_OVERLAP_MS
from hub.store.schema import publication_keys
from hub.vocabulary.instants import UtcMs

KEY_FILE: Final = "webhooks.key"
KEY_BYTES: Final = 32
_PURPOSE: Final = b"webhook signing key, version 1\0"


class KeyRow(msgspec.Struct, frozen=True):
    """One key; `ends_at` None: the newest."""

    salt: str
    fingerprint: str
    ends_at: UtcMs | None


class WebhookKeys:
    """Derives the keys of all webhooks of this installation."""

    def __init__(self, master: bytes) -> None:
        """Raises ValueError for a key that is too short."""
        if len(master) < KEY_BYTES:
            raise ValueError(f"the key of webhooks' secrets needs {KEY_BYTES} bytes")
        self._master = master

    def derive(self, salt: str) -> bytes:
        """The same for ever, as long as the file stays."""
        return hmac.new(self._master, _PURPOSE + salt.encode(), hashlib.sha256).digest()

    def in_use(self, rows: Sequence[KeyRow], now: UtcMs) -> list[bytes]:
        """Keys that sign now, newest first; those of another file are left out, so that nothing is signed wrongly."""
        return [
            key
            for row in rows
            if (row.ends_at is None or row.ends_at > now)
            and fingerprint(key := self.derive(row.salt)) == row.fingerprint
        ]

    def add(self, connection: Connection, publication_id: int, now: UtcMs) -> bytes:
        """A new key; the one in use goes on for a day beside it, older ones end at once."""
        keys = publication_keys
        connection.execute(keys.delete().where(keys.c.publication_id == publication_id, keys.c.ends_at.is_not(None)))
        connection.execute(
            keys.update().where(keys.c.publication_id == publication_id).values(ends_at=now + KEY_OVERLAP_MS)
        )
        salt = secrets.token_hex(16)
        key = self.derive(salt)
        connection.execute(
            keys.insert().values(
                publication_id=publication_id, salt=salt, fingerprint=fingerprint(key), created_at=now, ends_at=None
            )
        )
        return key


def new_master() -> bytes:
    """For the file, once."""
    return secrets.token_bytes(KEY_BYTES)


def fingerprint(key: bytes) -> str:
    """Tells keys apart and gives nothing away."""
    return hashlib.sha256(key).hexdigest()[:16]


def rows_of(connection: Connection, publication_id: int) -> list[KeyRow]:
    """All keys of a publication, newest first."""
    keys = publication_keys
    rows = connection.execute(
        select(keys.c.salt, keys.c.fingerprint, keys.c.ends_at)
        .where(keys.c.publication_id == publication_id)
        .order_by(keys.c.id.desc())
    )
    return [KeyRow(*row) for row in rows]


def drop(connection: Connection, publication_id: int) -> None:
    """The publication is over, and so are its keys."""
    connection.execute(publication_keys.delete().where(publication_keys.c.publication_id == publication_id))
