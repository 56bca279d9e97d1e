"""What the registers of a Modbus device mean: the kinds of fields that a profile can name, and how each is written in YAML.

A field says where its registers are and what they mean; it never reads them (`modbus_values` does). Whatever a profile
does not map is unknown, so every map is closed: a value outside of it gives 'unknown', not the nearest guess.
Source of the keys: domain/meters.md 2.1, domain/elevator.md 2.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

from connectors.codecs.profile_error import ProfileError

WIDTHS: Final = {
    "u16": 1,
    "i16": 1,
    "u32": 2,
    "i32": 2,
    "u64": 4,
    "i64": 4,
    "f32": 2,
    "f64": 4,
    "bcd16": 1,
    "bcd32": 2,
    "bcd48": 3,
    "bcd64": 4,
}
"""Registers that a value of each type takes."""

DLT645_READ: Final = 0x11
"""Stands as function code for data items of DL/T 645-2007: `addr` is the identifier then, and all text is BCD digits."""

UNITS: Final = {
    "1": ("1", Decimal(1)),
    "kWh": ("Wh", Decimal(1000)),
    "Wh": ("Wh", Decimal(1)),
    "MWh": ("Wh", Decimal(1_000_000)),
    "CNY": ("CNY", Decimal(1)),
    "$site": ("$site", Decimal(1)),
    "V": ("V", Decimal(1)),
    "A": ("A", Decimal(1)),
    "Hz": ("Hz", Decimal(1)),
    "W": ("W", Decimal(1)),
    "kW": ("W", Decimal(1000)),
    "m/s": ("m/s", Decimal(1)),
    "s": ("s", Decimal(1)),
    "%": ("%", Decimal(1)),
}
"""Units of a profile → (unit inside the hub, factor). `$site`: the device's `balance_unit`, CNY or kWh."""


def mistake(path: str, problem: str) -> ProfileError:
    """A ProfileError about one place."""
    return ProfileError([f"{path}: {problem}"])


class Span(msgspec.Struct, frozen=True, order=True, gc=False):
    """`count` registers from wire address `addr`, read with function code `fc`."""

    fc: int
    addr: int
    count: int

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.addr + self.count


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """A number: registers → Decimal in the hub's unit, if it is within `low` … `high` and not a pattern of `invalid`."""

    span: Span
    type: str
    order: str  # of 16-bit words: `big` (high word first) or `little`
    byte_swap: bool
    mask: int | None  # applied to the unsigned raw value, which is then shifted down to the mask's lowest bit
    scale: Decimal
    unit: str
    low: Decimal | None
    high: Decimal | None
    invalid: frozenset[int]
    unset: frozenset[int]  # raw values by which the device says nothing: unknown, and no reason to wonder
    multiply_by: str | None  # another field: a current transformer's ratio
    labels: Mapping[int, str]  # only `floor`: raw values that have a name of their own

    def spans(self) -> tuple[Span, ...]:
        return (self.span,)


class Case(msgspec.Struct, frozen=True, gc=False):
    """Holds when `(register & mask) == equals`, or, without `equals`, when any bit of the mask is set."""

    span: Span
    mask: int
    equals: int | None
    word: str


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """The word of the first case that holds, else `otherwise` (None: unknown). A word in `invalid` makes all unknown."""

    cases: tuple[Case, ...]
    otherwise: str | None
    invalid: frozenset[int]

    def spans(self) -> tuple[Span, ...]:
        return tuple(dict.fromkeys(case.span for case in self.cases))


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """All words whose case holds, in the profile's order."""

    cases: tuple[Case, ...]
    invalid: frozenset[int]

    def spans(self) -> tuple[Span, ...]:
        return tuple(dict.fromkeys(case.span for case in self.cases))


