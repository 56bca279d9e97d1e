"""The monthly figures of entrapments say what the milestones say; what is not known is no figure."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.tickets.metrics import Case, Spread, figures, month_bounds, month_of
from hub.vocabulary.instants import DAY_MS, MINUTE_MS, UtcMs, parse_iso

START: UtcMs = parse_iso("2026-11-10T08:00:00+08:00")


def case(lift: str = "e1", state: str = "closed", day: float = 0, **other: Any) -> Case:
    """Occurred at START + `day`; milestones in minutes from then, opened half a minute after."""
    occurred = START + int(day * DAY_MS)
    minutes = other.pop("minutes", {})
    values: dict[str, Any] = {"drill": False, "people": None, "accident_candidate": False}
    return Case(
        site="lakeside",
        lift=lift,
        occurred_at=occurred,
        opened_at=occurred + MINUTE_MS // 2,
        state=state,
        at={name: occurred + int(at * MINUTE_MS) for name, at in minutes.items()},
        **(values | other),
    )


DONE = {
    "opened": 0.5,
    "acknowledged": 1,
    "voice_contact": 1.5,
    "firm_told": 4,
    "firm_answered": 6,
    "technician_arrived": 16,
    "released": 20,
}


def test_each_time_is_counted_from_where_it_is_said_to_be_counted_from() -> None:
    found = figures([case(minutes=DONE, people=2)], [])
    assert {
        name: getattr(found, name).mean_s for name in found.__struct_fields__ if hasattr(getattr(found, name), "n")
    } == {
        "acknowledged": 30,
        "voice_contact": 60,
        "firm_told": 240,
        "firm_answered": 120,
        "arrived": 720,
        "released": 1200,
        "released_on_site": 240,
    }
    assert (found.arrived_within_30_min_percent, found.people_per_event, found.false_alarm_percent) == (100.0, 2.0, 0.0)


def test_a_technician_who_never_came_is_not_within_thirty_minutes_and_one_who_was_never_called_is_not_counted() -> None:
    late = {"firm_told": 1, "technician_arrived": 31.1}
    just = {"firm_told": 1, "technician_arrived": 31}
    found = figures([case(minutes=late), case(minutes=just), case(minutes={"firm_told": 1}), case()], [])
    assert found.arrived_within_30_min_percent == 33.3
    assert found.arrived == Spread(n=2, mean_s=1803, max_s=1806)


def test_of_nothing_there_is_no_share_and_no_mean() -> None:
    found = figures([], [])
    assert (found.events, found.arrived_within_30_min_percent, found.false_alarm_percent) == (0, None, None)
    assert (found.people_per_event, found.released) == (None, Spread())


def test_what_came_the_other_way_round_is_no_duration() -> None:
    found = figures([case(minutes={"technician_arrived": 9, "released": 5})], [])
    assert found.released_on_site == Spread()
    assert found.released.mean_s == 300


def test_people_are_shared_among_those_events_only_where_they_were_counted() -> None:
    found = figures([case(people=3), case(people=0), case()], [])
    assert (found.people, found.people_per_event) == (3, 1.5)


@pytest.mark.parametrize(
    ("minutes", "state", "counted"),
    [
        ({"sensor_clear": 2, "released": 5}, "closed", 1),
        ({"sensor_clear": 2, "technician_arrived": 4, "released": 5}, "released", 1),
        ({"sensor_clear": 6, "technician_arrived": 4, "released": 7}, "closed", 0),
        ({"sensor_clear": 2}, "false_alarm", 0),
        ({"released": 5}, "closed", 0),
    ],
)
def test_a_car_that_freed_itself_is_one_whose_signal_cleared_before_a_technician_came(
    minutes: dict[str, float], state: str, counted: int
) -> None:
    assert figures([case(state=state, minutes=minutes)], []).auto_resolved == counted


def test_a_repeat_is_the_same_lift_within_thirty_days_and_drills_are_none() -> None:
    first, again, other = case(day=0), case(day=30), case("e2", day=10)
    too_late, drill = case("e3", day=31), case("e3", day=0.5)
    known = [first, again, other, case("e3", day=0, drill=True), drill, too_late]
    assert figures([again], known).repeats_within_30_days == 1
    assert figures([first], known).repeats_within_30_days == 0
    assert figures([other, drill], known).repeats_within_30_days == 0
    assert figures([case("e1", day=30.1)], [first]).repeats_within_30_days == 0


def test_a_month_is_that_of_the_site_also_over_midnight_new_year_and_daylight_saving() -> None:
    shanghai, berlin = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
    since, until = month_bounds("2026-12", shanghai)
    assert (since, until) == (parse_iso("2026-12-01T00:00:00+08:00"), parse_iso("2027-01-01T00:00:00+08:00"))
    assert month_of(until - 1, shanghai) == "2026-12"
    assert month_of(until, shanghai) == "2027-01"
    since, until = month_bounds("2026-10", berlin)
    assert until - since == 31 * DAY_MS + 60 * MINUTE_MS
