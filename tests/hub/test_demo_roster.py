"""The demonstration has people on duty at every moment, and enters them once."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from hub.demo_roster import PEOPLE, ensure_roster
from hub.demo_telephones import CHANNEL
from hub.registry import roster_rows
from hub.registry.roster import on_duty
from hub.registry.rows import align
from hub.store.database import Store, open_store
from hub.store.schema import person_channels
from hub.vocabulary.facts import SiteFacts
from hub.vocabulary.instants import HOUR_MS
from hub.vocabulary.roles import Role

ZONE = ZoneInfo("Asia/Shanghai")
NOW = int(datetime(2026, 11, 21, 16, 0, tzinfo=UTC).timestamp() * 1000)  # midnight at the site


@pytest.fixture
def store(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    sites = [
        SiteFacts(id=name, name=name, timezone="Asia/Shanghai", locale="zh-CN") for name in ("lakeside", "hillside")
    ]
    with store.write() as connection:
        align(connection, sites, (), NOW)
    ensure_roster(store, ("lakeside", "hillside"), NOW)
    yield store
    store.close()


def names(store: Store, role: Role, at: int, site: str = "lakeside") -> set[str]:
    with store.read() as connection:
        roster = roster_rows.load(connection, site, ZONE, at)
        people = [duty.person_id for duty in on_duty(roster, str(role), None, at)]
        return {person.name for person in roster_rows.names(connection, people).values()}


@pytest.mark.parametrize("site", ["lakeside", "hillside"])
@pytest.mark.parametrize("role", [Role.CONTROL_ROOM, Role.DUTY_SUPERVISOR, Role.TECHNICIAN, Role.SECURITY])
def test_somebody_of_every_emergency_role_is_on_duty_at_every_hour(store: Store, site: str, role: Role) -> None:
    for hour in range(30):
        assert names(store, role, NOW + hour * HOUR_MS, site), hour


def test_shifts_a_and_b_are_those_of_the_service_centre(store: Store) -> None:
    assert names(store, Role.FRONT_DESK, NOW + 9 * HOUR_MS) == {"林前"}
    assert names(store, Role.FRONT_DESK, NOW + 14 * HOUR_MS) == {"林前", "黄台"}
    assert names(store, Role.FRONT_DESK, NOW + 20 * HOUR_MS) == {"黄台"}
    assert names(store, Role.FRONT_DESK, NOW + 21 * HOUR_MS) == set()


def test_everybody_on_duty_can_be_called_and_not_only_read_of_on_a_list(store: Store) -> None:
    with store.read() as connection:
        ways = connection.execute(select(person_channels.c.channel, person_channels.c.rank)).all()
    assert sum(way.channel == CHANNEL and way.rank == 1 for way in ways) == 2 * len(PEOPLE)


def test_it_is_entered_once_and_a_changed_roster_stays(store: Store) -> None:
    with store.read() as connection:
        before = roster_rows.load(connection, "lakeside", ZONE, NOW + HOUR_MS).assignments
    assert len(before) == sum(len(each.shifts) for each in PEOPLE)
    ensure_roster(store, ("lakeside", "hillside"), NOW + HOUR_MS)
    with store.read() as connection:
        assert roster_rows.load(connection, "lakeside", ZONE, NOW + HOUR_MS).assignments == before
