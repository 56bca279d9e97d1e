"""The roster in the database: shifts, assignments and overrides are entered and taken back, never rewritten or deleted.

Every function works inside a transaction that its caller owns; FieldError is raised before anything is written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, tzinfo
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, Select, bindparam, or_, select

from hub.registry.people import FieldError
from hub.registry.roster import SHIFTS, Assignment, Override, OverrideKind, Roster, Shift, shift_of
from hub.store.schema import duty_assignments, duty_overrides, duty_shifts, people
from hub.vocabulary.instants import DAY_MS, UtcMs
from hub.vocabulary.roles import Role

WEEK: Final = "1234567"
LONGEST_OVERRIDE_MS: Final = 366 * DAY_MS

# Built once: every notice asks who is on duty.
_ASSIGNED: Final = (
    select(duty_assignments)
    .where(
        duty_assignments.c.site == bindparam("_site"),
        or_(duty_assignments.c.ended_at.is_(None), duty_assignments.c.ended_at > bindparam("_at")),
    )
    .order_by(duty_assignments.c.id)
)
_OVERRIDDEN: Final = select(duty_overrides).where(
    duty_overrides.c.site == bindparam("_site"),
    duty_overrides.c.from_at <= bindparam("_at"),
    duty_overrides.c.until_at > bindparam("_at"),
    or_(duty_overrides.c.ended_at.is_(None), duty_overrides.c.ended_at > bindparam("_at")),
)
_SHIFTS: Final = select(duty_shifts).where(duty_shifts.c.site == bindparam("_site")).order_by(duty_shifts.c.name)


class AssignmentEdit(msgspec.Struct, frozen=True, kw_only=True):
    """A person in a shift for a role; `weekdays` are digits of WEEK, none: every day."""

    person_id: int
    role: str
    shift: str
    weekdays: str = ""
    zone: tuple[str, ...] = ()
    valid_from: date
    valid_until: date | None = None


class OverrideEdit(msgspec.Struct, frozen=True, kw_only=True):
    """An exception (hub.registry.roster.Override)."""

    kind: OverrideKind
    person_id: int
    role: str | None = None
    by_person_id: int | None = None
    zone: tuple[str, ...] = ()
    from_at: UtcMs
    until_at: UtcMs
    note: str = ""


# --- reading ----------------------------------------------------------------------------------------------


def load(connection: Connection, site: str, zone: tzinfo, at: UtcMs) -> Roster:
    """What decides who is on duty at this moment."""
    about = {"_site": site, "_at": at}
    assignments = connection.execute(_ASSIGNED, about)
    overrides = connection.execute(_OVERRIDDEN, about)
    return Roster(
        zone=zone,
        shifts=shifts_of(connection, site),
        assignments=tuple(_assignment(row) for row in assignments),
        overrides=tuple(_override(row) for row in overrides),
    )


def shifts_of(connection: Connection, site: str) -> Mapping[str, Shift]:
    """The site's shifts by name: those that every site has, and its own over them."""
    rows = connection.execute(_SHIFTS, {"_site": site})
    return {**SHIFTS, **{row.name: Shift(row.name, row.start_minute, row.end_minute) for row in rows}}


def _assignment(row: Row[Any]) -> Assignment:
    return Assignment(
        id=row.id,
        person_id=row.person_id,
        role=row.role,
        shift=row.shift,
        weekdays=frozenset(map(int, row.weekdays)),
        zone=tuple(row.zone.split()),
        valid_from=date.fromisoformat(row.valid_from),
        valid_until=None if row.valid_until is None else date.fromisoformat(row.valid_until),
        ended_at=row.ended_at,
    )


def _override(row: Row[Any]) -> Override:
    return Override(
        id=row.id,
        kind=OverrideKind(row.kind),
        person_id=row.person_id,
        role=row.role,
        by_person_id=row.by_person_id,
        zone=tuple(row.zone.split()),
        from_at=row.from_at,
        until_at=row.until_at,
        ended_at=row.ended_at,
    )


def page_of_assignments(
    connection: Connection, sites: Collection[str], site: str | None, role: str | None, after: int | None, limit: int
) -> Sequence[Row[Any]]:
    """Assignments that stand, oldest first, with the person's name and code. No `sites`: every site."""
    statement = _named(duty_assignments, sites, site, after).where(duty_assignments.c.ended_at.is_(None))
    if role is not None:
        statement = statement.where(duty_assignments.c.role == role)
    return connection.execute(statement.limit(limit)).all()


def page_of_overrides(
    connection: Connection, sites: Collection[str], site: str | None, over_after: UtcMs, after: int | None, limit: int
) -> Sequence[Row[Any]]:
    """Overrides that stand and are not over, in the order in which they were entered."""
    statement = _named(duty_overrides, sites, site, after).where(
        duty_overrides.c.ended_at.is_(None), duty_overrides.c.until_at > over_after
    )
    return connection.execute(statement.limit(limit)).all()


def find(connection: Connection, table: Any, row_id: int) -> Row[Any] | None:
    """One assignment or override, also one that was taken back."""
    return connection.execute(_named(table, (), None, None).where(table.c.id == row_id)).one_or_none()


