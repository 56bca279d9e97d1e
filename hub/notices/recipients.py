"""Who is told: found out when a notice is sent, from households, staff and roster as they are then.

A vacant unit, or a place that is no unit, has nobody but the housekeeper. The housekeeper's list is a recipient that needs
nothing: it is read through the API, so somebody is always told. Staff are told who are on duty; where the roster names
nobody, or nobody of them can be reached, everybody of the role is told: a gap in a roster is never silence. A list reaches
nobody who has to come at once: what is critical goes on to whoever can be called (`reaches`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import Connection, Row, Select, and_, bindparam, select

from hub.notices.plan import Channel
from hub.registry import roster_rows
from hub.registry.roster import Roster, on_duty
from hub.settings.notifiers import HOUSEKEEPER_LIST
from hub.store.schema import devices, household_members, households, people, person_channels
from hub.vocabulary.decisions import Audience, Urgency
from hub.vocabulary.events import SubjectType
from hub.vocabulary.instants import UtcMs

if TYPE_CHECKING:
    from hub.notices.letters import SiteNotices

STAFF_ROLES: Final = {audience: str(audience) for audience in Audience if audience is not Audience.HOUSEHOLD}


_CHANNELS: Final[Select[Any]] = (
    select(
        people.c.id,
        people.c.name,
        people.c.locale,
        people.c.zone,
        person_channels.c.channel,
        person_channels.c.address,
    )
    .join_from(
        people,
        person_channels,
        and_(
            person_channels.c.person_id == people.c.id,
            person_channels.c.consent_at.is_not(None),
            person_channels.c.channel.in_(bindparam("_notifiers", expanding=True)),
        ),
        isouter=True,
    )
    .where(people.c.retired_at.is_(None))
    .order_by(people.c.id, person_channels.c.rank, person_channels.c.id)
)
_ON_DUTY: Final = _CHANNELS.where(people.c.id.in_(bindparam("_people", expanding=True)))
_STAFF: Final = _CHANNELS.where(people.c.site == bindparam("_site"), people.c.role == bindparam("_role"))
_WORKS_HERE: Final = _CHANNELS.where(
    people.c.id == bindparam("_person"), people.c.site == bindparam("_site"), people.c.role.is_not(None)
)
_MEMBERS: Final = _CHANNELS.join(
    household_members,
    and_(
        household_members.c.person_id == people.c.id,
        household_members.c.household_id == bindparam("_household"),
        household_members.c.notified,
    ),
)
_HOUSEHOLD: Final = select(households.c.id).where(
    households.c.site == bindparam("_site"), households.c.unit == bindparam("_unit"), households.c.until.is_(None)
)
_PLACE: Final = select(devices.c.place).where(
    devices.c.site == bindparam("_site"), devices.c.id == bindparam("_device")
)


READ_A_LIST: Final = frozenset({Audience.HOUSEHOLD, Audience.HOUSEKEEPER})
"""Audiences for whom the list is made; a vacant unit has nothing else."""


def reaches(channel: str, urgency: str, audience: str) -> bool:
    """Whether a notice that stands on this channel has reached somebody of this audience.

    What is critical is for people who have to come at once: that it stands on a list to be read reaches none of them.
    """
    return channel != HOUSEKEEPER_LIST or urgency != Urgency.CRITICAL or audience in READ_A_LIST


class Absent(StrEnum):
    """Why there is nobody to tell."""

    NO_NOTIFIED_MEMBER = "no_notified_member"
    NO_STAFF = "no_staff"
    NO_CHANNEL = "no_channel"
    LIST_ONLY = "list_only"  # it stands on the list, and is critical


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


class Wanted(msgspec.Struct, frozen=True):
    """What decides who is told of an order."""

    site: str
    subject_type: str
    subject_id: str
    urgency: str
    audience: str

    @classmethod
    def of(cls, order: Row[Any], audience: str | None = None) -> Wanted:
        """An order's row; with `audience`, the same order to somebody else."""
        return cls(order.site, order.subject_type, order.subject_id, order.urgency, audience or order.audience)


