"""Reading meters: the balance and how old it is, history in steps, and the complete days that a forecast is made of.

Unknown is None, never 0. For how many days a credit lasts is decided in `hub.meters.forecast`, which is pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, Table, select

from hub.meters.forecast import USE_DAYS, Day, days_left
from hub.meters.readings import RELAYS, UNITS
from hub.meters.rollups import DAY_HOLE
from hub.store.schema import devices, readings, readings_day, readings_hour
from hub.vocabulary.instants import HOUR_MS, UtcMs
from hub.vocabulary.units import BalanceUnit, Relay

__all__ = ["complete_days", "days_left", "lasts_days", "latest", "raw", "relay_of", "rolled_up", "unit_of"]

ROLLUPS: dict[str, Table] = {"hour": readings_hour, "day": readings_day}


def unit_of(row: Row[Any]) -> BalanceUnit:
    """Unit of a row's credit."""
    return UNITS[row.unit]


def relay_of(row: Row[Any]) -> Relay:
    """Relay of a row."""
    return RELAYS[row.relay]


def latest(connection: Connection, device_pk: int) -> tuple[Row[Any] | None, Row[Any] | None]:
    """The newest reading, and the newest whose credit could be read."""
    newest_first = (
        select(readings)
        .where(readings.c.device_pk == device_pk)
        .order_by(readings.c.at.desc(), readings.c.key.desc())
        .limit(1)
    )
    newest = connection.execute(newest_first).one_or_none()
    if newest is None or newest.credit is not None:
        return newest, newest
    return newest, connection.execute(newest_first.where(readings.c.credit.is_not(None))).one_or_none()


def lasts_days(connection: Connection, site: str, device: str, zone: tzinfo, now: UtcMs) -> int | None:
    """For how many whole days this meter's credit lasts from now on; None where that would not be honest, or is less than one."""
    pk = connection.execute(
        select(devices.c.pk).where(devices.c.site == site, devices.c.id == device)
    ).scalar_one_or_none()
    newest, readable = (None, None) if pk is None else latest(connection, pk)
    if newest is None or newest is not readable or now - newest.at > HOUR_MS:
        return None
    days = complete_days(connection, newest.device_pk, zone, now)
    left, _ = days_left(newest.credit, unit_of(newest), days, good=True)
    return int(left) if left is not None and left >= 1 else None


def raw(
    connection: Connection, device_pk: int, start: UtcMs, end: UtcMs, after: tuple[UtcMs, int] | None, limit: int
) -> Sequence[Row[Any]]:
    """Readings with start ≤ at < end, oldest first, beyond the `(at, key)` seen last."""
    statement = (
        select(readings)
        .where(readings.c.device_pk == device_pk, readings.c.at >= start, readings.c.at < end)
        .order_by(readings.c.at, readings.c.key)
        .limit(limit)
    )
    if after is not None:
        at, key = after
        statement = statement.where((readings.c.at > at) | ((readings.c.at == at) & (readings.c.key > key)))
    return connection.execute(statement).all()


def rolled_up(
    connection: Connection, step: str, device_pk: int, start: UtcMs, end: UtcMs, after: UtcMs | None, limit: int
) -> Sequence[Row[Any]]:
    """Hours or days (`step`) with start ≤ start_at < end, oldest first, beyond the one seen last."""
    table = ROLLUPS[step]
    statement = (
        _columns(table)
        .where(table.c.device_pk == device_pk, table.c.start_at >= start, table.c.start_at < end)
        .order_by(table.c.start_at)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(table.c.start_at > after)
    return connection.execute(statement).all()


def _columns(table: Table) -> Select[Any]:
    """All columns of a roll-up; a row is a tuple, whose own `count` hides the column's: it is read as `times`."""
    return select(*(column.label("times") if column.name == "count" else column for column in table.c))


def complete_days(connection: Connection, device_pk: int, zone: tzinfo, now: UtcMs) -> list[Day]:
    """The last days of the site's calendar that are over, newest first, at most USE_DAYS."""
    today = datetime.fromtimestamp(now / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    midnights = [_ms(today - timedelta(days=back)) for back in range(USE_DAYS + 1)]
    statement = _columns(readings_day).where(
        readings_day.c.device_pk == device_pk, readings_day.c.start_at.in_(midnights)
    )
    found = {row.start_at: row for row in connection.execute(statement)}
    days = [
        _day(row, found.get(next_day))
        for next_day, midnight in pairwise(midnights)
        if (row := found.get(midnight)) is not None
    ]
    if midnights[1] in found and midnights[0] not in found:
        days[0] = _ended_by_today(connection, device_pk, midnights[0], days[0])
    return days


def _day(row: Row[Any], after: Row[Any] | None) -> Day:
    return Day(
        credit_first=row.credit_first,
        credit_last=row.credit_last,
        credit_min=row.credit_min,
        credit_max=row.credit_max,
        credit_next=None if after is None else after.credit_first,
        used_wh=row.used_wh,
        count=row.times,
        count_next=0 if after is None else after.times,
    )


def _ended_by_today(connection: Connection, device_pk: int, midnight: UtcMs, yesterday: Day) -> Day:
    """Yesterday with the first credit of today, which is not rolled up yet; as it was where that credit is a late one."""
    first = connection.execute(
        select(readings.c.credit)
        .where(readings.c.device_pk == device_pk, readings.c.at >= midnight, readings.c.at < midnight + DAY_HOLE)
        .where(readings.c.credit.is_not(None))
        .order_by(readings.c.at, readings.c.key)
        .limit(1)
    ).scalar_one_or_none()
    if first is None:
        return yesterday
    return msgspec.structs.replace(yesterday, credit_next=first, count_next=yesterday.count)


def _ms(moment: datetime) -> UtcMs:
    return round(moment.timestamp() * 1000)
