"""Alarm load is counted the way ISA-18.2 counts it: at the bounds, not about them."""

from __future__ import annotations

import pytest

from hub.tickets import alarm_load
from hub.tickets.alarm_load import Grade, Raising
from hub.vocabulary.decisions import Severity
from hub.vocabulary.instants import HOUR_MS, MINUTE_MS, SECOND_MS

T0 = 1_780_000_000_000


def at(seconds: float, **other: object) -> Raising:
    values = {
        "site": "lakeside",
        "kind": "door_alarm",
        "subject": "gate-1",
        "name": "门",
        "severity": Severity.LOW,
        "new": True,
    }
    return Raising(at=T0 + round(seconds * SECOND_MS), **(values | other))


def times(*seconds: float) -> list[int]:
    return [T0 + round(each * SECOND_MS) for each in seconds]


@pytest.mark.parametrize(
    ("seconds", "chatters"), [((0, 59), False), ((0, 30, 59.9), True), ((0, 30, 60), False), ((0, 0, 0), True)]
)
def test_three_times_within_a_minute_is_chattering(seconds: tuple[float, ...], chatters: bool) -> None:
    assert bool(alarm_load.chattering([at(each) for each in seconds])) is chatters


def test_repeats_count_and_other_subjects_and_kinds_do_not_add_up() -> None:
    mixed = [at(0), at(1, new=False), at(2, subject="gate-2"), at(3, kind="device_silent")]
    assert alarm_load.chattering(mixed) == []
    (found,) = alarm_load.chattering([*mixed, at(4, new=False), at(500, new=False)])
    assert (found.subject, found.kind, found.most, found.total, found.until) == (
        "gate-1",
        "door_alarm",
        3,
        4,
        at(500).at,
    )


def test_the_worst_chatterer_comes_first() -> None:
    raised = sorted([at(n) for n in range(3)] + [at(n, subject="gate-2") for n in range(5)], key=lambda each: each.at)
    assert [each.subject for each in alarm_load.chattering(raised)] == ["gate-2", "gate-1"]


def test_eleven_in_ten_minutes_are_a_flood_and_ten_are_none() -> None:
    assert alarm_load.floods(times(*range(0, 600, 60))) == []
    (flood,) = alarm_load.floods(times(*range(0, 600, 59)))
    assert (flood.tickets, flood.peak, flood.since, flood.until) == (11, 11, T0, T0 + 590 * SECOND_MS)


def test_a_flood_goes_on_until_fewer_than_five_come_in_ten_minutes() -> None:
    burst = list(range(0, 110, 10))  # 11
    slower = [200 + 140 * n for n in range(10)]  # 5 within ten minutes
    quiet = [5_000, 5_700]
    (flood,) = alarm_load.floods(times(*burst, *slower, *quiet))
    assert flood.tickets == 21
    again = [10_000 + n for n in range(11)]
    assert [each.tickets for each in alarm_load.floods(times(*burst, *slower, *quiet, *again))] == [21, 11]


@pytest.mark.parametrize(
    ("per_day", "grade"),
    [(150, Grade.MANAGEABLE), (150.1, Grade.DEMANDING), (299.9, Grade.DEMANDING), (300, Grade.ACT)],
)
def test_grades_change_exactly_at_their_bounds(per_day: float, grade: Grade) -> None:
    assert alarm_load.grade(per_day) is grade


def test_the_figures_of_a_time() -> None:
    raised = [at(n, severity=Severity.CRITICAL if n == 0 else Severity.LOW) for n in range(11)] + [at(20, new=False)]
    found = alarm_load.load(raised, 2, T0, T0 + 12 * HOUR_MS)
    assert (found.tickets, found.signals, found.per_day, found.grade) == (11, 12, 22.0, Grade.MANAGEABLE)
    assert (found.busiest_10_min, found.floods, found.chattering, found.stale) == (11, 1, 1, 2)
    assert (found.critical_percent, found.too_many_critical) == (9.1, True)


def test_of_nothing_there_is_no_share() -> None:
    found = alarm_load.load([], 0, T0, T0 + MINUTE_MS)
    assert (found.per_day, found.critical_percent, found.too_many_critical, found.flood_percent) == (
        0.0,
        None,
        False,
        0.0,
    )
