"""Reading meters: the balance and how old it is, history in steps, and for how many days the credit lasts.

Days left are shown only where they are honest: a balance that is good, and at least three complete days of use
(domain/meters.md 6 'Defaults'). Unknown is None, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, select

from hub.meters.readings import RELAYS, UNITS
from hub.store.schema import readings, readings_day, readings_hour
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.units import BalanceUnit, Relay

USE_DAYS = 7
ENOUGH_DAYS = 3
ROLLUPS: dict[str, Table] = {"hour": readings_hour, "day": readings_day}


class NoForecast(StrEnum):
    """Why no days left are shown."""

    NO_BALANCE = "no_balance"
    NOT_GOOD = "not_good"
    TOO_FEW_DAYS = "too_few_days"
    NO_USE = "no_use"


class Day(msgspec.Struct, frozen=True):
    """One complete day of a meter; `credit_next` is the first credit of the day after, None where that day has none."""

    credit_first: int | None
    credit_last: int | None
    credit_min: int | None
    credit_max: int | None
    credit_next: int | None
    used_wh: int | None


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
    # A row is a tuple, whose own `count` hides the column's: it is read as `times`.
    statement = (
        select(*(column.label("times") if column.name == "count" else column for column in table.c))
        .where(table.c.device_pk == device_pk, table.c.start_at >= start, table.c.start_at < end)
        .order_by(table.c.start_at)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(table.c.start_at > after)
    return connection.execute(statement).all()


def complete_days(connection: Connection, device_pk: int, zone: tzinfo, now: UtcMs) -> list[Day]:
    """The last days of the site's calendar that are over, newest first, at most USE_DAYS."""
    today = datetime.fromtimestamp(now / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    midnights = [_ms(today - timedelta(days=back)) for back in range(USE_DAYS + 1)]
    statement = select(readings_day).where(
        readings_day.c.device_pk == device_pk, readings_day.c.start_at.in_(midnights)
    )
    found = {row.start_at: row for row in connection.execute(statement)}
    return [
        Day(row.credit_first, row.credit_last, row.credit_min, row.credit_max, _first(found.get(next_day)), row.used_wh)
        for next_day, midnight in pairwise(midnights)
        if (row := found.get(midnight)) is not None
    ]


def _first(row: Row[Any] | None) -> int | None:
    return None if row is None else row.credit_first


def _ms(moment: datetime) -> UtcMs:
    return round(moment.timestamp() * 1000)


def day_use(day: Day, unit: BalanceUnit) -> int | None:
    """What a day took, in fen or Wh after `unit`; None where a top-up or a gap hides it."""
    if unit is BalanceUnit.KWH and day.used_wh is not None:
        return day.used_wh
    if day.credit_first is None or day.credit_last is None or day.credit_next is None:
        return None
    topped_up = day.credit_max != day.credit_first or day.credit_min != day.credit_last
    if topped_up or day.credit_next > day.credit_last:
        return None
    return day.credit_first - day.credit_next


def days_left(
    credit: int | None, unit: BalanceUnit, days: Sequence[Day], *, good: bool
) -> tuple[Decimal | None, NoForecast | None]:
    """For how many days the credit lasts, to a tenth; or None and why nobody can say."""
    if credit is None:
        return None, NoForecast.NO_BALANCE
    if not good:
        return None, NoForecast.NOT_GOOD
    if credit <= 0:
        return Decimal(0), None
    uses = [use for day in days if (use := day_use(day, unit)) is not None]
    if len(uses) < ENOUGH_DAYS:
        return None, NoForecast.TOO_FEW_DAYS
    typical = Decimal(median(uses))
    if typical <= 0:
        return None, NoForecast.NO_USE
    return (Decimal(credit) / typical).quantize(Decimal("0.1")), None
