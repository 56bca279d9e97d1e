"""What a step of an energy counter means: use, a rollover, or a break in the meter's life after which use is unknown.

A counter that goes back has rolled over only when it stood close under its end; anything else is a reset or another meter,
and never negative use (domain/meters.md 7 nos. 8, 9). The purchase count is judged beside it (no. 10), in
`hub.vocabulary.purchases`, because rules need that as well. Pure: the meter's size is handed in where its profile knows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from hub.vocabulary.instants import HOUR_MS, DurationMs
from hub.vocabulary.purchases import CountChange, judge_count

__all__ = ["COUNTER_SIZES_WH", "PLAUSIBLE_W", "CountChange", "CounterStep", "Step", "judge_count", "judge_counter"]

COUNTER_SIZES_WH: Final = (1_000_000_000, 2**32 * 10)
"""Where counters begin again: DL/T 645 after 999 999.99 kWh (meters.md 3.2), u32 registers of 0.01 kWh (1.1, 1.2)."""

NEAR_END: Final = 95
"""Per cent of its size beyond which a counter may be about to roll over."""

PLAUSIBLE_W: Final = 1_000_000
"""Most power that is believed of a sub-meter of an estate; a faster counter is another meter, or a misread one."""


class CounterStep(StrEnum):
    """What happened between two states of a counter."""

    ADVANCED = "advanced"
    ROLLED_OVER = "rolled_over"
    RESET = "reset"  # went back: cleared, or another meter
    JUMPED = "jumped"  # more than any load can have used: another meter, or a misread one


class Step(NamedTuple):
    """A step and what was used in it, in Wh; None where nobody can know."""

    kind: CounterStep
    used_wh: int | None


def judge_counter(
    before_wh: int,
    after_wh: int,
    apart: DurationMs,
    *,
    sizes_wh: Sequence[int] = COUNTER_SIZES_WH,
    plausible_w: int = PLAUSIBLE_W,
) -> Step:
    """What the counter did in the time `apart` (ms). `sizes_wh`: after how many Wh it may begin again at 0."""
    most_wh = plausible_w * max(apart, HOUR_MS // 60) / HOUR_MS
    used = after_wh - before_wh
    if used >= 0:
        return Step(CounterStep.ADVANCED, used) if used <= most_wh else Step(CounterStep.JUMPED, None)
    for size in sizes_wh:
        near_end = size * NEAR_END < before_wh * 100 < size * 100
        if near_end and used + size <= most_wh:
            return Step(CounterStep.ROLLED_OVER, used + size)
    return Step(CounterStep.RESET, None)
