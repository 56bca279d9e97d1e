"""Door alarms: one ticket per controller, resolved when its last door is normal again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.vocabulary.events import DoorEvent, DoorState
from hub.vocabulary.facts import DeviceKind
from rules.door_alarm import DoorAlarm
from support.timeline import T0, Timeline, device_facts

GATE = device_facts("gate-1", DeviceKind.ACCESS_CONTROLLER)


def line(**limits: bool) -> Timeline:
    return Timeline(DoorAlarm(), devices=[GATE], limits=limits)


def door(at_s: int, state: DoorState, name: str = "main", *, live: bool = True) -> DoorEvent:
    at = T0 + at_s * 1_000
    return DoorEvent(
        site="lakeside", device="gate-1", source_key=f"{at}/{name}/{state}", occurred_at=at, received_at=at, door=name,
        state=state, live=live,
    )  # fmt: skip


def states(timeline: Timeline) -> list[tuple[str, str, int]]:
    return [(str(each.severity), each.state, each.count) for each in timeline.tickets]


def test_a_forced_door_is_a_ticket_and_ends_when_it_is_shut() -> None:
    timeline = line()
    timeline.push(door(0, DoorState.FORCED_OPEN))
    timeline.push(door(5, DoorState.FORCED_OPEN))
    assert states(timeline) == [("high", "open", 2)]
    timeline.push(door(9, DoorState.CLOSED))
    assert states(timeline) == [("high", "resolved", 2)]


def test_tampering_does_not_end_because_the_door_is_shut() -> None:
    timeline = line()
    timeline.push(door(0, DoorState.TAMPER))
    timeline.push(door(5, DoorState.CLOSED))
    assert states(timeline) == [("high", "open", 1)]
    timeline.push(door(9, DoorState.NORMAL))
    assert states(timeline) == [("high", "resolved", 1)]


def test_two_doors_of_one_controller_are_one_ticket_until_both_are_normal() -> None:
    timeline = line()
    timeline.push(door(0, DoorState.FORCED_OPEN, "main"))
    timeline.push(door(1, DoorState.HELD_OPEN, "garage"))
    timeline.push(door(2, DoorState.CLOSED, "main"))
    assert states(timeline) == [("high", "open", 2)]
    timeline.push(door(3, DoorState.CLOSED, "garage"))
    assert states(timeline) == [("high", "resolved", 2)]


def test_what_is_retained_or_switched_off_or_usual_raises_nothing() -> None:
    timeline = line(held_open=False)
    timeline.push(door(0, DoorState.FORCED_OPEN, live=False))
    timeline.push(door(1, DoorState.HELD_OPEN))
    timeline.push(door(2, DoorState.OPEN))
    timeline.push(door(3, DoorState.CLOSED))
    assert timeline.tickets == []


@given(st.lists(st.tuples(st.sampled_from(DoorState), st.sampled_from(["main", "garage"])), max_size=30))
def test_the_ticket_is_active_exactly_while_a_door_is_in_alarm(steps: list[tuple[DoorState, str]]) -> None:
    timeline, alarms = line(), {}
    for at_s, (state, name) in enumerate(steps):
        timeline.push(door(at_s, state, name))
        if state in {DoorState.FORCED_OPEN, DoorState.HELD_OPEN, DoorState.TAMPER}:
            alarms[name] = state
        elif state is DoorState.NORMAL or (state is DoorState.CLOSED and alarms.get(name) is not DoorState.TAMPER):
            alarms.pop(name, None)
        assert any(each.active for each in timeline.tickets) == bool(alarms)
