"""Rolls readings up: every hour the hours that are complete, after midnight the days, and again what late readings fell into.

The watermark says up to when everything has been rolled up; it moves only when all meters are done, so a job that was
interrupted is simply made again. Retention never deletes beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, func, select, tuple_

from hub.meters.lives import replacements
from hub.meters.rollups import Rollup, Sample, Slot, Swap, day_of, hour_of
from hub.meters.rollups import roll_up as roll_up_samples
from hub.store.bulk import Upsert
from hub.store.database import Store, get_meta, set_meta
from hub.store.schema import devices, readings, readings_day, readings_hour, rollup_due
from hub.vocabulary.facts import SiteFacts
from hub.vocabulary.instants import DAY_MS, HOUR_MS, UtcMs

WATERMARK = "rolled_up_to"
METERS_PER_WRITE = 20
CHUNK_MS = 7 * DAY_MS  # of history in memory at a time, when the hub has been off for long

_COLUMNS = ("device_pk", *Rollup.__struct_fields__)
_HOURS = Upsert(readings_hour, ("device_pk", "start_at"), _COLUMNS)
_DAYS = Upsert(readings_day, ("device_pk", "start_at"), _COLUMNS)


class Sites(Protocol):
    """Where the zone of a site is found."""

    def site(self, site: str) -> SiteFacts | None:
        """One site."""


class _Meter(NamedTuple):
    pk: int
    zone: tzinfo


class _Rolled(NamedTuple):
    hours: list[tuple[Any, ...]]
    days: list[tuple[Any, ...]]
    settled: list[tuple[int, UtcMs]]  # rows of rollup_due that are done


def roll_up(store: Store, sites: Sites, now: UtcMs, keep_on: Callable[[], bool] = lambda: True) -> UtcMs:
    """Bring the roll-ups up to the last complete hour; returns up to when everything is rolled up now.

    `keep_on` is asked between meters; False ends the job early, with the watermark where it was.
    """
    up_to = now - now % HOUR_MS
    with store.read() as connection:
        start = _watermark(connection, up_to)
        meters = _meters(connection, sites)
        due = _due(connection, start)
    while True:
        chunk_end = min(start + CHUNK_MS, up_to)
        for group in _groups(meters):
            if not keep_on():
                return start
            with store.read() as connection:
                rolled = [_roll_meter(connection, meter, start, chunk_end, due.pop(meter.pk, [])) for meter in group]
            _store(store, rolled)
        with store.write() as connection:
            set_meta(connection, WATERMARK, str(chunk_end))
        start = chunk_end
        if start >= up_to:
            return start


def _watermark(connection: Connection, up_to: UtcMs) -> UtcMs:
    stored = get_meta(connection, WATERMARK)
    if stored is not None:
        return min(int(stored), up_to)
    first = connection.execute(select(func.min(readings.c.at))).scalar_one()
    return up_to if first is None else min(first - first % HOUR_MS, up_to)


def _meters(connection: Connection, sites: Sites) -> list[_Meter]:
    rows = connection.execute(select(devices.c.pk, devices.c.site).where(devices.c.kind == "meter"))
    found = [(row.pk, sites.site(row.site)) for row in rows]
    return [_Meter(pk, ZoneInfo(site.timezone if site else "UTC")) for pk, site in found]


def _due(connection: Connection, before: UtcMs) -> dict[int, list[UtcMs]]:
    """Hours already rolled up into which late readings fell, per meter."""
    found: dict[int, list[UtcMs]] = {}
    for row in connection.execute(select(rollup_due).where(rollup_due.c.start_at < before)):
        found.setdefault(row.device_pk, []).append(row.start_at)
    return found


def _groups(meters: Sequence[_Meter]) -> Iterable[Sequence[_Meter]]:
    for first in range(0, len(meters), METERS_PER_WRITE):
        yield meters[first : first + METERS_PER_WRITE]


def _roll_meter(connection: Connection, meter: _Meter, start: UtcMs, end: UtcMs, due: list[UtcMs]) -> _Rolled:
    hours = _rows(connection, meter.pk, start, end, hour_of) if start < end else []
    # The hour after as well: its use begins at the newest reading before it, which may be the late one.
    again = sorted({each for hour in due for each in (hour, hour + HOUR_MS) if each < start})
    for hour in again:
        hours += _rows(connection, meter.pk, hour, hour + HOUR_MS, hour_of)

    def day(at: UtcMs) -> Slot:
        return day_of(at, meter.zone)

    days: list[tuple[Any, ...]] = []
    for slot in sorted({*_days_ending(start, end, day), *(day(hour) for hour in again)}):
        if slot.end <= end:
            days += _rows(connection, meter.pk, slot.start, slot.end, day)
    return _Rolled(hours, days, [(meter.pk, hour) for hour in due])


def _days_ending(start: UtcMs, end: UtcMs, day: Callable[[UtcMs], Slot]) -> list[Slot]:
    """Days whose end lies in (start, end]."""
    found = []
    slot = day(start)
    while slot.end <= end:
        found.append(slot)
        slot = day(slot.end)
    return found


def _rows(
    connection: Connection, pk: int, start: UtcMs, end: UtcMs, slot_of: Callable[[UtcMs], Slot]
) -> list[tuple[Any, ...]]:
    columns = select(readings.c.at, readings.c.credit, readings.c.energy_wh).where(readings.c.device_pk == pk)
    inside = columns.where(readings.c.at >= start, readings.c.at < end).order_by(readings.c.at, readings.c.key)
    samples = [Sample(*row) for row in connection.execute(inside)]
    if not samples:
        return []
    earlier = columns.where(readings.c.at < start, readings.c.energy_wh.is_not(None))
    newest = connection.execute(earlier.order_by(readings.c.at.desc(), readings.c.key.desc()).limit(1)).one_or_none()
    before = None if newest is None else Sample(*newest)
    swaps = [Swap(row.at, row.end_energy_wh, row.begin_energy_wh) for row in replacements(connection, pk)]
    rolled = roll_up_samples(samples, slot_of, before, swaps=swaps)
    return [(pk, *(getattr(each, name) for name in Rollup.__struct_fields__)) for each in rolled]


def _store(store: Store, rolled: Sequence[_Rolled]) -> None:
    if not any(each.hours or each.days or each.settled for each in rolled):
        return
    with store.write() as connection:
        _HOURS.run(connection, [row for each in rolled for row in each.hours])
        _DAYS.run(connection, [row for each in rolled for row in each.days])
        settled = [key for each in rolled for key in each.settled]
        if settled:
            identity = tuple_(rollup_due.c.device_pk, rollup_due.c.start_at)
            connection.execute(delete(rollup_due).where(identity.in_(settled)))
