"""What controllers say of themselves: full ones, leases, holes in their count, other lives, lists that come in pieces."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from hub.cards import controllers, numbers, permissions
from hub.cards.kinds import CardKind
from hub.cards.ledger import Holder
from hub.pipeline import card_desk
from hub.pipeline.card_desk import LossReport, Wish
from hub.store.database import open_store
from hub.store.schema import problems
from hub.tickets.lifecycle import Refused
from hub.vocabulary.access import CardListed, ControllerReport, EventsMissed
from hub.vocabulary.events import AccessEvent, AccessResult, CardNumber, CommandResult
from hub.vocabulary.facts import AccessFacts, DeviceKind, SiteFacts
from hub.vocabulary.instants import DAY_MS, MINUTE_MS, SECOND_MS, parse_iso
from support.rig import SITE, Rig, device

LAKESIDE = SiteFacts(id=SITE, name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")
FACTS = AccessFacts(capacity=2, lease_days=10)


@pytest.fixture
def rig(migrated_sqlite, tmp_path) -> Iterator[Rig]:
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    gate = device("gate-1", DeviceKind.ACCESS_CONTROLLER, doors=("main", "back"), access=FACTS)
    other = device("gate-2", DeviceKind.ACCESS_CONTROLLER, doors=("garage",), place="b9")
    yield Rig(store, [], [gate, other])
    store.close()


def issue(rig: Rig, value: str = "10058400", doors: tuple[str, ...] = ("main",)) -> int:
    wish = Wish(
        site=LAKESIDE, kind=CardKind.OWNER, unit="b1/0101", holder=Holder(name="张三"), doors=doors,
        number=numbers.read("wiegand26", value), value=value, by="desk",
    )  # fmt: skip
    return int(rig.ask(lambda step: card_desk.issue(step, wish)))


def said(rig: Rig, kind: Any, name: str = "gate-1", **values: Any) -> Any:
    now = rig.now
    return kind(site=SITE, device=name, source_key=f"{now}{values}", occurred_at=now, received_at=now, **values)


def answer(rig: Rig, command: str, **values: Any) -> None:
    """The newest command of this name is answered."""
    sent = [each for each in rig.sent if each.name == command][-1]
    rig.take(said(rig, CommandResult, sent.device, command_id=sent.id, ok=True, **values))


def listing(rig: Rig, *values: str, doors: tuple[str, ...] = ("main",)) -> None:
    answer(rig, "list_cards", cards=tuple({"format": "wiegand26", "value": each, "doors": doors} for each in values))


def row(rig: Rig) -> Any:
    with rig.store.read() as connection:
        return controllers.one(connection, SITE, "gate-1")


def state(rig: Rig, card: int) -> str:
    with rig.store.read() as connection:
        return str(permissions.of_card(connection, card)[0].reported)


def told(rig: Rig) -> dict[str, dict[str, Any]]:
    import msgspec

    with rig.store.read() as connection:
        rows = connection.execute(select(problems).where(problems.c.active)).all()
    return {row.code: msgspec.json.decode(row.detail_json) for row in rows}


# --- room -----------------------------------------------------------------------------------------------------


def test_a_card_that_does_not_fit_is_refused_at_the_desk_with_the_doors_that_it_was_for(rig: Rig) -> None:
    issue(rig, "10000001")
    issue(rig, "10000002")
    with pytest.raises(Refused, match=r"Controller gate-1 is full: 2 of 2 cards.*main"):
        issue(rig, "10000003")
    assert issue(rig, "10000003", doors=("garage",))  # nobody knows how many fit there


def test_a_card_that_is_not_proved_to_be_gone_still_takes_its_place(rig: Rig) -> None:
    card = issue(rig, "10000001")
    issue(rig, "10000002")
    rig.ask(lambda step: card_desk.report_loss(step, card, LossReport(reporter="x", verified="phone"), "desk"))
    with pytest.raises(Refused, match="is full"):
        issue(rig, "10000003")
    rig.now += 1000
    answer(rig, "delete_card")
    rig.now += 1000
    listing(rig, "10000002")
    assert state(rig, card) == "removed"
    assert issue(rig, "10000003")


def test_cards_that_nobody_issued_take_places_and_are_listed_for_a_person(rig: Rig) -> None:
    issue(rig, "10000001")
    answer(rig, "put_card")
    listing(rig, "10000001", "19999999")
    assert controllers.foreign_of(row(rig)) == [{"format": "wiegand26", "value": "19999999", "doors": ["main"]}]
    assert row(rig).cards == 2
    with pytest.raises(Refused, match="is full"):
        issue(rig, "10000002")


# --- leases ---------------------------------------------------------------------------------------------------


def test_an_end_date_is_pushed_no_further_than_the_lease_and_renewed_at_half_time(rig: Rig) -> None:
    card = issue(rig)
    put = next(each for each in rig.sent if each.name == "put_card")
    assert parse_iso(put.args["until"]) == rig.now + 10 * DAY_MS  # an owner's card has no end of its own
    answer(rig, "put_card")
    listing(rig, "10058400")
    assert state(rig, card) == "confirmed"
    rig.sent.clear()
    rig.advance(4 * DAY_MS, 6 * 3_600_000)
    assert [each for each in rig.sent if each.name == "put_card"] == []
    rig.advance(DAY_MS + MINUTE_MS, 6 * 3_600_000)
    [again] = [each for each in rig.sent if each.name == "put_card"][:1]
    assert parse_iso(again.args["until"]) >= rig.now + 9 * DAY_MS


# --- counts and epochs ----------------------------------------------------------------------------------------


def test_a_count_that_differs_from_our_book_asks_for_the_list_and_one_that_agrees_does_not(rig: Rig) -> None:
    issue(rig)
    answer(rig, "put_card")
    listing(rig, "10058400")
    rig.sent.clear()
    rig.now += 2 * MINUTE_MS
    rig.take(said(rig, ControllerReport, epoch=1, cards=1))
    assert rig.sent == []
    rig.now += 1
    rig.take(said(rig, ControllerReport, epoch=1, cards=0))
    assert [each.name for each in rig.sent] == ["list_cards"]


def test_a_report_of_a_life_that_is_over_changes_nothing(rig: Rig) -> None:
    rig.take(said(rig, ControllerReport, epoch=3, serial="2", last_index=5))
    rig.take(said(rig, ControllerReport, epoch=2, serial="1", last_index=900))
    assert (row(rig).epoch, row(rig).serial, row(rig).last_index) == (3, "2", 5)


def use(rig: Rig, index: int, **other: Any) -> AccessEvent:
    rig.now += 1000
    card = CardNumber("wiegand26", "10058400")
    event: AccessEvent = said(
        rig, AccessEvent, door="main", card=card, result=AccessResult.GRANTED, index=index, **other
    )
    return event


def test_holes_in_the_count_are_said_and_filled_by_what_comes_late(rig: Rig) -> None:
    for index in (7, 8, 12):
        rig.take(use(rig, index))
    assert told(rig)["access_events_missed"] == {"missed": 3, "last": 12}
    for index in (9, 10):
        late = use(rig, index)
        rig.take(said(rig, type(late), **_late(late)))
    assert row(rig).missed == 1
    late = use(rig, 11)
    rig.take(said(rig, type(late), **_late(late)))
    assert (row(rig).missed, row(rig).last_index) == (0, 12)
    assert "access_events_missed" not in told(rig)


def _late(event: AccessEvent) -> dict[str, Any]:
    return {"door": event.door, "card": event.card, "result": event.result, "index": event.index}


def test_a_count_from_one_again_is_another_life_and_everything_is_told_again(rig: Rig) -> None:
    card = issue(rig)
    answer(rig, "put_card")
    listing(rig, "10058400")
    for index in (500, 501):
        rig.take(use(rig, index))
    rig.sent.clear()
    rig.take(use(rig, 1))
    assert (row(rig).epoch, row(rig).epoch_why, row(rig).last_index) == (2, "index_went_back", 1)
    assert [each.name for each in rig.sent] == ["put_card", "list_cards"]
    assert "controller_restoring" in told(rig)
    assert state(rig, card) == "sent"
    rig.now += 1000
    answer(rig, "put_card")
    rig.now += 1000
    listing(rig, "10058400")
    assert "controller_restoring" not in told(rig)


def test_overwritten_events_are_added_up_and_shown_for_a_day(rig: Rig) -> None:
    rig.take(said(rig, EventsMissed, epoch=1, first=1, last=2048))
    rig.now += 1000
    rig.take(said(rig, EventsMissed, epoch=1, first=2049, last=2050))
    assert told(rig)["access_events_missed"]["missed"] == 2050
    rig.advance(DAY_MS + MINUTE_MS, 3_600_000)
    assert told(rig) == {}


# --- lists in pieces ------------------------------------------------------------------------------------------


def pages(rig: Rig, *values: str) -> None:
    marker = {"format": controllers.MARKER, "value": "0", "doors": []}
    for card in (marker, *({"format": "wiegand26", "value": each, "doors": ["main"]} for each in values)):
        rig.take(said(rig, CardListed, card=card))


def test_a_list_without_an_end_is_over_when_nothing_more_comes(rig: Rig) -> None:
    card = issue(rig)
    answer(rig, "put_card")
    rig.now += 1000
    pages(rig, "10058400")
    rig.advance(2 * SECOND_MS)
    assert state(rig, card) == "sent"
    rig.advance(10 * SECOND_MS)
    assert state(rig, card) == "confirmed"


def test_a_list_of_which_not_even_the_marker_came_proves_nothing(rig: Rig) -> None:
    card = issue(rig)
    answer(rig, "put_card")
    rig.now += 1000
    rig.ask(lambda step: card_desk.report_loss(step, card, LossReport(reporter="x", verified="phone"), "desk"))
    answer(rig, "delete_card")
    rig.advance(30 * SECOND_MS)
    assert state(rig, card) == "removing"


def test_a_list_that_leaves_out_a_card_that_was_proved_is_asked_for_again_before_it_is_believed(rig: Rig) -> None:
    """Messages of such a list may get lost: a lost card must not be called dead because its line did not arrive."""
    lost, other = issue(rig, "10000001"), issue(rig, "10000002")
    answer(rig, "put_card")
    listing(rig, "10000001", "10000002")
    rig.ask(lambda step: card_desk.report_loss(step, lost, LossReport(reporter="x", verified="phone"), "desk"))
    rig.now += 1000
    answer(rig, "delete_card")
    asked = len([each for each in rig.sent if each.name == "list_cards"])
    rig.now += 1000
    pages(rig)  # the marker alone: 10000002, which is on it, is missing
    rig.advance(10 * SECOND_MS)
    assert (state(rig, lost), state(rig, other)) == ("removing", "confirmed")
    assert len([each for each in rig.sent if each.name == "list_cards"]) > asked
    pages(rig)
    rig.advance(10 * SECOND_MS)  # and again: then it is so
    assert state(rig, lost) == "removed"
    assert state(rig, other) in {"failed", "sent"}


def test_pages_without_the_marker_are_no_list(rig: Rig) -> None:
    card = issue(rig)
    answer(rig, "put_card")
    rig.now += 1000
    rig.take(said(rig, CardListed, card={"format": "wiegand26", "value": "10058400", "doors": ["main"]}))
    rig.advance(10 * SECOND_MS)
    assert state(rig, card) == "sent"


def test_an_empty_list_with_its_marker_proves_that_a_card_is_gone(rig: Rig) -> None:
    card = issue(rig)
    answer(rig, "put_card")
    rig.now += 1000
    listing(rig, "10058400")
    rig.ask(lambda step: card_desk.report_loss(step, card, LossReport(reporter="x", verified="phone"), "desk"))
    rig.now += 1000
    answer(rig, "delete_card")
    rig.now += 1000
    pages(rig)
    rig.advance(10 * SECOND_MS)
    assert state(rig, card) == "removed"


def test_a_list_of_numbers_alone_proves_no_door_but_takes_away_what_is_not_in_it(rig: Rig) -> None:
    """As uhppoted-mqtt gives it: which doors a number opens, it does not say."""
    card, lost = issue(rig, "10000001"), issue(rig, "10000002")
    answer(rig, "put_card")
    numbers_only = tuple({"format": "wiegand26", "value": each, "doors": None} for each in ("10000001", "10000002"))
    answer(rig, "list_cards", cards=numbers_only)
    assert (state(rig, card), state(rig, lost)) == ("sent", "sent")  # nothing is proved by it
    rig.now += 2 * MINUTE_MS
    rig.advance(6 * SECOND_MS)  # so they are sent again, and this time it names the doors
    answer(rig, "put_card")
    listing(rig, "10000001", "10000002")
    assert (state(rig, card), state(rig, lost)) == ("confirmed", "confirmed")
    rig.ask(lambda step: card_desk.report_loss(step, lost, LossReport(reporter="x", verified="phone"), "desk"))
    rig.now += MINUTE_MS + 1000
    answer(rig, "delete_card")
    rig.now += 1000
    answer(rig, "list_cards", cards=numbers_only[:1])
    assert (state(rig, card), state(rig, lost)) == ("confirmed", "removed")
