"""Long public holidays of a country as spans of days off, for rules that have to look ahead.

The package `holidays` knows announced calendars with their make-up workdays, and for years that are not announced yet the
statutory days; a country that it does not know has none. Days off are those on which nobody works: weekends count in.

The package reads in the calendars of all countries to answer for one, which is a tenth of the memory that a hub takes; so it is
asked in a process of its own, and nothing of it stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from hub.settings.apart import in_a_child
from hub.vocabulary.instants import UtcMs

if TYPE_CHECKING:
    import holidays

SHORTEST_DAYS: Final = 4
"""A long weekend is no long holiday: the first threshold covers three days anyway."""

COUNTRY_OF_ZONE: Final[Mapping[str, str]] = {
    "Asia/Shanghai": "CN",
    "Asia/Chongqing": "CN",
    "Asia/Harbin": "CN",
    "Asia/Urumqi": "CN",
    "Asia/Kashgar": "CN",
    "Asia/Hong_Kong": "HK",
    "Asia/Macau": "MO",
    "Asia/Taipei": "TW",
    "Asia/Singapore": "SG",
}


@cache
def long_holidays(timezone: str, year: int) -> tuple[tuple[UtcMs, UtcMs], ...]:
    """(first midnight, midnight after) in the site's zone, of `year` and the next one, in order."""
    country = COUNTRY_OF_ZONE.get(timezone)
    return () if country is None else in_a_child(lambda: _spans(country, timezone, year))


def _spans(country: str, timezone: str, year: int) -> tuple[tuple[UtcMs, UtcMs], ...]:
    import holidays  # noqa: PLC0415 - 15 MB that are given back with the process

    calendar = holidays.country_holidays(country, years=range(year, year + 2))
    spans: list[tuple[UtcMs, UtcMs]] = []
    day, last = date(year, 1, 1), date(year + 1, 12, 31)
    while day <= last:
        end = _end_of_days_off(calendar, day)
        named = any(day + timedelta(days=n) in calendar for n in range((end - day).days))
        if named and (end - day).days >= SHORTEST_DAYS:
            spans.append((_midnight(day, timezone), _midnight(end, timezone)))
        day = max(end, day + timedelta(days=1))
    return tuple(spans)


def _end_of_days_off(calendar: holidays.HolidayBase, day: date) -> date:
    """The first working day at or after `day`."""
    while not calendar.is_working_day(day):
        day += timedelta(days=1)
    return day


def _midnight(day: date, timezone: str) -> UtcMs:
    return round(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone)).timestamp() * 1000)


def this_year() -> int:
    """Of the machine's clock: calendars are asked for around it, once per start."""
    return datetime.now(UTC).year
