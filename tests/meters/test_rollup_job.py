"""Roll-ups follow the readings: complete hours and days once, late readings again, nothing when interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from hub.meters import lives, readings
from hub.meters.lives import Entry, Life
from hub.meters.rollup_job import roll_up
from hub.store import schema
from hub.store.database import Store, open_store
from hub.vocabulary.events import MeterReading
from hub.vocabulary.facts import SiteFacts
from hub.vocabulary.instants import DAY_MS, HOUR_MS, MINUTE_MS
from hub.vocabulary.units import BalanceUnit

ZONE = ZoneInfo("Asia/Shanghai")
MIDNIGHT = round(datetime(2026, 5, 10, tzinfo=ZONE).timestamp() * 1000)


class OneSite:
    def site(self, site: str) -> SiteFacts | None:
        return SiteFacts(id=site, name=site, timezone="Asia/Shanghai", locale="zh-CN")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url)
    with opened.write() as connection:
        connection.execute(schema.sites.insert().values(id="s", name="s", timezone="Asia/Shanghai", locale="zh-CN"))
        facts = {"site": "s", "profile": "hub-json", "place": "b1", "name": "x", "gateway": "mqtt", "created_at": 0}
        connection.execute(schema.devices.insert().values(pk=1, id="m-1", kind="meter", **facts))
    yield opened
    opened.close()


def put(store: Store, at: int, energy_wh: int, credit: int = 1_000, *, late: bool = False) -> None:
    event = MeterReading(
        site="s", device="m-1", source_key=str(at), occurred_at=at, received_at=at, credit=credit, unit=BalanceUnit.CNY,
        energy_wh=energy_wh,
    )  # fmt: skip
    with store.write() as connection:
        readings.insert_new(connection, [readings.row_of(event, 1, readings.key_of(event), late=late)])
        if late:
            readings.mark_late(connection, [(1, at - at % HOUR_MS)])


def a_day(store: Store, skip: int | None = None) -> None:
    """A reading every quarter of an hour, 100 Wh apart, from midnight to midnight."""
    for i in range(97):
        if i != skip:
            put(store, MIDNIGHT + i * 15 * MINUTE_MS, 1_000_000 + 100 * i)


def rows(store: Store, table: object) -> list[tuple[int, int | None, int]]:
    with store.read() as connection:
        found = connection.execute(
            select(table.c.start_at, table.c.used_wh, table.c["count"]).order_by(table.c.start_at)
        )  # type: ignore[attr-defined]
        return [tuple(row) for row in found]  # type: ignore[misc]


def test_complete_hours_and_the_day_of_the_sites_calendar_are_rolled_up(store: Store) -> None:
    a_day(store)
    assert roll_up(store, OneSite(), MIDNIGHT + DAY_MS + 4 * MINUTE_MS) == MIDNIGHT + DAY_MS
    hours, days = rows(store, schema.readings_hour), rows(store, schema.readings_day)
    assert len(hours) == 24
    assert {count for _, _, count in hours} == {4}
    assert [(start, count) for start, _, count in days] == [(MIDNIGHT, 96)]
    assert days[0][1] == 9_500
    assert sum(used or 0 for _, used, _ in hours) == 9_500


def test_rolling_up_hour_by_hour_gives_the_same_as_all_at_once(store: Store) -> None:
    a_day(store)
    for hour in range(26):
        roll_up(store, OneSite(), MIDNIGHT + hour * HOUR_MS + 4 * MINUTE_MS)
    first = rows(store, schema.readings_day)[0]
    assert first[:2] == (MIDNIGHT, 9_500)
    assert sum(used or 0 for _, used, _ in rows(store, schema.readings_hour)[:24]) == 9_500


def test_a_late_reading_has_its_hour_and_its_day_rolled_up_again_once(store: Store) -> None:
    a_day(store, skip=50)
    roll_up(store, OneSite(), MIDNIGHT + DAY_MS + 4 * MINUTE_MS)
    put(store, MIDNIGHT + 50 * 15 * MINUTE_MS, 1_000_000 + 5_000, late=True)
    roll_up(store, OneSite(), MIDNIGHT + DAY_MS + 64 * MINUTE_MS)
    assert rows(store, schema.readings_day)[0][2] == 96
    assert {count for _, _, count in rows(store, schema.readings_hour)[:24]} == {4}
    with store.read() as connection:
        assert connection.execute(select(schema.rollup_due)).all() == []


def test_an_interrupted_job_leaves_the_watermark_where_it_was(store: Store) -> None:
    a_day(store)
    assert roll_up(store, OneSite(), MIDNIGHT + DAY_MS, keep_on=lambda: False) == MIDNIGHT
    assert rows(store, schema.readings_hour) == []
    roll_up(store, OneSite(), MIDNIGHT + DAY_MS)
    assert len(rows(store, schema.readings_hour)) == 24


def test_without_readings_there_is_nothing_to_do(store: Store) -> None:
    assert roll_up(store, OneSite(), MIDNIGHT + 5) == MIDNIGHT


@pytest.mark.parametrize("late", [3, 95])
def test_a_late_reading_at_the_end_of_an_hour_is_not_counted_in_the_next_one_too(store: Store, late: int) -> None:
    a_day(store, skip=late)
    for i in range(97, 97 + 8):
        put(store, MIDNIGHT + i * 15 * MINUTE_MS, 1_000_000 + 100 * i)
    now = MIDNIGHT + DAY_MS + 2 * HOUR_MS
    roll_up(store, OneSite(), now)
    put(store, MIDNIGHT + late * 15 * MINUTE_MS, 1_000_000 + 100 * late, late=True)
    roll_up(store, OneSite(), now)
    assert sum(used or 0 for _, used, _ in rows(store, schema.readings_hour)) == 103 * 100


def test_another_meter_that_is_written_down_later_has_its_hour_rolled_up_again(store: Store) -> None:
    for i in range(9):
        put(store, MIDNIGHT + i * 15 * MINUTE_MS, 1_000_000 + 100 * i if i < 2 else 100 * i)
    now = MIDNIGHT + 2 * HOUR_MS + 4 * MINUTE_MS
    roll_up(store, OneSite(), now)
    assert [used for _, used, _ in rows(store, schema.readings_hour)] == [None, 400]
    swap = Life(
        device_pk=1, entry=Entry.REPLACED, at=MIDNIGHT + 20 * MINUTE_MS, end_energy_wh=1_000_130, begin_energy_wh=150, by="wang"
    )  # fmt: skip
    with store.write() as connection:
        lives.add(connection, swap)
        readings.mark_late(connection, [(1, MIDNIGHT)])
    roll_up(store, OneSite(), now)
    assert [used for _, used, _ in rows(store, schema.readings_hour)] == [100 + 30 + 50 + 100, 400]
