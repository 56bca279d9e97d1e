"""Levels of a prepaid meter's credit: the limits as a site file writes them, and the same as exact integers.

Level 1 is the mildest. Each threshold is reached at or below its value; one level more than there are thresholds means
that the relay is open because the credit is used up. Thresholds become fen or Wh once per limits struct, never per
reading: tens of thousands of readings a second pass here.
Source: domain/meters.md 6 'Defaults we propose'.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Final

import msgspec

from hub.vocabulary.decisions import Severity
from hub.vocabulary.instants import SECOND_MS
from hub.vocabulary.units import BalanceUnit, Relay, credit_text, to_credit
from rules.holidays_ahead import LONGEST_DAYS

ALARM_TRIPPED: Final = 3
"""`meter_alarm` 3: the meter itself says that it has switched off."""


class LowBalanceLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, cache_hash=True):
    """Limits of `low_balance` in yuan and kWh. Raises ValueError where a list is empty, not finite or does not fall."""

    cny: tuple[float, ...] = msgspec.field(default=(30.0, 10.0, 0.0), name="CNY")
    kwh: tuple[float, ...] = msgspec.field(default=(20.0, 10.0, 0.0), name="kWh")
    clear_margin: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.1  # share of the threshold
    clear_min_cny: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = msgspec.field(default=5.0, name="clear_min_CNY")
    clear_min_kwh: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = msgspec.field(default=5.0, name="clear_min_kWh")
    confirm_gap_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 300.0
    fresh_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 600.0  # a reading this old at arrival is news of now
    own_most_cny: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = msgspec.field(
        default=1_000.0, name="own_most_CNY"
    )  # an alarm limit of the meter's own above this is not believed
    own_most_kwh: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = msgspec.field(default=1_000.0, name="own_most_kWh")
    price_cny_per_kwh: Annotated[float, msgspec.Meta(gt=0, le=100)] | None = msgspec.field(
        default=None, name="price_CNY_per_kWh"
    )  # of a meter without a balance of its own: the hub derives one (hub.meters.derived)
    muted: bool = False  # raise nothing (an unoccupied unit, a meter that the platform bills); still clears
    remind_h: Annotated[tuple[Annotated[float, msgspec.Meta(ge=1, le=8_760)], ...], msgspec.Meta(min_length=1)] = (
        72.0,
        24.0,
        24.0,
    )  # hours between reminders per level; the last one counts for all deeper levels
    unpaid_h: Annotated[float, msgspec.Meta(ge=1, le=8_760)] = 24.0  # then the housekeeper is told, from level 2 on
    holiday_ahead_days: Annotated[float, msgspec.Meta(ge=0, le=30)] = 3.0  # so long before a long holiday level 1 rises
    days_at_level_1: Annotated[float, msgspec.Meta(ge=0.1, le=365)] = 3.0  # of use that the first threshold stands for

    def __post_init__(self) -> None:
        """Refuse thresholds that cannot be meant."""
        for unit, values in ((BalanceUnit.CNY, self.cny), (BalanceUnit.KWH, self.kwh)):
            if not values or not all(math.isfinite(value) and abs(value) <= 1e6 for value in values):
                raise ValueError(f"{unit}: needs at least one threshold, each a number between -1000000 and 1000000")
            exact = [to_credit(Decimal(str(value)), unit) for value in values]
            if any(after >= before for before, after in pairwise(exact)):
                raise ValueError(f"{unit}: thresholds must fall from level to level, for example [30, 10, 0]")


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one unit as integers in fen or Wh."""

    unit: BalanceUnit
    thresholds: tuple[int, ...]  # falling; index 0 is level 1
    first: int
    clear_margin: Decimal
    clear_min: int
    confirm_gap_ms: int
    fresh_ms: int
    most: int  # first threshold before the longest holiday
    own_most: int  # most that is believed of a limit of the meter's own

    @property
    def off(self) -> int:
        """The level of a meter that has switched off for want of credit."""
        return len(self.thresholds) + 1

    def by_credit(self, credit: int, relay: Relay, meter_alarm: int | None) -> int:
        """Level after the hub's limits; 0 where the credit is above all of them."""
        if relay is Relay.OPEN and (credit <= 0 or meter_alarm == ALARM_TRIPPED):
            return self.off
        return self.by_thresholds(credit)

    def by_thresholds(self, credit: int) -> int:
        """Level after the credit alone."""
        return sum(credit <= threshold for threshold in self.thresholds)

    def by_alarm(self, relay: Relay, meter_alarm: int | None) -> int:
        """Level that the meter itself claims, by its own limits, which may be higher (meters.md 7 no. 25)."""
        if not meter_alarm:
            return 0
        if meter_alarm == ALARM_TRIPPED and relay is not Relay.CLOSED:
            return self.off
        return min(meter_alarm, 2, len(self.thresholds))

    def threshold(self, level: int) -> int:
        """What the level means, in fen or Wh; the off level shares the last one."""
        return self.thresholds[min(level, len(self.thresholds)) - 1]

    def threshold_text(self, level: int) -> str:
        """What the level means, as decimal text in yuan or kWh."""
        return credit_text(self.threshold(level), self.unit)

    def stage(self, level: int) -> int:
        """Which text speaks of a level, however many a site has: 1 buy soon, 2 buy now, 3 used up, 4 switched off."""
        if level >= self.off:
            return 4
        if self.threshold(level) <= 0:
            return 3
        return min(level, 2)

    def clear_at(self, level: int, credit: int, by_credit: int) -> int:
        """Credit that ends an episode of `level` which was raised at `credit`.

        Where only the meter's own alarm made the level (`by_credit` is shallower), its limit is not known, but lies at
        or above the credit of that moment: the margin counts from there, so that an alarm that flickers opens nothing twice.
        """
        base = self.threshold(level) if by_credit >= level else max(self.threshold(level), credit)
        share = int((abs(base) * self.clear_margin).to_integral_value(ROUND_CEILING))
        return base + max(share, self.clear_min)

    def for_days(self, days: int, days_at_level_1: float) -> Levels:
        """With the first threshold raised so that it lasts for so many days, where that is more."""
        first = _stretched(self.first, days, days_at_level_1)
        if first <= self.first:
            return self
        return msgspec.structs.replace(self, thresholds=(first, *self.thresholds[1:]), first=first)

    def with_own(self, own: tuple[int | None, ...]) -> Levels:
        """With the meter's own alarm 1 and 2 where they are higher: its display asks to buy from there on (meters.md 7 no. 25).

        A threshold of 0 or less means that the credit is used up, which no alarm of a meter says: it stays.
        """
        higher = list(self.thresholds)
        for index, limit in enumerate(own[: len(higher)]):
            if limit is not None and 0 < higher[index] < limit <= self.own_most:
                higher[index] = limit
        higher[0] = max(higher[:2])
        if higher[0] == self.first and (len(higher) == 1 or higher[1] == self.thresholds[1]):
            return self
        return msgspec.structs.replace(self, thresholds=tuple(higher), first=higher[0])

    def severity(self, level: int) -> Severity:
        """Used up or off: high; the step before: medium; earlier: low."""
        left = len(self.thresholds) - level
        return Severity.HIGH if left <= 0 else Severity.MEDIUM if left == 1 else Severity.LOW


