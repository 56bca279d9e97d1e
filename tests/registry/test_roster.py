"""Who is on duty at a moment: shifts, days, nights over midnight, nights of daylight saving, zones and overrides."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.registry.roster import SHIFTS, Assignment, Override, OverrideKind, Roster, Shift, on_duty, span
from hub.vocabulary.instants import HOUR_MS, MINUTE_MS, iso, parse_iso

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its clock jumps by half an hour
NIGHT = Shift("night", 22 * 60, 6 * 60)
FRONT = "front_desk"
WANG, LI, ZHAO, CHEN = 1, 2, 3, 4


def assigned(person: int, shift: str, **other: Any) -> Assignment:
    values: dict[str, Any] = {"id": person, "role": FRONT, "valid_from": date(2020, 1, 1)}
    return Assignment(person_id=person, shift=shift, **(values | other))


def override(number: int, kind: OverrideKind, person: int, **other: Any) -> Override:
    values: dict[str, Any] = {
        "from_at": parse_iso("2026-06-03T00:00:00+08:00"),
        "until_at": parse_iso("2026-06-04T00:00:00+08:00"),
    }
    return Override(id=number, kind=kind, person_id=person, **(values | other))


def roster(*assignments: Assignment, zone: ZoneInfo = SHANGHAI, overrides: tuple[Override, ...] = ()) -> Roster:
    return Roster(zone=zone, shifts={**SHIFTS, NIGHT.name: NIGHT}, assignments=assignments, overrides=overrides)


def who(found: Roster, at: str, role: str = FRONT, building: str | None = None) -> list[int]:
    return [duty.person_id for duty in on_duty(found, role, building, parse_iso(at))]


DESK = roster(assigned(WANG, "A"), assigned(LI, "B"))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("08:29:59.999", []),
        ("08:30:00", [WANG]),
        ("12:59:59.999", [WANG]),
        ("13:00:00", [WANG, LI]),
        ("15:59:59.999", [WANG, LI]),
        ("16:00:00", [LI]),
        ("20:29:59.999", [LI]),
        ("20:30:00", []),
    ],
)
def test_the_front_desk_s_two_shifts_begin_and_end_to_the_millisecond(at, expected):
    assert who(DESK, f"2026-06-03T{at}+08:00") == expected


def test_the_control_room_is_manned_at_every_minute_of_a_day():
    room = roster(assigned(WANG, "round_the_clock", role="control_room"))
    start = parse_iso("2026-06-03T00:00:00+08:00")
    for minute in range(0, 24 * 60 + 1, 7):
        assert len(on_duty(room, "control_room", None, start + minute * MINUTE_MS)) == 1


def test_a_night_shift_belongs_to_the_day_on_which_it_begins():
    nights = roster(assigned(WANG, "night", weekdays=frozenset({5}), valid_until=date(2026, 6, 5)))
    assert who(nights, "2026-06-05T21:59:00+08:00") == []
    assert who(nights, "2026-06-05T22:00:00+08:00") == [WANG]  # Friday, the last valid day
    assert who(nights, "2026-06-06T05:59:59+08:00") == [WANG]  # still Friday's shift
    assert who(nights, "2026-06-06T06:00:00+08:00") == []
    assert who(nights, "2026-06-06T22:00:00+08:00") == []


def test_a_night_shift_that_begins_before_the_first_valid_day_does_not_count():
    nights = roster(assigned(WANG, "night", valid_from=date(2026, 6, 5)))
    assert who(nights, "2026-06-05T03:00:00+08:00") == []
    assert who(nights, "2026-06-05T23:00:00+08:00") == [WANG]


def test_weekdays_are_those_of_the_site_and_not_of_utc():
    mondays = roster(assigned(WANG, "round_the_clock", weekdays=frozenset({1})))
    assert who(mondays, "2026-06-01T00:30:00+08:00") == [WANG]  # Sunday evening in UTC
    assert who(mondays, "2026-06-02T00:30:00+08:00") == []


def hours(shift: Shift, day: date, zone: ZoneInfo) -> float:
    since, until = span(shift, day, zone)
    return (until - since) / HOUR_MS


def test_the_night_when_the_clock_goes_forward_is_an_hour_shorter():
    assert hours(NIGHT, date(2026, 3, 28), BERLIN) == 7
    assert hours(NIGHT, date(2026, 3, 27), BERLIN) == 8


def test_the_night_when_the_clock_goes_back_is_an_hour_longer():
    assert hours(NIGHT, date(2026, 10, 24), BERLIN) == 9


def test_a_boundary_that_the_clock_jumps_over_is_the_jump_and_nobody_is_missing():
    early, late = Shift("early", 22 * 60, 2 * 60 + 30), Shift("late", 2 * 60 + 30, 10 * 60)
    _, until = span(early, date(2026, 3, 28), BERLIN)
    since, _ = span(late, date(2026, 3, 29), BERLIN)
    assert iso(until) == iso(since) == "2026-03-29T01:00:00.000+00:00"


def test_a_boundary_that_comes_twice_overlaps_instead_of_leaving_a_gap():
    early, late = Shift("early", 22 * 60, 2 * 60 + 30), Shift("late", 2 * 60 + 30, 10 * 60)
    _, until = span(early, date(2026, 10, 24), BERLIN)
    since, _ = span(late, date(2026, 10, 25), BERLIN)
    assert until - since == HOUR_MS
    assert iso(since) == "2026-10-25T00:30:00.000+00:00"


def test_a_jump_of_half_an_hour_is_found_as_well():
    inside = Shift("inside", 2 * 60 + 15, 6 * 60)
    since, _ = span(inside, date(2026, 10, 4), LORD_HOWE)
    assert iso(since) == "2026-10-03T15:30:00.000+00:00"  # 02:00 becomes 02:30


def test_round_the_clock_has_no_gap_in_either_night_of_daylight_saving():
    room = roster(assigned(WANG, "round_the_clock"), zone=BERLIN)
    for start in ("2026-03-28T20:00:00+01:00", "2026-10-24T20:00:00+02:00"):
        for minute in range(0, 12 * 60, 5):
            assert len(on_duty(room, FRONT, None, parse_iso(start) + minute * MINUTE_MS)) == 1


def test_on_call_is_per_building_and_none_means_the_whole_site():
    calls = roster(
        assigned(WANG, "round_the_clock", zone=("b1", "b2")),
        assigned(LI, "round_the_clock", zone=("b3",)),
        assigned(ZHAO, "round_the_clock"),
    )
    at = "2026-06-03T12:00:00+08:00"
    assert who(calls, at, building="b1") == [WANG, ZHAO]
    assert who(calls, at, building="b3") == [LI, ZHAO]
    assert who(calls, at) == [WANG, LI, ZHAO]


def test_another_role_s_people_are_not_on_duty_for_this_one():
    assert who(DESK, "2026-06-03T14:00:00+08:00", role="technician") == []


def test_a_replacement_has_the_duty_with_its_zone_and_only_for_its_time():
    swapped = roster(
        assigned(WANG, "A", zone=("b1",)), overrides=(override(1, OverrideKind.REPLACE, WANG, by_person_id=LI),)
    )
    assert who(swapped, "2026-06-03T09:00:00+08:00") == [LI]
    assert who(swapped, "2026-06-03T09:00:00+08:00", building="b2") == []
    assert who(swapped, "2026-06-03T17:00:00+08:00") == []  # not longer than the shift
    assert who(swapped, "2026-06-04T09:00:00+08:00") == [WANG]
    (duty,) = on_duty(swapped, FRONT, "b1", parse_iso("2026-06-03T09:00:00+08:00"))
    assert (duty.instead_of, duty.shift) == (WANG, "A")


def test_who_is_absent_is_on_no_duty_and_who_is_added_is_on_duty_as_well():
    changed = roster(
        assigned(WANG, "A"),
        overrides=(
            override(1, OverrideKind.ABSENT, WANG),
            override(2, OverrideKind.ADD, CHEN, role=FRONT, zone=("b1",)),
        ),
    )
    assert who(changed, "2026-06-03T09:00:00+08:00") == [CHEN]
    assert who(changed, "2026-06-03T03:00:00+08:00") == [CHEN]
    assert who(changed, "2026-06-03T09:00:00+08:00", building="b2") == []
    assert who(changed, "2026-06-03T09:00:00+08:00", role="technician") == []


def test_the_later_entered_override_wins_and_two_that_swap_do_not_go_round():
    swap = (
        override(1, OverrideKind.REPLACE, WANG, by_person_id=LI),
        override(2, OverrideKind.REPLACE, LI, by_person_id=WANG),
    )
    at = "2026-06-03T09:00:00+08:00"
    assert who(roster(assigned(WANG, "A"), overrides=swap), at) == [WANG]
    ill = (*swap[:1], override(2, OverrideKind.ABSENT, LI), override(3, OverrideKind.ADD, ZHAO, role=FRONT))
    assert who(roster(assigned(WANG, "A"), overrides=ill), at) == [ZHAO]
    assert who(roster(assigned(WANG, "A"), overrides=tuple(reversed(ill))), at) == [ZHAO]


def test_an_override_of_one_role_leaves_the_other_alone():
    both = roster(
        assigned(WANG, "A"),
        assigned(WANG, "A", role="technician"),
        overrides=(override(1, OverrideKind.ABSENT, WANG, role="technician"),),
    )
    at = "2026-06-03T09:00:00+08:00"
    assert (who(both, at), who(both, at, role="technician")) == ([WANG], [])


def test_what_was_taken_back_was_so_before():
    ended = parse_iso("2026-06-03T10:00:00+08:00")
    past = roster(assigned(WANG, "A", ended_at=ended))
    assert who(past, "2026-06-03T09:59:59+08:00") == [WANG]
    assert who(past, "2026-06-03T10:00:00+08:00") == []


def test_a_person_with_two_assignments_is_named_once_and_a_shift_that_is_gone_counts_for_nothing():
    double = roster(assigned(WANG, "A"), assigned(WANG, "B"), assigned(LI, "C"))
    assert who(double, "2026-06-03T14:00:00+08:00") == [WANG]
