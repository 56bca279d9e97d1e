"""Registers → values: number types, word order, bit masks, binary-coded decimals, words and fault lists.

What cannot be believed becomes `Unusable` with the reason; what was not read is None. Neither ever becomes 0 or False.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias

import msgspec

from connectors.codecs.modbus_fields import (
    DLT645_READ,
    UNITS,
    WIDTHS,
    Case,
    Codes,
    Field,
    Flags,
    NotWired,
    Number,
    Span,
    Text,
    Words,
    lowest_bit,
)


class Unusable(msgspec.Struct, frozen=True, gc=False):
    """Registers were read, but their value is not believed."""

    why: str  # with the raw registers in hexadecimal


class Segment(msgspec.Struct, frozen=True, gc=False):
    """Registers of one reply. Bits of function codes 1 and 2 are registers of 0 or 1."""

    fc: int
    addr: int
    registers: tuple[int, ...]


class Image:
    """What one poll has read. A value never spans two replies: its words would be of two moments."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = tuple(segments)

    def read(self, span: Span) -> tuple[int, ...] | None:
        """The registers of `span`, from a single reply; None: not read."""
        for segment in self._segments:
            start = span.addr - segment.addr
            if segment.fc == span.fc and start >= 0 and start + span.count <= len(segment.registers):
                return segment.registers[start : start + span.count]
        return None

    def holds(self, case: Case) -> bool | None:
        """Whether the case holds; None: its register was not read."""
        found = self.read(case.span)
        if found is None:
            return None
        bits = found[0] & case.mask
        return bits != 0 if case.equals is None else bits == case.equals


Value: TypeAlias = Decimal | str | tuple[str, ...]


def value_of(field: Field, image: Image) -> Value | Unusable | None:
    """The field's value; Unusable: read, but not believed; None: not read, not wired, or outside its map."""
    if isinstance(field, Number):
        return _number(field, image)
    if isinstance(field, Words):
        return _words(field, image)
    if isinstance(field, Flags):
        return _flags(field, image)
    if isinstance(field, Codes):
        return _code(field, image)
    if isinstance(field, Text):
        return _text(field, image)
    assert isinstance(field, NotWired)
    return None


def label_of(field: Number, image: Image) -> str | Unusable | None:
    """A floor as text: the profile's label for the raw value, else the plausible number itself."""
    registers = image.read(field.span)
    if registers is not None and (raw := _masked(field, _ordered(field, registers))) in field.labels:
        return field.labels[raw]
    found = _number(field, image)
    return f"{found:f}" if isinstance(found, Decimal) else found


def code_of(field: Flags | Codes, image: Image) -> str | None:
    """The device's own code as evidence: `E48`, or the register of the first fault bit as `0x0022`; None when that is 0."""
    if isinstance(field, Codes):
        registers = image.read(field.span)
        if registers is None or registers[0] == field.none or registers[0] in field.invalid:
            return None
        return f"{field.prefix}{registers[0] // field.divide}"
    word = image.read(field.cases[0].span) if field.cases else None
    return f"0x{word[0]:04X}" if word and word[0] else None


def _number(field: Number, image: Image) -> Decimal | Unusable | None:
    registers = image.read(field.span)
    if registers is None:
        return None
    data = _ordered(field, registers)
    raw = _masked(field, data)
    if raw in field.unset:
        return None
    if raw in field.invalid:
        return Unusable(f"invalid pattern {_hex(registers)}")
    value = _raw_number(field, data, raw)
    if value is None:
        return Unusable(f"not a number: {_hex(registers)} as {field.type}")
    value *= field.scale
    if (field.low is not None and value < field.low) or (field.high is not None and value > field.high):
        return Unusable(f"implausible {value.normalize():f} {field.unit} ({_hex(registers)})")
    return value * UNITS[field.unit][1]


def _ordered(field: Number, registers: Sequence[int]) -> bytes:
    words = registers if field.order == "big" else tuple(reversed(registers))
    data = struct.pack(f">{len(words)}H", *words)
    return b"".join(data[i + 1 : i + 2] + data[i : i + 1] for i in range(0, len(data), 2)) if field.byte_swap else data


