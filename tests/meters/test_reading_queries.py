"""What a forecast is made of: complete days, and yesterday as soon as today has begun."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from hub.meters import readings
from hub.meters.forecast import NoForecast, days_left
from hub.meters.reading_queries import complete_days, lasts_days
from hub.meters.rollup_job import roll_up
from hub.store import schema
from hub.store.database import Store, open_store
from hub.vocabulary.events import MeterReading
from hub.vocabulary.facts import SiteFacts
from hub.vocabulary.instants import DAY_MS, HOUR_MS
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


def read_every_two_hours(store: Store, first: int, last: int) -> None:
    """A fen every two minutes: 720 fen a day. `first` and `last` are hours after MIDNIGHT."""
    rows = []
    for hour in range(first, last, 2):
        at = MIDNIGHT + hour * HOUR_MS
        event = MeterReading(
            site="s", device="m-1", source_key=str(at), occurred_at=at, received_at=at, credit=9_000 - 30 * hour,
            unit=BalanceUnit.CNY,
        )  # fmt: skip
        rows.append(readings.row_of(event, 1, readings.key_of(event), late=False))
    with store.write() as connection:
        readings.insert_new(connection, rows)


def forecast(store: Store, now: int) -> object:
    roll_up(store, OneSite(), now)
    with store.read() as connection:
        return days_left(1_440, BalanceUnit.CNY, complete_days(connection, 1, ZONE, now), good=True)


def test_three_whole_days_are_enough_at_the_first_reading_of_the_fourth(store: Store) -> None:
    read_every_two_hours(store, 0, 72)
    now = MIDNIGHT + 3 * DAY_MS
    assert forecast(store, now + HOUR_MS) == (None, NoForecast.TOO_FEW_DAYS)
    read_every_two_hours(store, 72, 74)
    assert forecast(store, now + 2 * HOUR_MS) == (Decimal("2.0"), None)


def test_a_first_reading_late_in_the_morning_does_not_end_yesterday(store: Store) -> None:
    read_every_two_hours(store, 0, 72)
    read_every_two_hours(store, 82, 84)
    assert forecast(store, MIDNIGHT + 3 * DAY_MS + 12 * HOUR_MS) == (None, NoForecast.TOO_FEW_DAYS)


def test_days_are_those_of_the_sites_calendar_newest_first(store: Store) -> None:
    read_every_two_hours(store, 0, 98)
    now = MIDNIGHT + 4 * DAY_MS + 3 * HOUR_MS
    roll_up(store, OneSite(), now)
    with store.read() as connection:
        days = complete_days(connection, 1, ZONE, now)
    assert [day.credit_first for day in days] == [9_000 - 720 * back for back in (3, 2, 1, 0)]
    assert [day.credit_next for day in days] == [9_000 - 720 * back for back in (4, 3, 2, 1)]


def lasts(store: Store, now: int, device: str = "m-1") -> int | None:
    with store.read() as connection:
        return lasts_days(connection, "s", device, ZONE, now)


def test_a_text_says_whole_days_of_a_balance_of_now_and_otherwise_nothing(store: Store) -> None:
    """720 fen a day: 6,840 fen last nine days and a half. Half a day is no number of days, and an old balance none at all."""
    read_every_two_hours(store, 0, 74)
    now = MIDNIGHT + 3 * DAY_MS + HOUR_MS
    roll_up(store, OneSite(), now)
    assert lasts(store, now) == 9
    assert lasts(store, now, "m-2") is None
    assert lasts(store, now + HOUR_MS) is None
    event = MeterReading(
        site="s", device="m-1", source_key="low", occurred_at=now, received_at=now, credit=400, unit=BalanceUnit.CNY
    )
    with store.write() as connection:
        readings.insert_new(connection, [readings.row_of(event, 1, readings.key_of(event), late=False)])
    assert lasts(store, now) is None
    unread = MeterReading(
        site="s", device="m-1", source_key="?", occurred_at=now + 1, received_at=now, credit=None, unit=BalanceUnit.CNY
    )
    with store.write() as connection:
        readings.insert_new(connection, [readings.row_of(unread, 1, readings.key_of(unread), late=False)])
    assert lasts(store, now) is None
