"""Money and energy as integers: fen and Wh, never floats.

A prepaid meter's credit is either money or energy; which one belongs to the meter (domain/meters.md 0.3).
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import Final


class BalanceUnit(StrEnum):
    """Unit in which a prepaid meter counts its credit."""

    CNY = "CNY"
    KWH = "kWh"


class Relay(StrEnum):
    """Supply relay of a meter as it really stands."""

    CLOSED = "closed"
    OPEN = "open"
    UNKNOWN = "unknown"


SUBUNITS: Final = {BalanceUnit.CNY: 100, BalanceUnit.KWH: 1000}
"""Integer steps of one unit: fen of a yuan, Wh of a kWh."""


def to_credit(value: Decimal | int | str, unit: BalanceUnit) -> int:
    """Credit in fen (CNY) or Wh (kWh) from a value in yuan or kWh, half to even."""
    return int((Decimal(value) * SUBUNITS[unit]).quantize(Decimal(1), ROUND_HALF_EVEN))


def credit_text(credit: int, unit: BalanceUnit) -> str:
    """Credit in fen or Wh as decimal text in yuan or kWh: 1234 fen is '12.34', 1500 Wh is '1.500'."""
    digits = 2 if unit is BalanceUnit.CNY else 3
    return f"{Decimal(credit).scaleb(-digits):.{digits}f}"


def kwh_text(energy_wh: int) -> str:
    """Energy in Wh as decimal text in kWh."""
    return f"{Decimal(energy_wh).scaleb(-3):.3f}"
