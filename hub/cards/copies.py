"""Copies of identity documents: optional, under lock, and gone when the card that they were made for is settled.

A copy is sensitive personal data (GB/T 45574-2025): whoever opens one is in the audit. Functions within a step or a job.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from hub.cards import deposits, ledger, works
from hub.cards.ledger import CardState
from hub.cards.secrecy import KeyRing, Locked, copy_context
from hub.store.schema import card_assignments, id_copies
from hub.vocabulary.instants import UtcMs

MEDIA_TYPES: Final = ("image/jpeg", "image/png", "application/pdf")
LARGEST_BYTES: Final = 2 * 1024 * 1024
SETTLED: Final = "settled"


def put(
    connection: Connection, ring: KeyRing, assignment: int, media_type: str, content: bytes, by: str, now: UtcMs
) -> int:
    """Another copy for a card; one that there is goes. Its key."""
    delete(connection, [assignment], "replaced", now)
    locked = ring.lock(content, copy_context(assignment))
    statement = id_copies.insert().values(
        assignment_id=assignment,
        media_type=media_type,
        size_bytes=len(content),
        cipher=locked.cipher,
        key_id=locked.key_id,
        at=now,
        by=by,
    )
    added: int = connection.execute(statement.returning(id_copies.c.id)).scalar_one()
    return added


def one(connection: Connection, assignment: int) -> Row[Any] | None:
    """The copy of a card that is still there."""
    mine = (id_copies.c.assignment_id == assignment, id_copies.c.cipher.is_not(None))
    return connection.execute(select(id_copies).where(*mine)).one_or_none()


def opened(ring: KeyRing, row: Row[Any]) -> bytes:
    """Its content. Raises SecrecyError."""
    return ring.unlock(Locked(row.cipher, row.key_id), copy_context(row.assignment_id))


def delete(connection: Connection, assignments: Collection[int], why: str, now: UtcMs) -> int:
    """Take the content of these cards' copies away; how many there were. That there was one stays known."""
    mine = (id_copies.c.assignment_id.in_(sorted(assignments)), id_copies.c.cipher.is_not(None))
    gone = id_copies.update().where(*mine).values(cipher=None, deleted_at=now, deleted_why=why)
    return connection.execute(gone).rowcount


def delete_settled(connection: Connection, assignments: Collection[int], now: UtcMs) -> int:
    """Delete the copies of those of these cards that nothing is open about."""
    rows = connection.execute(
        ledger.with_number()
        .where(card_assignments.c.id.in_(sorted(assignments)), card_assignments.c.state == str(CardState.ENDED))
        .order_by(card_assignments.c.id)
    ).all()
    return delete(connection, [row.id for row in settled(connection, rows)], SETTLED, now)


def waiting(connection: Connection) -> Sequence[int]:
    """Cards that a copy is kept for."""
    statement = select(id_copies.c.assignment_id).where(id_copies.c.cipher.is_not(None))
    return connection.execute(statement.order_by(id_copies.c.assignment_id)).scalars().all()


def settled(connection: Connection, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Those of these cards that are over, with the object back or paid for, and no deposit held for their line."""
    over = [row for row in rows if row.state == CardState.ENDED]
    out = {row.id for row in works.unsettled(connection, over)}
    return [row for row in over if row.id not in out and _held(connection, row) == 0]


def _held(connection: Connection, row: Row[Any]) -> int:
    return deposits.balance(deposits.rows_of(connection, deposits.line_of(connection, row.id))).held_fen
