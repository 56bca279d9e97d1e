"""Dangers and tried cards at a door: critical or counted, ended by a person and never by a door that falls shut."""

from __future__ import annotations

from typing import Any

from hub.notices.texts import shipped
from hub.vocabulary.access import Danger, DoorDanger
from hub.vocabulary.events import AccessEvent, AccessResult, CardNumber, DoorEvent, DoorState, TicketMoved
from hub.vocabulary.facts import DeviceKind
from rules.door_alarm import DANGERS, DoorAlarm
from support.timeline import T0, Timeline, device_facts

GATE = device_facts("gate-1", DeviceKind.ACCESS_CONTROLLER)
CARD = CardNumber("wiegand26", "10058400")


def line(**limits: Any) -> Timeline:
    return Timeline(DoorAlarm(), devices=[GATE], limits=limits)


def common(at_s: float, key: str) -> dict[str, Any]:
    at = T0 + round(at_s * 1000)
    return {"site": "lakeside", "device": "gate-1", "source_key": key, "occurred_at": at, "received_at": at}


def danger(at_s: float, word: Danger = Danger.DURESS, **other: Any) -> DoorDanger:
    return DoorDanger(**(common(at_s, f"{at_s}{word}") | other), door="main", danger=word)


def door(at_s: float, state: DoorState) -> DoorEvent:
    return DoorEvent(**common(at_s, f"{at_s}{state}"), door="main", state=state)


def use(at_s: float, *, granted: bool = False, card: CardNumber | None = CARD, **other: Any) -> AccessEvent:
    result = AccessResult.GRANTED if granted else AccessResult.DENIED
    return AccessEvent(**(common(at_s, f"{at_s}") | {"door": "main", "card": card, "result": result} | other))


def told(timeline: Timeline) -> list[tuple[str, str, str, int]]:
    return [(str(each.severity), each.state, each.fields["door"], each.count) for each in timeline.tickets]


def test_duress_is_critical_and_does_not_end_because_the_door_is_shut() -> None:
    timeline = line()
    timeline.push(door(0, DoorState.FORCED_OPEN))
    timeline.push(danger(1))
    timeline.push(door(5, DoorState.CLOSED))
    assert told(timeline) == [("critical", "open", "main", 2)]


def test_a_duress_card_that_is_let_in_is_duress() -> None:
    timeline = line()
    timeline.push(use(0, granted=True, reason="duress"))
    assert told(timeline) == [("critical", "open", "main", 1)]


def test_a_danger_sends_the_guards_at_once_and_again_after_ten_minutes() -> None:
    timeline = line()
    for at_s in (0, 30, 700):
        timeline.push(danger(at_s, Danger.FIRE))
    sent = [notify for _, notify in timeline.notices.values()]
    assert [(str(each.audience), str(each.urgency), each.template) for each in sent] == [
        ("security", "critical", "door_fire")
    ] * 2
    assert sent[0].params == {"door": "main", "place": "b1", "controller": "gate-1"}
    texts = shipped("en").keys() & shipped("zh-CN").keys()
    assert {f"door_{reason}" for reason in DANGERS.values()} <= texts


def test_a_danger_that_comes_late_is_history() -> None:
    timeline = line()
    timeline.push(danger(0, live=False))
    assert told(timeline) == []
    assert timeline.notices == {}


def test_the_fifth_refusal_of_one_card_in_ten_minutes_is_a_ticket_that_names_its_last_digits() -> None:
    timeline = line()
    for at in range(4):
        timeline.push(use(at * 60))
    assert told(timeline) == []
    timeline.push(use(300))
    assert told(timeline) == [("medium", "open", "main", 1)]
    assert timeline.tickets[0].fields["card"] == "…8400"
    assert timeline.tickets[0].fields["denials"] == 5


def test_refusals_that_are_far_apart_or_of_several_cards_are_none() -> None:
    timeline = line()
    for at in range(12):
        timeline.push(use(at * 200))
    for at in range(12):
        timeline.push(use(5000 + at, card=CardNumber("wiegand26", f"100584{at:02d}")))
    timeline.push(use(6000, card=None))
    assert told(timeline) == []


def test_refusals_of_cards_that_the_reader_does_not_name_are_an_unknown_card_and_not_nothing() -> None:
    timeline = line()
    for at in range(4):
        timeline.push(use(at * 60, card=None))
    timeline.push(use(250, card=None, granted=True))  # an exit button is no card
    assert told(timeline) == []
    timeline.push(use(300, card=None))
    assert told(timeline) == [("medium", "open", "main", 1)]
    assert timeline.tickets[0].fields["card"] == "unknown_card"


def test_a_card_that_is_let_in_in_between_starts_anew() -> None:
    timeline = line()
    for at in range(4):
        timeline.push(use(at))
    timeline.push(use(4, granted=True))
    timeline.push(use(5))
    assert told(timeline) == []


def test_a_site_may_count_otherwise_or_not_at_all() -> None:
    timeline = line(denials=2)
    timeline.push(use(0))
    timeline.push(use(1))
    assert len(told(timeline)) == 1
    timeline = line(denials=0)
    for at in range(20):
        timeline.push(use(at))
    assert told(timeline) == []


def test_when_a_person_has_closed_the_ticket_a_door_may_end_the_next_one() -> None:
    timeline = line()
    timeline.push(danger(0))
    closed = {
        "kind": "door_alarm",
        "about": danger(0).subject(),
        "action": "close",
        "state": "closed",
        "active": False,
        "by": "x",
    }
    timeline.push(TicketMoved(**common(10, "moved"), **closed))
    timeline.push(door(20, DoorState.FORCED_OPEN))
    timeline.push(door(25, DoorState.CLOSED))
    assert told(timeline)[-1][1] == "resolved"
