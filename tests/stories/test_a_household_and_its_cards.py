"""A household from move-in to moved-out, with a card that is lost, used by a finder, replaced and found again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.cards import ledger, numbers, permissions
from hub.cards.kinds import CardKind
from hub.cards.ledger import Holder
from hub.pipeline import card_desk, moves
from hub.pipeline.card_desk import LossReport, Paid, Wish
from hub.registry import people
from hub.registry.households import Member, MemberRole
from hub.registry.people import PersonEdit
from hub.store.database import open_store
from hub.store.schema import card_entries, problems, tickets
from hub.tickets.lifecycle import Refused
from hub.vocabulary.events import CardNumber, SupervisionTick
from hub.vocabulary.facts import DeviceKind, SiteFacts
from hub.vocabulary.instants import MINUTE_MS, SECOND_MS
from rules.lost_card import LostCard
from support.gates import Gates
from support.rig import SITE, Rig, device

LAKESIDE = SiteFacts(id=SITE, name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")
DOORS = {"gate-1": ("b1-main", "b1-back"), "gate-north": ("north",)}
UNIT = "b1/0101"


class Desk:
    """What the front desk does, in a sentence each."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    def moves_in(self, name: str) -> None:
        with self.rig.store.write() as connection:
            person = people.create(connection, SITE, PersonEdit(code=name, name=name), self.rig.now)
        self.rig.ask(lambda step: moves.move_in(step, SITE, UNIT, [Member(person, MemberRole.OWNER)]))

    def wish(self, number: int, name: str, payment: Paid | None) -> Wish:
        value = f"100{number:05d}"
        return Wish(
            site=LAKESIDE,
            kind=CardKind.OWNER,
            unit=UNIT,
            holder=Holder(name=name, phone="13800001234"),
            number=numbers.read("wiegand26", value),
            value=value,
            payment=payment,
            by="desk",
        )

    def issues(self, number: int, name: str, payment: Paid | None = None) -> int:
        return int(self.rig.ask(lambda step: card_desk.issue(step, self.wish(number, name, payment))))

    def card(self, card: int) -> Any:
        with self.rig.store.read() as connection:
            return ledger.one(connection, card)

    def slip(self, card: int) -> str:
        with self.rig.store.read() as connection:
            return permissions.summary(permissions.of_card(connection, card), "zh-CN")


@pytest.fixture
def rig(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Rig]:
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    kind = DeviceKind.ACCESS_CONTROLLER
    yield Rig(store, [LostCard()], [device(name, kind, doors=doors) for name, doors in DOORS.items()])
    store.close()


def ticket(rig: Rig) -> Any:
    with rig.store.read() as connection:
        return connection.execute(select(tickets).where(tickets.c.kind == "lost_card_used")).one_or_none()


def unproved(rig: Rig) -> bool:
    with rig.store.read() as connection:
        wanted = select(problems.c.active).where(problems.c.code == "revocation_unconfirmed")
        return bool(connection.execute(wanted).scalar_one_or_none())


def test_a_household_from_move_in_to_moved_out_with_a_loss_in_between(rig: Rig) -> None:
    gates, desk = Gates(rig, DOORS), Desk(rig)
    desk.moves_in("张三")
    first, _, third = (desk.issues(number, "张三") for number in (1, 2, 3))
    gates.answer()
    assert gates.opens("10000001") == ["b1-back", "b1-main", "north"]

    fourth = desk.issues(4, "张三")
    assert (desk.card(fourth).state, desk.card(fourth).arithmetic) == (
        "pending",
        "已发 3 张(免费 3/3)，第 4 张应收 50 元",
    )
    assert gates.opens("10000004") == []
    rig.ask(lambda step: card_desk.pay(step, fourth, Paid("R-4", 5000), "desk"))
    gates.answer()
    assert gates.opens("10000004") == ["b1-back", "b1-main", "north"]

    # The daughter reports the loss by telephone, while the board of the north gate sleeps.
    gates.away.add("gate-north")
    report = LossReport(reporter="张三的女儿", verified="phone")
    rig.ask(lambda step: card_desk.report_loss(step, first, report, "desk"))
    gates.answer()
    assert gates.opens("10000001") == ["north"]
    assert desk.slip(first) == "已失效 2/3 扇门，未确认：north"
    rig.advance(2 * MINUTE_MS, tick_ms=10 * SECOND_MS)
    _supervise(rig)
    assert unproved(rig), "a guard has to be told of the north gate"

    # Whoever found it walks in there: guards at once, and the door is listed.
    gates.swipe("gate-north", "north", CardNumber("wiegand26", "10000001"), granted=True)
    gates.swipe("gate-north", "north", CardNumber("wiegand26", "10000001"), granted=True)
    assert (ticket(rig).severity, ticket(rig).count) == ("critical", 2)
    gates.online("gate-north")
    assert gates.opens("10000001") == []
    assert desk.slip(first) == "已失效 3/3 扇门"
    _supervise(rig)
    assert not unproved(rig)

    # The replacement is 50 yuan and no free card; the old one, found later, opens nothing and waits for the custodian.
    wish = desk.wish(5, "张三", Paid("R-5", 5000))
    instead = rig.ask(lambda step: card_desk.replace(step, first, wish, defective=False))
    gates.answer()
    assert gates.opens("10000005") == ["b1-back", "b1-main", "north"]
    rig.ask(lambda step: card_desk.found(step, first, "", "desk"))
    gates.answer()
    assert (desk.card(first).state, desk.card(first).object_state, gates.opens("10000001")) == ("ended", "found", [])
    with pytest.raises(Refused, match="custodian"):
        desk.issues(1, "张三")
    rig.ask(lambda step: card_desk.stock(step, first, "custodian"))

    # They hand in one card and move out: nothing of theirs opens a door, and what is not back stays asked for.
    rig.ask(lambda step: card_desk.give_back(step, third, "", "desk"))
    rig.ask(lambda step: moves.move_out(step, SITE, UNIT, "desk"))
    gates.answer()
    assert gates.lists == {"gate-1": {}, "gate-north": {}}
    ended = {card: (desk.card(card).reason, desk.card(card).object_state) for card in (third, fourth, instead)}
    assert ended == {
        third: ("returned", "returned"),
        fourth: ("moved_out", "assigned"),
        instead: ("moved_out", "assigned"),
    }

    # The next household begins with its own three free cards; the number in stock serves again, the others do not yet.
    desk.moves_in("李四")
    again = desk.issues(1, "李四")
    gates.answer()
    assert desk.card(again).arithmetic == "已发 0 张(免费 0/3)，第 1 张免费"
    assert gates.opens("10000001") == ["b1-back", "b1-main", "north"]
    with pytest.raises(Refused, match="not handed back"):
        desk.issues(4, "李四")
    with rig.store.read() as connection:
        history = [row.entry for row in connection.execute(_entries(first))]
    assert history == ["entered", "activated", "lost", "replaced", "found_after_its_end", "put_into_stock"]


def _entries(card: int) -> Any:
    return select(card_entries).where(card_entries.c.assignment_id == card).order_by(card_entries.c.id)


def _supervise(rig: Rig) -> None:
    tick = SupervisionTick(site=SITE, source_key=f"t{rig.now}", occurred_at=rig.now, received_at=rig.now)
    rig.take(tick)