def _masked(field: Number, data: bytes) -> int:
    """All bits as one unsigned number, masked and shifted: what `invalid` and `map` speak of."""
    raw = int.from_bytes(data, "big")
    return raw if field.mask is None else (raw & field.mask) >> lowest_bit(field.mask)


def _raw_number(field: Number, data: bytes, raw: int) -> Decimal | None:
    if field.type.startswith("f"):
        floating: float = struct.unpack(">f" if field.type == "f32" else ">d", data)[0]
        # A 32-bit float carries about 7 digits: repr of the double would invent more.
        return (
            Decimal(f"{floating:.7g}" if field.type == "f32" else repr(floating)) if math.isfinite(floating) else None
        )
    if field.type.startswith("bcd"):
        digits = f"{raw:x}"
        return Decimal(digits) if digits.isdecimal() else None
    bits = 16 * WIDTHS[field.type] if field.mask is None else (field.mask >> lowest_bit(field.mask)).bit_length()
    if field.type.startswith("i") and raw >> (bits - 1):
        raw -= 1 << bits
    return Decimal(raw)


def _words(field: Words, image: Image) -> str | Unusable | None:
    if (unusable := _invalid(field.spans(), field.invalid, image)) is not None:
        return unusable
    for case in field.cases:
        holds = image.holds(case)
        if holds is None:
            return None  # an earlier case may have held: what follows proves nothing
        if holds:
            return case.word
    return field.otherwise


def _flags(field: Flags, image: Image) -> tuple[str, ...] | Unusable | None:
    if (unusable := _invalid(field.spans(), field.invalid, image)) is not None:
        return unusable
    held = [(case.word, image.holds(case)) for case in field.cases]
    if any(holds is None for _, holds in held):
        return None
    return tuple(dict.fromkeys(word for word, holds in held if holds))


def _code(field: Codes, image: Image) -> tuple[str, ...] | Unusable | None:
    if (unusable := _invalid((field.span,), field.invalid, image)) is not None:
        return unusable
    registers = image.read(field.span)
    if registers is None:
        return None
    if registers[0] == field.none:
        return ()
    return (field.table.get(registers[0] // field.divide, field.otherwise),)


def _text(field: Text, image: Image) -> str | Unusable | None:
    registers = image.read(field.span)
    if registers is None:
        return None
    return text_at(field.span, registers, field.invalid)


def text_at(span: Span, registers: Sequence[int], invalid: frozenset[int] = frozenset()) -> str | Unusable:
    """What a device calls itself: BCD digits where DL/T 645 is spoken (leading zeros count), else `text_of`."""
    if span.fc != DLT645_READ:
        return text_of(registers, invalid)
    digits = "".join(f"{register:04x}" for register in registers)
    if not digits.isdecimal():
        return Unusable(f"not decimal {_hex(registers)}")
    return digits if digits.strip("0") else Unusable(f"empty {_hex(registers)}")


def text_of(registers: Sequence[int], invalid: frozenset[int] = frozenset()) -> str | Unusable:
    """Bytes of registers as printable ASCII without padding, else as hexadecimal; all 0x0000 or 0xFFFF is no text."""
    if set(registers) <= ({0x0000, 0xFFFF} | invalid):
        return Unusable(f"empty {_hex(registers)}")
    data = struct.pack(f">{len(registers)}H", *registers)
    shown = data.strip(b"\x00 ")
    return shown.decode("ascii") if all(0x20 <= byte < 0x7F for byte in shown) else data.hex()


def _invalid(spans: Sequence[Span], invalid: frozenset[int], image: Image) -> Unusable | None:
    for span in spans:
        registers = image.read(span)
        if registers is not None and registers[0] in invalid:
            return Unusable(f"invalid pattern {_hex(registers)} at 0x{span.addr:04X}")
    return None


def _hex(registers: Sequence[int]) -> str:
    return "0x" + "".join(f"{register:04X}" for register in registers)
