"""The demonstration's people on duty: shifts A and B, the control room round the clock, technicians on call. Invented names.

What they are sent arrives at the demonstration's own telephones (hub.demo_telephones), else in the hub's list. Entered once
per site; what somebody changes afterwards stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, func, select

from hub.demo_telephones import CHANNEL
from hub.registry import people, roster_rows
from hub.registry.people import ChannelEdit, PersonEdit
from hub.registry.roster_rows import AssignmentEdit
from hub.settings.notifiers import HOUSEKEEPER_LIST
from hub.store.database import Store
from hub.store.schema import duty_assignments
from hub.vocabulary.instants import DAY_MS, UtcMs
from hub.vocabulary.roles import Role

BY: Final = "demo"
NIGHT: Final = "20:30-08:30"


class OnDuty(NamedTuple):
    """A person of a site, and the shifts in which they work (domain/procedures.md 6)."""

    code: str
    name: str
    role: Role
    shifts: tuple[str, ...]


PEOPLE: Final = (
    OnDuty("ZK01", "王敏", Role.CONTROL_ROOM, ("round_the_clock",)),
    OnDuty("ZG01", "周强", Role.DUTY_SUPERVISOR, ("A",)),
    OnDuty("ZG02", "郑凯", Role.DUTY_SUPERVISOR, ("B", NIGHT)),
    OnDuty("JL01", "陈立", Role.DEPARTMENT_MANAGER, ("A", "B")),
    OnDuty("XM01", "高远", Role.MANAGER, ("A",)),
    OnDuty("DT01", "赵电", Role.TECHNICIAN, ("round_the_clock",)),
    OnDuty("DT02", "孙维", Role.TECHNICIAN, ("round_the_clock",)),
    OnDuty("BA01", "李卫", Role.SECURITY, ("A",)),
    OnDuty("BA02", "吴安", Role.SECURITY, ("B",)),
    OnDuty("BA03", "何夜", Role.SECURITY, (NIGHT,)),
    OnDuty("QT01", "林前", Role.FRONT_DESK, ("A",)),
    OnDuty("QT02", "黄台", Role.FRONT_DESK, ("B",)),
    OnDuty("GJ01", "许家", Role.HOUSEKEEPER, ("08:30-12:00", "14:00-18:00")),
)


def ensure_roster(store: Store, sites: Iterable[str], now: UtcMs) -> None:
    """Enter these people and their shifts at every site that has no roster and does not know them."""
    for site in sites:
        with store.write() as connection:
            if not _has_roster(connection, site):
                _enter(connection, site, now)


def _has_roster(connection: Connection, site: str) -> bool:
    mine = select(func.count()).select_from(duty_assignments).where(duty_assignments.c.site == site)
    return bool(connection.execute(mine).scalar_one())


def _enter(connection: Connection, site: str, now: UtcMs) -> None:
    since = datetime.fromtimestamp(
        (now - DAY_MS) / 1000, UTC
    ).date()  # the night shift that began yesterday, in any zone
    for each in PEOPLE:
        person = people.find_code(connection, site, each.code)
        if person is None:
            channels = tuple(ChannelEdit(way, each.code, consent=True) for way in (CHANNEL, HOUSEKEEPER_LIST))
            edit = PersonEdit(code=each.code, name=each.name, role=str(each.role), channels=channels)
            person = people.create(connection, site, edit, now)
        for shift in each.shifts:
            assignment = AssignmentEdit(person_id=person, role=str(each.role), shift=shift, valid_from=since)
            roster_rows.assign(connection, site, assignment, BY, now)
