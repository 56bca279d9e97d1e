"""How urgent a rescue is: by who is inside, how long they wait, and whether anybody speaks with them."""

from __future__ import annotations

import pytest

from hub.store.database import Store
from hub.vocabulary.decisions import Severity
from support.desk import HOUR, MINUTE, SECOND
from support.one_rescue import act, alarm, clocks, orders, rig_on, ticket, told
from support.rig import START


def test_no_voice_contact_raises_the_severity_and_sends_a_guard_once(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    act(rig, "acknowledge")
    rig.advance(2 * MINUTE)
    assert told(rig, 2) == [(2, "no_contact", "duty_supervisor"), (2, "guard", "security")]
    assert ticket(rig)["severity"] == "critical"
    act(rig, "guard_sent")
    assert len(orders(rig)) == 4


def test_a_passenger_who_is_unwell_makes_it_critical_and_the_fire_service_is_suggested_at_once(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    act(rig, "people", inside=1, condition="elderly, medical")
    assert (ticket(rig)["severity"], ticket(rig)["fields"]["severity_reason"]) == ("critical", "p1_condition_of_people")
    assert told(rig, 2) == [(0, "fire", "control_room"), (0, "fire", "duty_supervisor")]


@pytest.mark.parametrize(("condition", "severity"), [("child", "critical"), ("calm", "high"), ("pregnant", "critical")])
def test_who_is_inside_decides_how_urgent_it_is(store: Store, condition: str, severity: str) -> None:
    rig = rig_on(store)
    alarm(rig)
    act(rig, "people", inside=1, condition=condition)
    assert ticket(rig)["severity"] == severity


def test_whoever_is_confirmed_inside_and_held_for_half_an_hour_is_p1(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig, severity=Severity.MEDIUM, occurred_at=START - 10 * MINUTE)
    act(rig, "confirm")
    assert ticket(rig)["severity"] == "high"
    rig.advance(19 * MINUTE, 10 * SECOND)
    assert ticket(rig)["severity"] == "high"
    rig.advance(MINUTE, 10 * SECOND)
    assert ticket(rig)["severity"] == "critical"
    assert ("held", "breached", 20 * 60) in clocks(rig)


def test_who_is_not_confirmed_inside_is_not_p1_for_the_time_alone(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig, severity=Severity.MEDIUM)
    rig.advance(40 * MINUTE, 10 * SECOND)
    assert ticket(rig)["severity"] == "medium"


def test_two_hours_from_the_occurrence_make_an_accident_candidate_for_ever_and_a_report_within_one_more(
    store: Store,
) -> None:
    rig = rig_on(store)
    alarm(rig, occurred_at=START - 30 * MINUTE)
    for action in ("acknowledge", "voice_contact", "guard_sent", "guard_arrived", "firm_told", "firm_answered"):
        act(rig, action)
    act(rig, "technician_arrived")
    rig.advance(85 * MINUTE, 10 * SECOND)
    assert "accident_candidate" not in ticket(rig)["fields"]
    rig.advance(5 * MINUTE, 10 * SECOND)
    assert ticket(rig)["fields"]["accident_candidate"] is True
    act(rig, "release")
    act(rig, "welfare")
    count = len(orders(rig))
    rig.advance(HOUR, 10 * SECOND)
    assert told(rig, count) == [
        (135, "report", "department_manager"),
        (150, "report", "duty_supervisor"),
        (150, "report", "department_manager"),
    ]
    act(rig, "report")
    act(rig, "close")
    assert ticket(rig)["fields"]["accident_candidate"] is True
