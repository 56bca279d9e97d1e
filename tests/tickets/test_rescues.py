"""Rescues played with a clock that the test moves. Who is told what, and when, is written out; anybody else told fails it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from hub.notices import texts
from hub.store import schema
from hub.store.database import Store
from hub.tickets.lifecycle import Actor, Refused
from hub.vocabulary.events import Event, Subject, TicketMoved
from hub.vocabulary.facts import Facts
from hub.vocabulary.roles import Role
from hub.vocabulary.rule import Outcome
from support.desk import HOUR, MINUTE, OPERATOR, SECOND
from support.one_rescue import REPORT, act, alarm, clocks, orders, rig_on, ticket, told
from support.rig import Rig, device


def test_supervisor_and_manager_are_told_in_the_moment_in_which_the_case_opens_and_never_again(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    assert told(rig) == REPORT
    first = orders(rig)[0]
    assert (first.rule, first.key, first.urgency, first.ticket_id) == (
        "desk",
        "t1/opened/duty_supervisor",
        "critical",
        1,
    )
    assert msgspec.json.decode(first.params_json) == {
        "place": "b1",
        "elevator": "LIFT-1",
        "floor": "7",
        "people": None,
        "number": ticket(rig)["number"],
        "title": ticket(rig)["title"],
    }
    for _ in range(3):
        alarm(rig)
    assert told(rig) == REPORT
    assert ticket(rig)["count"] == 4


def test_a_rescue_that_goes_well_disturbs_nobody_who_need_not_be(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    for after_s, action, fields in (
        (20, "acknowledge", {}),
        (40, "voice_contact", {}),
        (10, "people", {"inside": 2}),
        (10, "confirm", {"by_means": "voice"}),
        (10, "guard_sent", {"name": "li"}),
        (30, "firm_told", {}),
        (60, "firm_answered", {"name": "zhao"}),
        (240, "guard_arrived", {}),
        (300, "technician_arrived", {"name": "zhao"}),
        (180, "release", {"people_out": 2}),
        (300, "welfare", {}),
        (3_600, "report", {}),
        (60, "close", {}),
    ):
        rig.advance(after_s * SECOND)
        act(rig, action, **fields)
    rig.advance(3 * HOUR, 60 * SECOND)
    assert told(rig) == [
        *REPORT,
        (1.33, "guard", "security"),
        (2.0, "technician", "technician"),
        (15.0, "released", "duty_supervisor"),
        (15.0, "released", "department_manager"),
    ]
    assert clocks(rig) == []
    assert (ticket(rig)["state"], ticket(rig)["fields"]["people_out"]) == ("closed", 2)
    with store.read() as connection:
        assert connection.execute(select(schema.timers)).all() == []


def test_nobody_acknowledges_and_the_circle_of_those_who_know_grows_until_somebody_does(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    rig.advance(17 * MINUTE, 5 * SECOND)
    expected = [*REPORT]
    for minute in (1, 6, 11, 16):
        expected += [(minute, "escalated", "control_room"), (minute, "escalated", "duty_supervisor")]
    assert told(rig) == expected
    act(rig, "acknowledge")
    act(rig, "voice_contact")
    act(rig, "guard_sent")
    act(rig, "guard_arrived")
    act(rig, "firm_told")
    act(rig, "firm_answered")
    act(rig, "technician_arrived")
    rig.advance(20 * MINUTE, 5 * SECOND)
    assert [each for each in told(rig, len(expected)) if each[1] == "escalated"] == []


def test_acknowledging_is_asked_for_seven_times_and_then_other_clocks_go_on(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    rig.advance(2 * HOUR + MINUTE, 10 * SECOND)
    pages = [minute for minute, text, to in told(rig) if text == "escalated" and to == "control_room"]
    assert pages == [1, 6, 11, 16, 21, 26, 31]
    assert [(minute, text) for minute, text, to in told(rig) if to == "duty_supervisor" and text != "escalated"] == [
        (0, "opened"),
        (30, "idle"),
        (45, "fire"),
        (60, "idle"),
        (90, "idle"),
        (110, "held"),
        (120, "idle"),
        (120, "accident"),
    ]


@pytest.mark.parametrize("called", [False, True])
def test_whoever_works_at_the_car_for_twenty_minutes_is_told_of_the_fire_service_unless_it_was_called(
    store: Store, called: bool
) -> None:
    rig = rig_on(store)
    alarm(rig)
    for action in ("acknowledge", "voice_contact", "guard_sent", "guard_arrived", "firm_told", "firm_answered"):
        act(rig, action)
    rig.advance(5 * MINUTE, 10 * SECOND)
    act(rig, "technician_arrived")
    if called:
        act(rig, "fire_called")
    before = len(orders(rig))
    rig.advance(24 * MINUTE, 10 * SECOND)
    asked = [(25, "fire", "control_room"), (25, "fire", "duty_supervisor")]
    assert told(rig, before) == ([] if called else asked)
    assert ("work", "breached", 25 * 60) in clocks(rig)


def test_a_technician_who_answers_and_never_comes_is_missed_warned_about_and_replaced(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    for action in ("acknowledge", "voice_contact", "guard_sent", "guard_arrived", "firm_told", "firm_answered"):
        act(rig, action)
    before = len(orders(rig))
    rig.advance(29 * MINUTE, 10 * SECOND)
    act(rig, "note", text="on the way, he says")
    rig.advance(11 * MINUTE, 10 * SECOND)
    missing = [
        ("technician_missing", to) for to in ("control_room", "technician", "duty_supervisor", "department_manager")
    ]
    assert told(rig, before) == [
        *[(minute, "technician_late", to) for minute in (15, 25) for to in ("technician", "control_room")],
        (30, "idle", "control_room"),
        (30, "idle", "duty_supervisor"),
        *[(30, *each) for each in missing],
        *[(40, *each) for each in missing],
    ]
    row = ticket(rig)
    assert (row["severity"], row["fields"]["arrival_late"]) == ("critical", True)
    act(rig, "technician_arrived")
    assert ticket(rig)["fields"]["arrival_late"] is True
    with store.read() as connection:
        clock = schema.ticket_clocks.c
        state = connection.execute(select(clock.state).where(clock.name == "technician_on_site")).scalar_one()
    assert state == "breached"
    count = len(orders(rig))
    rig.advance(19 * MINUTE, 10 * SECOND)
    assert {text for _, text, _ in told(rig, count)} == {"fire"}


def test_the_law_counts_from_the_first_time_that_the_firm_was_told(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    act(rig, "acknowledge")
    act(rig, "firm_told")
    rig.advance(20 * MINUTE, 10 * SECOND)
    act(rig, "firm_told", name="the next one")
    rig.advance(10 * MINUTE, 10 * SECOND)
    assert ("technician_on_site", "breached", 30 * 60) in clocks(rig)


def test_whoever_was_inside_is_outside_or_the_difference_is_explained(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    act(rig, "people", inside=3)
    for fields in ({}, {"people_out": 2}):
        with pytest.raises(Refused) as refused:
            act(rig, "release", **fields)
        assert refused.value.status == "invalid"
        assert "3 were counted inside" in dict(refused.value.errors)["people_out"]
    assert act(rig, "release", people_out=2, note="a child was counted twice").state == "released"


def test_a_false_alarm_is_explained_and_a_case_is_closed_with_its_report(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    with pytest.raises(Refused) as refused:
        act(rig, "false_alarm")
    assert refused.value.errors == (("note", "missing"),)
    act(rig, "release", people_out=0)
    with pytest.raises(Refused) as refused:
        act(rig, "close")
    assert (refused.value.status, "report" in refused.value.detail) == ("conflict", True)
    assert "close" not in refused.value.allowed
    act(rig, "report")
    assert act(rig, "close").state == "closed"


def test_an_alarm_after_the_release_is_a_case_anew_that_has_to_be_acknowledged(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    act(rig, "acknowledge")
    act(rig, "release")
    count = len(orders(rig))
    alarm(rig)
    assert ticket(rig)["state"] == "suspected"
    rig.advance(MINUTE)
    assert told(rig, count) == [
        *REPORT,
        (1, "escalated", "control_room"),
        (1, "escalated", "duty_supervisor"),
    ]
    act(rig, "acknowledge")


def test_every_text_of_a_drill_says_so_and_a_real_alarm_ends_the_drill(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig, drill=True)
    rig.advance(MINUTE)
    assert {order.drill for order in orders(rig)} == {True}
    count = len(orders(rig))
    alarm(rig)
    assert ticket(rig)["drill"] is False
    assert [(order.template, order.drill) for order in orders(rig)[count:]] == [("entrapment_opened", False)] * 2


class Follower:
    """A rule that writes down what it hears of tickets."""

    name = "follower"
    version = 1
    wants: tuple[type[Event], ...] = (TicketMoved,)
    state_type = limits_type = msgspec.defstruct("Nothing", [], frozen=True)

    def __init__(self) -> None:
        self.heard: list[tuple[str, bool]] = []

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        return event.subject()

    def migrate(self, version: int, stored: dict[str, Any]) -> msgspec.Struct | None:
        return None

    def decide(self, event: Event, state: Any, facts: Facts, now: int) -> Outcome:
        assert isinstance(event, TicketMoved)
        self.heard.append((event.about.id, event.active))
        return Outcome(state)


def test_the_wrong_lift_is_corrected_for_everybody_who_was_told_and_for_the_rules_of_both(store: Store) -> None:
    follower = Follower()
    rig = Rig(store, [follower], [device("lift-1"), device("lift-2")])
    alarm(rig)
    act(rig, "guard_sent")
    count = len(orders(rig))
    with pytest.raises(Refused):
        act(rig, "rebind", device="lift-1")
    follower.heard.clear()
    act(rig, "rebind", device="lift-2")
    assert follower.heard == [("lift-1", False), ("lift-2", True)]
    assert told(rig, count) == [(0, "rebound", to) for to in ("duty_supervisor", "department_manager", "security")]
    corrected = [msgspec.json.decode(order.params_json) for order in orders(rig)[count:]]
    assert {(each["elevator"], each["floor"]) for each in corrected} == {("LIFT-2", None)}
    rig.advance(MINUTE)
    assert {order.subject_id for order in orders(rig)[count:]} == {"lift-2"}


def test_two_operators_press_at_once_and_one_has_done_it(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    other = Actor("li", frozenset({Role.CONTROL_ROOM}))
    for action in ("acknowledge", "confirm", "release"):
        answers = [
            rig.inbox.ask(lambda step, who=who, action=action: step.act(1, action, {}, who, None))
            for who in (OPERATOR, other)
        ]
        rig.engine.step(rig.inbox.take(10))
        assert answers[0].result(0).id == 1
        with pytest.raises(Refused) as refused:
            answers[1].result(0)
        assert refused.value.status == "conflict"
    assert len([each for each in told(rig) if each[1] == "guard"]) == 1


def test_every_text_can_be_written_with_what_a_ticket_knows(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig, fields={})
    params = texts.as_params(msgspec.json.decode(orders(rig)[0].params_json))
    for locale in texts.LOCALES:
        for name, text in texts.shipped(locale).items():
            if name.startswith("entrapment") or name == "ticket_unacknowledged":
                assert params["place"] in texts.render(text, params).body


def test_what_is_settled_before_a_page_has_left_is_not_paged(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    rig.advance(MINUTE)
    act(rig, "acknowledge")
    assert {(order.template, order.state) for order in orders(rig)} == {
        ("entrapment_opened", "waiting"),
        ("entrapment_escalated", "withdrawn"),
    }
