"""Who passed where, as it is kept: what controllers, readers and doors have said, newest arrival first, with the card that it was.

Reading only. An event belongs to the assignment that was valid at its corrected time (domain/access.md 8); a number that fits
several cards, or none, belongs to nobody. Texts in the stored bodies only narrow the search: every row is checked again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from hub.cards import numbers
from hub.cards.collisions import seen_as
from hub.cards.ledger import CardState
from hub.cards.numbers import Number
from hub.store.schema import card_assignments, card_entries, card_spellings, cards, devices, events
from hub.vocabulary.credentials import NumberProfile
from hub.vocabulary.instants import UtcMs

ACCESS: Final = "AccessEvent"
KINDS: Final[Mapping[str, str]] = {"access": ACCESS, "door": "DoorEvent", "danger": "DoorDanger"}
"""Word of the API → kind of the stored event."""

Profiles = Callable[[str, str], NumberProfile | None]
"""(site, controller) → how its readers spell."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; None: any. `numbers`: (format, value) by which readers name one card. Times are when it happened."""

    sites: Collection[str] = ()  # empty: all
    site: str | None = None
    controller: str | None = None
    door: str | None = None
    what: str | None = None
    result: str | None = None
    reason: str | None = None
    numbers: Collection[tuple[str, str]] | None = None
    from_: UtcMs | None = None
    to: UtcMs | None = None
    before: int | None = None
    limit: int = 100


class Holding(NamedTuple):
    """The assignment that a presented card belonged to then."""

    card: int
    unit: str | None


class Entry(NamedTuple):
    """One line of the log. `body` is the event as it is stored."""

    seq: int
    what: str
    site: str
    controller: str
    occurred_at: UtcMs
    received_at: UtcMs
    late: bool
    body: Mapping[str, Any]


class Page(NamedTuple):
    """Lines, newest first, and where the next page begins; None: there is no more."""

    entries: list[Entry]
    next: int | None


def page(connection: Connection, wanted: Wanted) -> Page:
    """One page. Each kind is read along its own index, then they are merged."""
    position = None
    if wanted.before is not None:
        position = connection.execute(select(events.c.received_at).where(events.c.seq == wanted.before)).scalar()
        if position is None:  # its time of keeping is over: so is that of all before it
            return Page([], None)
    rows: list[Row[Any]] = []
    for word in _words(wanted):
        rows += _rows(connection, wanted, KINDS[word], position)
    rows.sort(key=lambda row: (row.received_at, row.seq), reverse=True)
    more = len(rows) > wanted.limit
    rows = rows[: wanted.limit]
    words = {kind: word for word, kind in KINDS.items()}
    found = [
        Entry(
            seq=row.seq,
            what=words[row.kind],
            site=row.site,
            controller=row.device,
            occurred_at=row.occurred_at,
            received_at=row.received_at,
            late=bool(row.late),
            body=msgspec.json.decode(row.body_json),
        )
        for row in rows
    ]
    return Page([entry for entry in found if _fits(entry.body, wanted)], rows[-1].seq if more else None)


def _words(wanted: Wanted) -> Sequence[str]:
    """Only cards are denied, have reasons and numbers."""
    about_cards = wanted.result is not None or wanted.reason is not None or wanted.numbers is not None
    if about_cards and wanted.what not in {None, "access"}:
        return ()
    if about_cards:
        return ("access",)
    return (wanted.what,) if wanted.what is not None else tuple(KINDS)


