"""The card ledger: who has which card since when, what was paid, and what happened to it.

Functions of a connection, called within a step of the pipeline: there is one writer, so what is counted here (a
household's free cards) cannot change before it is written. Rows of money and of history are only ever added.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select

from hub.cards.fees import IssueReason, Quote, quote
from hub.cards.kinds import CardKind, missing
from hub.cards.numbers import Number, search_key, search_keys
from hub.store.schema import card_assignments, card_entries, card_losses, card_payments, card_spellings, cards
from hub.vocabulary.card_rules import CARD_RULES, CardRules
from hub.vocabulary.instants import UtcMs


class CardState(StrEnum):
    """State of an assignment: what the desk calls the card's state."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


class EndReason(StrEnum):
    """Why an assignment is suspended or over (after ONVIF's credential reasons, and our own)."""

    LOST = "lost"
    RETURNED = "returned"
    REPLACED = "replaced"
    EXPIRED = "expired"
    MOVED_OUT = "moved_out"
    STAFF_LEFT = "staff_left"
    WORKS_ACCEPTED = "works_accepted"
    ARREARS = "arrears"
    BLOCKED = "blocked"
    CONFISCATED = "confiscated"


class ObjectState(StrEnum):
    """State of the card as an object."""

    ASSIGNED = "assigned"
    RETURNED = "returned"
    LOST = "lost"
    IN_STOCK = "in_stock"
    CONFISCATED = "confiscated"
    FOUND = "found"  # after its end: waits for the custodian
    DAMAGED = "damaged"  # replaced because it did not work: never issued again
    DESTROYED = "destroyed"


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets it. Of an identity number the last four, a keyed digest, and the number under lock (hub.cards.secrecy)."""

    name: str
    phone: str | None = None
    id_last4: str | None = None
    id_digest: str | None = None
    id_cipher: bytes | None = None
    id_key: str | None = None
    minor: bool = False


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be entered. `doors`: (controller, door)."""

    site: str
    kind: CardKind
    unit: str | None
    household: int | None
    holder: Holder
    documents: tuple[str, ...]
    doors: tuple[tuple[str, str], ...]
    valid_from: UtcMs
    valid_until: UtcMs | None
    first_issued_at: UtcMs
    replaces: int | None
    by: str
    works: int | None = None
    rules: CardRules = CARD_RULES


# --- the object -------------------------------------------------------------------------------------------


def card_of(connection: Connection, site: str, number: Number) -> Row[Any] | None:
    """The object with this number, also one that nobody has now."""
    same = (cards.c.site == site, cards.c.format == number.format, cards.c.raw_hex == number.raw_hex)
    return connection.execute(select(cards).where(*same)).one_or_none()


def enter_card(connection: Connection, site: str, number: Number, value: str) -> int:
    """A new object, to be found by all its spellings; its key."""
    row = {"site": site, "format": number.format, "bits": number.bits, "raw_hex": number.raw_hex, "value": value}
    statement = cards.insert().values(**row, state=str(ObjectState.ASSIGNED)).returning(cards.c.id)
    card: int = connection.execute(statement).scalar_one()
    spellings = sorted(search_keys(number) | {search_key(value)})
    connection.execute(card_spellings.insert(), [{"card_id": card, "spelling": each} for each in spellings])
    return card


def set_object(connection: Connection, card: int, state: ObjectState, value: str | None = None) -> None:
    """The object goes into another state; `value`: as it was spelled this time."""
    values = {"state": str(state)} | ({} if value is None else {"value": value})
    connection.execute(cards.update().where(cards.c.id == card).values(**values))


def current(connection: Connection, card: int) -> Row[Any] | None:
    """The assignment of an object that is not over."""
    open_ = (card_assignments.c.card_id == card, card_assignments.c.state != str(CardState.ENDED))
    return connection.execute(select(card_assignments).where(*open_)).one_or_none()


# --- assignments ------------------------------------------------------------------------------------------


def priced(connection: Connection, issue: Issue, reason: IssueReason) -> Quote:
    """What this issue costs, after what the household was issued during its time in the unit."""
    household = card_assignments.c.household_id
    counted = select(func.count()).where(
        card_assignments.c.site == issue.site,
        card_assignments.c.unit == issue.unit,
        household.is_(None) if issue.household is None else household == issue.household,
        card_assignments.c.counts,
    )
    return quote(issue.kind, reason, int(connection.execute(counted).scalar_one()), issue.rules)


