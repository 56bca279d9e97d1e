"""Properties of the elevator rules over stories nobody thought of: duplicates, order, replays, restarts, heartbeats."""

from collections import Counter
from collections.abc import Callable
from itertools import zip_longest

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.elevator import CarStatus, Direction, Doors, ElevatorFault, Power, ServiceMode, TrappedPlace
from hub.vocabulary.events import ElevatorAlarm, Event
from rules.elevator_fault import ElevatorFaultRule
from rules.entrapment.rule import Entrapment
from rules.mass_power_cut import MassPowerCut
from support.cars import at, cleared, fault, no_answer, offline, online, power_lost, press, state, trapped
from support.timeline import Timeline

ENTRAPMENT = TicketKind.ENTRAPMENT
QUICK = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

Maker = Callable[[float], Event]


def maker(build: Callable[..., Event], **fixed: object) -> Maker:
    return lambda seconds: build(seconds, **fixed)


VIEWS = st.fixed_dictionaries(
    {},
    optional={
        "service_mode": st.sampled_from(ServiceMode),
        "car_status": st.sampled_from(CarStatus),
        "direction": st.sampled_from(Direction),
        "door_zone": st.sampled_from([True, False, None]),
        "doors": st.lists(st.sampled_from(Doors), min_size=1, max_size=2).map(tuple),
        "passenger": st.sampled_from([True, False, None]),
        "power": st.sampled_from(Power),
        "speed_mps": st.sampled_from([None, 0.0, 1.5]),
        "button": st.sampled_from([None, True, False]),
        "trapped": st.sampled_from([None, TrappedPlace.LEVEL, TrappedPlace.OFF_LEVEL]),
        "trapped_known": st.booleans(),
        "faults": st.sampled_from(
            [None, (), (ElevatorFault.DOOR_OPEN,), (ElevatorFault.SENSOR, ElevatorFault.OVERSPEED)]
        ),
        "live": st.sampled_from([True, True, True, False]),
    },
)
MAKERS = st.one_of(
    VIEWS.map(lambda view: maker(state, **view)),
    st.sampled_from([None, 0.5, 5.0, 40.0]).map(lambda held: maker(press, held_s=held)),
    st.sampled_from(
        [
            maker(trapped),
            lambda seconds: cleared(trapped(seconds), seconds),
            lambda seconds: cleared(press(seconds), seconds),
            maker(power_lost),
            lambda seconds: cleared(power_lost(seconds), seconds),
            maker(fault, word=ElevatorFault.DOOR_OPEN),
            maker(fault, word=None, code="17"),
            lambda seconds: cleared(fault(seconds, ElevatorFault.DOOR_OPEN), seconds),
            maker(offline),
            maker(online),
            maker(no_answer),
        ]
    ),
)
STORIES = st.lists(st.tuples(st.sampled_from([0.3, 1, 2, 5, 11, 31, 61, 125]), MAKERS), min_size=1, max_size=25)


def events_of(story: list[tuple[float, Maker]]) -> list[Event]:
    """The story's events, one after the other, each with a key of its own."""
    now, events = 0.0, []
    for number, (delay, make) in enumerate(story):
        now += delay
        events.append(msgspec.structs.replace(make(now), source_key=f"k{number}"))
    return events


def run(**options: object) -> Timeline:
    return Timeline(Entrapment(), ElevatorFaultRule(), MassPowerCut(), **options)


def outcome(timeline: Timeline) -> list[tuple[object, ...]]:
    timeline.advance(3600)
    return [
        (t.kind, t.subject, t.state, t.severity, t.count, t.opened_at, t.reasons, t.fields, t.moves)
        for t in timeline.tickets
    ]


@QUICK
@given(STORIES)
def test_states_that_go_through_the_database_decide_the_same(story):
    events = events_of(story)
    assert outcome(run(restarts=True).push(*events)) == outcome(run().push(*events))


@QUICK
@given(STORIES, st.data())
def test_a_restart_between_any_two_events_decides_the_same(story, data):
    events = events_of(story)
    place = data.draw(st.integers(0, len(events)))
    restarted = run().push(*events[:place]).restart().push(*events[place:])
    assert outcome(restarted) == outcome(run().push(*events))


