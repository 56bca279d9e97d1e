"""One card at two far doors: a ticket only where nobody can have walked, and nothing is remembered that is not compared."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hub.vocabulary.events import AccessEvent, AccessResult, CardNumber, Clock
from hub.vocabulary.facts import DeviceKind
from rules.far_doors import FarDoors, FarDoorsLimits
from support.timeline import T0, Timeline, device_facts

GATES = [device_facts(name, DeviceKind.ACCESS_CONTROLLER, pk=at) for at, name in enumerate(("gate-1", "gate-2"), 1)]
CARD = CardNumber("wiegand26", "10058400")


def line(**walks: int) -> Timeline:
    walks = walks or {"south - north": 300}
    return Timeline(FarDoors(), devices=GATES, limits={"walks": walks})


def use(at_s: float, door: str, gate: str = "gate-1", card: CardNumber | None = CARD, **other: Any) -> AccessEvent:
    at = T0 + round(at_s * 1000)
    values: dict[str, Any] = {"result": AccessResult.GRANTED, "clock": Clock.DEVICE} | other
    return AccessEvent(
        site="lakeside", device=gate, source_key=f"{at}/{door}", occurred_at=at, received_at=at, door=door, card=card, **values
    )  # fmt: skip


def told(timeline: Timeline) -> list[tuple[str, int, str]]:
    return [(str(each.severity), each.count, each.fields["other_door"]) for each in timeline.tickets]


def test_a_card_at_two_doors_sooner_than_anybody_walks_is_a_ticket_of_the_site() -> None:
    timeline = line()
    timeline.push(use(0, "south"))
    timeline.push(use(120, "north", "gate-2"))
    assert told(timeline) == [("high", 1, "south")]
    assert timeline.tickets[0].subject.id == "lakeside"
    assert timeline.tickets[0].fields["card"] == "…8400"


def test_the_way_back_counts_as_well() -> None:
    timeline = line()
    timeline.push(use(0, "north"))
    timeline.push(use(60, "south"))
    assert told(timeline) == [("high", 1, "north")]


def test_somebody_who_walked_is_no_ticket() -> None:
    timeline = line()
    timeline.push(use(0, "south"))
    timeline.push(use(300, "north"))
    assert told(timeline) == []


def test_doors_that_are_not_compared_and_other_cards_are_no_ticket() -> None:
    timeline = line()
    timeline.push(use(0, "south"))
    timeline.push(use(10, "garage"))
    timeline.push(use(20, "north", card=CardNumber("wiegand26", "10058401")))
    timeline.push(use(30, "south", card=None))
    assert told(timeline) == []


def test_a_clock_that_is_not_believed_proves_nothing() -> None:
    timeline = line()
    timeline.push(use(0, "south", clock=Clock.ARRIVAL))
    timeline.push(use(10, "north"))
    assert told(timeline) == []


def test_a_refused_copy_is_a_lesser_ticket() -> None:
    timeline = line()
    timeline.push(use(0, "south"))
    timeline.push(use(10, "north", result=AccessResult.DENIED))
    assert told(timeline) == [("medium", 1, "south")]


@pytest.mark.parametrize("walks", [{"south": 300}, {"south - south": 300}, {"south - north": 30}])
def test_a_way_that_is_none_is_refused_by_hub_check(walks: dict[str, int]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"walks": walks}, FarDoorsLimits)
