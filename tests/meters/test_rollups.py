"""Hours and days of a meter: known from end to end, or not known."""

from __future__ import annotations

from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.meters.rollups import Sample, Swap, day_of, hour_of, roll_up
from hub.vocabulary.instants import DAY_MS, HOUR_MS, MINUTE_MS, parse_iso

T0 = parse_iso("2026-03-01T00:00:00+00:00")
SHANGHAI = ZoneInfo("Asia/Shanghai")
QUARTER = 15 * MINUTE_MS


def quarters(first: int, last: int, *, start_wh: int = 0, step_wh: int = 100) -> list[Sample]:
    """Samples every quarter of an hour; credit falls by one fen for each."""
    return [Sample(T0 + n * QUARTER, 10_000 - n, start_wh + n * step_wh) for n in range(first, last)]


def test_an_hour_has_first_last_least_most_and_use_across_its_beginning() -> None:
    samples = quarters(0, 8)
    second = roll_up(samples, hour_of)[1]
    assert (second.start_at, second.count) == (T0 + HOUR_MS, 4)
    assert (second.credit_first, second.credit_last) == (9_996, 9_993)
    assert (second.credit_min, second.credit_max) == (9_993, 9_996)
    assert (second.energy_first_wh, second.energy_last_wh) == (400, 700)
    assert second.used_wh == 400, "the step from 00:45 to 01:00 ends in this hour"


def test_the_sample_before_carries_the_use_over_from_an_earlier_call() -> None:
    samples = quarters(0, 8)
    assert roll_up(samples[4:], hour_of, samples[3]) == roll_up(samples, hour_of)[1:]


def test_use_of_hours_adds_up_to_the_counter() -> None:
    samples = quarters(0, 96)
    assert sum(row.used_wh or 0 for row in roll_up(samples, hour_of)) == samples[-1].energy_wh


@pytest.mark.parametrize(
    ("kept", "used"),
    [
        ([0, 1, 2, 3], 300),
        ([2, 3], 100),  # half an hour of the beginning may be missing
        ([3], None),  # three quarters are too much
        ([0, 1, 2], 200),
        ([0, 1], None),  # the end is missing: what came after is not known to belong here
    ],
)
def test_holes_at_either_end_make_the_use_unknown(kept: list[int], used: int | None) -> None:
    samples = [sample for n, sample in enumerate(quarters(0, 4)) if n in kept]
    assert roll_up(samples, hour_of)[0].used_wh == used


def test_a_hole_inside_changes_nothing() -> None:
    samples = quarters(0, 4)
    assert roll_up([samples[0], samples[3]], hour_of)[0].used_wh == 300


def test_after_an_outage_the_use_of_days_is_not_taken_for_that_of_an_hour() -> None:
    before = Sample(T0 - 3 * DAY_MS, 10_000, 0)
    samples = quarters(0, 4, start_wh=50_000)
    assert roll_up(samples, hour_of, before)[0].used_wh == 300


def test_unreadable_credit_and_missing_energy_are_left_out_not_zero() -> None:
    samples = [Sample(T0, None, None), Sample(T0 + QUARTER, 500, None), Sample(T0 + 2 * QUARTER, None, None)]
    row = roll_up(samples, hour_of)[0]
    assert (row.credit_first, row.credit_last, row.credit_min, row.credit_max) == (500, 500, 500, 500)
    assert (row.energy_first_wh, row.energy_last_wh, row.used_wh, row.count) == (None, None, None, 3)
    nothing = roll_up(samples[:1], hour_of)[0]
    assert (nothing.credit_first, nothing.credit_min, nothing.count) == (None, None, 1)


def test_a_reset_makes_the_use_unknown_and_a_rollover_does_not() -> None:
    energies = [500_000, 500_100, 0, 100]
    broken = [Sample(T0 + n * QUARTER, 1, energy) for n, energy in enumerate(energies)]
    assert roll_up(broken, hour_of)[0].used_wh is None
    energies = [999_999_800, 999_999_900, 0, 100]
    rolled = [Sample(T0 + n * QUARTER, 1, energy) for n, energy in enumerate(energies)]
    assert roll_up(rolled, hour_of)[0].used_wh == 300