@QUICK
@given(STORIES, st.data())
def test_alarms_delivered_twice_happened_once(story, data):
    events = events_of(story)
    twice: list[Event] = []
    for event in events:
        twice.append(event)
        if isinstance(event, ElevatorAlarm) and data.draw(st.booleans()):
            twice.append(event)
    assert outcome(run().push(*twice)) == outcome(run().push(*events))


@QUICK
@given(st.lists(st.tuples(st.sampled_from([1, 2, 5, 31, 61]), MAKERS), min_size=1, max_size=12))
def test_a_story_replayed_opens_nothing_and_counts_nothing(story):
    told = run().push(*events_of(story)).advance(3600)
    before = [(t.kind, t.subject, t.count) for t in told.tickets]
    alarms = [event for event in events_of(story) if isinstance(event, ElevatorAlarm)]
    told.push(*(msgspec.structs.replace(event, received_at=told.now) for event in alarms)).advance(3600)
    assert [(t.kind, t.subject, t.count) for t in told.tickets] == before


@QUICK
@given(STORIES)
def test_nothing_but_people_ends_an_entrapment(story):
    told = run().push(*events_of(story)).advance(7200)
    entrapments = [ticket for ticket in told.tickets if ticket.kind is ENTRAPMENT]
    assert all(ticket.active for ticket in entrapments)
    assert len(entrapments) <= 1


@QUICK
@given(STORIES, VIEWS)
def test_a_held_button_always_has_a_ticket_that_is_not_pending(story, view):
    events = events_of(story)
    after = (events[-1].received_at - at(0)) / 1000
    told = run().push(*events, state(after + 1, **view), press(after + 2, source_key="the press"))
    assert told.one(ENTRAPMENT).state == "suspected"
    assert "button_held" in told.one(ENTRAPMENT).reasons


@QUICK
@given(STORIES)
def test_heartbeats_that_repeat_the_last_state_change_nothing(story):
    """There is no polling: a decision may not depend on how often an unchanged car reports."""
    alone = [event for event in events_of(story) if type(event).__name__ == "ElevatorState" and event.live]
    beating: list[Event] = []
    for event, following in zip_longest(alone, alone[1:]):
        beating.append(event)
        middle = event.received_at + 1 if following is None else (event.received_at + following.received_at) // 2
        beating.append(msgspec.structs.replace(event, occurred_at=middle, received_at=middle, source_key=""))
    assert outcome(run().push(*beating)) == outcome(run().push(*alone))


ALARM_PARTS = st.lists(st.tuples(st.sampled_from(["press", "trapped"]), st.booleans()), min_size=1, max_size=7)


@settings(QUICK, max_examples=200)
@given(ALARM_PARTS, st.data())
def test_the_order_in_which_alarms_arrive_does_not_matter(parts, data):
    """Each message happened at its own second; they arrive in any order within a few seconds."""
    events = []
    for second, (name, came) in enumerate(parts):
        add = press(second) if name == "press" else trapped(second)
        events.append(msgspec.structs.replace(add if came else cleared(add, second), source_key=f"k{second}"))
    shuffled = data.draw(st.permutations(events))

    def arrive(order):
        arriving = [msgspec.structs.replace(event, received_at=at(20 + n / 10)) for n, event in enumerate(order)]
        return [
            (t.state, t.count, t.severity, Counter(t.fields["sources"]), t.fields.get("presses"))
            for t in Timeline(Entrapment()).push(*arriving).tickets
        ]

    assert arrive(shuffled) == arrive(events)


@QUICK
@given(STORIES, st.data())
def test_states_that_arrive_late_move_nothing(story, data):
    events = [state(0), *events_of(story)]
    stale = msgspec.structs.replace(state(0, **data.draw(VIEWS)), occurred_at=at(-50))
    place = data.draw(st.integers(1, len(events)))
    late = msgspec.structs.replace(stale, received_at=events[place - 1].received_at, live=False)
    mixed = [*events[:place], late, *events[place:]]
    assert outcome(run().push(*mixed)) == outcome(run().push(*events))
