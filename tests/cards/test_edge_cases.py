"""Edge cases of domain/access.md 8 that no other file holds (the index is tests/test_card_edge_cases_index.py)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.cards import ledger, numbers, permissions, registers, subjects
from hub.cards.kinds import CardKind
from hub.cards.ledger import Holder
from hub.cards.registers import Reader, Register
from hub.pipeline import card_desk
from hub.pipeline.card_desk import LossReport, Wish
from hub.store.database import open_store
from hub.tickets.lifecycle import Refused
from hub.vocabulary.events import CardNumber, SupervisionTick
from hub.vocabulary.facts import DeviceKind, SiteFacts
from hub.vocabulary.instants import DAY_MS, HOUR_MS
from support.gates import Gates
from support.rig import SITE, Rig, device

LAKESIDE = SiteFacts(id=SITE, name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")
SHANGHAI = ZoneInfo("Asia/Shanghai")
PHONE = LossReport(reporter="邻居", verified="phone")


@pytest.fixture
def rig(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Rig]:
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    kind = DeviceKind.ACCESS_CONTROLLER
    yield Rig(store, [], [device("gate-1", kind, doors=("main",)), device("gate-2", kind, doors=("north",))])
    store.close()


def issue(rig: Rig, name: str, value: str = "10000001", kind: CardKind = CardKind.OWNER, **other: Any) -> int:
    wish = {
        "site": LAKESIDE,
        "kind": kind,
        "unit": "b1/0101",
        "holder": Holder(name=name),
        "number": numbers.read("wiegand26", value),
        "value": value,
        "by": "desk",
    }
    return int(rig.ask(lambda step: card_desk.issue(step, Wish(**(wish | other)))))


def card(rig: Rig, key: int) -> Any:
    with rig.store.read() as connection:
        return ledger.one(connection, key)


def tick(rig: Rig) -> None:
    rig.take(SupervisionTick(site=SITE, source_key=f"t{rig.now}", occurred_at=rig.now, received_at=rig.now))


def rows(rig: Rig, register: Register) -> list[dict[str, str]]:
    reader = Reader(see=lambda row, field, value: value or "", zone=SHANGHAI, locale="zh-CN", now=rig.now)
    with rig.store.read() as connection:
        return registers.rows(connection, register, SITE, 0, rig.now, reader)


def test_the_same_number_issued_again_belongs_to_whoever_had_it_at_that_time(rig: Rig) -> None:
    gates = Gates(rig, ["gate-1", "gate-2"])
    number = CardNumber("wiegand26", "10000001")
    first = issue(rig, "张三")
    rig.now += HOUR_MS
    gates.swipe("gate-1", "main", number, granted=True)
    rig.now += HOUR_MS
    rig.ask(lambda step: card_desk.give_back(step, first, "", "desk"))
    rig.now += HOUR_MS
    second = issue(rig, "李四")
    rig.now += HOUR_MS
    gates.swipe("gate-2", "north", number, granted=True)
    with rig.store.read() as connection:
        seen = {
            key: [each["door"] for each in subjects.passages(connection, ledger.one(connection, key))]
            for key in (first, second)
        }
    assert seen == {first: ["main"], second: ["north"]}


def test_anybody_may_have_a_card_suspended_and_only_the_holder_gets_another(rig: Rig) -> None:
    key = issue(rig, "张三")
    rig.ask(lambda step: card_desk.report_loss(step, key, PHONE, "desk"))
    assert card(rig, key).state == "suspended"
    rig.ask(lambda step: card_desk.found(step, key, "", "desk"))
    assert card(rig, key).state == "active"  # reversible: a false report costs nobody a card
    instead = Wish(
        site=LAKESIDE,
        kind=CardKind.OWNER,
        unit="b1/0101",
        holder=Holder(name="张三"),
        number=numbers.read("wiegand26", "10000002"),
        value="10000002",
        by="desk",
    )
    with pytest.raises(Refused, match="lost card"):
        rig.ask(lambda step: card_desk.replace(step, key, instead, defective=False))


def test_days_and_months_end_at_midnight_at_the_site_on_the_days_that_the_rule_names(rig: Rig) -> None:
    rig.now = int(datetime(2026, 8, 31, 23, 59, tzinfo=SHANGHAI).timestamp() * 1000)
    days = issue(rig, "甲", "10000001", CardKind.TEMPORARY_PASS, documents=("id_document",))
    months = issue(rig, "乙", "10000002", CardKind.WORKER_PASS)
    ends = [datetime.fromtimestamp(card(rig, key).valid_until / 1000, SHANGHAI).isoformat() for key in (days, months)]
    assert ends == ["2026-09-03T00:00:00+08:00", "2026-12-01T00:00:00+08:00"]  # there is no 31 November


def test_a_bulk_expiry_is_announced_trickles_and_leaves_the_list_of_what_is_not_back(rig: Rig) -> None:
    gates = Gates(rig, ["gate-1", "gate-2"])
    keys = [
        issue(rig, f"甲{n}", f"100{n:05d}", CardKind.TEMPORARY_PASS, documents=("id_document",)) for n in range(1, 6)
    ]
    gates.answer()
    assert len(rows(rig, Register.EXPIRING)) == 5
    rig.ask(lambda step: card_desk.give_back(step, keys[0], "", "desk"))
    rig.now = card(rig, keys[1]).valid_until
    tick(rig)
    gates.answer()
    assert gates.lists == {"gate-1": {}, "gate-2": {}}
    assert [(card(rig, key).state, card(rig, key).reason) for key in keys] == [
        ("ended", "returned"),
        *[("ended", "expired")] * 4,
    ]
    assert len(rows(rig, Register.OUTSTANDING)) == 4
    assert rows(rig, Register.EXPIRING) == []


def test_a_pass_is_extended_before_its_old_end_and_its_doors_are_told_the_new_one(rig: Rig) -> None:
    key = issue(rig, "甲", kind=CardKind.TEMPORARY_PASS, documents=("id_document",), until=rig.now + DAY_MS)
    rig.sent.clear()
    rig.ask(lambda step: card_desk.extend(step, key, rig.now + 2 * DAY_MS, "desk"))
    assert {each.name for each in rig.sent} == {"put_card"}
    assert {each.device for each in rig.sent} == {"gate-1", "gate-2"}
    rig.now += 3 * DAY_MS
    tick(rig)
    with pytest.raises(Refused, match="ended"):
        rig.ask(lambda step: card_desk.extend(step, key, rig.now + DAY_MS, "desk"))


def test_a_card_at_two_doors_is_partly_there_and_says_which(rig: Rig) -> None:
    gates = Gates(rig, ["gate-1", "gate-2"])
    gates.away.add("gate-2")
    key = issue(rig, "张三")
    gates.answer()
    with rig.store.read() as connection:
        states = {row.door: row.reported for row in permissions.of_card(connection, key)}
    assert states == {"main": "confirmed", "north": "sent"}
    gates.online("gate-2")
    rig.now += 2 * HOUR_MS
    tick(rig)
    gates.answer()
    with rig.store.read() as connection:
        states = {row.door: row.reported for row in permissions.of_card(connection, key)}
    assert states == {"main": "confirmed", "north": "confirmed"}


def test_nothing_but_a_managers_act_holds_a_card_back(rig: Rig) -> None:
    """Arrears never cut off a way home by themselves: there is no path from money to `suspended` but a person's."""
    key = issue(rig, "张三")
    rig.now += 400 * DAY_MS
    for _ in range(3):
        tick(rig)
    assert card(rig, key).state == "active"
