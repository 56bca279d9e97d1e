"""Readings of one meter rolled up into hours and days: pure, from samples in order of their time.

What a maintainer must keep: use is shown only for a slot that is known from end to end. A step of the counter belongs to the
slot in which it ends; where the readings leave a hole at either end of a slot, or the counter breaks in it, the use is None,
never a part of it and never 0 (domain/meters.md 7 nos. 4, 9). Days are those of the site's calendar, so they are rolled up
from samples and not from hours: not every zone is whole hours from UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import groupby, pairwise
from typing import Final, NamedTuple

import msgspec

from hub.meters.life import COUNTER_SIZES_WH, judge_counter
from hub.vocabulary.instants import HOUR_MS, MINUTE_MS, DurationMs, UtcMs

HOUR_HOLE: Final[DurationMs] = 30 * MINUTE_MS
"""So much of an hour's beginning or end may be missing; meters are read every 15 minutes (meters.md 5.5)."""

DAY_HOLE: Final[DurationMs] = 3 * HOUR_MS
"""So much of a day's beginning or end may be missing."""


class Sample(NamedTuple):
    """One stored reading; None where it could not be read or is not reported."""

    at: UtcMs
    credit: int | None  # fen or Wh
    energy_wh: int | None


class Swap(NamedTuple):
    """One meter gave way to another; its last and the other's first state of the counter, None where nobody wrote it down."""

    at: UtcMs
    end_wh: int | None
    begin_wh: int | None


class Slot(NamedTuple):
    """An hour or a day: start ≤ t < end, and how much of either end may be missing."""

    start: UtcMs
    end: UtcMs
    hole: DurationMs


class Rollup(msgspec.Struct, frozen=True, kw_only=True):
    """One slot as it is stored; fields named as the columns of readings_hour and readings_day."""

    start_at: UtcMs
    credit_first: int | None
    credit_last: int | None
    credit_min: int | None
    credit_max: int | None
    energy_first_wh: int | None
    energy_last_wh: int | None
    used_wh: int | None
    count: int


def hour_of(at: UtcMs) -> Slot:
    """The hour that this instant lies in, whole hours of UTC."""
    start = at - at % HOUR_MS
    return Slot(start, start + HOUR_MS, HOUR_HOLE)


def day_of(at: UtcMs, zone: tzinfo) -> Slot:
    """The day of the site's calendar that this instant lies in: 23, 24 or 25 hours."""
    midnight = datetime.fromtimestamp(at / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    # Calendar arithmetic on wall time: the next midnight, however long the day is.
    return Slot(_ms(midnight), _ms(midnight + timedelta(days=1)), DAY_HOLE)


def roll_up(
    samples: Sequence[Sample],
    slot_of: Callable[[UtcMs], Slot],
    before: Sample | None = None,
    *,
    sizes_wh: Sequence[int] = COUNTER_SIZES_WH,
    swaps: Sequence[Swap] = (),
) -> list[Rollup]:
    """All slots that these samples (ordered by `at`) touch, oldest first; slots without a sample have no row.

    `before` is the newest sample with an energy before the first one, however old: the first step starts there.
    The last slot is taken as it stands, so hand in samples up to its end. Across a swap the use is that of both meters,
    from their end and begin readings, and unknown without them.
    """
    found: list[Rollup] = []
    for slot, members in groupby(samples, lambda sample: slot_of(sample.at)):
        mine = list(members)
        found.append(_rolled(slot, mine, before, sizes_wh, swaps))
        before = next((sample for sample in reversed(mine) if sample.energy_wh is not None), before)
    return found


def _rolled(
    slot: Slot, samples: list[Sample], before: Sample | None, sizes_wh: Sequence[int], swaps: Sequence[Swap]
) -> Rollup:
    credits_read = [sample.credit for sample in samples if sample.credit is not None]
    counted = [sample for sample in samples if sample.energy_wh is not None]
    return Rollup(
        start_at=slot.start,
        credit_first=credits_read[0] if credits_read else None,
        credit_last=credits_read[-1] if credits_read else None,
        credit_min=min(credits_read, default=None),
        credit_max=max(credits_read, default=None),
        energy_first_wh=counted[0].energy_wh if counted else None,
        energy_last_wh=counted[-1].energy_wh if counted else None,
        used_wh=_used(slot, counted, before, sizes_wh, swaps),
        count=len(samples),
    )


def _used(
    slot: Slot, counted: list[Sample], before: Sample | None, sizes_wh: Sequence[int], swaps: Sequence[Swap]
) -> int | None:
    """Use in the slot, in Wh; None where an end is missing or the counter broke."""
    if not counted or slot.end - counted[-1].at > slot.hole:
        return None
    path = _path(slot, counted, before)
    if slot.start + slot.hole < path[0].at:
        return None
    total = 0
    for used in _steps(path, sizes_wh, swaps):
        if used is None:
            return None
        total += used
    return total


def _path(slot: Slot, counted: list[Sample], before: Sample | None) -> list[Sample]:
    """The samples to walk: from the last one before the slot where that is close, else from the first one in it."""
    close = before is not None and before.energy_wh is not None and slot.start - before.at <= slot.hole
    return [before, *counted] if close and before is not None else counted


def _steps(path: list[Sample], sizes_wh: Sequence[int], swaps: Sequence[Swap]) -> Iterator[int | None]:
    for earlier, later in pairwise(path):
        assert earlier.energy_wh is not None
        assert later.energy_wh is not None
        apart = later.at - earlier.at
        between = [swap for swap in swaps if earlier.at < swap.at <= later.at]
        if between:
            yield _across(earlier.energy_wh, between, later.energy_wh, apart)
        else:
            yield judge_counter(earlier.energy_wh, later.energy_wh, apart, sizes_wh=sizes_wh).used_wh


def _across(before_wh: int, swaps: Sequence[Swap], after_wh: int, apart: DurationMs) -> int | None:
    """Use of all meters of such a step; a reading that somebody wrote down wrongly makes it unknown, never negative."""
    total, state = 0, before_wh
    for end_wh, begin_wh in [*((swap.end_wh, swap.begin_wh) for swap in swaps), (after_wh, after_wh)]:
        if end_wh is None or begin_wh is None:
            return None
        step = judge_counter(state, end_wh, apart, sizes_wh=())
        if step.used_wh is None:
            return None
        total, state = total + step.used_wh, begin_wh
    return total


def _ms(moment: datetime) -> UtcMs:
    return round(moment.timestamp() * 1000)
