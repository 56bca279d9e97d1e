"""Changing the keys of personal data: a new key is written first, everything is locked anew, only then the old one goes.

Safe against kill at any point: what is locked names its key, and a run that was cut off is finished before another begins.
No hub may run meanwhile, because it would go on locking with the old key.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, func, select

from hub.cards import audit
from hub.cards.secrecy import KeyRing, Locked, copy_context, new_key
from hub.settings.keys import AUDIT
from hub.store.database import Store
from hub.store.schema import card_assignments, id_copies
from hub.vocabulary.instants import UtcMs

log = logging.getLogger(__name__)

ROWS_AT_A_TIME: Final = 200


class Rotated(msgspec.Struct, frozen=True):
    """Rows that were locked anew; `unreadable`: numbers of before encryption, of which only the last four stay."""

    numbers: int
    copies: int
    unreadable: int


def with_new_key(keys: Mapping[str, bytes]) -> dict[str, bytes]:
    """The keys with another one in front."""
    return {**dict([new_key()]), **keys}


def without_old(keys: Mapping[str, bytes]) -> dict[str, bytes]:
    """The keys without those that lock nothing any more."""
    current = next(name for name in keys if name != AUDIT)
    return {name: key for name, key in keys.items() if name in {current, AUDIT}}


def waiting(store: Store, ring: KeyRing) -> int:
    """Rows that are locked with another key than the current one."""
    with store.read() as connection:
        numbers = select(func.count()).where(card_assignments.c.id_key.is_not(None), *_old_numbers(ring))
        copies = select(func.count()).where(*_old_copies(ring))
        return int(connection.execute(numbers).scalar_one() + connection.execute(copies).scalar_one())


def locked_with(store: Store) -> dict[str, int]:
    """Name of a key → how much it locks."""
    counts: dict[str, int] = {}
    with store.read() as connection:
        for column in (card_assignments.c.id_key, id_copies.c.key_id):
            there = column.is_not(None) if column is card_assignments.c.id_key else id_copies.c.cipher.is_not(None)
            statement = select(column, func.count()).where(there).group_by(column)
            for name, count in connection.execute(statement):
                counts[name] = counts.get(name, 0) + int(count)
    return counts


def tell_missing(store: Store, ring: KeyRing) -> dict[str, int]:
    """Keys that are not here, with how much they lock; in the log, because nothing else stops for it."""
    missing = {name: count for name, count in locked_with(store).items() if name not in ring.names}
    for name, count in missing.items():
        log.error(
            "%d identity numbers or copies are locked with the key %s, which is not here: put it back", count, name
        )
    return missing


def locked_anew_with(store: Store, ring: KeyRing, now: UtcMs) -> Rotated:
    """Everything under the current key, in small transactions. Raises SecrecyError: a key is missing; nothing is lost."""
    done = {"numbers": 0, "copies": 0, "unreadable": 0}
    while True:
        with store.write() as connection:
            changed = _numbers(connection, ring, done) or _copies(connection, ring, done)
            if not changed:
                entry = audit.Entry(
                    by="hub keys rotate", action=audit.Action.KEYS_ROTATED, detail={**done, "key": ring.current}
                )
                audit.append(connection, ring.chain, entry, now)
                return Rotated(**done)


def _old_numbers(ring: KeyRing) -> tuple[Any, ...]:
    return (card_assignments.c.id_key != ring.current,)


def _old_copies(ring: KeyRing) -> tuple[Any, ...]:
    return (id_copies.c.cipher.is_not(None), id_copies.c.key_id != ring.current)


def _numbers(connection: Connection, ring: KeyRing, done: dict[str, int]) -> bool:
    statement = select(card_assignments).where(*_old_numbers(ring)).order_by(card_assignments.c.id)
    rows = connection.execute(statement.limit(ROWS_AT_A_TIME)).all()
    for row in rows:
        connection.execute(
            card_assignments.update().where(card_assignments.c.id == row.id).values(**_number(row, ring, done))
        )
    return bool(rows)


def _number(row: Row[Any], ring: KeyRing, done: dict[str, int]) -> dict[str, Any]:
    if row.id_cipher is None:  # a digest of before: without the number there is no digest under another key
        done["unreadable"] += 1
        return {"id_digest": None, "id_key": None}
    sealed = ring.seal(ring.open_number(row.id_cipher, row.id_key, row.id_digest))
    done["numbers"] += 1
    return {"id_digest": sealed.digest, "id_cipher": sealed.cipher, "id_key": sealed.key_id}


def _copies(connection: Connection, ring: KeyRing, done: dict[str, int]) -> bool:
    statement = select(id_copies).where(*_old_copies(ring)).order_by(id_copies.c.id).limit(10)
    rows = connection.execute(statement).all()
    for row in rows:
        context = copy_context(row.assignment_id)
        locked = ring.lock(ring.unlock(Locked(row.cipher, row.key_id), context), context)
        connection.execute(
            id_copies.update().where(id_copies.c.id == row.id).values(cipher=locked.cipher, key_id=locked.key_id)
        )
        done["copies"] += 1
    return bool(rows)
