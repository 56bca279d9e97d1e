"""A renovation with ten passes: deposits in, one lost and replaced, one lost for good, acceptance, and every fen accounted for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.cards import deposits, ledger, numbers, registers, works
from hub.cards.kinds import CardKind
from hub.cards.ledger import Holder
from hub.cards.registers import Reader, Register
from hub.cards.works import NewWorks
from hub.pipeline import card_desk, card_ends, deposit_desk
from hub.pipeline.card_desk import LossReport, Paid, Wish
from hub.store.database import open_store
from hub.tickets.lifecycle import Refused
from hub.vocabulary.facts import DeviceKind, SiteFacts
from hub.vocabulary.instants import DAY_MS
from support.gates import Gates
from support.rig import SITE, Rig, device

LAKESIDE = SiteFacts(id=SITE, name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")
REPORT = LossReport(reporter="工长", verified="id_document")


@pytest.fixture
def rig(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Rig]:
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield Rig(store, [], [device("gate-1", DeviceKind.ACCESS_CONTROLLER, doors=("main",))])
    store.close()


def wish(number: int, permit: int, payment: Paid) -> Wish:
    value = f"{number:08X}"
    return Wish(
        site=LAKESIDE,
        kind=CardKind.WORKER_PASS,
        unit="b1/0101",
        holder=Holder(name=f"工人{number}", id_last4=f"{number:04d}"),
        number=numbers.read("uid32", value),
        value=value,
        documents=("renovation_permit",),
        payment=payment,
        works=permit,
        by="desk",
    )


def held(rig: Rig, passes: list[int]) -> int:
    with rig.store.read() as connection:
        lines = {deposits.line_of(connection, card) for card in passes}
        return sum(deposits.balance(deposits.rows_of(connection, line)).held_fen for line in lines)


def outstanding(rig: Rig) -> list[str]:
    def see(row: Any, field: Any, value: str | None) -> str:
        return value or ""

    reader = Reader(see=see, zone=ZoneInfo("Asia/Shanghai"), locale="zh-CN", now=rig.now)
    with rig.store.read() as connection:
        found = registers.rows(connection, Register.OUTSTANDING, SITE, 0, rig.now, reader)
    return [f"{row['holder']} {row['object']} {row['held']}" for row in found]


def test_ten_passes_from_the_permit_to_the_last_deposit(rig: Rig) -> None:
    gates = Gates(rig, ["gate-1"])
    new = NewWorks(
        site=SITE, unit="b1/0101", reference="ZX-2026-017", contractor="一号装修队", until=rig.now + 60 * DAY_MS
    )
    permit = rig.ask(lambda step: card_ends.open_works(step, new, "desk"))
    passes = [
        rig.ask(lambda step, n=n: card_desk.issue(step, wish(n, permit, Paid(f"R-{n}", 5500)))) for n in range(1, 11)
    ]
    gates.answer()
    assert len(gates.lists["gate-1"]) == 10
    assert held(rig, passes) == 10 * 5000

    # Worker 3 loses his pass, pays 50 for another; worker 7 loses his and has left the town.
    for lost in (passes[2], passes[6]):
        rig.ask(lambda step, lost=lost: card_desk.report_loss(step, lost, REPORT, "desk"))
    instead = rig.ask(
        lambda step: card_desk.replace(step, passes[2], wish(13, permit, Paid("R-13", 5000)), defective=False)
    )
    passes.append(instead)
    gates.answer()
    assert len(gates.lists["gate-1"]) == 9
    assert held(rig, passes) == 10 * 5000, "the fee of a replacement is no deposit"

    # The works drag on: nobody may stay longer than the permit.
    with pytest.raises(Refused, match="wrong"):
        rig.ask(lambda step: card_desk.extend(step, passes[0], rig.now + 61 * DAY_MS, "desk"))

    # Accepted: at once no pass opens anything; money waits for the plastic.
    rig.ask(lambda step: card_ends.accept_works(step, permit, "desk"))
    gates.answer()
    assert gates.lists["gate-1"] == {}
    for card in [*passes[:2], *passes[3:6], *passes[7:9], instead]:
        rig.ask(lambda step, card=card: card_desk.give_back(step, card, "", "desk"))
    assert outstanding(rig) == ["工人7 lost 50", "工人10 assigned 50"]
    with pytest.raises(Refused) as blocked:
        rig.ask(lambda step: deposit_desk.refund(step, passes[0], None, "desk"))
    assert [field for field, _ in blocked.value.errors] == [f"cards/{passes[6]}", f"cards/{passes[9]}"]

    # Worker 10 brings his; for worker 7 there is a penalty on paper.
    rig.ask(lambda step: card_desk.give_back(step, passes[9], "", "desk"))
    penalty = deposits.Penalty.LOST_PASS
    rig.ask(lambda step: deposit_desk.forfeit(step, passes[6], penalty, None, "已离场", "desk"))
    assert outstanding(rig) == []
    for card in [*passes[:2], *passes[3:6], *passes[7:10], instead]:
        rig.ask(lambda step, card=card: deposit_desk.refund(step, card, None, "desk"))

    with rig.store.read() as connection:
        entries = [deposits.rows_of(connection, deposits.line_of(connection, card)) for card in passes[:10]]
        sums = [deposits.balance(rows) for rows in entries]
        assert works.outstanding(connection, permit) == []
        replaced = ledger.one(connection, passes[2])
    assert sum(each.received_fen for each in sums) == 50_000
    assert sum(each.refunded_fen for each in sums) == 45_000
    assert sum(each.forfeited_fen for each in sums) == 5_000
    assert held(rig, passes) == 0
    assert replaced is not None
    assert replaced.reason == "replaced"
    documents = [row.document for rows in entries for row in rows if row.entry == "refunded"]
    assert sorted(documents) == [f"REF-2026-{number:04d}" for number in range(1, 10)]