def _named(table: Any, sites: Collection[str], site: str | None, after: int | None) -> Select[Any]:
    statement = (
        select(table, people.c.name.label("person_name"), people.c.code.label("person_code"))
        .join(people, people.c.id == table.c.person_id)
        .order_by(table.c.id)
    )
    if site is not None:
        statement = statement.where(table.c.site == site)
    if sites:
        statement = statement.where(table.c.site.in_(sorted(sites)))
    return statement if after is None else statement.where(table.c.id > after)


def names(connection: Connection, person_ids: Collection[int]) -> Mapping[int, Any]:
    """Id, name and code of people."""
    statement = select(people.c.id, people.c.name, people.c.code).where(people.c.id.in_(sorted(person_ids)))
    return {row.id: row for row in connection.execute(statement)}


def role_of(connection: Connection, site: str, person_id: int) -> str | None:
    """A member of staff's own role."""
    statement = select(people.c.role).where(people.c.id == person_id, people.c.site == site)
    found: str | None = connection.execute(statement).scalar_one_or_none()
    return found


# --- writing ----------------------------------------------------------------------------------------------


def put_shift(connection: Connection, site: str, shift: Shift) -> None:
    """The site's own shift of this name, from now on."""
    here = (duty_shifts.c.site == site, duty_shifts.c.name == shift.name)
    values = {"start_minute": shift.start, "end_minute": shift.end}
    if connection.execute(duty_shifts.update().where(*here).values(values)).rowcount == 0:
        connection.execute(duty_shifts.insert().values(site=site, name=shift.name, **values))


def assign(connection: Connection, site: str, edit: AssignmentEdit, by: str, now: UtcMs) -> int:
    """A new assignment; its id. Raises FieldError."""
    _demand_staff(connection, site, edit.person_id, "person")
    if edit.role not in tuple(Role):
        raise FieldError("role", f"one of: {', '.join(Role)}")
    known = shifts_of(connection, site)
    if shift_of(edit.shift, known) is None:
        raise FieldError("shift", f"there is no shift {edit.shift!r}; there are: {', '.join(known)}, or 22:00-06:00")
    if set(edit.weekdays) - set(WEEK):
        raise FieldError("weekdays", "digits 1 (Monday) to 7 (Sunday)")
    if edit.valid_until is not None and edit.valid_until < edit.valid_from:
        raise FieldError("valid_until", "is before valid_from")
    key = connection.execute(
        duty_assignments.insert().values(
            site=site,
            person_id=edit.person_id,
            role=edit.role,
            shift=edit.shift,
            weekdays="".join(sorted(set(edit.weekdays))),
            zone=" ".join(edit.zone),
            valid_from=edit.valid_from.isoformat(),
            valid_until=None if edit.valid_until is None else edit.valid_until.isoformat(),
            created_at=now,
            created_by=by,
        )
    ).inserted_primary_key
    assert key is not None
    return int(key[0])


def put_override(connection: Connection, site: str, edit: OverrideEdit, by: str, now: UtcMs) -> int:
    """A new override; its id. Raises FieldError."""
    _demand_staff(connection, site, edit.person_id, "person")
    if edit.role is not None and edit.role not in tuple(Role):
        raise FieldError("role", f"one of: {', '.join(Role)}")
    if edit.kind is OverrideKind.ADD and edit.role is None:
        raise FieldError("role", "who is added is added for a role")
    if (edit.kind is OverrideKind.REPLACE) != (edit.by_person_id is not None):
        raise FieldError("by_person", "with `replace` who stands in, else nobody")
    if edit.by_person_id is not None:
        _demand_staff(connection, site, edit.by_person_id, "by_person")
    if edit.by_person_id == edit.person_id:
        raise FieldError("by_person", "nobody stands in for themselves")
    if edit.zone and edit.kind is not OverrideKind.ADD:
        raise FieldError("zone", "only who is added has a zone of their own")
    if not edit.from_at < edit.until_at <= edit.from_at + LONGEST_OVERRIDE_MS:
        raise FieldError("until_at", "must be after `from_at`, by a year at most")
    key = connection.execute(
        duty_overrides.insert().values(
            site=site,
            kind=str(edit.kind),
            role=edit.role,
            person_id=edit.person_id,
            by_person_id=edit.by_person_id,
            zone=" ".join(edit.zone),
            from_at=edit.from_at,
            until_at=edit.until_at,
            note=edit.note,
            created_at=now,
            created_by=by,
        )
    ).inserted_primary_key
    assert key is not None
    return int(key[0])


def take_back(connection: Connection, table: Any, row_id: int, by: str, now: UtcMs) -> bool:
    """End an assignment or override as of now; False where it had ended already. What it was before stays."""
    standing = table.update().where(table.c.id == row_id, table.c.ended_at.is_(None))
    return connection.execute(standing.values(ended_at=now, ended_by=by)).rowcount > 0


def _demand_staff(connection: Connection, site: str, person_id: int, field: str) -> None:
    row = connection.execute(select(people).where(people.c.id == person_id, people.c.site == site)).one_or_none()
    if row is None or row.retired_at is not None:
        raise FieldError(field, f"there is no person {person_id} at {site!r}")
    if row.role is None:
        raise FieldError(field, f"{row.name} is no staff: give them a role first")