def _rows(connection: Connection, wanted: Wanted, kind: str, position: UtcMs | None) -> Sequence[Row[Any]]:
    column = events.c
    conditions: list[ColumnElement[bool]] = [column.kind == kind]
    if wanted.sites:
        conditions.append(column.site.in_(sorted(wanted.sites)))
    if wanted.site is not None:
        conditions.append(column.site == wanted.site)
    if wanted.controller is not None:
        conditions.append(devices.c.id == wanted.controller)
    for key, value in (("door", wanted.door), ("result", wanted.result), ("reason", wanted.reason)):
        if value is not None:
            conditions.append(column.body_json.contains(f'"{key}":{_text(value)}', autoescape=True))
    if wanted.numbers is not None:
        names = sorted({value for _, value in wanted.numbers})
        conditions.append(or_(*(column.body_json.contains(_text(name), autoescape=True) for name in names)))
    if wanted.from_ is not None:
        # Nothing arrives before it happened, so the index on arrival bounds the search.
        conditions += [column.occurred_at >= wanted.from_, column.received_at >= wanted.from_]
    if wanted.to is not None:
        conditions.append(column.occurred_at < wanted.to)
    if position is not None:
        same = and_(column.received_at == position, column.seq < wanted.before)
        conditions += [column.received_at <= position, or_(column.received_at < position, same)]
    statement = (
        select(events, devices.c.id.label("device"))
        .join(devices, devices.c.pk == column.device_pk)
        .where(*conditions)
        .order_by(column.received_at.desc(), column.seq.desc())
        .limit(wanted.limit + 1)
    )
    return connection.execute(statement).all()


def _text(value: str) -> str:
    """As it stands in a stored body."""
    return msgspec.json.encode(value).decode()


def _fits(body: Mapping[str, Any], wanted: Wanted) -> bool:
    for key, value in (("door", wanted.door), ("result", wanted.result), ("reason", wanted.reason)):
        if value is not None and body.get(key) != value:
            return False
    if wanted.numbers is None:
        return True
    card = body.get("card") or {}
    return (card.get("format"), card.get("value")) in wanted.numbers


# --- whose card it was ------------------------------------------------------------------------------------


def holdings(connection: Connection, entries: Sequence[Entry], profiles: Profiles) -> dict[int, Holding]:
    """Line (by `seq`) → the assignment that its card belonged to then; absent: nobody's, or not to be told apart."""
    found: dict[int, Holding] = {}
    known: dict[tuple[str, str, str, str], list[Row[Any]]] = {}
    for entry in entries:
        card = entry.body.get("card")
        if not card:
            continue
        key = (entry.site, entry.controller, card["format"], card["value"])
        if key not in known:
            known[key] = _assignments(connection, key, profiles(entry.site, entry.controller))
        then = [row for row in known[key] if row.created_at <= entry.occurred_at]
        # A number that was issued again belongs to the last who had it by then, unless that one's days were over.
        if len({row.card_id for row in then}) == 1 and _still(connection, then[-1], entry.occurred_at):
            found[entry.seq] = Holding(then[-1].id, then[-1].unit)
    return found


def _assignments(
    connection: Connection, key: tuple[str, str, str, str], profile: NumberProfile | None
) -> list[Row[Any]]:
    """All assignments of cards that this controller names so, oldest first."""
    site, _, format_, value = key
    # As this reader spells it, where the file says how; else the first spelling that fits.
    spelling = profile.spelling if profile is not None and profile.format == format_ else None
    try:
        told = numbers.read(format_, value, spelling)
    except numbers.NumberError:
        return []
    spelled = select(card_spellings.c.card_id).where(card_spellings.c.spelling == numbers.search_key(value))
    columns = (card_assignments, cards.c.format, cards.c.raw_hex, cards.c.bits)
    statement = (
        select(*columns)
        .join_from(card_assignments, cards, card_assignments.c.card_id == cards.c.id)
        .where(cards.c.site == site, cards.c.id.in_(spelled))
        .order_by(card_assignments.c.id)
    )
    return [row for row in connection.execute(statement) if _is(row, told, profile)]


def _is(row: Row[Any], told: Number, profile: NumberProfile | None) -> bool:
    own = Number(row.format, row.raw_hex, row.bits)
    return own == told or (profile is not None and seen_as(own, profile) == told)


def _still(connection: Connection, row: Row[Any], at: UtcMs) -> bool:
    if row.state != CardState.ENDED:
        return True
    ended = select(card_entries.c.at).where(
        card_entries.c.assignment_id == row.id, card_entries.c.state == str(CardState.ENDED)
    )
    over: UtcMs | None = connection.execute(ended.order_by(card_entries.c.id).limit(1)).scalar_one_or_none()
    return over is None or at <= over