def enter(connection: Connection, issue: Issue, card: int, price: Quote, words: str, now: UtcMs) -> int:
    """A new assignment, pending; its key."""
    statement = card_assignments.insert().values(
        card_id=card,
        site=issue.site,
        kind=str(issue.kind),
        unit=issue.unit,
        household_id=issue.household,
        holder_name=issue.holder.name,
        holder_phone=issue.holder.phone,
        id_last4=issue.holder.id_last4,
        id_digest=issue.holder.id_digest,
        id_cipher=issue.holder.id_cipher,
        id_key=issue.holder.id_key,
        minor=issue.holder.minor,
        works_id=issue.works,
        state=str(CardState.PENDING),
        documents_json=msgspec.json.encode(sorted(issue.documents)).decode(),
        doors_json=msgspec.json.encode(issue.doors).decode(),
        fee_fen=price.fee_fen,
        deposit_fen=price.deposit_fen,
        arithmetic=words,
        counts=price.counts,
        replaces_id=issue.replaces,
        valid_from=issue.valid_from,
        valid_until=issue.valid_until,
        first_issued_at=issue.first_issued_at,
        created_at=now,
        created_by=issue.by,
        revision=1,
    )
    added: int = connection.execute(statement.returning(card_assignments.c.id)).scalar_one()
    return added


def change(
    connection: Connection, row: Row[Any], entry: str, by: str, now: UtcMs, data: Mapping[str, Any], **values: Any
) -> None:
    """Move an assignment and write down who did it when; `values` are columns."""
    connection.execute(
        card_assignments.update()
        .where(card_assignments.c.id == row.id)
        .values(**values, revision=card_assignments.c.revision + 1)
    )
    note(connection, row.id, entry, str(values.get("state", row.state)), by, now, data)


def note(
    connection: Connection, assignment: int, entry: str, state: str, by: str, now: UtcMs, data: Mapping[str, Any]
) -> None:
    """A line of the card's history."""
    connection.execute(
        card_entries.insert().values(
            assignment_id=assignment,
            at=now,
            by=by,
            entry=entry,
            state=state,
            data_json=msgspec.json.encode(data).decode(),
        )
    )


def suspended_for(connection: Connection, assignment: int) -> str | None:
    """Why a manager holds this card, where nobody has let it go since."""
    mine = (card_entries.c.assignment_id == assignment, card_entries.c.entry.in_(("suspended", "resumed")))
    newest = select(card_entries).where(*mine).order_by(card_entries.c.id.desc()).limit(1)
    last = connection.execute(newest).one_or_none()
    if last is None or last.entry == "resumed":
        return None
    reason: str = msgspec.json.decode(last.data_json)["reason"]
    return reason


def same_holder(row: Row[Any]) -> ColumnElement[bool]:
    """Cards of this one's holder: by identity number where there is one, else by name with telephone and unit.

    A name alone is nobody: where neither telephone nor unit is known, it is this card only.
    """
    columns = card_assignments.c
    like = columns.id == row.id
    if row.holder_phone is not None or row.unit is not None:
        phone = columns.holder_phone.is_(None) if row.holder_phone is None else columns.holder_phone == row.holder_phone
        unit = columns.unit.is_(None) if row.unit is None else columns.unit == row.unit
        like |= (columns.holder_name == row.holder_name) & phone & unit
    if row.id_digest is not None:
        like |= columns.id_digest == row.id_digest
    return and_(columns.site == row.site, like)


