"""Renovations: a permit's number groups the passes that were issued for it, and says which of them are not back yet.

Functions of a connection, called within a step. A pass is settled when it was handed back, when a penalty stands for it, or
when another pass was issued in its place; until all are settled no deposit of the works is paid back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from hub.cards import deposits, ledger
from hub.cards.ledger import ObjectState
from hub.store.schema import card_assignments, works
from hub.vocabulary.instants import UtcMs

BACK = frozenset(
    {
        ObjectState.RETURNED,
        ObjectState.IN_STOCK,
        ObjectState.CONFISCATED,
        ObjectState.FOUND,
        ObjectState.DAMAGED,
        ObjectState.DESTROYED,
    }
)
"""Where an object is that the company has again."""


class NewWorks(msgspec.Struct, frozen=True, kw_only=True):
    """A renovation as the permit describes it. `until`: the permit's end; None: not known."""

    site: str
    unit: str
    reference: str
    contractor: str = ""
    until: UtcMs | None = None


def enter(connection: Connection, new: NewWorks, by: str, now: UtcMs) -> int:
    """A renovation begins; its key."""
    statement = works.insert().values(
        site=new.site,
        unit=new.unit,
        reference=new.reference,
        contractor=new.contractor,
        until=new.until,
        opened_at=now,
        opened_by=by,
        revision=1,
    )
    added: int = connection.execute(statement.returning(works.c.id)).scalar_one()
    return added


def one(connection: Connection, key: int) -> Row[Any] | None:
    """A renovation."""
    return connection.execute(select(works).where(works.c.id == key)).one_or_none()


def by_reference(connection: Connection, site: str, reference: str) -> Row[Any] | None:
    """The renovation with this permit."""
    same = (works.c.site == site, works.c.reference == reference)
    return connection.execute(select(works).where(*same)).one_or_none()


def change(connection: Connection, key: int, **values: Any) -> None:
    """Another state of it."""
    connection.execute(works.update().where(works.c.id == key).values(**values, revision=works.c.revision + 1))


def page(
    connection: Connection, sites: Collection[str], site: str | None, unit: str | None, before: int | None, limit: int
) -> Sequence[Row[Any]]:
    """Renovations, newest first; `sites` empty: all."""
    statement = select(works).order_by(works.c.id.desc()).limit(limit)
    if sites:
        statement = statement.where(works.c.site.in_(sorted(sites)))
    if site is not None:
        statement = statement.where(works.c.site == site)
    if unit is not None:
        statement = statement.where(works.c.unit == unit)
    if before is not None:
        statement = statement.where(works.c.id < before)
    return connection.execute(statement).all()


def passes(connection: Connection, key: int) -> Sequence[Row[Any]]:
    """The passes of a renovation with their numbers, oldest first."""
    mine = card_assignments.c.works_id == key
    return connection.execute(ledger.with_number().where(mine).order_by(card_assignments.c.id)).all()


def line_members(connection: Connection, line: int) -> Sequence[Row[Any]]:
    """The first pass of a line and all that were issued in place of it, one after the other."""
    found: list[Row[Any]] = []
    key: int | None = line
    while key is not None:
        row = ledger.one(connection, key)
        if row is None:
            break
        found.append(row)
        key = ledger.replacement_of(connection, key)
    return found


def outstanding(connection: Connection, key: int) -> Sequence[Row[Any]]:
    """The passes of a renovation that are not settled."""
    return unsettled(connection, passes(connection, key))


def unsettled(connection: Connection, rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    """Those of these cards that are neither back, nor penalised, nor replaced."""
    keys = [row.id for row in rows]
    replaced = set(
        connection.execute(
            select(card_assignments.c.replaces_id).where(card_assignments.c.replaces_id.in_(keys))
        ).scalars()
    )
    penalties = deposits.standing(deposits.about(connection, keys), deposits.DepositAct.FORFEITED)
    penalised = {row.about_id for row in penalties if row.reason == deposits.Penalty.LOST_PASS}
    return [row for row in rows if row.id not in replaced | penalised and not handed_back(connection, row)]


def handed_back(connection: Connection, row: Row[Any]) -> bool:
    """Whether the company has (or had) the object back from this holder: it is here, or somebody else got it since."""
    if row.state == ledger.CardState.ENDED and row.object_state in BACK:
        return True
    later = (card_assignments.c.card_id == row.card_id, card_assignments.c.id > row.id)
    return connection.execute(select(card_assignments.c.id).where(*later).limit(1)).first() is not None
