"""A broker that delivers again must not make a second reading of one whose time was not believed and is therefore its arrival."""

import time

import pytest
from sqlalchemy import select

from hub.store import schema
from hub.store.database import open_store
from hub.vocabulary.events import Clock, MeterReading
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from hub.vocabulary.units import BalanceUnit
from support.rig import SITE, Rig, device


@pytest.fixture
def rig(database_url):
    store = open_store(database_url)
    yield Rig(
        store, [], [device("m-1", DeviceKind.METER), device("m-2", DeviceKind.METER)], now=time.time_ns() // 10**6
    )
    store.close()


def reading(rig, id_, at=None, credit=500, meter="m-1"):
    """At its own time; without one its clock is a year ahead, and arrival takes its place."""
    wrong = at is None
    return MeterReading(
        site=SITE,
        device=meter,
        source_key=id_,
        occurred_at=rig.now if wrong else at,
        received_at=rig.now,
        clock=Clock.SKEWED if wrong else Clock.DEVICE,
        device_at=rig.now + 365 * DAY_MS if wrong else None,
        credit=credit,
        unit=BalanceUnit.CNY,
    )


def stored(rig):
    with rig.store.read() as connection:
        rows = connection.execute(select(schema.readings).order_by(schema.readings.c.at)).all()
    return [(row.credit, row.late) for row in rows]


def test_a_reading_of_a_wrong_clock_is_stored_once_however_often_it_comes(rig):
    rig.take(reading(rig, "r1", credit=1))
    rig.now += 5 * SECOND_MS
    rig.take(reading(rig, "r2", credit=2))
    rig.now += HOUR_MS
    rig.take(reading(rig, "r1", credit=1), reading(rig, "r2", credit=2))
    assert [credit for credit, _ in stored(rig)] == [1, 2]


def test_also_when_both_copies_come_in_one_batch(rig):
    first = reading(rig, "r1", credit=1)
    rig.now += 7
    rig.take(first, reading(rig, "r2", credit=2), reading(rig, "r1", credit=1))
    assert [credit for credit, _ in stored(rig)] == [1, 2]


def test_two_meters_may_use_the_same_id(rig):
    rig.take(reading(rig, "r1", credit=1), reading(rig, "r1", credit=2, meter="m-2"))
    rig.now += SECOND_MS
    rig.take(reading(rig, "r2", credit=3), reading(rig, "r2", credit=4, meter="m-2"))
    assert sorted(credit for credit, _ in stored(rig)) == [1, 2, 3, 4]


def test_readings_of_a_clock_that_was_set_back_are_stored_once_when_they_come_again_after_a_crash(rig):
    """The lag is found by pace and kept in memory; a redelivery to the next life of the process brings the old times again."""
    rig.take(reading(rig, "now", at=rig.now, credit=100))
    times = []
    for number in range(6):
        rig.now += MINUTE_MS
        times.append(rig.now - 5 * HOUR_MS)
        rig.take(reading(rig, f"back-{number}", at=times[-1], credit=number))
    before = stored(rig)
    assert len(before) == 7
    rig.core.board.clock_lags.clear()
    rig.core.board.late_runs.clear()
    rig.now += MINUTE_MS
    rig.take(*[reading(rig, f"back-{number}", at=at, credit=number) for number, at in enumerate(times)])
    assert stored(rig) == before


def test_late_readings_that_are_new_are_kept_also_without_an_id(rig):
    rig.take(reading(rig, "", at=rig.now, credit=9))
    rig.now += MINUTE_MS
    rig.take(*[reading(rig, "", at=rig.now - hours * HOUR_MS, credit=hours) for hours in (3, 2, 1)])
    rig.take(reading(rig, "", at=rig.now - 3 * HOUR_MS, credit=3))
    assert [credit for credit, _ in stored(rig)] == [3, 2, 1, 9]
