"""Answers kept under the caller's Idempotency-Key, so that a repeated write gets the first one's answer.

A key is taken before the write begins (status 0) and gets its answer afterwards; one that was taken and never answered,
because the process died between, is free again after a minute. `hub.store.retention` deletes what is old.
"""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from hub.store.database import Store
from hub.store.schema import idempotency
from hub.vocabulary.instants import DAY_MS, MINUTE_MS, UtcMs

KEPT_MS: Final = DAY_MS
ABANDONED_MS: Final = MINUTE_MS
RUNNING: Final = 0


class KeptAnswer(msgspec.Struct, frozen=True):
    """What stands under a key. `status` 0: the first request is still running."""

    request_digest: bytes
    status: int
    body: bytes


def take(store: Store, principal: str, key: str, request_digest: bytes, now: UtcMs) -> KeptAnswer | None:
    """Take the key for this request; what stands under it already where it was taken before."""
    ours = (idempotency.c.principal == principal) & (idempotency.c.key == key)
    over = (idempotency.c.created_at < now - KEPT_MS) | (
        (idempotency.c.status == RUNNING) & (idempotency.c.created_at < now - ABANDONED_MS)
    )
    row = {
        "principal": principal,
        "key": key,
        "request_digest": request_digest,
        "status": RUNNING,
        "body": b"",
        "created_at": now,
    }
    try:
        with store.write() as connection:
            connection.execute(idempotency.delete().where(ours & over))
            connection.execute(idempotency.insert().values(row))
    except IntegrityError:
        with store.read() as connection:
            found = connection.execute(select(idempotency).where(ours)).one_or_none()
        return KeptAnswer(bytes(found.request_digest), found.status, bytes(found.body)) if found else None
    return None


def keep(store: Store, principal: str, key: str, status: int, body: bytes) -> None:
    """Put the answer under the key."""
    ours = (idempotency.c.principal == principal) & (idempotency.c.key == key)
    with store.write() as connection:
        connection.execute(idempotency.update().where(ours).values(status=status, body=body))


def give_back(store: Store, principal: str, key: str) -> None:
    """Nothing was done: the key is free again."""
    ours = (idempotency.c.principal == principal) & (idempotency.c.key == key)
    with store.write() as connection:
        connection.execute(idempotency.delete().where(ours))
