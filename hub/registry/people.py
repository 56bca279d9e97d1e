"""People of a site: residents and staff, with the channels they have agreed to.

A person is never deleted: past notices and households name them. Without consent a channel is kept and never used.
Every function works inside a transaction that its caller owns; `FieldError` is raised before anything is written.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, select

from hub.store.schema import household_members, households, people, person_channels
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.roles import Role

LOCALES: Final = ("zh-CN", "en")
CODE: Final = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]{1,64}")
NAME: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,100}")
WORD: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
ADDRESS: Final = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]{1,200}")
MOST_CHANNELS: Final = 10


class FieldError(ValueError):
    """One field and what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class TakenError(FieldError):
    """Somebody else has this value."""


class ChannelEdit(msgspec.Struct, frozen=True):
    """A way to a person; the order in which they stand is the order in which they are tried."""

    channel: str
    address: str
    consent: bool


class PersonEdit(msgspec.Struct, frozen=True, kw_only=True):
    """A person as they are to be."""

    code: str
    name: str
    locale: str = "zh-CN"
    role: str | None = None
    zone: tuple[str, ...] = ()
    channels: tuple[ChannelEdit, ...] = ()
    retired: bool = False


def check(edit: PersonEdit) -> None:
    """Raise FieldError for what cannot be stored."""
    for field, pattern, value, allowed in (
        ("code", CODE, edit.code, "1 to 64 characters without spaces"),
        ("name", NAME, edit.name, "1 to 100 characters"),
        *(("zone", WORD, building, "ids of buildings") for building in edit.zone),
    ):
        if not pattern.fullmatch(value) or not value.strip():
            raise FieldError(field, f"must be {allowed}")
    if edit.locale not in LOCALES:
        raise FieldError("locale", f"one of: {', '.join(LOCALES)}")
    if edit.role is not None and edit.role not in tuple(Role):
        raise FieldError("role", f"one of: {', '.join(Role)}")
    if len(edit.channels) > MOST_CHANNELS:
        raise FieldError("channels", f"at most {MOST_CHANNELS}")
    for channel in edit.channels:
        if not WORD.fullmatch(channel.channel):
            raise FieldError("channels", "the channel must be the id of a notifier")
        if not ADDRESS.fullmatch(channel.address):
            raise FieldError(
                "channels", f"the address for {channel.channel} must be 1 to 200 characters without spaces"
            )
    if len({(channel.channel, channel.address) for channel in edit.channels}) < len(edit.channels):
        raise FieldError("channels", "one address stands twice on a channel")


def create(connection: Connection, site: str, edit: PersonEdit, now: UtcMs) -> int:
    """A new person; the row id. Raises FieldError."""
    check(edit)
    if find_code(connection, site, edit.code) is not None:
        raise TakenError("code", f"{edit.code!r} is somebody else's already")
    key = connection.execute(
        people.insert().values(site=site, created_at=now, **_values(edit, now))
    ).inserted_primary_key
    assert key is not None
    _put_channels(connection, key[0], edit.channels, now)
    return int(key[0])


def change(connection: Connection, person_id: int, edit: PersonEdit, now: UtcMs) -> bool:
    """Bring a person in line with `edit`; whether anything was different. Raises FieldError."""
    check(edit)
    row = connection.execute(select(people).where(people.c.id == person_id)).one()
    other = find_code(connection, row.site, edit.code)
    if other is not None and other != person_id:
        raise TakenError("code", f"{edit.code!r} is somebody else's already")
    values = _values(edit, now)
    if edit.retired and row.retired_at is not None:
        values["retired_at"] = row.retired_at
    changed = any(getattr(row, name) != value for name, value in values.items())
    if changed:
        connection.execute(people.update().where(people.c.id == person_id).values(values))
    return _put_channels(connection, person_id, edit.channels, now) or changed


def find_code(connection: Connection, site: str, code: str) -> int | None:
    """The person of this code."""
    statement = select(people.c.id).where(people.c.site == site, people.c.code == code)
    found: int | None = connection.execute(statement).scalar_one_or_none()
    return found


