"""The sheet of what displays show: as clerks fill it in, with every wrong cell named."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from hub.registry.display_sheet import understand
from hub.registry.sheet import read_sheet
from hub.vocabulary.displays import Displayed
from hub.vocabulary.units import BalanceUnit

METERS = [("lakeside", "m-1"), ("lakeside", "m-2"), ("hillside", "m-2")]


def told(tmp_path: Path, text: str) -> tuple[dict[tuple[str, str], Displayed], list[str]]:
    file = tmp_path / "displays.csv"
    file.write_text(text, encoding="utf-8")
    shown, problems = understand(read_sheet(file), METERS)
    return shown, [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("cell", "value", "unit"),
    [
        ("12.34", "12.34", None),
        ("-100元", "-100", BalanceUnit.CNY),
        ("￥12.3", "12.3", BalanceUnit.CNY),
        ("8.5 kWh", "8.5", BalanceUnit.KWH),
        ("8.50度", "8.50", BalanceUnit.KWH),
        ("0", "0", None),
    ],
)
def test_a_balance_as_the_display_shows_it(tmp_path: Path, cell: str, value: str, unit: BalanceUnit | None) -> None:
    shown, problems = told(tmp_path, f"device,balance\nm-1,{cell}\n")
    assert problems == []
    assert shown == {("lakeside", "m-1"): Displayed(balance=Decimal(value), unit=unit)}


def test_chinese_headers_totals_and_serials(tmp_path: Path) -> None:
    shown, problems = told(tmp_path, "项目,电表,余额,止码,表号\nhillside,m-2,,1234.5,20260001\n")
    assert (problems, list(shown)) == ([], [("hillside", "m-2")])
    assert shown["hillside", "m-2"] == Displayed(total_kwh=Decimal("1234.5"), serial="20260001")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("m-9,,1,,", "row 2, device: there is no meter 'm-9' in the site files"),
        ("m-1,hillside,1,,", "row 2, device: there is no meter 'm-1' at hillside in the site files"),
        ("m-2,,1,,", "row 2, site: 'm-2' is a meter of hillside, lakeside: say which"),
        ("m-1,,12..3,,", "row 2, balance: '12..3': a number as the display shows it, such as 12.34, -100元 or 8.5 kWh"),
        ("m-1,,12 $,,", "row 2, balance: '12 $': a number as the display shows it, such as 12.34, -100元 or 8.5 kWh"),
        ("m-1,,1e9,,", "row 2, balance: '1e9': a number as the display shows it, such as 12.34, -100元 or 8.5 kWh"),
        ("m-1,,,5元,", "row 2, total: is energy, in kWh"),
        ("m-1,,,,", "row 2, balance: nothing is written down of this meter: a balance, a total or a serial is needed"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, row: str, problem: str) -> None:
    assert told(tmp_path, f"device,site,balance,total,serial\n{row}\n") == ({}, [problem])


def test_a_meter_stands_once(tmp_path: Path) -> None:
    assert told(tmp_path, "device,balance\nm-1,1\nm-1,2\n")[1] == ["row 3, device: this meter stands twice"]
