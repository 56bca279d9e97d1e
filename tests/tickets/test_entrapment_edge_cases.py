"""Edge cases of domain/elevator.md section 5 that only show between rules, desk and people: real rules, real database, moved clock."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from hub.store import schema
from hub.store.database import Store, open_store
from hub.tickets.lifecycle import Actor, Refused
from hub.vocabulary.elevator import Doors, ElevatorFault, Power
from hub.vocabulary.instants import parse_iso
from hub.vocabulary.press_tests import PressTestDeclared
from hub.vocabulary.roles import Role
from support.cars import LIFT, at, boarded, cleared, offline, online, power_lost, press, state, trapped
from support.rescues import Story, outcome, play
from support.rig import SITE
from support.timeline import T0

OPERATOR = Actor("wang", frozenset({Role.CONTROL_ROOM}))
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
OFF = {"door_zone": False}


@pytest.fixture
def store(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'hub.db')}")
    yield opened
    opened.close()


# --- several sources, several cars -----------------------------------------------------------------------------


def test_button_device_and_two_telephone_calls_are_one_case_with_every_source_and_every_call(store: Store) -> None:
    """'Repeated presses, several channels: one incident per lift, sources merged, each press logged'."""
    story = Story(store).hear(*boarded(), press(0, source_key="a"), trapped(2), press(9, source_key="b"))
    assert story.by_hand(sources=["phone"]) == story.by_hand(sources=["96333"]) == 1
    case = story.case()
    assert case["fields"]["sources"] == ["button", "device_flag", "phone", "96333"]
    assert (case["fields"]["presses"], case["count"]) == (2, 4)
    assert [(row.entry, row.by) for row in story.timeline()] == [
        ("raised", "rule:entrapment"),
        ("signal", "rule:entrapment"),
        ("repeat", "rule:entrapment"),
        ("repeat", "wang"),
        ("repeat", "wang"),
    ]


def test_each_deck_of_a_double_deck_car_is_counted_and_released_by_itself(store: Store) -> None:
    """'Double-deck, group object: head count per deck': a deck is a device of its own."""
    story = Story(store, "e1-upper", "e1-lower")
    story.hear(press(0, device="e1-upper"), press(1, device="e1-lower"))
    story.act("people", 1, inside=2)
    story.act("people", 2, inside=5)
    with pytest.raises(Refused, match="accounted"):
        story.act("release", 2, people_out=2)
    story.act("release", 1, people_out=2)
    assert [(case["subject_id"], case["state"]) for case in story.cases()] == [
        ("e1-upper", "released"),
        ("e1-lower", "suspected"),
    ]


def test_the_neighbouring_car_was_meant_and_its_own_alarm_is_not_swallowed(store: Store) -> None:
    """'Two cars in a bank, wrong car reported: operator can re-bind'; and the other car is watched on."""
    story = Story(store, "e1", "e2").hear(press(0, device="e1"))
    story.act("rebind", device="e2", note="door tag says e2")
    assert (story.case()["subject_id"], story.case()["fields"]["rebound_from"]) == ("e2", "e1")
    story.hear(press(60, device="e2", source_key="x"), press(65, device="e2", source_key="z"))
    assert (story.case()["count"], story.case()["fields"]["presses"]) == (2, 2)
    story.hear(press(70, device="e1", source_key="y"))
    assert [case["subject_id"] for case in story.cases()] == ["e2", "e1"]


# --- the rescue itself -----------------------------------------------------------------------------------------


def test_telemetry_lost_in_the_middle_changes_no_state_stops_no_clock_and_is_said(store: Store) -> None:
    story = Story(store).hear(*boarded(), press(0), offline(30)).wait(5 * MINUTE)
    story.rescue("acknowledge", "voice_contact", "guard_sent", "guard_arrived", "firm_told", "firm_answered")
    told_at = story.rig.now
    story.until(told_at + 31 * MINUTE)
    assert (story.case()["state"], story.case()["fields"]["telemetry"]) == ("suspected", "lost")
    assert ("technician_on_site", "breached", told_at + 30 * MINUTE) in story.clocks()
    story.hear(online((story.rig.now - T0) / SECOND), state((story.rig.now - T0) / SECOND + 1, **OFF, passenger=True))
    assert story.case()["state"] == "suspected"
    assert {"telemetry_lost", "telemetry_back"} <= {row.name for row in story.timeline()}


def test_the_rescuer_isolates_the_main_switch_and_the_case_stays_as_it_is(store: Store) -> None:
    """'Power isolated by rescuer: expected': it is a line with its time, and no second case."""
    story = Story(store).hear(*boarded(), press(0))
    story.rescue("acknowledge", "voice_contact", "guard_sent", "firm_told", "firm_answered", "guard_arrived")
    story.wait(12 * MINUTE).rescue("technician_arrived")
    now_s = (story.rig.now - T0) / SECOND
    story.hear(
        power_lost(now_s + 60), state(now_s + 61, **OFF, passenger=True, power=Power.OUTAGE), offline(now_s + 62)
    )
    story.wait(5 * MINUTE)
    assert story.case()["state"] == "suspected"
    (isolated,) = [row for row in story.timeline() if row.name == "power_lost"]
    assert isolated.occurred_at == at(now_s + 60)
    story.act("release", people_out=1)
    assert story.case()["state"] == "released"


def test_the_rescue_device_opens_the_doors_and_still_somebody_has_to_ask(store: Store) -> None:
    """'ARD moves car and opens: release pending; still ask'."""
    story = Story(store).hear(*boarded(), state(0, moving=True, passenger=True), press(3), power_lost(4))
    story.hear(state(60, open=True, passenger=False, power=Power.OUTAGE)).wait(2 * HOUR)
    assert story.case()["state"] == "release_pending"
    assert story.case()["active"]
    assert "release" in {name for name, moment, _ in story.clocks() if moment == "breached"}


def test_a_door_forced_open_between_floors_is_critical_and_the_lift_is_not_in_service_until_somebody_signs(
    store: Store,
) -> None:
    """'Self-rescue, forced door: P1, fall risk; lift stays out of service'."""
    story = Story(store).hear(*boarded(), state(0, **OFF, passenger=True), state(5, **OFF, doors=(Doors.OPEN,)))
    story.wait(10 * SECOND)
    assert story.case()["severity"] == "critical"
    assert story.case()["fields"]["severity_reason"] == "p1_fall_risk"
    story.act("release", people_out=0, note="climbed out by themselves")
    story.rescue("report", "close")
    names = {row.name for row in story.timeline()}
    assert "back_in_service" not in names
    story.act("back_in_service", note="李安全")
    assert "back_in_service" in {row.name for row in story.timeline()}


def test_passengers_who_leave_or_refuse_are_recorded_and_the_case_can_be_closed(store: Store) -> None:
    """'Passenger leaves before interview: allowed close with "left, refused"'."""
    story = Story(store).hear(press(0)).rescue("acknowledge", "release")
    story.act("welfare", refused=["details", "left"], refused_by="二人，未留姓名", refused_why="拒绝登记")
    story.rescue("report", "close")
    (welfare,) = [row for row in story.timeline() if row.name == "welfare"]
    assert "拒绝登记" in welfare.data_json
    assert story.case()["state"] == "closed"


def test_within_half_an_hour_of_its_end_a_new_alarm_is_linked_as_a_repeat(store: Store) -> None:
    """'Overlapping incident after restart: reopen if < 30 min, link as repeat', also when the hub died in between."""
    story = Story(store).hear(press(0)).rescue("acknowledge", "release", "report", "close")
    story.hear(cleared(press(0), 30)).wait(10 * MINUTE).restart()
    story.hear(press((story.rig.now - T0) / SECOND + 20, source_key="again"))
    first, second = story.cases()
    assert (first["state"], second["state"]) == ("closed", "suspected")
    assert second["fields"]["repeat_of_recent"] is True


def test_what_the_sensors_say_of_themselves_is_a_ticket_and_never_a_silent_pass(store: Store) -> None:
    """'Sensor self-fault, low battery: degrade rule, maintenance ticket'."""
    from support.cars import fault, left_empty

    story = Story(store).hear(*left_empty(), fault(-2, ElevatorFault.SENSOR), state(0, **OFF)).until(at(31))
    with store.read() as connection:
        kinds = list(connection.execute(select(schema.tickets.c.kind).order_by(schema.tickets.c.id)).scalars())
    assert kinds == ["elevator_fault", "entrapment"]
    assert story.case()["fields"]["occupancy_unknown"] is True


def test_a_declared_test_of_the_button_is_shown_survives_a_restart_and_ends_by_itself(store: Store) -> None:
    """'Technician's test press: needs declared test window; outside it, real'."""
    story = Story(store).until(T0)
    declared = PressTestDeclared(
        site=SITE, device=LIFT, source_key="1", occurred_at=T0, received_at=T0, until=T0 + 10 * MINUTE, by="wang", reason="年检"
    )  # fmt: skip
    story.rig.ask(lambda step: step.happen(declared))
    story.hear(press(30, source_key="a")).restart().hear(press(60, source_key="b"))
    problem = schema.problems.c
    with store.read() as connection:
        shown = connection.execute(select(problem.code, problem.active)).all()
        heard = list(connection.execute(select(schema.events.c.kind)).scalars())
    assert (story.cases(), [tuple(row) for row in shown]) == ([], [("press_test", True)])
    assert heard.count("ElevatorAlarm") == 2, "a test is recorded"
    story.hear(press(601, source_key="c"))
    assert story.case()["state"] == "suspected"
    with store.read() as connection:
        assert connection.execute(select(problem.active)).scalars().all() == [False]