@pytest.mark.parametrize(
    ("swaps", "used"),
    [
        ([Swap(T0 + 20 * MINUTE_MS, 500_160, 40)], 60 + 60 + 200),
        ([Swap(T0 + 20 * MINUTE_MS, 500_160, 0)], 60 + 100 + 200),
        ([Swap(T0 + 20 * MINUTE_MS, 500_160, None)], None),
        ([Swap(T0 + 20 * MINUTE_MS, None, 0)], None),
        ([Swap(T0 + 20 * MINUTE_MS, 500_050, 0)], None),  # written down less than was read before
        ([Swap(T0 + 20 * MINUTE_MS, 500_160, 150)], None),  # and more than is read now
        ([Swap(T0 + 40 * MINUTE_MS, 500_160, 0)], None),  # at another time than the counter's break
        ([Swap(T0 + 18 * MINUTE_MS, 500_130, 5), Swap(T0 + 25 * MINUTE_MS, 15, 90)], 30 + 10 + 10 + 200),
        ([], None),
    ],
)
def test_across_another_meter_the_use_is_that_of_both_or_unknown(swaps: list[Swap], used: int | None) -> None:
    """Counters at :00 :15 | :30 :45 and an hour later; the meter changes in between."""
    energies = [500_000, 500_100, 100, 300]
    samples = [Sample(T0 + n * QUARTER, 1, energy) for n, energy in enumerate(energies)]
    expected = None if used is None else used + 100
    assert roll_up(samples, hour_of, swaps=swaps)[0].used_wh == expected


def test_a_new_meter_that_counts_on_from_above_is_not_taken_for_use() -> None:
    """The most dangerous one: nothing in the readings shows that there was another meter."""
    samples = [Sample(T0 + n * QUARTER, 1, energy) for n, energy in enumerate([500_000, 500_100, 620_000, 620_100])]
    assert roll_up(samples, hour_of)[0].used_wh == 120_100
    swap = Swap(T0 + 20 * MINUTE_MS, 500_150, 619_950)
    assert roll_up(samples, hour_of, swaps=[swap])[0].used_wh == 100 + 50 + 50 + 100


def test_a_day_is_one_of_the_sites_calendar() -> None:
    late_evening = parse_iso("2026-03-01T23:30:00+08:00")
    slot = day_of(late_evening, SHANGHAI)
    assert (slot.start, slot.end) == (parse_iso("2026-03-01T00:00:00+08:00"), parse_iso("2026-03-02T00:00:00+08:00"))


@pytest.mark.parametrize(
    ("zone", "noon", "hours"),
    [
        ("Asia/Shanghai", "2026-03-29T12:00:00+08:00", 24),
        ("Europe/Berlin", "2026-03-29T12:00:00+02:00", 23),
        ("Europe/Berlin", "2026-10-25T12:00:00+01:00", 25),
        ("Asia/Kathmandu", "2026-03-29T12:00:00+05:45", 24),
        ("Asia/Beirut", "2026-03-29T12:00:00+03:00", 23),  # its midnight does not exist
    ],
)
def test_days_may_be_short_or_long(zone: str, noon: str, hours: int) -> None:
    slot = day_of(parse_iso(noon), ZoneInfo(zone))
    assert slot.end - slot.start == hours * HOUR_MS


@pytest.mark.parametrize(
    "zone", ["Asia/Shanghai", "Europe/Berlin", "Asia/Kathmandu", "Asia/Beirut", "America/New_York"]
)
def test_days_cover_time_without_gap_or_overlap(zone: str) -> None:
    at, slots = parse_iso("2026-01-01T00:00:00+00:00"), []
    for _ in range(370):
        slot = day_of(at, ZoneInfo(zone))
        assert slot.start <= at < slot.end
        slots.append(slot)
        at = slot.end
    assert all(before.end == after.start for before, after in pairwise(slots))


def test_a_day_of_quarters_and_one_of_hours_have_the_same_use() -> None:
    start = parse_iso("2026-03-01T00:00:00+08:00")
    samples = [Sample(start + n * QUARTER, 50_000 - n, n * 25) for n in range(-96, 97)]
    samples = [Sample(s.at, s.credit, (s.energy_wh or 0) + 10_000) for s in samples]
    fine = roll_up(samples, lambda at: day_of(at, SHANGHAI))[1]
    coarse = roll_up(samples[::4], lambda at: day_of(at, SHANGHAI))[1]
    assert fine.used_wh == 96 * 25
    assert coarse.used_wh == fine.used_wh


@given(
    st.lists(
        st.tuples(st.integers(1, 90), st.one_of(st.none(), st.integers(-500, 500)), st.one_of(st.none(), st.integers(0, 9_000))),
        max_size=60,
    ),
    st.data(),
)  # fmt: skip
def test_however_the_samples_are_cut_at_hours_the_rows_are_the_same(
    raw: list[tuple[int, int | None, int | None]], data: st.DataObject
) -> None:
    at, samples = T0, []
    for minutes, credit, energy in raw:
        at += minutes * MINUTE_MS
        samples.append(Sample(at, credit, energy))
    whole = roll_up(samples, hour_of)
    assert sum(row.count for row in whole) == len(samples)
    hours = sorted({hour_of(sample.at).start for sample in samples})
    cut = data.draw(st.sampled_from(hours)) if hours else T0
    early = [sample for sample in samples if sample.at < cut]
    before = next((sample for sample in reversed(early) if sample.energy_wh is not None), None)
    late = [sample for sample in samples if sample.at >= cut]
    assert roll_up(early, hour_of) + roll_up(late, hour_of, before) == whole
    assert all(row.used_wh is None or row.used_wh >= 0 for row in whole)