def _values(edit: PersonEdit, now: UtcMs) -> dict[str, Any]:
    return {
        "code": edit.code,
        "name": edit.name,
        "locale": edit.locale,
        "role": edit.role,
        "zone": " ".join(edit.zone),
        "retired_at": now if edit.retired else None,
    }


def _put_channels(connection: Connection, person_id: int, wanted: Sequence[ChannelEdit], now: UtcMs) -> bool:
    """Channels as wanted, in that order; when somebody agreed is kept where they had agreed before."""
    mine = person_channels.c.person_id == person_id
    stored = {(row.channel, row.address): row for row in connection.execute(select(person_channels).where(mine))}
    changed = False
    for rank, each in enumerate(wanted, 1):
        row = stored.pop((each.channel, each.address), None)
        consent_at = (row.consent_at if row is not None and row.consent_at else now) if each.consent else None
        values = {"rank": rank, "consent_at": consent_at}
        if row is None:
            connection.execute(
                person_channels.insert().values(
                    person_id=person_id, channel=each.channel, address=each.address, **values
                )
            )
        elif (row.rank, row.consent_at) == (rank, consent_at):
            continue
        else:
            connection.execute(person_channels.update().where(person_channels.c.id == row.id).values(values))
        changed = True
    for row in stored.values():
        connection.execute(person_channels.delete().where(person_channels.c.id == row.id))
        changed = True
    return changed


# --- reading ----------------------------------------------------------------------------------------------


class PersonView(msgspec.Struct, frozen=True):
    """A person's row with their channels, best first, and where they live now."""

    person: Row[Any]
    channels: Sequence[Row[Any]]
    homes: Sequence[Row[Any]]  # unit, role, notified

    def as_edit(self) -> PersonEdit:
        """As an edit that changes nothing."""
        row = self.person
        return PersonEdit(
            code=row.code,
            name=row.name,
            locale=row.locale,
            role=row.role,
            zone=tuple(row.zone.split()),
            channels=tuple(ChannelEdit(c.channel, c.address, c.consent_at is not None) for c in self.channels),
            retired=row.retired_at is not None,
        )


def page(
    connection: Connection,
    site: str | None,
    role: str | None,
    unit: str | None,
    sites: Collection[str],
    after: int | None,
    limit: int,
) -> Sequence[PersonView]:
    """People after row `after`, in the order in which they were entered; those who have left only by their id."""
    statement = select(people).where(people.c.retired_at.is_(None)).order_by(people.c.id).limit(limit)
    if site is not None:
        statement = statement.where(people.c.site == site)
    if role is not None:
        statement = statement.where(people.c.role == role)
    if unit is not None:
        living = select(household_members.c.person_id).join(
            households, households.c.id == household_members.c.household_id
        )
        statement = statement.where(
            people.c.id.in_(living.where(households.c.unit == unit, households.c.until.is_(None)))
        )
    if sites:
        statement = statement.where(people.c.site.in_(sorted(sites)))
    if after is not None:
        statement = statement.where(people.c.id > after)
    return _views(connection, connection.execute(statement).all())


def one(connection: Connection, person_id: int) -> PersonView | None:
    """One person, also one who has left."""
    row = connection.execute(select(people).where(people.c.id == person_id)).one_or_none()
    return None if row is None else _views(connection, [row])[0]


def _views(connection: Connection, rows: Sequence[Row[Any]]) -> list[PersonView]:
    ids = [row.id for row in rows]
    channels = select(person_channels).where(person_channels.c.person_id.in_(ids)).order_by(person_channels.c.rank)
    homes = (
        select(household_members.c.person_id, households.c.unit, household_members.c.role, household_members.c.notified)
        .join(households, households.c.id == household_members.c.household_id)
        .where(household_members.c.person_id.in_(ids), households.c.until.is_(None))
        .order_by(households.c.unit)
    )
    by_person = _by_person(connection.execute(channels).all())
    at_home = _by_person(connection.execute(homes).all())
    return [PersonView(row, by_person.get(row.id, ()), at_home.get(row.id, ())) for row in rows]


def _by_person(rows: Sequence[Any]) -> Mapping[int, list[Row[Any]]]:
    found: dict[int, list[Row[Any]]] = {}
    for row in rows:
        found.setdefault(row.person_id, []).append(row)
    return found
