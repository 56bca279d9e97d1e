"""One person in everything that the card desk knows: found, handed out as JSON, and erased as far as the law lets us.

What has to stay is named with the reason and until when, and never silently kept (PIPL art. 44 to 47, 19). The door history
of a person is whereabouts: it goes into this export and, with a purpose, into the doors' log (hub.cards.access_log).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, func, or_, select

from hub.cards import collisions, copies, deposits, ledger
from hub.cards.ledger import CardState
from hub.cards.numbers import Number
from hub.cards.secrecy import KeyRing, SecrecyError
from hub.store.retention import EVENT_DAYS
from hub.store.schema import (
    card_assignments,
    card_entries,
    card_losses,
    card_payments,
    deposit_entries,
    events,
    household_members,
    households,
    id_copies,
    notices,
    people,
    person_channels,
)
from hub.vocabulary.credentials import NumberProfile
from hub.vocabulary.instants import UtcMs

ERASED: Final = "(erased)"
PASSAGES: Final = 5_000
_PERSONAL_KEYS: Final = frozenset({"reporter", "note"})


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A person of one site: their cards (also those that are over) and their rows among the people."""

    site: str
    cards: tuple[int, ...] = ()
    people: tuple[int, ...] = ()


class Kept(msgspec.Struct, frozen=True):
    """What an erasure leaves, and why."""

    what: str
    why: str


class Erasure(msgspec.Struct, frozen=True):
    """What came of an erasure."""

    erased: tuple[str, ...]
    kept: tuple[Kept, ...]


# --- who it is --------------------------------------------------------------------------------------------


def by_number(connection: Connection, site: str, digests: Sequence[str]) -> Subject:
    """Everybody who was entered with this identity number: one person."""
    mine = (card_assignments.c.site == site, card_assignments.c.id_digest.in_(digests))
    cards = connection.execute(select(card_assignments.c.id).where(*mine).order_by(card_assignments.c.id)).scalars()
    return Subject(site=site, cards=tuple(cards))


def by_card(connection: Connection, row: Row[Any]) -> Subject:
    """The holder of a card."""
    found = select(card_assignments.c.id).where(ledger.same_holder(row)).order_by(card_assignments.c.id)
    return Subject(site=row.site, cards=tuple(connection.execute(found).scalars()))


def by_person(connection: Connection, person: Row[Any]) -> Subject:
    """Somebody among the people: cards with their name in one of their units, or with their name and telephone."""
    units = (
        select(households.c.unit)
        .join(household_members, household_members.c.household_id == households.c.id)
        .where(household_members.c.person_id == person.id)
    )
    addresses = select(person_channels.c.address).where(person_channels.c.person_id == person.id)
    columns = card_assignments.c
    theirs = (
        columns.site == person.site,
        columns.holder_name == person.name,
        or_(columns.unit.in_(units), columns.holder_phone.in_(addresses)),
    )
    cards = connection.execute(select(columns.id).where(*theirs).order_by(columns.id)).scalars()
    return Subject(site=person.site, cards=tuple(cards), people=(person.id,))


# --- what is known ----------------------------------------------------------------------------------------


def export(
    connection: Connection, ring: KeyRing, subject: Subject, readers: Collection[NumberProfile] = ()
) -> dict[str, Any]:
    """Everything as plain values; times in UTC epoch milliseconds, money in fen. `readers`: how those of the site spell."""
    rows = _cards(connection, subject)
    return {
        "site": subject.site,
        "people": [_person(connection, key) for key in subject.people],
        "cards": [_card(connection, ring, row, readers) for row in rows],
        "notices": _plain(
            connection,
            select(notices.c.channel, notices.c.address, notices.c.title, notices.c.body, notices.c.created_at).where(
                notices.c.person_id.in_(subject.people)
            ),
        ),
    }


def _cards(connection: Connection, subject: Subject) -> Sequence[Row[Any]]:
    mine = card_assignments.c.id.in_(subject.cards)
    return connection.execute(ledger.with_number().where(mine).order_by(card_assignments.c.id)).all()


