"""Counters that roll over, are reset or belong to another meter (domain/meters.md 7 nos. 8, 9)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.meters.life import COUNTER_SIZES_WH, CounterStep, judge_counter
from hub.vocabulary.instants import HOUR_MS

QUARTER = HOUR_MS // 4
END_645 = 1_000_000_000  # 1 000 000.00 kWh: the display has come round


@pytest.mark.parametrize(
    ("before", "after", "kind", "used"),
    [
        (1_000, 1_000, CounterStep.ADVANCED, 0),
        (1_000, 1_250, CounterStep.ADVANCED, 250),
        (END_645 - 10, 240, CounterStep.ROLLED_OVER, 250),
        (2**32 * 10 - 50, 0, CounterStep.ROLLED_OVER, 50),
        (500_000, 0, CounterStep.RESET, None),
        (500_000, 499_990, CounterStep.RESET, None),
        (949_000_000, 100, CounterStep.RESET, None),  # under 95 % of the end
        (960_000_000, 0, CounterStep.RESET, None),  # 40 MWh to the end in a quarter of an hour: it was cleared
        (1_000, 9_000_000, CounterStep.JUMPED, None),
    ],
)
def test_steps_of_a_quarter_of_an_hour(before: int, after: int, kind: CounterStep, used: int | None) -> None:
    assert judge_counter(before, after, QUARTER) == (kind, used)


def test_a_rollover_behind_a_long_silence_is_believed_when_the_load_could_have_done_it() -> None:
    assert judge_counter(960_000_000, 1_000, 60 * HOUR_MS) == (CounterStep.ROLLED_OVER, 40_001_000)


def test_a_profile_may_name_its_own_size_and_power() -> None:
    """A display of five digits and one place."""
    assert judge_counter(99_999_900, 100, QUARTER, sizes_wh=[100_000_000]) == (CounterStep.ROLLED_OVER, 200)
    assert judge_counter(99_999_900, 100, QUARTER, sizes_wh=[]) == (CounterStep.RESET, None)
    assert judge_counter(0, 6_000, QUARTER, plausible_w=20_000) == (CounterStep.JUMPED, None)


def test_readings_of_the_same_moment_are_not_a_jump() -> None:
    assert judge_counter(1_000, 1_010, 0) == (CounterStep.ADVANCED, 10)


@given(st.integers(0, 2**33), st.integers(0, 2**33), st.integers(0, 10**10))
def test_use_is_never_negative_and_unknown_after_every_break(before: int, after: int, apart: int) -> None:
    step = judge_counter(before, after, apart)
    known = step.kind in {CounterStep.ADVANCED, CounterStep.ROLLED_OVER}
    assert (step.used_wh is not None) == known
    assert step.used_wh is None or step.used_wh >= 0


@given(st.sampled_from(COUNTER_SIZES_WH), st.integers(1, 10_000), st.integers(0, 10_000))
def test_a_rollover_loses_nothing(size: int, left: int, beyond: int) -> None:
    assert judge_counter(size - left, beyond, HOUR_MS).used_wh == left + beyond
