"""The deposit ledger: received, held, refunded, forfeited; in fen, on paper numbers, and never edited.

A deposit is a liability and belongs to a line of passes: an extension or a replacement carries it over. A mistake is taken
back by a second row that names the first. Source: domain/access.md 7.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from hub.store.schema import card_assignments, deposit_entries
from hub.vocabulary.instants import UtcMs

LONGEST_LINE = 1_000


class DepositAct(StrEnum):
    """What a row is about."""

    RECEIVED = "received"
    REFUNDED = "refunded"
    FORFEITED = "forfeited"


class Penalty(StrEnum):
    """Why a deposit is kept, in whole or in part."""

    LOST_PASS = "lost_pass"  # noqa: S105  no password
    DAMAGED_PASS = "damaged_pass"  # noqa: S105
    RULES_BROKEN = "rules_broken"
    DAMAGE_TO_BUILDING = "damage_to_building"


PREFIX = {DepositAct.REFUNDED: "REF", DepositAct.FORFEITED: "PEN"}
"""Of the numbers that the hub gives to documents; a receipt has the clerk's own."""


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of a line, reversals taken off, in fen. Received = held + refunded + forfeited, always."""

    received_fen: int = 0
    refunded_fen: int = 0
    forfeited_fen: int = 0

    @property
    def held_fen(self) -> int:
        """What the company owes the payer."""
        return self.received_fen - self.refunded_fen - self.forfeited_fen


class NewEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A row to be written. `line`: the first pass of the line; `about`: the pass that it is about."""

    line: int
    about: int
    site: str
    entry: DepositAct
    amount_fen: int
    document: str
    party: str
    reason: Penalty | None = None
    note: str = ""
    reverses: int | None = None


def balance(rows: Sequence[Row[Any]]) -> Balance:
    """The sums of a line's rows."""
    sums = {entry: sum(row.amount_fen for row in rows if row.entry == entry) for entry in DepositAct}
    return Balance(
        received_fen=sums[DepositAct.RECEIVED],
        refunded_fen=sums[DepositAct.REFUNDED],
        forfeited_fen=sums[DepositAct.FORFEITED],
    )


def deposit_part(amount_fen: int, fee_open_fen: int) -> int:
    """How much of a payment is deposit: the fee comes first, because it is the company's own."""
    return amount_fen - min(amount_fen, max(0, fee_open_fen))


def standing(rows: Sequence[Row[Any]], entry: DepositAct) -> list[Row[Any]]:
    """Rows of this kind that were not taken back, and are no taking back themselves."""
    undone = {row.reverses_id for row in rows if row.reverses_id is not None}
    return [row for row in rows if row.entry == entry and row.reverses_id is None and row.id not in undone]


# --- the rows ---------------------------------------------------------------------------------------------


def line_of(connection: Connection, assignment: int) -> int:
    """The first pass of the line that this one stands in by replacements."""
    first = assignment
    for _ in range(LONGEST_LINE):
        statement = select(card_assignments.c.replaces_id).where(card_assignments.c.id == first)
        before = connection.execute(statement).scalar_one_or_none()
        if before is None:
            break
        first = before
    return first


def rows_of(connection: Connection, line: int) -> Sequence[Row[Any]]:
    """Everything that was ever entered for a line, oldest first."""
    mine = deposit_entries.c.assignment_id == line
    return connection.execute(select(deposit_entries).where(mine).order_by(deposit_entries.c.id)).all()


def about(connection: Connection, assignments: Collection[int]) -> Sequence[Row[Any]]:
    """Rows about any of these passes, oldest first."""
    mine = deposit_entries.c.about_id.in_(sorted(assignments))
    return connection.execute(select(deposit_entries).where(mine).order_by(deposit_entries.c.id)).all()


def add(connection: Connection, new: NewEntry, by: str, now: UtcMs) -> int:
    """A new row; its key."""
    statement = deposit_entries.insert().values(
        assignment_id=new.line,
        about_id=new.about,
        site=new.site,
        entry=str(new.entry),
        amount_fen=new.amount_fen,
        document=new.document,
        party=new.party,
        reason=None if new.reason is None else str(new.reason),
        note=new.note,
        reverses_id=new.reverses,
        at=now,
        by=by,
    )
    added: int = connection.execute(statement.returning(deposit_entries.c.id)).scalar_one()
    return added


def take_back(connection: Connection, row: Row[Any], document: str, note: str, by: str, now: UtcMs) -> int:
    """The second row that takes the first one off; its key."""
    new = NewEntry(
        line=row.assignment_id,
        about=row.about_id,
        site=row.site,
        entry=DepositAct(row.entry),
        amount_fen=-row.amount_fen,
        document=document,
        party=row.party,
        reason=None if row.reason is None else Penalty(row.reason),
        note=note,
        reverses=row.id,
    )
    return add(connection, new, by, now)


def received_for(connection: Connection, assignment: int, receipt: str) -> Row[Any] | None:
    """The row of a receipt's deposit part."""
    same = (
        deposit_entries.c.about_id == assignment,
        deposit_entries.c.entry == str(DepositAct.RECEIVED),
        deposit_entries.c.document == receipt,
    )
    return connection.execute(select(deposit_entries).where(*same)).one_or_none()


def next_document(connection: Connection, site: str, entry: DepositAct, year: int) -> str:
    """The next number of a refund or penalty document of a site's year: `PEN-2026-0007`."""
    start = f"{PREFIX[entry]}-{year}-"
    numbered = (
        deposit_entries.c.site == site,
        deposit_entries.c.entry == str(entry),
        deposit_entries.c.reverses_id.is_(None),
        deposit_entries.c.document.startswith(start, autoescape=True),
    )
    newest = select(deposit_entries.c.document).where(*numbered).order_by(deposit_entries.c.id.desc()).limit(1)
    last = connection.execute(newest).scalar_one_or_none()
    return f"{start}{1 if last is None else int(last.removeprefix(start)) + 1:04d}"


def entry_of(connection: Connection, line: int, key: int) -> Row[Any] | None:
    """One row of a line."""
    mine = (deposit_entries.c.assignment_id == line, deposit_entries.c.id == key)
    return connection.execute(select(deposit_entries).where(*mine)).one_or_none()
