"""The hub says when a site's next drill is due: once in advance, once when it is late, and never again after it was held."""

import pytest

from hub.settings.limits import resolve
from hub.vocabulary.decisions import Severity
from hub.vocabulary.drills import DrillHeld
from hub.vocabulary.events import SupervisionTick
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.instants import DAY_MS
from rules.drill_due import DrillDue, DrillDueLimits
from support.timeline import SITE, SITE_SUBJECT, T0, Timeline, device_facts

KEY = ("drill_due", SITE_SUBJECT)


def tick(day: float) -> SupervisionTick:
    at = T0 + round(day * DAY_MS)
    return SupervisionTick(site=SITE.id, occurred_at=at, received_at=at)


def held(day: float, told_on: float | None = None) -> DrillHeld:
    at = T0 + round(day * DAY_MS)
    received = at if told_on is None else T0 + round(told_on * DAY_MS)
    return DrillHeld(site=SITE.id, occurred_at=at, received_at=received, ticket="L-2026-00001", by="chen")


def story(**limits: object) -> Timeline:
    return Timeline(DrillDue(), limits=limits, restarts=True)


def raised(told: Timeline) -> int:
    return sum(type(decision).__name__ == "RaiseProblem" for _, decision in told.log)


def test_where_no_drill_is_known_half_a_year_runs_from_the_first_sight_and_the_problem_says_so():
    told = story().push(tick(0), tick(167.9))
    assert told.problems == {}
    told.push(tick(168), tick(169))
    assert told.problems[KEY].detail == {"due": "2026-07-02", "last": None, "basis": "no_drill_known", "overdue": False}
    assert (told.problems[KEY].severity, raised(told)) == (Severity.LOW, 1)


def test_what_is_late_is_said_once_more_and_louder():
    told = story().push(tick(0), tick(170), tick(181.9), tick(182), tick(190), tick(300))
    assert (told.problems[KEY].detail["overdue"], told.problems[KEY].severity) == (True, Severity.MEDIUM)
    assert raised(told) == 2


def test_a_drill_that_was_held_ends_the_problem_and_half_a_year_begins_anew():
    told = story().push(tick(0), tick(183), held(184), tick(184))
    assert told.problems == {}
    told.push(tick(184 + 167.9))
    assert told.problems == {}
    told.push(tick(184 + 168))
    assert told.problems[KEY].detail == {
        "due": "2027-01-02",
        "last": "2026-07-04",
        "basis": "drill_held",
        "overdue": False,
    }


def test_a_drill_that_is_evaluated_late_counts_from_the_day_it_was_held_and_an_older_one_moves_nothing():
    told = story().push(tick(0), held(100, told_on=120), held(50, told_on=121), tick(100 + 167.9))
    assert told.problems == {}
    assert told.push(tick(100 + 168)).problems[KEY].detail["last"] == "2026-04-11"


def test_the_site_file_knows_an_earlier_drill_and_what_the_hub_saw_later_wins():
    told = story(last_drill="2025-07-10").push(tick(0))
    assert told.problems[KEY].detail == {
        "due": "2026-01-08",
        "last": "2025-07-10",
        "basis": "drill_in_site_file",
        "overdue": False,
    }
    told.push(held(1), tick(1))
    assert told.problems == {}


def test_a_file_that_is_corrected_takes_the_problem_back():
    told = story(last_drill="2025-07-10").push(tick(0))
    told.limits = {"last_drill": "2025-12-20"}
    assert told.push(tick(1)).problems == {}


def test_intervals_are_data_and_nought_switches_it_off():
    assert story(every_days=10, warn_days=0).push(tick(0), tick(9.9)).problems == {}
    assert KEY in story(every_days=10, warn_days=0).push(tick(0), tick(10)).problems
    told = story(every_days=10).push(tick(0))
    assert KEY in told.problems
    told.limits = {"every_days": 0}
    assert told.push(tick(20)).problems == {}


def test_a_site_without_elevators_has_no_drills():
    told = Timeline(DrillDue(), devices=[device_facts("m-1", DeviceKind.METER)]).push(tick(0), tick(400))
    assert (told.problems, told.states) == ({}, {})


@pytest.mark.parametrize("date", ["2026-02-30", "12.05.2026", "2026-13-01", "1999-01-01"])
def test_a_date_that_is_none_is_refused(date):
    with pytest.raises(ValueError, match=r"last_drill|date|day|time|pattern|regex|match"):
        resolve(DrillDueLimits, {"last_drill": date})
