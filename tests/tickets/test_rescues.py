"""Rescues played with a clock that the test moves. Who is told what, and when, is written out; anybody else told fails it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from hub.notices import texts
from hub.store import schema
from hub.store.database import Store, open_store
from hub.tickets.kinds import KINDS
from hub.tickets.lifecycle import Actor, Refused
from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Event, Subject, SubjectType, TicketMoved
from hub.vocabulary.facts import Facts
from hub.vocabulary.roles import Role
from hub.vocabulary.rule import Outcome
from support.rig import SITE, START, Rig, device

LIFT = Subject(SITE, SubjectType.DEVICE, "lift-1")
OPERATOR = Actor("wang", frozenset({Role.CONTROL_ROOM}))
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000

Told = list[tuple[float, str, str]]
"""(minutes from the start, template without its first word, audience)."""


class Why(StrEnum):
    TRAPPED = "trapped"


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url)
    yield opened
    opened.close()


def rig_on(store: Store, now: int = START) -> Rig:
    return Rig(store, [], [device("lift-1"), device("lift-2")], now=now)


def alarm(rig: Rig, **other: Any) -> None:
    values: dict[str, Any] = {"severity": Severity.HIGH, "occurred_at": rig.now, "fields": {"floor": "7"}}
    raised = RaiseTicket(kind=TicketKind.ENTRAPMENT, subject=LIFT, reason=Why.TRAPPED, **(values | other))
    rig.ask(lambda step: step.raise_ticket(raised))


def act(rig: Rig, action: str, **fields: Any) -> Any:
    return rig.ask(lambda step: step.act(1, action, fields, OPERATOR, None))


def orders(rig: Rig) -> list[Any]:
    with rig.store.read() as connection:
        return list(connection.execute(select(schema.notice_orders).order_by(schema.notice_orders.c.id)))


def told(rig: Rig, since: int = 0) -> Told:
    """Who was told what, in order."""
    found = []
    for order in orders(rig)[since:]:
        minutes = round((order.created_at - START) / MINUTE, 2)
        found.append((minutes, order.template.removeprefix("entrapment_"), order.audience))
    return found


def ticket(rig: Rig) -> dict[str, Any]:
    with rig.store.read() as connection:
        row = connection.execute(select(schema.tickets).where(schema.tickets.c.id == 1)).one()
        return dict(row._mapping) | {"fields": msgspec.json.decode(row.fields_json)}


def clocks(rig: Rig) -> list[tuple[str, str, int]]:
    """What the clocks did: name, moment, when it fell due in minutes."""
    line = schema.ticket_timeline.c
    with rig.store.read() as connection:
        rows = connection.execute(select(line).where(line.entry == "clock").order_by(line.id)).all()
    return [(row.name, row.reason, (row.occurred_at - START) // SECOND) for row in rows]


REPORT: Told = [(0, "opened", "duty_supervisor"), (0, "opened", "department_manager")]


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


def test_a_false_alarm_leaves_no_deadline_behind(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    act(rig, "acknowledge")
    act(rig, "false_alarm", note="spoken to: nobody inside")
    count = len(orders(rig))
    rig.advance(3 * HOUR, 30 * SECOND)
    assert (len(orders(rig)), clocks(rig)) == (count, [])


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


SCENES: tuple[tuple[str, ...], ...] = (
    (),
    ("acknowledge",),
    ("acknowledge", "confirm", "guard_sent"),
    ("acknowledge", "voice_contact", "firm_told"),
    ("acknowledge", "voice_contact", "guard_sent", "guard_arrived", "firm_told", "firm_answered"),
    ("acknowledge", "release"),
    ("acknowledge", "release", "report"),
)


@pytest.mark.parametrize("done", SCENES, ids=lambda done: "-".join(done) or "suspected")
def test_a_restart_in_every_state_neither_loses_nor_repeats_a_deadline(store: Store, done: tuple[str, ...]) -> None:
    """The hub dies after each minute; what people were told is what a hub that lives on tells."""
    rig = rig_on(store)
    alarm(rig)
    for action in done:
        act(rig, action)
    expected = expected_moments(done)
    for _ in range(130):
        rig = rig_on(store, rig.now)
        rig.advance(MINUTE, 20 * SECOND)
    assert sorted(clocks(rig)) == sorted(each for each in expected if each[2] <= 130 * 60)
    due = [at_s for _, _, at_s in clocks(rig)]
    assert due == sorted(due)
    keys = [order.key for order in orders(rig)]
    assert len(keys) == len(set(keys))


def expected_moments(done: tuple[str, ...]) -> list[tuple[str, str, int]]:
    """From the table, for a case in which everything was done at the start and nothing since."""
    kind = KINDS["entrapment"]
    reached = {"opened"} | {kind.actions[name].milestone for name in done}
    if "released" not in reached:
        reached.add("accident_candidate")  # later, see below
    found = []
    for name, spec in kind.clocks.items():
        if spec.start not in reached or spec.stop in reached:
            continue
        start_s = 2 * 3_600 if spec.start == "accident_candidate" else 0
        for at_s, what in spec.warnings.items():
            if what.unless_reached not in reached:
                found.append((name, "warning", start_s + at_s))
        found.append((name, "breached", start_s + spec.within_s))
        if spec.otherwise.unless_reached not in reached:
            found += [
                (name, "paged_again", start_s + spec.within_s + number * spec.every_s)
                for number in range(1, spec.times + 1)
            ]
    return found


def test_after_a_long_time_without_power_every_deadline_fires_in_order_and_pages_only_once(store: Store) -> None:
    rig = rig_on(store)
    alarm(rig)
    rig = rig_on(store, START + 3 * HOUR)
    rig.advance(20 * SECOND)
    fired = clocks(rig)
    assert [name for name, moment, _ in fired if moment == "breached"] == ["acknowledge", "progress", "release"]
    assert [name for name, moment, _ in fired if moment == "paged_again"].count("acknowledge") == 1
    assert [(name, at) for name, moment, at in fired if moment == "warning"] == [
        ("release", 45 * 60),
        ("release", 110 * 60),
    ]


def test_a_plain_ticket_that_nobody_acknowledges_is_noted_and_only_a_critical_one_is_told(store: Store) -> None:
    rig = rig_on(store)
    for kind, severity in ((TicketKind.ELEVATOR_FAULT, Severity.MEDIUM), (TicketKind.DEVICE_SILENT, Severity.CRITICAL)):
        raised = RaiseTicket(kind=kind, subject=LIFT, reason=Why.TRAPPED, severity=severity, occurred_at=rig.now)
        rig.ask(lambda step, raised=raised: step.raise_ticket(raised))
    rig.advance(31 * MINUTE, 10 * SECOND)
    assert clocks(rig) == [("acknowledge", "breached", 1800)] * 2
    assert [(order.template, order.audience, order.ticket_id) for order in orders(rig)] == [
        ("ticket_unacknowledged", "control_room", 2),
        ("ticket_unacknowledged", "duty_supervisor", 2),
    ]


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