def _person(connection: Connection, key: int) -> dict[str, Any]:
    homes = (
        select(households.c.unit, households.c.since, households.c.until, household_members.c.role)
        .join(household_members, household_members.c.household_id == households.c.id)
        .where(household_members.c.person_id == key)
    )
    (person,) = _plain(connection, select(people).where(people.c.id == key))
    channels = select(person_channels).where(person_channels.c.person_id == key)
    return {**person, "channels": _plain(connection, channels), "households": _plain(connection, homes)}


def _card(connection: Connection, ring: KeyRing, row: Row[Any], readers: Collection[NumberProfile]) -> dict[str, Any]:
    hidden = {"id_cipher", "id_digest", "id_key", "documents_json", "doors_json"}
    plain = {name: value for name, value in row._asdict().items() if name not in hidden}

    def of_card(table: Any, column: Any) -> list[dict[str, Any]]:
        return _plain(connection, select(table).where(column == row.id).order_by(table.c.id))

    copy = select(id_copies.c.media_type, id_copies.c.at, id_copies.c.deleted_at).where(
        id_copies.c.assignment_id == row.id
    )
    return {
        **plain,
        "id_number": _number(ring, row),
        "documents": ledger.documents_of(row),
        "doors": ledger.doors_of(row),
        "payments": of_card(card_payments, card_payments.c.assignment_id),
        "deposit": of_card(deposit_entries, deposit_entries.c.about_id),
        "losses": of_card(card_losses, card_losses.c.assignment_id),
        "history": of_card(card_entries, card_entries.c.assignment_id),
        "copies": _plain(connection, copy),
        "passages": passages(connection, row, readers),
    }


def _number(ring: KeyRing, row: Row[Any]) -> str | None:
    if row.id_cipher is None:
        return None if row.id_last4 is None else f"***{row.id_last4}"
    try:
        return ring.open_number(row.id_cipher, row.id_key, row.id_digest)
    except SecrecyError:  # its key is not here: every start tells it (rotation.tell_missing)
        return f"***{row.id_last4}"


def passages(connection: Connection, row: Row[Any], readers: Collection[NumberProfile] = ()) -> list[dict[str, Any]]:
    """Where and when this card was presented while it was this holder's, newest first, as long as events are kept."""
    until = (
        select(card_entries.c.at)
        .where(card_entries.c.assignment_id == row.id, card_entries.c.state == str(CardState.ENDED))
        .order_by(card_entries.c.id)
        .limit(1)
    )
    ended = connection.execute(until).scalar_one_or_none()
    told_by = collisions.names_of(Number(row.format, row.raw_hex, row.bits), row.value, readers)
    names = {(each.format, each.value) for each in told_by}
    texts = sorted({value for _, value in names})
    spelled = or_(*(events.c.body_json.contains(f'"{text}"', autoescape=True) for text in texts))
    wanted = [
        events.c.kind == "AccessEvent",
        events.c.site == row.site,
        events.c.occurred_at >= row.valid_from,
        spelled,
    ]
    if ended is not None:
        wanted.append(events.c.occurred_at <= ended)
    statement = select(events.c.occurred_at, events.c.body_json).where(*wanted)
    found = []
    for at, body in connection.execute(statement.order_by(events.c.occurred_at.desc()).limit(PASSAGES)):
        told = msgspec.json.decode(body)
        card = told.get("card") or {}
        if (card.get("format"), card.get("value")) in names:
            found.append({"at": at, "door": told.get("door"), "result": told.get("result")})
    return found


def _plain(connection: Connection, statement: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(statement).mappings()]


# --- erasing ----------------------------------------------------------------------------------------------


def erase(connection: Connection, subject: Subject, now: UtcMs) -> Erasure:
    """Take the person out of everything that nothing is open about. Within a write transaction."""
    rows = _cards(connection, subject)
    free = {row.id for row in copies.settled(connection, rows)}
    erased = [_erase_card(connection, row, now) for row in rows if row.id in free]
    kept = [_why_card_stays(row) for row in rows if row.id not in free]
    for key in subject.people:
        why = _why_person_stays(connection, key)
        if why is None:
            _erase_person(connection, key, now)
            erased.append(f"people/{key}")
        else:
            kept.append(Kept(f"people/{key}", why))
    return Erasure(tuple(erased), (*kept, *_by_law(connection, subject, rows)))