class Codes(msgspec.Struct, frozen=True, kw_only=True):
    """One code at a time: raw // divide → word; `none` says that there is no code; a code outside the table is `otherwise`."""

    span: Span
    divide: int
    none: int
    table: Mapping[int, str]
    otherwise: str
    prefix: str
    invalid: frozenset[int]

    def spans(self) -> tuple[Span, ...]:
        return (self.span,)


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of registers, high byte first: printable ASCII as such, else hexadecimal."""

    span: Span
    invalid: frozenset[int]

    def spans(self) -> tuple[Span, ...]:
        return (self.span,)


class NotWired(msgspec.Struct, frozen=True):
    """The register map names it, the device does not set it: unknown whatever the registers say, never 0, never false."""

    def spans(self) -> tuple[Span, ...]:
        return ()


Field: TypeAlias = Number | Words | Flags | Codes | Text | NotWired


def _yaml_names(name: str) -> str | None:
    return {"otherwise": "else", "word": "is"}.get(name)


class _RawCase(msgspec.Struct, forbid_unknown_fields=True, rename=_yaml_names):
    word: str | int | bool
    addr: int | None = None
    mask: int = 0xFFFF
    equals: int | None = None


class _RawField(msgspec.Struct, forbid_unknown_fields=True, rename=_yaml_names):
    addr: int | None = None
    fc: int | None = None
    type: str = "u16"
    count: int | None = None
    order: str | None = None
    byte_swap: bool = False
    mask: int | None = None
    scale: Decimal = Decimal(1)
    unit: str = "1"
    plausible: list[Decimal] | None = None
    invalid: list[int] = []
    unset: list[int] = []
    multiply_by: str | None = None
    cases: list[_RawCase] | None = None
    bits: list[_RawCase] | None = None
    map: dict[int, str | int | bool] | None = None
    divide: int = 1
    none: int = 0
    prefix: str = ""
    otherwise: str | int | bool | None = None
    wired: bool = True
    note: str | None = None


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What a target of an event accepts: a kind of field, and the units or words that it may have."""

    kind: str  # number | floor | words | faults | text
    units: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()


def parse_field(raw: Any, path: str, shape: Shape, fc: int, order: str) -> Field:
    """One field of a profile. Raises ProfileError naming `path`."""
    spec = convert(raw, _RawField, path)
    if not spec.wired:
        return NotWired()
    if shape.kind == "text" or spec.type == "bytes":
        return _text(spec, path, fc)
    if shape.kind == "faults":
        return _faults(spec, path, shape, fc)
    if shape.kind == "words":
        return _words(spec, path, shape, fc)
    return _number(spec, path, shape, fc, order)


def convert(raw: Any, type_: Any, path: str) -> Any:
    """msgspec.convert with the profile's own path in the error."""
    try:
        return msgspec.convert(raw, type_)
    except msgspec.ValidationError as error:
        text, _, at = str(error).partition(" - at ")
        inner = at.strip("`").removeprefix("$")
        raise mistake(path + inner, text) from None


def _number(spec: _RawField, path: str, shape: Shape, fc: int, order: str) -> Number:
    if spec.type not in WIDTHS:
        raise mistake(f"{path}.type", f"{spec.type!r} is no type; allowed: {', '.join((*WIDTHS, 'bytes'))}")
    if spec.unit not in shape.units:
        raise mistake(f"{path}.unit", f"{spec.unit!r} does not fit here; allowed: {', '.join(shape.units)}")
    order = spec.order or order
    if order not in {"big", "little"}:
        raise mistake(f"{path}.order", f"{order!r}; allowed: big (high word first), little")
    if spec.scale == 0:
        raise mistake(f"{path}.scale", "must not be 0")
    if spec.map is not None and shape.kind != "floor":
        raise mistake(f"{path}.map", "a number has no map")
    if spec.mask is not None and (spec.mask <= 0 or spec.type in {"f32", "f64"}):
        raise mistake(f"{path}.mask", "must be a positive number, and floats have none")
    low, high = _bounds(spec.plausible, f"{path}.plausible")
    return Number(
        span=_span(spec, path, fc, WIDTHS[spec.type]),
        type=spec.type,
        order=order,
        byte_swap=spec.byte_swap,
        mask=spec.mask,
        scale=spec.scale,
        unit=spec.unit,
        low=low,
        high=high,
        invalid=frozenset(spec.invalid),
        unset=frozenset(spec.unset),
        multiply_by=spec.multiply_by,
        labels={raw: _word(word) for raw, word in (spec.map or {}).items()},
    )


