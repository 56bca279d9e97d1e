"""Who is told: found out when a notice is sent, from households and staff as they are then (the owner may have changed).

A vacant unit, or a place that is no unit, has nobody but the housekeeper. The housekeeper's list is a recipient that needs
nothing: it is read through the API, so somebody is always told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, Select, and_, select

from hub.notices.plan import Channel
from hub.settings.notifiers import HOUSEKEEPER_LIST
from hub.store.schema import devices, household_members, households, people, person_channels
from hub.vocabulary.decisions import Audience
from hub.vocabulary.events import SubjectType

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
    connection: Connection, order: Row[Any], notifiers: Collection[str], locale: str
) -> tuple[Recipient, ...] | Absent:
    """Who is to be told of this order now. `notifiers` are those of the site, `locale` that of its lists."""
    place = place_of(connection, order.site, order.subject_type, order.subject_id)
    audience = Audience(order.audience)
    if audience is Audience.HOUSEHOLD and place.unit is not None:
        household = _current_household(connection, order.site, place.unit)
        if household is not None:
            return _reachable(_members(connection, household, notifiers), Absent.NO_NOTIFIED_MEMBER)
    if audience in {Audience.HOUSEHOLD, Audience.HOUSEKEEPER}:
        keepers = [each for each in _staff(connection, order.site, place, "housekeeper", notifiers) if each.channels]
        return (*keepers, _the_list(order.site, place, locale))
    return _reachable(_staff(connection, order.site, place, STAFF_ROLES[audience], notifiers), Absent.NO_STAFF)


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
