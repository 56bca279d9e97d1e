"""`hub check --connect --display`: a cabinet is commissioned by walking along it with a sheet."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.commands import hub_here, write_place
from support.modbus_estate import put_meter
from support.modbus_wire import Bank, WireServer

SITE = """\
site: {{id: lakeside, name: 湖畔花园, timezone: Asia/Shanghai, locale: zh-CN}}
buildings: [{{id: b1, units: ["0101", "0102", "0103"]}}]
buses: [{{id: meters-1, url: "modbus+tcp://127.0.0.1:{port}"}}]
devices:
  - {{id: m-0101, kind: meter, profile: acrel-adf400l-1p, bus: meters-1, unit_id: 2, place: b1/0101, balance_unit: CNY}}
  - {{id: m-0102, kind: meter, profile: acrel-adf400l-1p, bus: meters-1, unit_id: 3, place: b1/0102, balance_unit: CNY}}
  - {{id: m-0103, kind: meter, profile: hub-json, place: b1/0103}}
"""


@pytest.fixture
def cabinet(tmp_path: Path):
    """Two meters behind a gateway, at 12.34 and 250 yuan; a third one reports by itself."""
    bank = Bank()
    put_meter(bank, 2, 1_234)
    put_meter(bank, 3, 25_000)
    with WireServer(bank) as server:
        yield write_place(tmp_path, site=SITE.format(port=server.port))


def check(place: Path, sheet: str):
    (place / "displays.csv").write_text(sheet, encoding="utf-8")
    return hub_here("check", "--connect", "--display", "displays.csv", cwd=place)


def test_displays_are_compared_with_what_the_meters_answer(cabinet: Path) -> None:
    right = check(cabinet, "device,balance,total\nm-0101,12.34元,1234.5\nm-0102,249.90,\n")
    assert (right.returncode, right.stderr) == (0, "")
    assert right.stdout.splitlines()[-2:] == [
        "ok     lakeside/m-0101: balance: display 12.34 CNY, read 12.34 CNY; total: display 1234.5 kWh, read 1234.560 kWh: agrees",
        "ok     lakeside/m-0102: balance: display 249.90, read 250.00 CNY: agrees",
    ]
    wrong = check(cabinet, "device,balance\nm-0101,250\nm-0102,12.34\nm-0103,5\n")
    assert wrong.returncode == 1
    found = [line for line in wrong.stdout.splitlines() if line.startswith("FAILED")]
    assert [line.split()[1] for line in found] == ["lakeside/m-0101:", "lakeside/m-0102:", "lakeside/m-0103:"]
    assert "that is what m-0102 answers" in found[0]
    assert "compared with GET /api/v1/meters/{id}" in found[2]


def test_a_sheet_that_cannot_be_understood_ends_with_2_before_anything_is_tried(cabinet: Path) -> None:
    wrong = check(cabinet, "device,balance\nm-0101,much\nm-9,5\n")
    assert wrong.returncode == 2
    assert "ok     " not in wrong.stdout
    assert wrong.stderr.splitlines() == [
        "displays.csv: row 2, balance: 'much': a number as the display shows it, such as 12.34, -100元 or 8.5 kWh",
        "displays.csv: row 3, device: there is no meter 'm-9' in the site files",
        "2 problems in displays.csv; nothing was tried.",
    ]
    alone = hub_here("check", "--display", "displays.csv", cwd=cabinet)
    assert (alone.returncode, "--display needs --connect" in alone.stderr) == (2, True)