@lru_cache(maxsize=1024)
def levels_of(limits: LowBalanceLimits) -> tuple[Levels, Levels]:
    """Exact levels for yuan and for kWh."""
    return (
        _levels(limits, BalanceUnit.CNY, limits.cny, limits.clear_min_cny, limits.own_most_cny),
        _levels(limits, BalanceUnit.KWH, limits.kwh, limits.clear_min_kwh, limits.own_most_kwh),
    )


def _levels(
    limits: LowBalanceLimits, unit: BalanceUnit, values: tuple[float, ...], clear_min: float, own_most: float
) -> Levels:
    thresholds = tuple(to_credit(Decimal(str(value)), unit) for value in values)
    return Levels(
        unit=unit,
        thresholds=thresholds,
        first=thresholds[0],
        clear_margin=Decimal(str(limits.clear_margin)),
        # Never 0: a credit that stands still on its threshold would clear and raise in turn.
        clear_min=max(1, to_credit(Decimal(str(clear_min)), unit)),
        confirm_gap_ms=max(1, round(limits.confirm_gap_s * SECOND_MS)),
        fresh_ms=round(limits.fresh_s * SECOND_MS),
        most=_stretched(thresholds[0], LONGEST_DAYS, limits.days_at_level_1),
        own_most=to_credit(Decimal(str(own_most)), unit),
    )


def _stretched(threshold: int, days: int, days_at_level_1: float) -> int:
    """A threshold of debt stays where it is: it stands for no days of use."""
    return max(threshold, threshold * days * 10 // max(1, round(days_at_level_1 * 10)))
