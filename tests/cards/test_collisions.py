"""Two cards that are one to a reader are never both out: the representation is the one that the reader at the door uses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.cards import collisions, numbers
from hub.cards.kinds import CardKind
from hub.cards.ledger import Holder
from hub.cards.numbers import Number
from hub.pipeline import card_desk
from hub.pipeline.card_desk import LossReport, Wish
from hub.store.database import open_store
from hub.tickets.lifecycle import Refused
from hub.vocabulary.credentials import FORMATS, Cut, NumberProfile, Spelling
from hub.vocabulary.events import AccessEvent, AccessResult, CardNumber
from hub.vocabulary.facts import DeviceKind, SiteFacts
from rules.lost_card import LostCard
from support.rig import SITE, Rig, device

LAKESIDE = SiteFacts(id=SITE, name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")
UID = numbers.read("uid32", "5630F009")
W26 = NumberProfile("wiegand26", Spelling.FACILITY, Cut.LOW_REVERSED)


@pytest.fixture
def rig(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Rig]:
    """gate-1 has Wiegand 26 readers that keep the low three bytes reversed, gate-2 reads whole UIDs."""
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    kind = DeviceKind.ACCESS_CONTROLLER
    gates = [
        device("gate-1", kind, doors=("main",), numbers=W26),
        device("gate-2", kind, doors=("garage",), numbers=NumberProfile("uid32", Spelling.HEX)),
    ]
    yield Rig(store, [LostCard()], gates)
    store.close()


def issue(rig: Rig, value: str, format: str = "uid32", doors: tuple[str, ...] | None = None) -> int:
    wish = Wish(
        site=LAKESIDE,
        kind=CardKind.OWNER,
        unit="b1/0101",
        holder=Holder(name="张三"),
        number=numbers.read(format, value),
        value=value,
        doors=doors,
        by="desk",
    )
    return int(rig.ask(lambda step: card_desk.issue(step, wish)))


@pytest.mark.parametrize(
    ("cut", "spelled"), [(Cut.FIRST, "08612528"), (Cut.LOW_REVERSED, "24012374"), (Cut.LOW, "04861449")]
)
def test_a_reader_of_24_bits_keeps_what_its_maker_keeps(cut: Cut, spelled: str) -> None:
    """The three incompatible prints of one UID (domain/access.md 3)."""
    seen = collisions.seen_as(UID, NumberProfile("wiegand26", Spelling.FACILITY, cut))
    assert numbers.spell(seen, Spelling.FACILITY) == spelled


def test_two_uids_that_are_one_card_to_the_door_are_not_both_issued(rig: Rig) -> None:
    issue(rig, "5630F009")
    with pytest.raises(Refused, match=r"5630F009.*gate-1 reads both as wiegand26 24012374"):
        issue(rig, "5630F0AA")  # differs in the byte that the reader drops
    issue(rig, "5630F0AA", doors=("garage",))  # where whole UIDs are read they are two
    issue(rig, "5631F009")


def test_a_printed_wiegand_number_and_a_uid_may_be_the_same_card(rig: Rig) -> None:
    issue(rig, "24012374", "wiegand26")
    with pytest.raises(Refused, match="24012374"):
        issue(rig, "5630F009")


def test_a_lost_card_still_counts_and_one_that_came_back_does_not(rig: Rig) -> None:
    card = issue(rig, "5630F009")
    rig.ask(lambda step: card_desk.report_loss(step, card, LossReport(reporter="x", verified="phone"), "desk"))
    with pytest.raises(Refused, match="5630F009"):
        issue(rig, "5630F0AA")
    rig.ask(lambda step: card_desk.found(step, card, "", "desk"))
    rig.ask(lambda step: card_desk.give_back(step, card, "", "desk"))
    issue(rig, "5630F0AA")


def test_a_lost_uid_is_known_at_a_reader_of_24_bits(rig: Rig) -> None:
    card = issue(rig, "5630F009")
    rig.ask(lambda step: card_desk.report_loss(step, card, LossReport(reporter="x", verified="phone"), "desk"))
    before = len(rig.fed)
    now = rig.now + 1000
    event = AccessEvent(
        site=SITE,
        device="gate-1",
        source_key="1",
        occurred_at=now,
        received_at=now,
        door="main",
        card=CardNumber("wiegand26", "24012374"),
        result=AccessResult.DENIED,
    )
    rig.take(event)
    opened = [msgspec.json.decode(row.body) for row in rig.fed[before:] if row.type == "ticket_opened"]
    assert [each["kind"] for each in opened] == ["lost_card_used"]


@given(st.integers(0, 2**32 - 1), st.sampled_from(list(Cut)), st.integers(0, 3))
def test_cards_that_differ_only_in_what_is_dropped_are_the_same(value: int, cut: Cut, bit: int) -> None:
    dropped = {Cut.FIRST: 0, Cut.LOW: 24, Cut.LOW_REVERSED: 0}[cut]
    profile = NumberProfile("wiegand26", Spelling.HEX, cut)
    one, other = (Number("uid32", f"{each:08X}", 32) for each in (value, value ^ (1 << dropped + bit)))
    assert collisions.seen_as(one, profile) == collisions.seen_as(other, profile)
    kept = value ^ (1 << 12)
    assert collisions.seen_as(Number("uid32", f"{kept:08X}", 32), profile) != collisions.seen_as(one, profile)
    whole = NumberProfile("wiegand34", Spelling.DECIMAL)
    assert collisions.seen_as(one, whole).value == value
    assert collisions.seen_as(one, whole).bits == FORMATS["wiegand34"].bits
