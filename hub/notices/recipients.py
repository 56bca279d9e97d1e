"""Who is told: found out when a notice is sent, from households, staff and roster as they are then.

A vacant unit, or a place that is no unit, has nobody but the housekeeper. The housekeeper's list is a recipient that needs
nothing: it is read through the API, so somebody is always told. Staff are told who are on duty; where the roster names
nobody, or nobody of them can be reached, everybody of the role is told: a gap in a roster is never silence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import tzinfo
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, Select, and_, select

from hub.notices.plan import Channel
from hub.registry import roster_rows
from hub.registry.roster import on_duty
from hub.settings.notifiers import HOUSEKEEPER_LIST
from hub.store.schema import devices, household_members, households, people, person_channels
from hub.vocabulary.decisions import Audience
from hub.vocabulary.events import SubjectType
from hub.vocabulary.instants import UtcMs

STAFF_ROLES: Final = {audience: str(audience) for audience in Audience if audience is not Audience.HOUSEHOLD}


class Absent(StrEnum):
    """Why there is nobody to tell."""

    NO_NOTIFIED_MEMBER = "no_notified_member"
    NO_STAFF = "no_staff"
    NO_CHANNEL = "no_channel"


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """A person with the channels that may be used, best first; `person_id` None: the housekeeper's list."""

    person_id: int | None
    name: str
    locale: str
    channels: tuple[Channel, ...]


class At(msgspec.Struct, frozen=True):
    """The moment at which people have to be on duty, and the zone of the site's roster."""

    now: UtcMs
    zone: tzinfo


class Place(msgspec.Struct, frozen=True):
    """Where the subject is; `unit` as in the site file (`b1/0101`), None where it is in no unit."""

    building: str | None
    unit: str | None


def place_of(connection: Connection, site: str, subject_type: str, subject_id: str) -> Place:
    """The place of a subject; retired devices keep theirs."""
    if subject_type == SubjectType.BUILDING:
        return Place(subject_id, None)
    if subject_type != SubjectType.DEVICE:
        return Place(None, None)
    statement = select(devices.c.place).where(devices.c.site == site, devices.c.id == subject_id)
    place: str | None = connection.execute(statement).scalar_one_or_none()
    if place is None:
        return Place(None, None)
    return Place(place.partition("/")[0], place if "/" in place else None)


def resolve(
    connection: Connection, order: Row[Any], notifiers: Collection[str], locale: str, at: At
) -> tuple[Recipient, ...] | Absent:
    """Who is to be told of this order. `notifiers` are those of the site, `locale` that of its lists."""
    place = place_of(connection, order.site, order.subject_type, order.subject_id)
    audience = Audience(order.audience)
    if audience is Audience.HOUSEHOLD and place.unit is not None:
        household = _current_household(connection, order.site, place.unit)
        if household is not None:
            return _reachable(_members(connection, household, notifiers), Absent.NO_NOTIFIED_MEMBER)
    if audience in {Audience.HOUSEHOLD, Audience.HOUSEKEEPER}:
        found = _on_duty(connection, order.site, place, "housekeeper", notifiers, at)
        keepers = found or _staff(connection, order.site, place, "housekeeper", notifiers)
        return (*(each for each in keepers if each.channels), _the_list(order.site, place, locale))
    role = STAFF_ROLES[audience]
    on_duty_now = _on_duty(connection, order.site, place, role, notifiers, at)
    return on_duty_now or _reachable(_staff(connection, order.site, place, role, notifiers), Absent.NO_STAFF)


def still_meant(
    connection: Connection, order: Row[Any], person_id: int | None, notifiers: Collection[str], locale: str, at: At
) -> Recipient | None:
    """The person of a notice, as they are now, if they are still one to be told.

    Staff are, as long as they work here: whoever was on duty when it was planned has to be told also after the shift's end,
    or a notice that is tried again at the change of shifts would reach nobody.
    """
    if Audience(order.audience) is Audience.HOUSEHOLD or person_id is None:
        found = resolve(connection, order, notifiers, locale, at)
        mine = found if isinstance(found, tuple) else ()
        return next((each for each in mine if each.person_id == person_id), None)
    works_here = _with_channels(notifiers).where(
        people.c.id == person_id, people.c.site == order.site, people.c.role.is_not(None)
    )
    return next(iter(_grouped(connection.execute(works_here))), None)


def _on_duty(
    connection: Connection, site: str, place: Place, role: str, notifiers: Collection[str], at: At
) -> tuple[Recipient, ...]:
    """Those on duty who can be reached, whatever their own role and zone are: the roster says where they are."""
    roster = roster_rows.load(connection, site, at.zone, at.now)
    duties = on_duty(roster, role, place.building, at.now)
    if not duties:
        return ()
    rows = _with_channels(notifiers).where(people.c.id.in_([duty.person_id for duty in duties]))
    return tuple(each for each in _grouped(connection.execute(rows)) if each.channels)


def _the_list(site: str, place: Place, locale: str) -> Recipient:
    where = place.building or site
    return Recipient(person_id=None, name=HOUSEKEEPER_LIST, locale=locale, channels=(Channel(HOUSEKEEPER_LIST, where),))


def _reachable(found: Iterable[Recipient], nobody: Absent) -> tuple[Recipient, ...] | Absent:
    people_found = list(found)
    if not people_found:
        return nobody
    return tuple(each for each in people_found if each.channels) or Absent.NO_CHANNEL


def _current_household(connection: Connection, site: str, unit: str) -> int | None:
    statement = select(households.c.id).where(
        households.c.site == site, households.c.unit == unit, households.c.until.is_(None)
    )
    found: int | None = connection.execute(statement).scalar_one_or_none()
    return found


def _with_channels(notifiers: Collection[str]) -> Select[Any]:
    usable = and_(
        person_channels.c.person_id == people.c.id,
        person_channels.c.consent_at.is_not(None),
        person_channels.c.channel.in_(sorted(notifiers)),
    )
    return (
        select(
            people.c.id,
            people.c.name,
            people.c.locale,
            people.c.zone,
            person_channels.c.channel,
            person_channels.c.address,
        )
        .join_from(people, person_channels, usable, isouter=True)
        .where(people.c.retired_at.is_(None))
        .order_by(people.c.id, person_channels.c.rank, person_channels.c.id)
    )


def _members(connection: Connection, household: int, notifiers: Collection[str]) -> list[Recipient]:
    statement = _with_channels(notifiers).join(
        household_members,
        and_(
            household_members.c.person_id == people.c.id,
            household_members.c.household_id == household,
            household_members.c.notified,
        ),
    )
    return _grouped(connection.execute(statement))


def _staff(connection: Connection, site: str, place: Place, role: str, notifiers: Collection[str]) -> list[Recipient]:
    """Staff of a role whose zone covers the place; an empty zone is the whole site."""
    statement = _with_channels(notifiers).where(people.c.site == site, people.c.role == role)
    rows = [
        row
        for row in connection.execute(statement)
        if place.building is None or not row.zone.split() or place.building in row.zone.split()
    ]
    return _grouped(rows)


def _grouped(rows: Iterable[Row[Any]]) -> list[Recipient]:
    found: dict[int, tuple[str, str, list[Channel]]] = {}
    for row in rows:
        _, _, channels = found.setdefault(row.id, (row.name, row.locale, []))
        if row.channel is not None:
            channels.append(Channel(row.channel, row.address))
    return [
        Recipient(person_id=person, name=name, locale=locale, channels=tuple(channels))
        for person, (name, locale, channels) in found.items()
    ]