def live(connection: Connection, *wanted: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """Cards that are not over and fit, oldest first."""
    going_on = card_assignments.c.state != str(CardState.ENDED)
    return connection.execute(with_number().where(going_on, *wanted).order_by(card_assignments.c.id)).all()


def holder_of(row: Row[Any]) -> Holder:
    """The same person again, for another card."""
    return Holder(
        name=row.holder_name,
        phone=row.holder_phone,
        id_last4=row.id_last4,
        id_digest=row.id_digest,
        id_cipher=row.id_cipher,
        id_key=row.id_key,
        minor=bool(row.minor),
    )


def doors_of(row: Row[Any]) -> tuple[tuple[str, str], ...]:
    """(controller, door) that the card is to open."""
    return msgspec.json.decode(row.doors_json, type=tuple[tuple[str, str], ...])


def documents_of(row: Row[Any]) -> tuple[str, ...]:
    """Papers that were seen."""
    return msgspec.json.decode(row.documents_json, type=tuple[str, ...])


def due_fen(row: Row[Any]) -> int | None:
    """Fee and deposit; None: the project's price list says."""
    return None if row.fee_fen is None else int(row.fee_fen + row.deposit_fen)


def missing_of(row: Row[Any], paid_fen: int, *, as_if_pending: bool = False) -> tuple[str, ...]:
    """What a pending card waits for; empty for one that is past that."""
    if row.state != CardState.PENDING and not as_if_pending:
        return ()
    return missing(
        CardKind(row.kind),
        frozenset(documents_of(row)),
        due_fen(row),
        paid_fen,
        has_id_number=row.id_last4 is not None,
        minor=bool(row.minor),
    )


# --- money and losses -------------------------------------------------------------------------------------


def payment(connection: Connection, site: str, receipt: str) -> Row[Any] | None:
    """The payment of a receipt."""
    same = (card_payments.c.site == site, card_payments.c.receipt == receipt)
    return connection.execute(select(card_payments).where(*same)).one_or_none()


def add_payment(
    connection: Connection,
    row: Row[Any],
    receipt: str,
    amount_fen: int,
    by: str,
    now: UtcMs,
    reverses: int | None = None,
) -> None:
    """Money came, or (negative, naming the row that it reverses) was entered wrongly."""
    connection.execute(
        card_payments.insert().values(
            assignment_id=row.id,
            site=row.site,
            receipt=receipt,
            amount_fen=amount_fen,
            reverses_id=reverses,
            at=now,
            by=by,
        )
    )


def paid(connection: Connection, assignments: Collection[int]) -> Mapping[int, int]:
    """What was paid for each of these cards, reversals taken off, in fen."""
    total = func.coalesce(func.sum(card_payments.c.amount_fen), 0)
    statement = select(card_payments.c.assignment_id, total).group_by(card_payments.c.assignment_id)
    rows = connection.execute(statement.where(card_payments.c.assignment_id.in_(sorted(assignments))))
    found = {int(key): int(amount) for key, amount in rows}
    return {key: found.get(key, 0) for key in assignments}


def add_loss(
    connection: Connection, assignment: int, reporter: str, verified: str, note: str, by: str, now: UtcMs
) -> int:
    """A loss report; its key."""
    statement = card_losses.insert().values(
        assignment_id=assignment, reporter=reporter, verified=verified, note=note, reported_at=now, by=by
    )
    added: int = connection.execute(statement.returning(card_losses.c.id)).scalar_one()
    return added


def settle_losses(connection: Connection, assignment: int, now: UtcMs) -> None:
    """It was found: the reports stay, with when."""
    open_ = (card_losses.c.assignment_id == assignment, card_losses.c.found_at.is_(None))
    connection.execute(card_losses.update().where(*open_).values(found_at=now))


def losses_of(connection: Connection, assignment: int) -> Sequence[Row[Any]]:
    """Loss reports of a card, oldest first."""
    mine = card_losses.c.assignment_id == assignment
    return connection.execute(select(card_losses).where(mine).order_by(card_losses.c.id)).all()


def replacement_of(connection: Connection, assignment: int) -> int | None:
    """The card that was issued in place of this one."""
    statement = select(card_assignments.c.id).where(card_assignments.c.replaces_id == assignment)
    found: int | None = connection.execute(statement.order_by(card_assignments.c.id.desc()).limit(1)).scalar()
    return found


# --- reading ----------------------------------------------------------------------------------------------


def one(connection: Connection, assignment: int) -> Row[Any] | None:
    """An assignment with its number (`format`, `value`, `raw_hex`, `object_state`)."""
    return connection.execute(with_number().where(card_assignments.c.id == assignment)).one_or_none()


def page(
    connection: Connection,
    sites: Collection[str],
    site: str | None,
    unit: str | None,
    state: str | None,
    number: str | None,
    holder: str | None,
    before: int | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Cards, newest first. `number`: any spelling; `holder`: part of the name; `sites` empty: all."""
    wanted: list[ColumnElement[bool]] = []
    if sites:
        wanted.append(card_assignments.c.site.in_(sorted(sites)))
    if number is not None:
        spelled = select(card_spellings.c.card_id).where(card_spellings.c.spelling == search_key(number))
        wanted.append(card_assignments.c.card_id.in_(spelled))
    if holder is not None:
        wanted.append(card_assignments.c.holder_name.contains(holder, autoescape=True))
    if before is not None:
        wanted.append(card_assignments.c.id < before)
    for column, value in (("site", site), ("unit", unit), ("state", state)):
        if value is not None:
            wanted.append(card_assignments.c[column] == value)
    statement = with_number().where(*wanted).order_by(card_assignments.c.id.desc()).limit(limit)
    return connection.execute(statement).all()


def expired(connection: Connection, site: str, now: UtcMs, limit: int) -> Sequence[Row[Any]]:
    """Cards whose last day is over, oldest first."""
    over = (
        card_assignments.c.site == site,
        card_assignments.c.state.in_((str(CardState.ACTIVE), str(CardState.SUSPENDED))),
        card_assignments.c.valid_until <= now,
    )
    return connection.execute(with_number().where(*over).order_by(card_assignments.c.valid_until).limit(limit)).all()


def with_number() -> Select[Any]:
    """Assignments with their object's number and state."""
    number = (cards.c.format, cards.c.value, cards.c.raw_hex, cards.c.bits, cards.c.state.label("object_state"))
    return select(card_assignments, *number).join_from(
        card_assignments, cards, card_assignments.c.card_id == cards.c.id
    )
