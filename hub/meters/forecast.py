"""For how many days a credit lasts: credit divided by the median daily use of the last complete days, or why nobody can say.

Shown only when honest (domain/meters.md 6 'Days left'): a good credit, at least three days of known use among the last
seven. A day whose use a top-up, a hole in the readings or a broken counter hides is left out, never guessed. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from statistics import median
from typing import Final

import msgspec

from hub.vocabulary.units import BalanceUnit

USE_DAYS: Final = 7
ENOUGH_DAYS: Final = 3
MOST_DAYS: Final = 365
"""A credit that lasts longer at this use is one of an empty home: no number is honest."""

PRICE_STEP: Final = Decimal("0.25")
"""So much the price of a day may differ from that of the days after it; more is another price or another season's tariff."""

PRICED_FROM_WH: Final = 1_000
"""A day with less use says nothing about the price: a fen more or less would look like another one."""

_TENTH: Final = Decimal("0.1")


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
    used_wh: int | None  # None: not known from end to end, or the meter reports no energy
    count: int  # readings of the day
    count_next: int  # and of the day after


def day_use(day: Day, unit: BalanceUnit) -> int | None:
    """What a day took, in fen or Wh after `unit`; None where a top-up or a hole hides it."""
    if unit is BalanceUnit.KWH and day.used_wh is not None:
        return day.used_wh
    if day.credit_first is None or day.credit_last is None or day.credit_next is None:
        return None
    topped_up = day.credit_max != day.credit_first or day.credit_min != day.credit_last
    if topped_up or day.credit_next > day.credit_last:
        return None
    return day.credit_first - day.credit_next


def known_uses(days: Sequence[Day], unit: BalanceUnit) -> list[int]:
    """The uses of those days that are known whole.

    A day with less than half of the readings of the fullest one has a hole; where the day after has one, its first credit,
    which ends this day, may be a late one. What lies between them is then not one day's use. Only a counter that is known
    from end to end (`used_wh`, for credit in kWh) needs no such care.
    """
    fullest = max((day.count for day in days), default=0)
    by_counter = unit is BalanceUnit.KWH
    whole = (
        day for day in days if (by_counter and day.used_wh is not None) or min(day.count, day.count_next) * 2 >= fullest
    )
    return [use for day in whole if (use := day_use(day, unit)) is not None]


def at_the_price_of_now(days: Sequence[Day], unit: BalanceUnit) -> Sequence[Day]:
    """The days (newest first) back to the last change of price: before it a day took other money for the same energy.

    The price is what the meter itself took; meters that count energy, and days that do not say both, change nothing
    (domain/meters.md 7 no. 19).
    """
    if unit is BalanceUnit.KWH:
        return days
    prices: list[Decimal] = []
    for index, day in enumerate(days):
        fen = day_use(day, unit)
        if fen is None or day.used_wh is None or day.used_wh < PRICED_FROM_WH or fen <= 0:
            continue
        price = Decimal(fen) / day.used_wh
        if prices and abs(price / Decimal(median(prices)) - 1) > PRICE_STEP:
            return days[:index]
        prices.append(price)
    return days


def days_left(
    credit: int | None, unit: BalanceUnit, days: Sequence[Day], *, good: bool
) -> tuple[Decimal | None, NoForecast | None]:
    """For how many days `credit` (fen or Wh) lasts, to a tenth and never too long; or None and why nobody can say.

    `days` are the last complete days (at most USE_DAYS are looked at), newest first; `good`: the credit is neither stale
    nor unknown.
    """
    if credit is None:
        return None, NoForecast.NO_BALANCE
    if not good:
        return None, NoForecast.NOT_GOOD
    if credit <= 0:
        return Decimal(0), None
    uses = known_uses(at_the_price_of_now(days[:USE_DAYS], unit), unit)
    if len(uses) < ENOUGH_DAYS:
        return None, NoForecast.TOO_FEW_DAYS
    typical = Decimal(median(uses))
    if typical <= 0 or credit > typical * MOST_DAYS:
        return None, NoForecast.NO_USE
    return (Decimal(credit) / typical).quantize(_TENTH, ROUND_FLOOR), None