class Directory:
    """Who can be told now. Lives for one transaction: places, rosters and staff are read once, however many orders ask."""

    def __init__(self, connection: Connection, now: UtcMs) -> None:
        self._connection = connection
        self._now = now
        self._places: dict[tuple[str, str, str], Place] = {}
        self._rosters: dict[str, Roster] = {}
        self._staff: dict[tuple[str, str], Sequence[Row[Any]]] = {}
        self._on_duty: dict[tuple[str, str | None, str], tuple[Recipient, ...]] = {}

    def resolve(self, order: Wanted, site: SiteNotices) -> tuple[Recipient, ...] | Absent:
        """Who is to be told of this order."""
        place = self._place_of(order.site, order.subject_type, order.subject_id)
        audience = Audience(order.audience)
        if audience is Audience.HOUSEHOLD and place.unit is not None:
            household = self._current_household(order.site, place.unit)
            if household is not None:
                return _reachable(self._members(household, site.notifiers), Absent.NO_NOTIFIED_MEMBER)
        if audience in {Audience.HOUSEHOLD, Audience.HOUSEKEEPER}:
            found = self._those_on_duty(order.site, place, "housekeeper", site)
            keepers = found or self._staff_of(order.site, place, "housekeeper", site)
            return (*(each for each in keepers if each.channels), _the_list(order.site, place, site.policy.locale))
        role = STAFF_ROLES[audience]
        on_duty_now = self._those_on_duty(order.site, place, role, site)
        if any(_counts(order, way) for each in on_duty_now for way in each.channels):
            return tuple(_calls_first(order, each) for each in on_duty_now)
        found_staff = _reachable(self._staff_of(order.site, place, role, site), Absent.NO_STAFF)
        return found_staff if isinstance(found_staff, Absent) else tuple(_calls_first(order, e) for e in found_staff)

    def still_meant(self, order: Row[Any], person_id: int | None, site: SiteNotices) -> Recipient | None:
        """The person of a notice, as they are now, if they are still one to be told.

        Staff are, as long as they work here: whoever was on duty when it was planned has to be told also after the shift's
        end, or a notice that is tried again at the change of shifts would reach nobody.
        """
        if Audience(order.audience) is Audience.HOUSEHOLD or person_id is None:
            found = self.resolve(Wanted.of(order), site)
            mine = found if isinstance(found, tuple) else ()
            return next((each for each in mine if each.person_id == person_id), None)
        about = {"_person": person_id, "_site": order.site, "_notifiers": sorted(site.notifiers)}
        person = next(iter(_grouped(self._connection.execute(_WORKS_HERE, about))), None)
        return None if person is None else _calls_first(Wanted.of(order), person)

    def _place_of(self, site: str, subject_type: str, subject_id: str) -> Place:
        key = (site, subject_type, subject_id)
        if key not in self._places:
            self._places[key] = place_of(self._connection, *key)
        return self._places[key]

    def _those_on_duty(self, site: str, place: Place, role: str, ways: SiteNotices) -> tuple[Recipient, ...]:
        """Those on duty who can be reached, whatever their own role and zone are: the roster says where they are."""
        key = (site, place.building, role)
        if key not in self._on_duty:
            self._on_duty[key] = self._reachable_on_duty(site, place, role, ways)
        return self._on_duty[key]

    def _reachable_on_duty(self, site: str, place: Place, role: str, ways: SiteNotices) -> tuple[Recipient, ...]:
        if site not in self._rosters:
            self._rosters[site] = roster_rows.load(self._connection, site, ways.zone, self._now)
        duties = on_duty(self._rosters[site], role, place.building, self._now)
        if not duties:
            return ()
        about = {"_people": [duty.person_id for duty in duties], "_notifiers": sorted(ways.notifiers)}
        return tuple(each for each in _grouped(self._connection.execute(_ON_DUTY, about)) if each.channels)

    def _staff_of(self, site: str, place: Place, role: str, ways: SiteNotices) -> list[Recipient]:
        """Staff of a role whose zone covers the place; an empty zone is the whole site."""
        key = (site, role)
        if key not in self._staff:
            about = {"_site": site, "_role": role, "_notifiers": sorted(ways.notifiers)}
            self._staff[key] = self._connection.execute(_STAFF, about).all()
        covers = (
            row
            for row in self._staff[key]
            if place.building is None or not row.zone.split() or place.building in row.zone.split()
        )
        return _grouped(covers)

    def _members(self, household: int, notifiers: Collection[str]) -> list[Recipient]:
        about = {"_household": household, "_notifiers": sorted(notifiers)}
        return _grouped(self._connection.execute(_MEMBERS, about))

    def _current_household(self, site: str, unit: str) -> int | None:
        found: int | None = self._connection.execute(_HOUSEHOLD, {"_site": site, "_unit": unit}).scalar_one_or_none()
        return found


def _counts(order: Wanted, way: Channel) -> bool:
    return reaches(way.channel, order.urgency, order.audience)


def _calls_first(order: Wanted, person: Recipient) -> Recipient:
    """Whatever rank the list has: what only stands there comes after every way that reaches them."""
    ways = sorted(person.channels, key=lambda way: not _counts(order, way))
    return msgspec.structs.replace(person, channels=tuple(ways))


def place_of(connection: Connection, site: str, subject_type: str, subject_id: str) -> Place:
    """The place of a subject; retired devices keep theirs."""
    if subject_type == SubjectType.BUILDING:
        return Place(subject_id, None)
    if subject_type != SubjectType.DEVICE:
        return Place(None, None)
    place: str | None = connection.execute(_PLACE, {"_site": site, "_device": subject_id}).scalar_one_or_none()
    if place is None:
        return Place(None, None)
    return Place(place.partition("/")[0], place if "/" in place else None)


def _the_list(site: str, place: Place, locale: str) -> Recipient:
    where = place.building or site
    return Recipient(person_id=None, name=HOUSEKEEPER_LIST, locale=locale, channels=(Channel(HOUSEKEEPER_LIST, where),))


def _reachable(found: Iterable[Recipient], nobody: Absent) -> tuple[Recipient, ...] | Absent:
    people_found = list(found)
    if not people_found:
        return nobody
    return tuple(each for each in people_found if each.channels) or Absent.NO_CHANNEL


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
