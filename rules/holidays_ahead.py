"""How much earlier people have to be told before and in long holidays, when nobody wants to run after electricity.

The first threshold stands for `days_at_level_1` days of use; where a holiday that is near or under way has more days left,
it is raised in proportion (domain/meters.md 6 'Defaults we propose'). The calendar comes with the facts of the site.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from hub.vocabulary.instants import DAY_MS, DurationMs, UtcMs

LONGEST_DAYS: Final = 12
"""No public holiday is longer; a calendar that says so is wrong."""


def days_to_last(holidays: Sequence[tuple[UtcMs, UtcMs]], at: UtcMs, ahead: DurationMs) -> int:
    """Days left of the holiday that `at` lies in, or of the whole one that begins within `ahead`; 0 where there is none.

    `holidays` are (start, end) in order, without overlap.
    """
    following = bisect_right(holidays, (at, at))
    for start, end in holidays[max(0, following - 1) : following + 1]:
        if start - ahead <= at < end:
            return min(-((max(at, start) - end) // DAY_MS), LONGEST_DAYS)
    return 0
