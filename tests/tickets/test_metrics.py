"""The monthly figures of entrapments say what the milestones say; what is not known is no figure."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.tickets.forms import CauseKind
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
    "guard_sent": 2,
    "guard_arrived": 4.5,
    "firm_told": 4,
    "firm_answered": 6,
    "technician_arrived": 16,
    "released": 20,
    "report": 80,
}


def test_each_time_is_counted_from_where_it_is_said_to_be_counted_from() -> None:
    found = figures([case(minutes=DONE, people=2)], [])
    assert {
        name: getattr(found, name).mean_s for name in found.__struct_fields__ if hasattr(getattr(found, name), "n")
    } == {
        "acknowledged": 30,
        "voice_contact": 60,
        "guard_arrived": 150,
        "firm_told": 240,
        "firm_answered": 120,
        "arrived": 720,
        "released": 1200,
        "released_on_site": 240,
        "reported": 3600,
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


def test_whether_somebody_was_inside_is_yes_no_or_not_known() -> None:
    found = figures(
        [case(people=2), case(people=0), case(), case(state="false_alarm"), case(state="false_alarm", people=1)], []
    )
    assert (found.trapped, found.not_trapped, found.trapped_not_known) == (1, 3, 1)


def test_events_are_related_to_the_lifts_that_there_are_and_a_single_lift_to_nothing() -> None:
    assert figures([case(), case("e2")], [], lifts=40).events_per_100_lifts == 5.0
    assert figures([case()], []).events_per_100_lifts is None
    assert figures([], [], lifts=0).events_per_100_lifts is None


def test_causes_are_those_of_signed_reports_and_the_others_are_not_known() -> None:
    found = figures(
        [case(cause="human"), case(cause="external"), case(cause="human"), case(), case(state="false_alarm")], []
    )
    assert {name: count for name, count in found.causes.items() if count} == {"human": 2, "external": 1, "not_known": 1}
    assert set(found.causes) == {*CauseKind, "not_known"}


def test_hours_are_those_of_the_sites_clock() -> None:
    found = figures([case(), case(day=0.5)], [], ZoneInfo("Asia/Shanghai"))
    assert {hour: count for hour, count in found.by_hour.items() if count} == {"08": 1, "20": 1}
    assert len(found.by_hour) == 24
    assert figures([case()], []).by_hour["00"] == 1


def test_a_power_cut_of_a_site_is_no_event_of_its_own_and_no_lifts_repeat() -> None:
    mass = case("lakeside", of_lift=False)
    found = figures([case(day=1), mass], [mass, case("lakeside", day=0.5, of_lift=False)])
    assert (found.events, found.mass_outages, found.repeats_within_30_days) == (1, 1, 0)


def test_an_accident_is_what_a_person_called_one_whether_it_was_flagged_or_not() -> None:
    found = figures(
        [case(accident_candidate=True), case(accident=True), case(accident_candidate=True, accident=True)], []
    )
    assert (found.accident_candidates, found.accidents) == (2, 2)


def test_a_late_arrival_is_one_after_the_sites_own_time() -> None:
    assert figures([case(arrival_late=True), case()], []).arrivals_late == 1
