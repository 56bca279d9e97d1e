"""Who lives in which unit, and since when. A unit without a current household is vacant.

A household is never rewritten when people move: the old one gets an end, the new one a beginning, so that a notice always
finds those who live there now. Functions work inside a transaction of the caller; FieldError comes before any write.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from hub.registry.people import FieldError
from hub.store.schema import household_members, households, people
from hub.vocabulary.instants import UtcMs


class MemberRole(StrEnum):
    """What a person is in a household."""

    OWNER = "owner"
    TENANT = "tenant"
    MEMBER = "member"


class Member(msgspec.Struct, frozen=True):
    """A person in a household; `notified`: whether power notices go to them."""

    person_id: int
    role: MemberRole
    notified: bool = True


class HouseholdView(msgspec.Struct, frozen=True):
    """A household's row with its members (person_id, name, role, notified)."""

    household: Row[Any]
    members: Sequence[Row[Any]]


def current(connection: Connection, site: str, unit: str) -> int | None:
    """The household that lives there now; None: the unit is vacant."""
    statement = select(households.c.id).where(
        households.c.site == site, households.c.unit == unit, households.c.until.is_(None)
    )
    found: int | None = connection.execute(statement).scalar_one_or_none()
    return found


def move_in(connection: Connection, site: str, unit: str, members: Sequence[Member], now: UtcMs) -> int:
    """A new household in a vacant unit; its id. Raises FieldError."""
    check_members(connection, site, members)
    if current(connection, site, unit) is not None:
        raise FieldError("unit", f"{unit} is not vacant: the household there has to move out first")
    key = connection.execute(households.insert().values(site=site, unit=unit, since=now)).inserted_primary_key
    assert key is not None
    put_members(connection, key[0], members)
    return int(key[0])


def move_out(connection: Connection, site: str, unit: str, now: UtcMs) -> int:
    """The household leaves; its id. Raises FieldError where the unit is vacant."""
    household = current(connection, site, unit)
    if household is None:
        raise FieldError("unit", f"{unit} is vacant")
    connection.execute(households.update().where(households.c.id == household).values(until=now))
    return household


def check_members(connection: Connection, site: str, members: Sequence[Member]) -> None:
    """Raise FieldError for people who are not of this site, have left, or stand twice."""
    ids = [member.person_id for member in members]
    if not ids:
        raise FieldError("members", "at least one person")
    if len(set(ids)) < len(ids):
        raise FieldError("members", "one person stands twice")
    known = select(people.c.id).where(people.c.id.in_(ids), people.c.site == site, people.c.retired_at.is_(None))
    missing = sorted(set(ids) - set(connection.execute(known).scalars()))
    if missing:
        raise FieldError("members", f"no person {missing[0]} in site {site!r}")


def put_members(connection: Connection, household: int, members: Sequence[Member]) -> bool:
    """Exactly these members; whether anything was different. `check_members` comes first."""
    mine = household_members.c.household_id == household
    stored = {row.person_id: row for row in connection.execute(select(household_members).where(mine))}
    changed = False
    for member in members:
        changed |= _put_member(connection, household, member, stored.pop(member.person_id, None))
    for person_id in stored:
        connection.execute(household_members.delete().where(mine, household_members.c.person_id == person_id))
        changed = True
    return changed


def add_member(connection: Connection, household: int, member: Member) -> bool:
    """One member as given, the others as they are; whether anything was different."""
    mine = (household_members.c.household_id == household) & (household_members.c.person_id == member.person_id)
    row = connection.execute(select(household_members).where(mine)).one_or_none()
    return _put_member(connection, household, member, row)


def _put_member(connection: Connection, household: int, member: Member, row: Row[Any] | None) -> bool:
    values = {"role": str(member.role), "notified": member.notified}
    if row is None:
        connection.execute(
            household_members.insert().values(household_id=household, person_id=member.person_id, **values)
        )
        return True
    if (row.role, bool(row.notified)) == (values["role"], values["notified"]):
        return False
    mine = (household_members.c.household_id == household) & (household_members.c.person_id == member.person_id)
    connection.execute(household_members.update().where(mine).values(values))
    return True


# --- reading ----------------------------------------------------------------------------------------------


def page(
    connection: Connection,
    site: str | None,
    unit: str | None,
    now_only: bool,
    sites: Collection[str],
    before: int | None,
    limit: int,
) -> Sequence[HouseholdView]:
    """Households below row `before`, newest first."""
    statement = select(households).order_by(households.c.id.desc()).limit(limit)
    if site is not None:
        statement = statement.where(households.c.site == site)
    if unit is not None:
        statement = statement.where(households.c.unit == unit)
    if now_only:
        statement = statement.where(households.c.until.is_(None))
    if sites:
        statement = statement.where(households.c.site.in_(sorted(sites)))
    if before is not None:
        statement = statement.where(households.c.id < before)
    return _views(connection, connection.execute(statement).all())


def one(connection: Connection, household_id: int) -> HouseholdView | None:
    """One household, also a past one."""
    row = connection.execute(select(households).where(households.c.id == household_id)).one_or_none()
    return None if row is None else _views(connection, [row])[0]


def _views(connection: Connection, rows: Sequence[Row[Any]]) -> list[HouseholdView]:
    statement = (
        select(household_members, people.c.name)
        .join(people, people.c.id == household_members.c.person_id)
        .where(household_members.c.household_id.in_([row.id for row in rows]))
        .order_by(people.c.id)
    )
    members: dict[int, list[Row[Any]]] = {}
    for member in connection.execute(statement):
        members.setdefault(member.household_id, []).append(member)
    return [HouseholdView(row, members.get(row.id, ())) for row in rows]
