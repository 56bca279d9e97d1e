"""The deposit ledger: what is received is held, paid back or kept, to the fen; mistakes are taken back, nothing is edited."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.cards import deposits, ledger, numbers, works
from hub.cards.deposits import Balance, DepositAct, Penalty
from hub.cards.kinds import CardKind
from hub.cards.ledger import Holder
from hub.cards.works import NewWorks
from hub.pipeline import card_desk, card_ends, deposit_desk
from hub.pipeline.card_desk import LossReport, Paid, Wish
from hub.store.database import open_store
from hub.store.schema import deposit_entries
from hub.tickets.lifecycle import Refused
from hub.vocabulary.facts import DeviceKind, SiteFacts
from hub.vocabulary.instants import DAY_MS
from support.rig import SITE, Rig, device

LAKESIDE = SiteFacts(id=SITE, name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")
REPORT = LossReport(reporter="李四", verified="id_document")


@pytest.fixture
def rig(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Rig]:
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield Rig(store, [], [device("gate-1", DeviceKind.ACCESS_CONTROLLER, doors=("main",))])
    store.close()


def permit(rig: Rig, reference: str = "ZX-1", **other: Any) -> int:
    new = NewWorks(site=SITE, unit="b1/0101", reference=reference, **other)
    return int(rig.ask(lambda step: card_ends.open_works(step, new, "desk")))


def wish(number: int, **other: Any) -> Wish:
    value = f"{number:08X}"
    given = {
        "site": LAKESIDE,
        "kind": CardKind.WORKER_PASS,
        "unit": "b1/0101",
        "holder": Holder(name="李四", id_last4="1234"),
        "number": numbers.read("uid32", value),
        "value": value,
        "documents": ("renovation_permit",),
        "payment": Paid(f"R-{number}", 5500),
        "by": "desk",
    }
    return Wish(**(given | other))


def issue(rig: Rig, number: int = 1, **other: Any) -> int:
    return int(rig.ask(lambda step: card_desk.issue(step, wish(number, **other))))


def back(rig: Rig, card: int) -> None:
    rig.ask(lambda step: card_desk.give_back(step, card, "", "desk"))


def lose(rig: Rig, card: int) -> None:
    rig.ask(lambda step: card_desk.report_loss(step, card, REPORT, "desk"))


def refund(rig: Rig, card: int) -> int:
    return int(rig.ask(lambda step: deposit_desk.refund(step, card, None, "desk")))


def keep(rig: Rig, card: int, reason: Penalty = Penalty.LOST_PASS, amount: int | None = None) -> int:
    return int(rig.ask(lambda step: deposit_desk.forfeit(step, card, reason, amount, "", "desk")))


def sums(rig: Rig, card: int) -> tuple[int, int, int, int]:
    """Received, held, refunded, forfeited."""
    with rig.store.read() as connection:
        found = deposits.balance(deposits.rows_of(connection, deposits.line_of(connection, card)))
    return found.received_fen, found.held_fen, found.refunded_fen, found.forfeited_fen


def state(rig: Rig, card: int) -> tuple[str, str | None, str]:
    with rig.store.read() as connection:
        row = ledger.one(connection, card)
    assert row is not None
    return row.state, row.reason, row.object_state


def test_of_a_payment_the_fee_comes_first_and_the_rest_is_held(rig: Rig) -> None:
    card = issue(rig, payment=None)
    for paid in (Paid("A", 300), Paid("B", 1200), Paid("C", 4000)):
        rig.ask(lambda step, paid=paid: card_desk.pay(step, card, paid, "desk"))
    assert sums(rig, card) == (5000, 5000, 0, 0)
    with rig.store.read() as connection:
        rows = connection.execute(deposit_entries.select().order_by(deposit_entries.c.id)).all()
    assert [(row.document, row.amount_fen) for row in rows] == [("B", 1000), ("C", 4000)]


def test_a_reversed_payment_takes_its_part_of_the_deposit_along(rig: Rig) -> None:
    card = issue(rig, payment=Paid("A", 2000))
    assert sums(rig, card) == (1500, 1500, 0, 0)
    rig.ask(lambda step: card_desk.reverse(step, card, "A", "A-S", "desk"))
    assert sums(rig, card) == (0, 0, 0, 0)
    rig.ask(lambda step: card_desk.pay(step, card, Paid("B", 5500), "desk"))
    assert sums(rig, card) == (5000, 5000, 0, 0)
    assert state(rig, card)[0] == "active"


def test_a_refund_needs_the_pass_back_and_goes_out_once(rig: Rig) -> None:
    card = issue(rig)
    with pytest.raises(Refused, match="not back") as error:
        refund(rig, card)
    assert error.value.errors == ((f"cards/{card}", "worker_pass 00000001: assigned"),)
    back(rig, card)
    refund(rig, card)
    assert sums(rig, card) == (5000, 0, 5000, 0)
    with pytest.raises(Refused, match="No deposit"):
        refund(rig, card)


def test_two_clerks_at_once_pay_back_once(rig: Rig) -> None:
    card = issue(rig)
    back(rig, card)
    answers = [rig.inbox.ask(lambda step: deposit_desk.refund(step, card, None, "desk")) for _ in range(2)]
    rig.engine.step(rig.inbox.take(10))
    outcomes = [answer.exception(0) for answer in answers]
    assert [type(outcome) for outcome in outcomes] == [type(None), Refused]
    assert sums(rig, card) == (5000, 0, 5000, 0)


def test_works_accepted_end_every_pass_and_what_is_out_blocks_every_refund(rig: Rig) -> None:
    key = permit(rig)
    first, second, third = (issue(rig, number, works=key) for number in (1, 2, 3))
    back(rig, first)
    with pytest.raises(Refused, match="not accepted"):
        refund(rig, first)
    rig.ask(lambda step: card_ends.accept_works(step, key, "desk"))
    assert state(rig, second) == ("ended", "works_accepted", "assigned")
    assert state(rig, first)[:2] == ("ended", "returned")
    with pytest.raises(Refused) as error:
        refund(rig, first)
    assert [field for field, _ in error.value.errors] == [f"cards/{second}", f"cards/{third}"]
    back(rig, second)
    keep(rig, third)
    for card in (first, second):
        refund(rig, card)
    assert [sums(rig, card) for card in (first, second, third)] == [
        (5000, 0, 5000, 0),
        (5000, 0, 5000, 0),
        (5000, 0, 0, 5000),
    ]
    with pytest.raises(Refused, match="accepted already"):
        issue(rig, 4, works=key)


def test_a_lost_pass_has_one_penalty_document_and_is_over(rig: Rig) -> None:
    card = issue(rig)
    with pytest.raises(Refused, match="reported lost first"):
        keep(rig, card)
    lose(rig, card)
    keep(rig, card)
    assert state(rig, card) == ("ended", "lost", "lost")
    assert sums(rig, card) == (5000, 0, 0, 5000)
    with pytest.raises(Refused, match="already"):
        keep(rig, card)
    with rig.store.read() as connection:
        (row,) = deposits.standing(deposits.about(connection, [card]), DepositAct.FORFEITED)
    assert (row.document, row.reason) == ("PEN-2026-0001", "lost_pass")


def test_documents_are_numbered_per_site_and_year_and_a_mistake_is_taken_back_once(rig: Rig) -> None:
    first, second = issue(rig, 1), issue(rig, 2)
    entry = keep(rig, first, Penalty.RULES_BROKEN, 1000)
    keep(rig, second, Penalty.RULES_BROKEN, 2500)
    assert (sums(rig, first)[1], sums(rig, second)[1]) == (4000, 2500)
    rig.ask(lambda step: deposit_desk.take_back(step, first, entry, "wrong pass", "desk"))
    assert sums(rig, first) == (5000, 5000, 0, 0)
    with pytest.raises(Refused, match="taken back already"):
        rig.ask(lambda step: deposit_desk.take_back(step, first, entry, "again", "desk"))
    with pytest.raises(Refused, match="no such entry"):
        rig.ask(lambda step: deposit_desk.take_back(step, second, entry, "another's", "desk"))
    keep(rig, first, Penalty.DAMAGED_PASS, 5000)
    with rig.store.read() as connection:
        rows = connection.execute(deposit_entries.select().order_by(deposit_entries.c.id)).all()
    assert [row.document for row in rows if row.entry == "forfeited"] == [
        "PEN-2026-0001",
        "PEN-2026-0002",
        "PEN-2026-0001-R",
        "PEN-2026-0003",
    ]


def test_more_than_is_held_is_never_kept(rig: Rig) -> None:
    card = issue(rig)
    for amount in (5001, None):
        with pytest.raises(Refused) as error:
            keep(rig, card, Penalty.RULES_BROKEN, amount)
        assert error.value.errors[0][0] == "amount"
    keep(rig, card, Penalty.RULES_BROKEN, 4000)
    lose(rig, card)
    keep(rig, card)  # the rule says 50 yuan; 10 are left
    assert sums(rig, card) == (5000, 0, 0, 5000)


def test_a_replacement_and_an_extension_carry_the_deposit_over(rig: Rig) -> None:
    card = issue(rig, until=rig.now + 10 * DAY_MS)
    rig.ask(lambda step: card_desk.extend(step, card, rig.now + 20 * DAY_MS, "desk"))
    assert sums(rig, card) == (5000, 5000, 0, 0)
    lose(rig, card)
    instead = rig.ask(lambda step: card_desk.replace(step, card, wish(2, payment=Paid("R-2", 5000)), defective=False))
    assert sums(rig, instead) == (5000, 5000, 0, 0)
    with pytest.raises(Refused, match="not back"):
        refund(rig, card)  # the old one is settled by its replacement, which is out
    back(rig, instead)
    refund(rig, instead)
    assert sums(rig, card) == (5000, 0, 5000, 0)


def test_a_project_without_deposits_still_writes_the_penalty_for_a_lost_pass(rig: Rig) -> None:
    card = issue(rig, kind=CardKind.TEMPORARY_PASS, documents=("id_document",), payment=None)
    lose(rig, card)
    keep(rig, card)
    assert sums(rig, card) == (0, 0, 0, 0)
    with rig.store.read() as connection:
        row = ledger.one(connection, card)
        assert works.unsettled(connection, [row]) == []


def test_a_pass_that_was_handed_back_and_went_to_somebody_else_is_not_the_first_ones_any_more(rig: Rig) -> None:
    card = issue(rig)
    back(rig, card)
    other = issue(rig, 1, payment=Paid("R-9", 5500))
    with pytest.raises(Refused, match="not with its holder"):
        back(rig, card)
    refund(rig, card)
    assert state(rig, other) == ("active", None, "assigned")


def test_a_pass_ends_with_its_permit_at_the_latest(rig: Rig) -> None:
    key = permit(rig, until=rig.now + 30 * DAY_MS)
    card = issue(rig, works=key)
    with rig.store.read() as connection:
        row = ledger.one(connection, card)
    assert row is not None
    assert row.valid_until == rig.now + 30 * DAY_MS
    with pytest.raises(Refused) as error:
        rig.ask(lambda step: card_desk.extend(step, card, rig.now + 31 * DAY_MS, "desk"))
    assert error.value.errors[0][0] == "until"
    with pytest.raises(Refused, match="permit already"):
        permit(rig)
    with pytest.raises(Refused) as error:
        issue(rig, 5, works=key, unit="b1/0102")
    assert error.value.errors[0][0] == "works"


@given(
    st.lists(st.tuples(st.sampled_from(DepositAct), st.integers(1, 10_000), st.booleans()), max_size=30),
    st.integers(0, 9),
)
def test_received_is_always_held_and_refunded_and_forfeited(
    rows: list[tuple[DepositAct, int, bool]], more: int
) -> None:
    class Row:
        def __init__(self, entry: DepositAct, amount_fen: int) -> None:
            self.entry, self.amount_fen = str(entry), amount_fen

    found: list[Any] = []
    for entry, amount, undone in rows:
        found += [Row(entry, amount)] + ([Row(entry, -amount)] if undone else [])
    sums_ = deposits.balance(found)
    assert sums_.received_fen == sums_.held_fen + sums_.refunded_fen + sums_.forfeited_fen
    assert sums_.received_fen == sum(
        amount for entry, amount, undone in rows if entry is DepositAct.RECEIVED and not undone
    )
    assert Balance().held_fen == 0
    assert deposits.deposit_part(500 + more, 500) == more
    assert deposits.deposit_part(more, -5) == more
