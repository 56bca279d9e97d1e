"""A lost card at a reader: denied, granted, replayed, found, and spelled otherwise."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hub.vocabulary.decisions import Notify, SendCommand, Verdict
from hub.vocabulary.events import AccessEvent, AccessResult, CardFound, CardLost, CardNumber
from hub.vocabulary.facts import DeviceKind, Facts
from rules.lost_card import LostCard, LostCardLimits, LostCardState
from support.timeline import SITE, T0, device_facts

GATE = device_facts("gate-1", DeviceKind.ACCESS_CONTROLLER, doors=("main", "back"))
FACTS = Facts(site=SITE, device=GATE, limits=LostCardLimits(), started_at=T0)
TOLD = CardNumber("wiegand26", "10058400")
LOST_S = 600


class Story:
    """Events one after the other, as the pipeline hands them on; what was decided."""

    def __init__(self) -> None:
        self.rule = LostCard()
        self.state: Any = LostCardState()
        self.decided: list[Any] = []

    def push(self, event: Any) -> list[Any]:
        outcome = self.rule.decide(event, self.state, FACTS, event.received_at)
        # As after a restart: what was kept must carry everything.
        self.state = msgspec.msgpack.decode(msgspec.msgpack.encode(outcome.state), type=LostCardState)
        self.decided += outcome.decisions
        return list(outcome.decisions)


def lost(at_s: int = LOST_S, card: int = 7) -> CardLost:
    at = T0 + at_s * 1000
    numbers = (CardNumber("wiegand26", "6612000"), CardNumber("wiegand26", "64E420"))
    return CardLost(site=SITE.id, occurred_at=at, received_at=at, card=card, told=TOLD, numbers=numbers, unit="b1/0101")


def swipe(at_s: int, result: str = "denied", card: CardNumber | None = TOLD, **other: Any) -> AccessEvent:
    at = T0 + at_s * 1000
    common = {"site": SITE.id, "device": "gate-1", "source_key": str(at_s), "occurred_at": at, "received_at": at}
    return AccessEvent(**(common | {"door": "main", "card": card, "result": AccessResult(result)} | other))


@pytest.fixture
def story() -> Story:
    told = Story()
    told.push(lost())
    return told


def test_a_denied_lost_card_is_a_high_ticket_about_the_card(story: Story) -> None:
    (raised,) = story.push(swipe(700, reason="unknown_card"))
    assert (raised.kind, raised.severity, raised.subject.type, raised.subject.id) == (
        "lost_card_used",
        "high",
        "card",
        "7",
    )
    assert (raised.reason, raised.fields["door"], raised.fields["unit"]) == ("lost_card_denied", "main", "b1/0101")
    assert raised.count


def test_a_granted_lost_card_is_critical_lists_the_leaking_door_and_is_pushed_again(story: Story) -> None:
    raised, command, _ = story.push(swipe(700, "granted"))
    assert (raised.severity, raised.reason, raised.fields["leaking"]) == ("critical", "lost_card_granted", ["main"])
    assert command == SendCommand(
        subject=swipe(0).subject(), name="delete_card", args={"format": "wiegand26", "value": "10058400"}
    )
    assert story.push(swipe(710, "granted", door="back"))[0].fields["leaking"] == ["back", "main"]
    assert story.push(swipe(720))[0].fields["leaking"] == ["back", "main"]


def test_guards_are_sent_at_once_to_each_door_that_let_it_in_and_once_in_ten_minutes(story: Story) -> None:
    sent = story.push(swipe(700, "granted"))[-1]
    assert (sent.audience, sent.urgency, sent.kind) == ("security", "critical", "lost_card_used")
    assert (sent.template, sent.subject.id) == ("lost_card_granted", "7")
    assert sent.params == {"door": "main", "place": "b1", "controller": "gate-1", "unit": "b1/0101"}
    same, other, later = (story.push(swipe(at_s, "granted", door=door))[-1].key for at_s, door in
                          ((1000, "main"), (1001, "back"), (1400, "main")))  # fmt: skip
    assert same == sent.key
    assert len({sent.key, other, later}) == 3


def test_nobody_is_sent_for_a_card_that_was_refused_or_let_in_long_ago(story: Story) -> None:
    decided = [*story.push(swipe(700)), *story.push(swipe(710, "granted", late=True))]
    assert not any(isinstance(each, Notify) for each in decided)


@pytest.mark.parametrize("result", ["denied", "granted"])
def test_a_use_before_the_loss_is_evidence_and_no_alarm(story: Story, result: str) -> None:
    (verdict,) = story.push(swipe(LOST_S - 2, result, late=True, received_at=T0 + 900_000))
    assert verdict.reason == "used_before_the_loss"


def test_a_use_at_the_very_moment_of_the_loss_is_one_of_a_lost_card(story: Story) -> None:
    assert story.push(swipe(LOST_S))[0].reason == "lost_card_denied"


def test_a_late_denial_is_evidence_but_a_late_grant_is_a_leak_without_the_alarm_of_now(story: Story) -> None:
    assert story.push(swipe(700, late=True))[0].reason == "lost_card_replayed"
    raised, command = story.push(swipe(700, "granted", late=True))
    assert (raised.severity, raised.fields["replayed"], raised.fields["leaking"]) == ("high", True, ["main"])
    assert command.name == "delete_card"


def test_what_the_broker_kept_is_not_news(story: Story) -> None:
    assert story.push(swipe(700, "granted", live=False))[0].reason == "lost_card_replayed"


@pytest.mark.parametrize("value", ["6612000", "64e420", "10058400"])
def test_the_card_is_known_however_the_reader_spells_it(story: Story, value: str) -> None:
    assert story.push(swipe(700, card=CardNumber("wiegand26", value)))


@pytest.mark.parametrize("card", [None, CardNumber("wiegand26", "06612000"), CardNumber("wiegand34", "10058400")])
def test_other_cards_and_unreadable_ones_are_not_taken_for_it(story: Story, card: CardNumber | None) -> None:
    assert story.push(swipe(700, card=card)) == []


def test_a_found_card_is_a_card_like_any_other(story: Story) -> None:
    story.push(CardFound(site=SITE.id, occurred_at=T0 + 650_000, received_at=T0 + 650_000, card=7))
    assert story.push(swipe(700, "granted")) == []
    assert story.state == LostCardState()


def test_a_use_that_was_kept_in_a_controllers_list_for_hours_is_replayed_though_it_comes_in_order() -> None:
    story = Story()
    story.push(lost())
    at = T0 + (LOST_S + 60) * 1000
    kept = AccessEvent(
        site="lakeside", device="gate-1", source_key="kept", occurred_at=at, received_at=at + 3 * 3_600_000, door="main",
        card=TOLD, result=AccessResult.GRANTED,
    )  # fmt: skip
    [ticket] = [each for each in story.push(kept) if hasattr(each, "severity")]
    assert (str(ticket.severity), ticket.fields["replayed"]) == ("high", True)


def test_a_number_that_is_only_near_is_a_hint_and_no_ticket(story: Story) -> None:
    """A reader that is set wrongly says the number backwards: to be looked at, never an alarm of its own."""
    story.push(
        msgspec.structs.replace(lost(card=8), told=CardNumber("uid32", "5630F009"), numbers=(), near=("0166735958",))
    )
    (seen,) = story.push(swipe(800, card=CardNumber("wiegand34", "0166735958")))
    assert isinstance(seen, Verdict)
    assert (seen.reason, seen.facts["card"]) == ("possible_match", 8)
    assert story.push(swipe(801, card=CardNumber("wiegand34", "0166735959"))) == []
    story.push(CardFound(site=SITE.id, occurred_at=T0, received_at=T0, card=8))
    assert story.push(swipe(802, card=CardNumber("wiegand34", "0166735958"))) == []