def _words(spec: _RawField, path: str, shape: Shape, fc: int) -> Words:
    if spec.map is not None:
        span = _span(spec, path, fc, 1)
        mask = spec.mask or 0xFFFF
        shift = lowest_bit(mask)
        cases = tuple(Case(span, mask, value << shift, _word(word)) for value, word in spec.map.items())
    elif spec.cases is not None:
        cases = _cases(spec.cases, f"{path}.cases", fc)
    else:
        raise mistake(path, "needs `map`, `cases`, or `wired: false`")
    otherwise = None if spec.otherwise is None else _word(spec.otherwise)
    for word in (*(case.word for case in cases), *(() if otherwise is None else (otherwise,))):
        if word not in shape.words:
            raise mistake(path, f"{word!r} is no word of this field; allowed: {', '.join(sorted(shape.words))}")
    return Words(cases=cases, otherwise=otherwise, invalid=frozenset(spec.invalid))


def _faults(spec: _RawField, path: str, shape: Shape, fc: int) -> Flags | Codes:
    if spec.bits is not None:
        cases = _cases(spec.bits, f"{path}.bits", fc)
        words: tuple[str, ...] = tuple(case.word for case in cases)
        found: Flags | Codes = Flags(cases=cases, invalid=frozenset(spec.invalid))
    elif spec.map is not None:
        otherwise = "other" if spec.otherwise is None else _word(spec.otherwise)
        table = {code: _word(word) for code, word in spec.map.items()}
        words = (*table.values(), otherwise)
        if spec.divide < 1:
            raise mistake(f"{path}.divide", "must be 1 or more")
        found = Codes(
            span=_span(spec, path, fc, 1),
            divide=spec.divide,
            none=spec.none,
            table=table,
            otherwise=otherwise,
            prefix=spec.prefix,
            invalid=frozenset(spec.invalid),
        )
    else:
        raise mistake(path, "needs `bits` (one bit a fault), `map` (one code at a time), or `wired: false`")
    for word in words:
        if word not in shape.words:
            raise mistake(path, f"{word!r} is no fault; allowed: {', '.join(sorted(shape.words))}")
    return found


def _text(spec: _RawField, path: str, fc: int) -> Text:
    if spec.count is None:
        raise mistake(f"{path}.count", "how many registers the bytes take")
    return Text(span=_span(spec, path, fc, spec.count), invalid=frozenset(spec.invalid))


def _cases(raw: list[_RawCase], path: str, fc: int) -> tuple[Case, ...]:
    found = []
    for number, case in enumerate(raw):
        where = f"{path}[{number}]"
        if case.addr is None:
            raise mistake(f"{where}.addr", "which register")
        if not 0 < case.mask <= 0xFFFF:
            raise mistake(f"{where}.mask", "1 … 0xFFFF: the bits of one register")
        if case.equals is not None and case.equals & ~case.mask:
            raise mistake(f"{where}.equals", "has bits outside the mask and could never hold")
        found.append(Case(check_span(Span(fc, case.addr, 1), where), case.mask, case.equals, _word(case.word)))
    return tuple(found)


def _span(spec: _RawField, path: str, fc: int, count: int) -> Span:
    if spec.addr is None:
        raise mistake(f"{path}.addr", "which register (0-based wire address)")
    return check_span(Span(spec.fc or fc, spec.addr, count), path)


def check_span(span: Span, path: str) -> Span:
    """The span itself. Raises ProfileError where Modbus has no such registers: function codes 1–4, addresses 0–65535, 1–125."""
    if span.fc not in {1, 2, 3, 4}:
        raise mistake(f"{path}.fc", f"{span.fc} is not a read; allowed: 1, 2, 3, 4")
    if span.addr < 0 or span.count < 1 or span.end > 0x10000:
        raise mistake(f"{path}.addr", f"{span.addr} + {span.count} is outside 0 … 65535")
    if span.count > 125:
        raise mistake(f"{path}.count", f"{span.count} registers; Modbus allows 125 in one read")
    return span


def _bounds(raw: list[Decimal] | None, path: str) -> tuple[Decimal | None, Decimal | None]:
    if raw is None:
        return None, None
    if len(raw) != 2 or raw[0] > raw[1]:
        raise mistake(path, "[lowest, highest], in the field's own unit")
    return raw[0], raw[1]


def _word(value: str | int | bool) -> str:
    """YAML reads `true`, `off` and `1` as it likes; inside, a word is text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def lowest_bit(mask: int) -> int:
    """Position of the lowest set bit."""
    return (mask & -mask).bit_length() - 1