def _why_card_stays(row: Row[Any]) -> Kept:
    if row.state != CardState.ENDED:
        return Kept(f"cards/{row.id}", "the card is in use: it is needed to perform the contract (PIPL art. 13)")
    return Kept(f"cards/{row.id}", "the card or pass is not back, or a deposit is held: erased when it is settled")


def _why_person_stays(connection: Connection, key: int) -> str | None:
    lives = (
        select(households.c.unit)
        .join(household_members, household_members.c.household_id == households.c.id)
        .where(household_members.c.person_id == key, households.c.until.is_(None))
    )
    unit = connection.execute(lives.limit(1)).scalar_one_or_none()
    if unit is not None:
        return f"lives in {unit}: needed to perform the contract (PIPL art. 13)"
    staff = select(people.c.role).where(people.c.id == key, people.c.retired_at.is_(None))
    role = connection.execute(staff).scalar_one_or_none()
    return None if role is None else f"is staff ({role})"


def _by_law(connection: Connection, subject: Subject, rows: Sequence[Row[Any]]) -> Iterable[Kept]:
    keys = [row.id for row in rows]
    paid = select(card_payments.c.id).where(card_payments.c.assignment_id.in_(keys)).limit(1)
    if connection.execute(paid).first() is not None or deposits.about(connection, keys):
        yield Kept("receipts and deposits", "accounting records (Accounting Law art. 23), with the payer's name")
    if rows:
        yield Kept(
            "door events",
            f"security record of {EVENT_DAYS['AccessEvent']} days (GB 50396 5.2.2), by card number, then deleted",
        )
    told = select(notices.c.id).where(notices.c.person_id.in_(subject.people)).limit(1)
    if connection.execute(told).first() is not None:
        yield Kept("notices", "proof of what was told to whom, two years, then deleted")
    yield Kept("audit", "who read what, by card and never by name, is only ever added to (PIPL art. 51, 56)")


def _erase_card(connection: Connection, row: Row[Any], now: UtcMs) -> str:
    copies.delete(connection, [row.id], "erased", now)
    gone: dict[str, Any] = dict.fromkeys(("holder_phone", "id_last4", "id_digest", "id_cipher", "id_key"))
    connection.execute(
        card_assignments.update().where(card_assignments.c.id == row.id).values(holder_name=ERASED, **gone)
    )
    mine = card_losses.c.assignment_id == row.id
    connection.execute(card_losses.update().where(mine).values(reporter=ERASED, note=""))
    history = select(card_entries.c.id, card_entries.c.data_json).where(card_entries.c.assignment_id == row.id)
    for key, text in connection.execute(history).all():
        data = msgspec.json.decode(text)
        if isinstance(data, dict) and _PERSONAL_KEYS & data.keys():
            plain = {name: ERASED if name in _PERSONAL_KEYS else value for name, value in data.items()}
            changed = card_entries.update().where(card_entries.c.id == key)
            connection.execute(changed.values(data_json=msgspec.json.encode(plain).decode()))
    return f"cards/{row.id}"


def _erase_person(connection: Connection, key: int, now: UtcMs) -> None:
    connection.execute(person_channels.delete().where(person_channels.c.person_id == key))
    values = {"name": ERASED, "code": f"erased-{key}", "retired_at": now}
    connection.execute(people.update().where(people.c.id == key).values(**values))


def long_over(connection: Connection, before: UtcMs, after: int, limit: int) -> Sequence[Row[Any]]:
    """Cards above the id `after` that were over before this time and still name their holder."""
    ended = (
        select(card_entries.c.assignment_id)
        .where(card_entries.c.state == str(CardState.ENDED))
        .group_by(card_entries.c.assignment_id)
        .having(func.max(card_entries.c.at) < before)
    )
    wanted = (
        card_assignments.c.state == str(CardState.ENDED),
        card_assignments.c.holder_name != ERASED,
        card_assignments.c.id > after,
        card_assignments.c.id.in_(ended),
    )
    return connection.execute(ledger.with_number().where(*wanted).order_by(card_assignments.c.id).limit(limit)).all()


def forget(connection: Connection, rows: Sequence[Row[Any]], now: UtcMs) -> int:
    """Erase the holders of those of these cards that nothing is open about; how many."""
    free = copies.settled(connection, rows)
    for row in free:
        _erase_card(connection, row, now)
    return len(free)
