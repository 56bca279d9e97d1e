"""Notes from shift to shift: the open cases of that moment, what was counted, what is to be done; two people sign.

A note is written once, with the signature of whoever hands over; taking it over is a second row. Nothing is ever edited.
Source: domain/procedures.md 5 (交接班: unfinished work, new instructions, items and keys counted; both sign).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, case, func, select

from hub.store.schema import hand_over_signatures, hand_overs, tickets
from hub.tickets.refusals import Refused, Said
from hub.vocabulary.decisions import SEVERITY_RANK
from hub.vocabulary.instants import UtcMs

GIVEN: Final = "given"
TAKEN: Final = "taken"
MOST_CASES: Final = 500

_RANK = case({str(word): rank for word, rank in SEVERITY_RANK.items()}, value=tickets.c.severity, else_=9)


class OpenCase(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket as it stood at the hand-over."""

    id: int
    number: str
    kind: str
    title: str
    place: str
    state: str
    severity: str
    opened_at: UtcMs
    assignee: str | None
    drill: bool


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is handed over. `expected` None: nobody has said how many there should be."""

    name: str
    count: int
    expected: int | None = None
    note: str = ""


class Cases(msgspec.Struct, frozen=True, kw_only=True):
    """The most severe open cases, oldest first, and how many there were in all."""

    total: int
    listed: tuple[OpenCase, ...] = ()


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What is written down when a shift ends."""

    site: str
    desk: str
    shift: str
    items: tuple[Counted, ...] = ()
    instructions: str = ""


class HandOver(msgspec.Struct, frozen=True, kw_only=True):
    """A note as it was written, with its signatures (rows of part, by, at, remark; who gave it first)."""

    id: int
    note: Note
    at: UtcMs
    cases: Cases
    signatures: Sequence[Row[Any]]


def write(connection: Connection, note: Note, by: str, now: UtcMs) -> int:
    """Write the note down with the open cases of this moment, signed by whoever hands over; its id."""
    cases = open_cases(connection, note.site)
    key = connection.execute(
        hand_overs.insert().values(
            site=note.site,
            desk=note.desk,
            shift=note.shift,
            at=now,
            cases_json=msgspec.json.encode(cases).decode(),
            items_json=msgspec.json.encode(note.items).decode(),
            instructions=note.instructions,
        )
    ).inserted_primary_key
    assert key is not None
    _sign(connection, key[0], GIVEN, by, "", now)
    return int(key[0])


def take_over(connection: Connection, hand_over_id: int, by: str, remark: str, now: UtcMs) -> None:
    """The second signature. Raises Refused: signed already, or by the same person."""
    signed = {row.part: row.by for row in _signatures(connection, [hand_over_id]).get(hand_over_id, ())}
    if TAKEN in signed:
        already = f"{signed[TAKEN]} has taken over already."
        raise Refused("conflict", Said("taken_over", already, person=signed[TAKEN]))
    if signed.get(GIVEN, "").casefold() == by.casefold():
        alone = "Whoever hands over cannot take over: somebody else signs."
        raise Refused("conflict", Said("two_people", alone))
    _sign(connection, hand_over_id, TAKEN, by, remark, now)


def open_cases(connection: Connection, site: str) -> Cases:
    """The site's active tickets now."""
    here = (tickets.c.site == site, tickets.c.active)
    total: int = connection.execute(select(func.count()).select_from(tickets).where(*here)).scalar_one()
    rows = connection.execute(select(tickets).where(*here).order_by(_RANK, tickets.c.id).limit(MOST_CASES))
    return Cases(
        total=total,
        listed=tuple(
            OpenCase(
                id=row.id,
                number=row.number,
                kind=row.kind,
                title=row.title,
                place=row.place,
                state=row.state,
                severity=row.severity,
                opened_at=row.opened_at,
                assignee=row.assignee,
                drill=bool(row.drill),
            )
            for row in rows
        ),
    )


def page(
    connection: Connection, sites: Collection[str], site: str | None, desk: str | None, before: int | None, limit: int
) -> list[HandOver]:
    """Notes with an id below `before`, newest first; no `sites`: every site."""
    statement = select(hand_overs).order_by(hand_overs.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(hand_overs.c.id < before)
    if site is not None:
        statement = statement.where(hand_overs.c.site == site)
    if desk is not None:
        statement = statement.where(hand_overs.c.desk == desk)
    if sites:
        statement = statement.where(hand_overs.c.site.in_(sorted(sites)))
    return _views(connection, connection.execute(statement).all())


def one(connection: Connection, hand_over_id: int) -> HandOver | None:
    """One note."""
    rows = connection.execute(select(hand_overs).where(hand_overs.c.id == hand_over_id)).all()
    return next(iter(_views(connection, rows)), None)


def _views(connection: Connection, rows: Sequence[Row[Any]]) -> list[HandOver]:
    signatures = _signatures(connection, [row.id for row in rows])
    return [
        HandOver(
            id=row.id,
            note=Note(
                site=row.site,
                desk=row.desk,
                shift=row.shift,
                items=msgspec.json.decode(row.items_json, type=tuple[Counted, ...]),
                instructions=row.instructions,
            ),
            at=row.at,
            cases=msgspec.json.decode(row.cases_json, type=Cases),
            signatures=signatures.get(row.id, ()),
        )
        for row in rows
    ]


def _signatures(connection: Connection, ids: Sequence[int]) -> Mapping[int, Sequence[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = {}
    statement = select(hand_over_signatures).where(hand_over_signatures.c.hand_over_id.in_(ids))
    for row in connection.execute(statement.order_by(hand_over_signatures.c.part)):  # `given` before `taken`
        found.setdefault(row.hand_over_id, []).append(row)
    return found


def _sign(connection: Connection, hand_over_id: int, part: str, by: str, remark: str, now: UtcMs) -> None:
    values = {"hand_over_id": hand_over_id, "part": part, "by": by, "at": now, "remark": remark}
    connection.execute(hand_over_signatures.insert().values(values))
