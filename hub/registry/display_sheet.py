"""The sheet that is filled in before the meters: what each display shows. One row a meter, each wrong cell named."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Final, TypeAlias

from hub.registry.sheet import CellProblem, RowError, Sheet, understood
from hub.vocabulary.displays import Displayed
from hub.vocabulary.units import BalanceUnit

Meters: TypeAlias = Collection[tuple[str, str]]
"""(site, device)."""

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "site": ("site", "项目", "小区"),
    "device": ("device", "meter", "设备", "电表"),
    "balance": ("balance", "余额", "剩余", "剩余金额", "剩余电量"),
    "total": ("total", "总电量", "止码", "表底"),
    "serial": ("serial", "表号", "序列号"),
}
REQUIRED: Final = ("device",)

_NUMBER: Final = re.compile(r"[¥￥]?\s*([+-]?[0-9]{1,9}(?:\.[0-9]{1,4})?)\s*([^0-9\s.]*)")
_UNITS: Final = {
    "": None,
    "元": BalanceUnit.CNY,
    "yuan": BalanceUnit.CNY,
    "cny": BalanceUnit.CNY,
    "度": BalanceUnit.KWH,
    "kwh": BalanceUnit.KWH,
}


def understand(sheet: Sheet, meters: Meters) -> tuple[dict[tuple[str, str], Displayed], list[CellProblem]]:
    """What the displays of these meters show, and every wrong cell. Pure."""
    seen: dict[tuple[str, str], Displayed] = {}

    def entry(_number: int, cells: Mapping[str, str]) -> None:
        key = _meter(cells, meters)
        if key in seen:
            raise RowError("device", "this meter stands twice")
        balance, unit = _amount(cells, "balance")
        total, of = _amount(cells, "total")
        if of is BalanceUnit.CNY:
            raise RowError("total", "is energy, in kWh")
        shown = Displayed(balance=balance, unit=unit, total_kwh=total, serial=cells.get("serial") or None)
        if shown == Displayed():
            raise RowError("balance", "nothing is written down of this meter: a balance, a total or a serial is needed")
        seen[key] = shown

    _, problems = understood(sheet, COLUMNS, REQUIRED, entry)
    return seen, problems


def _meter(cells: Mapping[str, str], meters: Meters) -> tuple[str, str]:
    device, site = cells["device"], cells.get("site", "")
    found = sorted(key for key in meters if key[1] == device and site in {"", key[0]})
    if not found:
        raise RowError("device", f"there is no meter {device!r}{f' at {site}' if site else ''} in the site files")
    if len(found) > 1:
        raise RowError("site", f"{device!r} is a meter of {', '.join(key[0] for key in found)}: say which")
    return found[0]


def _amount(cells: Mapping[str, str], column: str) -> tuple[Decimal | None, BalanceUnit | None]:
    text = cells.get(column, "")
    if not text:
        return None, None
    found = _NUMBER.fullmatch(text)
    if found is None or found[2].casefold() not in _UNITS:
        raise RowError(column, f"{text!r}: a number as the display shows it, such as 12.34, -100元 or 8.5 kWh")
    money = BalanceUnit.CNY if text[0] in "¥￥" else None
    return Decimal(found[1]), _UNITS[found[2].casefold()] or money
