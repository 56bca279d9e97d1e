"""Formats of card numbers and how readers spell them: data that site files, codecs and the ledger share.

Pure. A format is configuration of the reader and never guessed from a number (domain/access.md 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec


class Spelling(StrEnum):
    """How a number is written."""

    FACILITY = "facility"  # Wiegand 26: FFF and CCCCC, 8 digits
    FACILITY_37 = "facility_37"  # Wiegand 37 with facility: 16 bits and 19 bits, with a separator
    DECIMAL = "decimal"
    DECIMAL_REVERSED = "decimal_reversed"  # bytes the other way round: the usual print in China
    HEX = "hex"
    HEX_REVERSED = "hex_reversed"


class Cut(StrEnum):
    """Which bytes a reader keeps of a number that is longer than its format, such as a 32-bit UID read as Wiegand 26."""

    FIRST = "first"
    LOW = "low"
    LOW_REVERSED = "low_reversed"  # bytes the other way round, then the low ones


class CardFormat(msgspec.Struct, frozen=True):
    """A format: how many bits carry the number, and its spellings in the order in which they are tried."""

    bits: int
    spellings: tuple[Spelling, ...]


FORMATS: Final[Mapping[str, CardFormat]] = {
    "wiegand26": CardFormat(24, (Spelling.FACILITY, Spelling.DECIMAL, Spelling.HEX)),
    "wiegand34": CardFormat(32, (Spelling.DECIMAL, Spelling.HEX)),
    "wiegand37": CardFormat(35, (Spelling.DECIMAL, Spelling.HEX)),
    "wiegand37_facility": CardFormat(35, (Spelling.FACILITY_37,)),
    "uid32": CardFormat(32, (Spelling.HEX, Spelling.DECIMAL)),
    "uid56": CardFormat(56, (Spelling.HEX, Spelling.DECIMAL)),
    "simple_number32": CardFormat(32, (Spelling.DECIMAL,)),
    "simple_number56": CardFormat(56, (Spelling.DECIMAL,)),
}
"""Parity bits are not part of the number: Wiegand 26 carries 24 bits, 34 carries 32, 37 carries 35."""


class NumberProfile(msgspec.Struct, frozen=True):
    """How one reader spells the numbers that it reports, and what it keeps of longer ones."""

    format: str
    spelling: Spelling
    cut: Cut = Cut.LOW_REVERSED


def spellings_of(format: str) -> tuple[Spelling, ...]:
    """Every spelling that a reader of this format may have."""
    bits = FORMATS[format].bits
    own = [Spelling.FACILITY] if bits == FORMATS["wiegand26"].bits else []
    own += [Spelling.FACILITY_37] if format == "wiegand37_facility" else []
    return (*own, Spelling.DECIMAL, Spelling.DECIMAL_REVERSED, Spelling.HEX, Spelling.HEX_REVERSED)
