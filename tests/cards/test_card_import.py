"""`hub import` of cards that are out already: all or nothing, every wrong cell named, the same file twice changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from hub.cards import card_import, ledger, permissions
from hub.cards.identity import load_ring
from hub.cards.kinds import CardKind
from hub.importing import import_sheet
from hub.pipeline import card_desk
from hub.registry.estate import site_facts
from hub.store.database import open_store
from hub.store.schema import card_assignments
from hub.vocabulary.events import SupervisionTick
from hub.vocabulary.facts import DeviceKind
from support.configuration import SITE_YAML, load_configuration, write_configuration
from support.gates import Gates
from support.rig import SITE, START, Rig, device

GATE = "doors: [{id: b1-main, number: 1}, {id: b1-back, number: 2}]"
W26 = SITE_YAML.replace(GATE, f"{GATE}, numbers: {{format: wiegand26, spelling: facility}}")
GOOD = """房号,卡种,持卡人,电话,证件号码,卡格式,卡号,有效期至
b1/0101,业主卡,张三,13800001234,110101199003071234,wiegand26,00112345,
b1/0101,owner,张太太,,,wiegand26,"100,58400",
b1/0102,出入证,李四,,,uid32,0930F056,2026-07-31
,员工卡,王五,,,uid32,00000007,
"""


@pytest.fixture
def rig(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Rig]:
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield Rig(store, [], [device("gate-1", DeviceKind.ACCESS_CONTROLLER, doors=("b1-main", "b1-back"))])
    store.close()


@pytest.fixture
def bring(rig: Rig, tmp_path: Path) -> Any:
    settings = load_configuration(write_configuration(tmp_path, lakeside=W26))

    def run(text: str = "", path: Path | None = None, **options: Any) -> tuple[list[str], dict[str, int]]:
        if path is None:
            path = tmp_path / "cards.csv"
            path.write_text(text, encoding="utf-8")
        done = import_sheet(rig.store, settings, path, START, **options)
        return [str(each) for each in done.problems], dict(done.counts)

    run.settings = settings
    return run


def cards(rig: Rig) -> list[Any]:
    with rig.store.read() as connection:
        return list(connection.execute(ledger.with_number().order_by(card_assignments.c.id)))


def test_cards_that_are_out_are_entered_valid_counted_and_locked(rig: Rig, bring: Any) -> None:
    assert bring(GOOD, dry_run=True) == ([], {"cards added": 4})
    assert cards(rig) == []
    assert bring(GOOD) == ([], {"cards added": 4})
    first, second, pass_, staff = cards(rig)
    assert (first.kind, first.unit, first.holder_name, first.state, first.value) == (
        "owner",
        "b1/0101",
        "张三",
        "active",
        "00112345",
    )
    ring = load_ring(bring.settings.keys, bring.settings.data_dir)
    assert ring.open_number(first.id_cipher, first.id_key, first.id_digest) == "110101199003071234"
    assert (second.raw_hex, pass_.valid_until, staff.unit) == ("64E420", 1_785_513_600_000, None)
    assert bring(GOOD) == ([], {"cards unchanged": 4})
    assert len(cards(rig)) == 4
    # The next card of the household is its third, and the doors hear of the others through the hub's supervision.
    wish = card_desk.Wish(
        site=site_facts(bring.settings.sites[0]),
        kind=CardKind.OWNER,
        unit="b1/0101",
        holder=ledger.Holder(name="张三"),
        number=card_import.numbers.read("uid32", "00000009"),
        value="00000009",
        by="desk",
    )
    added = rig.ask(lambda step: card_desk.issue(step, wish))
    with rig.store.read() as connection:
        row = ledger.one(connection, added)
    assert row is not None
    assert row.arithmetic.startswith("已发 2 张")
    gates = Gates(rig, ["gate-1"])
    rig.take(SupervisionTick(site=SITE, source_key="t", occurred_at=rig.now, received_at=rig.now))
    gates.answer()
    assert gates.opens("00112345") == ["b1-back", "b1-main"]
    with rig.store.read() as connection:
        assert {row.reported for row in permissions.of_card(connection, first.id)} == {"confirmed"}


def test_xlsx_keeps_zeros_that_were_written_as_text(rig: Rig, bring: Any, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["unit", "kind", "name", "format", "card"])
    book.active.append(["b1/0101", "owner", "张三", "wiegand26", "00112345"])
    book.save(tmp_path / "cards.xlsx")
    assert bring(path=tmp_path / "cards.xlsx") == ([], {"cards added": 1})
    assert cards(rig)[0].raw_hex == "013039"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("业主卡", "会员卡", "row 2, kind: '会员卡' is unknown"),
        ("b1/0101,业主卡", "b9/0101,业主卡", "row 2, unit: there is no unit 'b9/0101'"),
        ("b1/0101,业主卡", ",业主卡", "row 2, unit: is missing"),
        ("业主卡,张三", "业主卡,", "row 2, name: is missing"),
        ("13800001234", "none", "row 2, phone: cannot be used"),
        ("110101199003071234", "#", "row 2, id_number: cannot be used"),
        ("wiegand26,00112345", "wiegand27,00112345", "row 2, format: format 'wiegand27' is not known"),
        ("wiegand26,00112345", "wiegand26,99999999", "row 2, card: '99999999' is no wiegand26 number"),
        ("00112345,", "00112345,2027-01-01", "row 2, until: a card of this kind has no last day"),
        ("2026-07-31", "", "row 4, until: is missing"),
        ("2026-07-31", "2026-02-30", "row 4, until: there is no 2026-02-30"),
        ("2026-07-31", "2026-01-31", "row 4, until: is over already"),
        ('"100,58400"', "00112345", "row 3, card: this number stands in row 2"),
        (
            'wiegand26,"100,58400"',
            "uid32,39300100",
            "row 3, card: this number is the same to a reader as that of row 2",
        ),
        ("房号", "房间", "row 1, 房间"),
    ],
)
def test_a_wrong_cell_is_named_and_nothing_is_entered(rig: Rig, bring: Any, old: str, new: str, problem: str) -> None:
    assert old in GOOD
    problems, _ = bring(GOOD.replace(old, new, 1))
    assert any(problem in each for each in problems), problems
    assert cards(rig) == []


def test_a_card_of_somebody_else_is_not_taken_over(rig: Rig, bring: Any) -> None:
    bring(GOOD)
    other = "房号,卡种,持卡人,卡格式,卡号\nb1/0102,业主卡,赵六,wiegand26,00112345\n"
    assert bring(other) == (["row 2, card: is issued already, to b1/0101"], {})
    key = cards(rig)[0].id
    report = card_desk.LossReport(reporter="x", verified="phone")
    rig.ask(lambda step: card_desk.report_loss(step, key, report, "desk"))
    rig.ask(lambda step: card_desk.replace(step, key, _other(bring), defective=False))
    assert bring(other) == (["row 2, card: is known and lost: settle it at the desk first"], {})


def _other(bring: Any) -> card_desk.Wish:
    return card_desk.Wish(
        site=site_facts(bring.settings.sites[0]),
        kind=CardKind.OWNER,
        unit="b1/0101",
        holder=ledger.Holder(name="张三"),
        number=card_import.numbers.read("uid32", "00000009"),
        value="00000009",
        by="desk",
    )


def test_a_sheet_that_alarms_would_wait_for_is_to_be_split(bring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_import, "MOST_CARDS", 3)
    assert bring(GOOD)[0] == ["row 1: 4 cards: at most 3 in one sheet, split it"]
