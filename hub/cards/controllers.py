"""Rows of access controllers: which life of theirs this is, how full they are, what was missed, what nobody has issued.

Functions of a connection, called within a step. Unknown stays null: a controller that never counted its cards is not empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, Update, and_, bindparam, func, select

from hub.cards.permissions import Desired, Reported
from hub.store.schema import access_controllers, card_permissions, controller_pages
from hub.vocabulary.instants import UtcMs

MARKER: Final = "marker"
"""Format of the entry that proves a list that comes in pieces to be a list, even when it holds no card."""

_table = access_controllers
_HERE: Final = (_table.c.site == bindparam("_site"), _table.c.device == bindparam("_device"))
_ONE: Final = select(_table).where(*_HERE)


def one(connection: Connection, site: str, device: str) -> Row[Any] | None:
    """A controller that has said something; None: never yet."""
    return connection.execute(_ONE, {"_site": site, "_device": device}).one_or_none()


def of_site(connection: Connection, site: str) -> Sequence[Row[Any]]:
    """All that have said something."""
    return connection.execute(select(_table).where(_table.c.site == site).order_by(_table.c.device)).all()


def everywhere(connection: Connection) -> Sequence[Row[Any]]:
    """All of all sites, for connectors that resume."""
    return connection.execute(select(_table)).all()


def ensure(connection: Connection, site: str, device: str, now: UtcMs) -> Row[Any]:
    """The row, made on first sight."""
    found = one(connection, site, device)
    if found is None:
        first = {"site": site, "device": device, "epoch": 1, "epoch_at": now, "missed": 0, "foreign_json": "[]"}
        connection.execute(_table.insert().values(**first))
        found = one(connection, site, device)
        assert found is not None
    return found


def change(connection: Connection, site: str, device: str, values: Mapping[str, Any]) -> None:
    """New values of a row that there is."""
    if values:
        connection.execute(_change(tuple(sorted(values))), {"_site": site, "_device": device, **values})


@cache
def _change(names: tuple[str, ...]) -> Update:
    return _table.update().where(*_HERE).values({name: bindparam(name) for name in names})


def begin_anew(connection: Connection, site: str, device: str) -> int:
    """Another board, or an emptied one: everything that it was told is to be told again; how many doors of cards."""
    here = and_(card_permissions.c.site == site, card_permissions.c.controller == device)
    granted = connection.execute(
        card_permissions.update()
        .where(here, card_permissions.c.desired == str(Desired.GRANTED))
        .values(reported=str(Reported.PENDING), reason=None, command_id=None, commanded_at=None, tries=0)
    )
    return int(granted.rowcount)


def due_at_once(connection: Connection, site: str, device: str, now: UtcMs, *, answered: bool = False) -> None:
    """Whatever is not proved on this controller is to be sent now; `answered`: but not what is on its way already."""
    settled = [str(Reported.CONFIRMED), str(Reported.REMOVED), *([str(Reported.SENT)] if answered else [])]
    open_ = card_permissions.c.reported.not_in(settled)
    connection.execute(
        card_permissions.update()
        .where(card_permissions.c.site == site, card_permissions.c.controller == device, open_)
        .values(next_try_at=now)
    )


class Standing(NamedTuple):
    """Cards that a controller is to hold, and doors of cards that are not yet as they are to be."""

    wanted: int
    unproved: int


def standing(connection: Connection, site: str, device: str) -> Standing:
    """By our book."""
    open_ = card_permissions.c.reported.not_in([str(Reported.CONFIRMED), str(Reported.REMOVED)])
    unproved = select(func.count()).where(
        card_permissions.c.site == site, card_permissions.c.controller == device, open_
    )
    wanted = _cards_where(connection, site, device, card_permissions.c.desired == str(Desired.GRANTED))
    return Standing(wanted, int(connection.execute(unproved).scalar_one()))


def expected_cards(connection: Connection, site: str, device: str) -> int:
    """Cards that this controller has proved to hold, by our book."""
    held = and_(
        card_permissions.c.desired == str(Desired.GRANTED), card_permissions.c.reported == str(Reported.CONFIRMED)
    )
    return _cards_where(connection, site, device, held)


def load_of(connection: Connection, site: str, devices: Iterable[str]) -> dict[str, int]:
    """Places that each controller's list needs: the cards that it is to hold or has not proved to have forgotten, and
    those that nobody has issued.
    """
    found: dict[str, int] = {}
    for device in devices:
        wanted = card_permissions.c.desired == str(Desired.GRANTED)
        lingering = card_permissions.c.reported != str(Reported.REMOVED)
        row = one(connection, site, device)
        foreign = 0 if row is None else len(foreign_of(row))
        found[device] = _cards_where(connection, site, device, wanted | lingering) + foreign
    return found


def _cards_where(connection: Connection, site: str, device: str, condition: Any) -> int:
    number = select(func.count(card_permissions.c.assignment_id.distinct())).where(
        card_permissions.c.site == site, card_permissions.c.controller == device, condition
    )
    return int(connection.execute(number).scalar_one())


def foreign_of(row: Row[Any]) -> list[dict[str, Any]]:
    """Cards on the controller that nobody has issued."""
    found: list[dict[str, Any]] = msgspec.json.decode(row.foreign_json)
    return found


def renew_leases(connection: Connection, site: str, device: str, older_than: UtcMs, now: UtcMs, limit: int) -> int:
    """Cards whose end date on this controller was pushed before `older_than` are to be pushed again; how many doors."""
    mine = (
        select(card_permissions.c.id)
        .where(
            card_permissions.c.site == site,
            card_permissions.c.controller == device,
            card_permissions.c.desired == str(Desired.GRANTED),
            card_permissions.c.reported == str(Reported.CONFIRMED),
            card_permissions.c.commanded_at <= older_than,
            card_permissions.c.next_try_at.is_(None),
        )
        .order_by(card_permissions.c.commanded_at)
        .limit(limit)
    )
    keys = list(connection.execute(mine).scalars())
    if keys:
        connection.execute(card_permissions.update().where(card_permissions.c.id.in_(keys)).values(next_try_at=now))
    return len(keys)


# --- lists that come in pieces ----------------------------------------------------------------------------


def keep_page(connection: Connection, site: str, device: str, card: Mapping[str, Any], now: UtcMs) -> None:
    """One card of such a list; the same card again is the same card."""
    key = {"site": site, "device": device, "format": str(card["format"]), "value": str(card["value"])}
    same = and_(*(controller_pages.c[name] == value for name, value in key.items()))
    connection.execute(controller_pages.delete().where(same))
    doors = msgspec.json.encode(card["doors"]).decode()
    connection.execute(controller_pages.insert().values(**key, doors_json=doors, received_at=now))


def quiet_lists(connection: Connection, site: str, before: UtcMs) -> list[str]:
    """Controllers from whose list nothing has come since `before`: it is over."""
    newest = func.max(controller_pages.c.received_at)
    statement = select(controller_pages.c.device).where(controller_pages.c.site == site)
    return list(connection.execute(statement.group_by(controller_pages.c.device).having(newest <= before)).scalars())


def take_pages(connection: Connection, site: str, device: str) -> list[dict[str, Any]] | None:
    """The whole list as CommandResult.cards names it, None where its marker is missing; its pages are gone afterwards."""
    mine = and_(controller_pages.c.site == site, controller_pages.c.device == device)
    rows = connection.execute(select(controller_pages).where(mine)).all()
    connection.execute(controller_pages.delete().where(mine))
    if not any(row.format == MARKER for row in rows):
        return None
    return [
        {"format": row.format, "value": row.value, "doors": msgspec.json.decode(row.doors_json)}
        for row in rows
        if row.format != MARKER
    ]


def drop_pages(connection: Connection, site: str, device: str) -> None:
    """A list is asked for anew: what came of the one before is no part of it."""
    connection.execute(
        controller_pages.delete().where(controller_pages.c.site == site, controller_pages.c.device == device)
    )


def foreign_json(cards: Collection[Mapping[str, Any]]) -> str:
    """As it is stored."""
    return msgspec.json.encode(list(cards)).decode()
