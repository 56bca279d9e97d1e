"""Input that could not be used: kept with its bytes and the reason, counted where it repeats, replayable after a fix."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, select

from hub.store.schema import rejected
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import Lane, RawMessage
from hub.vocabulary.rejected import Rejected

MAX_DETAIL = 1_000
ACCEPTED = "accepted"


def digest(message: RawMessage, reason: str) -> bytes:
    """The same message rejected for the same reason is one row."""
    content = b"\0".join(
        (message.channel.encode(), message.address.encode("utf-8", "replace"), reason.encode(), message.payload)
    )
    return hashlib.blake2b(content, digest_size=16).digest()


def keep(connection: Connection, message: RawMessage, why: Rejected) -> tuple[int, bool]:
    """Store it, or count on the row that is there; the row's id and whether it is new."""
    key = digest(message, why.reason)
    bump = (
        rejected.update()
        .where(rejected.c.digest == key)
        .values(count=rejected.c["count"] + 1, last_at=message.received_at, outcome=None)
    )
    found = connection.execute(bump.returning(rejected.c.id)).scalar_one_or_none()
    if found is not None:
        return int(found), False
    inserted = connection.execute(
        rejected.insert().values(
            digest=key,
            site=_clean(why.site),
            device=_clean(why.device),
            channel=message.channel,
            address=_clean(message.address),
            payload=message.payload,
            lane=int(message.lane),
            reason=str(why.reason),
            detail=_clean(why.detail)[:MAX_DETAIL],
            received_at=message.received_at,
            last_at=message.received_at,
            count=1,
        )
    )
    assert inserted.inserted_primary_key is not None
    return int(inserted.inserted_primary_key[0]), True


def fetch(connection: Connection, rejected_id: int) -> RawMessage | None:
    """The message of a row, ready to go through again; None where there is no such row."""
    row = connection.execute(select(rejected).where(rejected.c.id == rejected_id)).one_or_none()
    if row is None:
        return None
    return RawMessage(
        channel=row.channel,
        address=row.address,
        payload=bytes(row.payload),
        received_at=row.received_at,
        lane=Lane.ALARM,  # a person waits for the outcome; the message is decided ahead of the question
        replay_of=row.id,
    )


def settle(connection: Connection, rejected_id: int, outcome: str, now: UtcMs) -> None:
    """What came of a replay."""
    statement = rejected.update().where(rejected.c.id == rejected_id)
    connection.execute(statement.values(replayed_at=now, outcome=outcome))


def outcome(connection: Connection, rejected_id: int) -> str:
    """What came of the last replay; `waiting` where there was none."""
    found = connection.execute(select(rejected.c.outcome).where(rejected.c.id == rejected_id)).scalar_one_or_none()
    return found or "waiting"


def _clean(text: str) -> str:
    """Text that every database takes: no NUL, no lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