# --- clocks on the wall ------------------------------------------------------------------------------------------

NIGHTS = {
    "over midnight": ("Asia/Shanghai", "2026-06-30T23:50:00+08:00"),
    "over new year": ("Asia/Shanghai", "2026-12-31T23:45:00+08:00"),
    "an hour that comes twice": ("Europe/Berlin", "2026-10-25T02:40:00+02:00"),
    "an hour that never comes": ("Europe/Berlin", "2026-03-29T01:40:00+01:00"),
    "half an hour that comes twice": ("Australia/Lord_Howe", "2026-04-05T01:40:00+11:00"),
}


@pytest.mark.parametrize(("timezone", "begins"), NIGHTS.values(), ids=NIGHTS)
def test_thirty_minutes_are_thirty_minutes_in_every_night(store: Store, timezone: str, begins: str) -> None:
    """'Incident across midnight: UTC storage, local display, 30 min rule tested over the date change', and over summer time."""
    began = parse_iso(begins)
    story = Story(store, now=began, timezone=timezone)
    story.by_hand()
    story.rescue("acknowledge", "voice_contact", "guard_sent", "guard_arrived", "firm_told", "firm_answered")
    story.until(began + 3 * HOUR)
    mine = {
        moment: due for name, moment, due in story.clocks() if name == "technician_on_site" and moment == "breached"
    }
    assert mine == {"breached": began + 30 * MINUTE}
    assert ("release", "breached", began + 2 * HOUR) in story.clocks()
    dues = [due for _, _, due in story.clocks()]
    assert dues == sorted(dues)
    local = datetime.fromtimestamp(began / 1000, ZoneInfo(timezone))
    assert story.case()["number"] == f"LAKESIDE-{local.year}-00001"


# --- restarts ---------------------------------------------------------------------------------------------------


def test_a_hub_that_is_restarted_before_every_step_tells_the_same_people_the_same_things_at_the_same_time(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    outcomes = []
    for restarts in (False, True):
        opened = open_store(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / f'{restarts}.db')}")
        story = Story(opened)
        play(story, before_each=lambda number, story=story, restarts=restarts: restarts and story.restart())
        outcomes.append(outcome(story))
        opened.close()
    lived_on, restarted = outcomes
    assert lived_on == restarted
    assert {name for name, _, _ in lived_on.clocks} >= {
        "acknowledge",
        "voice_contact",
        "technician_on_site",
        "welfare",
        "report",
    }
    assert len(lived_on.told) > 15
