"""A DL/T 645-2007 meter model as data: which data items to read, how often, and what they mean.

Items become points of the same plan that Modbus registers make, one request each, so that one scheduler serves both. What
a meter counts in (money or energy) it says itself: `variants` holds the items of each, and all of them are asked for; a
meter refuses what it does not have and is not asked for that again until the next day.
Source of the items: domain/meters.md 3.2.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from connectors.codecs.modbus_fields import (
    DLT645_READ,
    UNITS,
    Case,
    Field,
    NotWired,
    Number,
    Span,
    Text,
    Words,
    convert,
    lowest_bit,
    mistake,
)
from connectors.codecs.modbus_profile import TARGETS, Block, Identity, ModbusProfile, Period
from connectors.codecs.profile_error import Problems, ProfileError
from hub.vocabulary.units import BalanceUnit

WIDEST: Final = 8
"""Bytes of the widest item that a field may have."""

_NO_BALANCE: Final = "none"
_CREDIT_TYPES: Final = frozenset({*BalanceUnit, _NO_BALANCE})
_BCD: Final = {1: "bcd16", 2: "bcd32", 3: "bcd48", 4: "bcd64"}
_BITS: Final = {1: "u16", 2: "u32", 4: "u64"}
_NUMBERS: Final = ("balance", "overdraft", "energy", "purchases", "last_purchase", "power", "voltage")


class Dlt645Profile(ModbusProfile, frozen=True, kw_only=True):
    """One meter model. The fields of ModbusProfile hold all items, those of variants as `CNY.balance`; see `of_type`."""

    credit_type: Words | None  # CNY, kWh, or none: not a prepaid meter
    common: Mapping[str, Field]
    common_limits: Mapping[str, Field]
    variants: Mapping[str, Mapping[str, Field]]
    variant_limits: Mapping[str, Mapping[str, Field]]

    def points(self) -> dict[str, tuple[Span, ...]]:
        """As ModbusProfile.points, with the item that says what the meter counts in."""
        found = super().points()
        return found if self.credit_type is None else {**found, "credit_type": self.credit_type.spans()}

    def optional(self, unit: str | None) -> frozenset[str]:
        """Names that a meter counting in `unit` need not have: the other type's items, settings, and what few makers have."""
        return frozenset(
            name
            for name in self.points()
            if name.startswith(("limits.", "extra."))
            or name.endswith((".overdraft", ".last_purchase"))
            or name.partition(".")[0] in set(self.variants) - {unit}
        )

    def of_type(self, unit: str | None) -> ModbusProfile:
        """The profile as a meter that counts in `unit` has it; for none, and for None: without a balance."""
        return msgspec.structs.replace(
            self,
            fields={**self.common, **self.variants.get(unit or "", {})},
            limits={**self.common_limits, **self.variant_limits.get(unit or "", {})},
        )


class _RawItem(msgspec.Struct, forbid_unknown_fields=True, rename={"otherwise": "else"}):
    item: int | None = None
    bytes: int = 4
    type: str = "bcd"  # bcd | bits | digits
    scale: Decimal = Decimal(1)
    unit: str = "1"
    plausible: list[Decimal] | None = None
    mask: int | None = None
    map: dict[int, str | int | bool] | None = None
    otherwise: str | int | bool | None = None
    period: str | None = None
    wired: bool = True
    note: str | None = None


class _RawVariant(msgspec.Struct, forbid_unknown_fields=True):
    fields: dict[str, Any] = {}
    limits: dict[str, Any] = {}


class _RawSection(msgspec.Struct, forbid_unknown_fields=True):
    fields: dict[str, Any]
    credit_type: dict[str, Any] | None = None
    variants: dict[str, _RawVariant] = {}
    extra: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    identity: dict[str, Any] | None = None
    every_s: int = 900
    timeout_ms: int = 1500
    min_gap_ms: int = 20
    max_lateness_ms: int = 1500


def parse(raw: Mapping[str, Any]) -> Dlt645Profile:
    """The profile from a YAML document with `id`, `kind: meter`, `transport: dlt645` and the section `dlt645`.

    Raises ProfileError with every mistake found: its path and what is allowed.
    """
    problems = Problems()
    if raw.get("kind") != "meter":
        problems.add("kind", f"{raw.get('kind')!r}; allowed with transport dlt645: meter")
    if not isinstance(raw.get("id"), str) or not raw["id"]:
        problems.add("id", "a name is needed")
    if not isinstance(raw.get("dlt645"), Mapping):
        problems.add("dlt645", "this section says which data items to read")
    problems.raise_if_any()
    section: _RawSection = convert(dict(raw["dlt645"]), _RawSection, "dlt645")
    profile = _Builder(section, problems).build(str(raw["id"]))
    problems.raise_if_any()
    return profile


class _Builder:
    """Collects items with their periods while it reads the fields of one section."""

    def __init__(self, section: _RawSection, problems: Problems) -> None:
        self._section = section
        self._problems = problems
        self._blocks: dict[str, Block] = {}

    def build(self, name: str) -> Dlt645Profile:
        section = self._section
        for key, least, most in (
            ("every_s", 1, 86_400),
            ("timeout_ms", 100, 60_000),
            ("min_gap_ms", 0, 5_000),
            ("max_lateness_ms", 0, 60_000),
        ):
            if not least <= getattr(section, key) <= most:
                self._problems.add(f"dlt645.{key}", f"{getattr(section, key)}; allowed: {least} … {most}")
        common = self._fields(section.fields, "dlt645.fields")
        variants, variant_limits = self._variants()
        limits = self._limits(section.limits, "dlt645.limits")
        extra = self._numbers(section.extra, "dlt645.extra", tuple(UNITS), Period.SLOW)
        identity = self._identity()
        credit_type = self._credit_type()
        if variants and credit_type is None:
            self._problems.add(
                "dlt645.credit_type", "needed beside `variants`: the item that says which one a meter is"
            )
        self._check_widths()
        return Dlt645Profile(
            id=name,
            kind="meter",
            blocks=self._blocks,
            fields=common | _prefixed(variants),
            extra=extra,
            limits=limits | _prefixed(variant_limits),
            valid_when=(),
            identity=identity,
            forbidden=(),
            max_registers=WIDEST // 2,
            merge_gap=0,
            fast_ms=60_000,
            every_ms=section.every_s * 1000,
            timeout_ms=section.timeout_ms,
            min_gap_ms=section.min_gap_ms,
            max_lateness_ms=section.max_lateness_ms,
            credit_type=credit_type,
            common=common,
            common_limits=limits,
            variants=variants,
            variant_limits=variant_limits,
        )

    def _variants(self) -> tuple[dict[str, dict[str, Field]], dict[str, dict[str, Field]]]:
        fields: dict[str, dict[str, Field]] = {}
        limits: dict[str, dict[str, Field]] = {}
        for name, raw in self._section.variants.items():
            path = f"dlt645.variants.{name}"
            if name not in set(BalanceUnit):
                self._problems.add(path, f"{name!r}; allowed: {', '.join(BalanceUnit)}")
                continue
            fields[name] = self._fields(raw.fields, f"{path}.fields")
            limits[name] = self._limits(raw.limits, f"{path}.limits")
            balance = fields[name].get("balance")
            if isinstance(balance, Number) and balance.unit != name:
                self._problems.add(f"{path}.fields.balance.unit", f"{balance.unit!r}; this variant counts {name}")
        return fields, limits

    def _limits(self, raw: Mapping[str, Any], path: str) -> dict[str, Field]:
        return self._numbers(raw, path, ("CNY", "kWh"), Period.DAILY)

    def _numbers(self, raw: Mapping[str, Any], path: str, units: tuple[str, ...], period: Period) -> dict[str, Field]:
        found: dict[str, Field] = {}
        for name, spec in raw.items():
            with _collected(self._problems):
                found[name] = self._number(convert(spec, _RawItem, f"{path}.{name}"), f"{path}.{name}", units, period)
        return found

    def _fields(self, raw: Mapping[str, Any], path: str) -> dict[str, Field]:
        found: dict[str, Field] = {}
        shapes = TARGETS["meter"]
        for name, spec in raw.items():
            where = f"{path}.{name}"
            if name not in shapes:
                self._problems.add(where, f"unknown field; allowed: {', '.join(shapes)}")
                continue
            with _collected(self._problems):
                item = convert(spec, _RawItem, where)
                if not item.wired:
                    found[name] = NotWired()
                elif name in _NUMBERS:
                    found[name] = self._number(item, where, shapes[name].units, Period.SLOW)
                else:
                    found[name] = self._words(item, where, shapes[name].words)
        return found

    def _credit_type(self) -> Words | None:
        if self._section.credit_type is None:
            return None
        with _collected(self._problems):
            path = "dlt645.credit_type"
            return self._words(convert(self._section.credit_type, _RawItem, path), path, _CREDIT_TYPES)
        return None

    def _identity(self) -> Identity | None:
        if self._section.identity is None:
            return None
        with _collected(self._problems):
            path = "dlt645.identity"
            item = convert(self._section.identity, _RawItem, path)
            return Identity(span=self._span(item, path, Period.DAILY))
        return None

    def _number(self, item: _RawItem, path: str, units: tuple[str, ...], period: Period) -> Field:
        span = self._span(item, path, period)
        if item.type == "digits":
            return Text(span=span, invalid=frozenset())
        types = {"bcd": _BCD, "bits": _BITS}.get(item.type, {})
        if span.count not in types:
            raise mistake(f"{path}.type", f"{item.type!r} of {item.bytes} bytes; allowed: bcd, bits, digits")
        if item.unit not in units:
            raise mistake(f"{path}.unit", f"{item.unit!r} does not fit here; allowed: {', '.join(units)}")
        low, high = item.plausible if item.plausible is not None and len(item.plausible) == 2 else (None, None)
        if item.plausible is not None and (low is None or high is None or low > high):
            raise mistake(f"{path}.plausible", "[lowest, highest], in the field's own unit")
        return Number(
            span=span,
            type=types[span.count],
            order="big",
            byte_swap=False,
            mask=None,
            scale=item.scale,
            unit=item.unit,
            low=low,
            high=high,
            invalid=frozenset(),
            unset=frozenset(),
            multiply_by=None,
            labels={},
        )

    def _words(self, item: _RawItem, path: str, words: frozenset[str]) -> Words:
        if item.map is None or item.bytes > 2:
            raise mistake(path, "needs `map`, and an item of at most 2 bytes")
        span = self._span(item, path, Period.SLOW)
        mask = item.mask or 0xFFFF
        cases = tuple(Case(span, mask, value << lowest_bit(mask), _word(word)) for value, word in item.map.items())
        otherwise = None if item.otherwise is None else _word(item.otherwise)
        for word in (*(case.word for case in cases), *(() if otherwise is None else (otherwise,))):
            if word not in words:
                raise mistake(path, f"{word!r} is no word of this field; allowed: {', '.join(sorted(words))}")
        # EE and FF are what concentrators put where they know nothing.
        return Words(cases=cases, otherwise=otherwise, invalid=frozenset({0xEEEE, 0xFFFF}))

    def _span(self, item: _RawItem, path: str, period: Period) -> Span:
        """The item's span; a block of its own makes it one request."""
        if item.item is None or not 0 <= item.item <= 0xFFFFFFFF:
            raise mistake(f"{path}.item", "which data item (DI3 DI2 DI1 DI0), as in 0x00900200")
        if not 1 <= item.bytes <= WIDEST:
            raise mistake(f"{path}.bytes", f"{item.bytes}; allowed: 1 … {WIDEST}")
        if item.period is not None and item.period not in {Period.SLOW, Period.DAILY}:
            raise mistake(f"{path}.period", f"{item.period!r}; allowed: slow, daily")
        span = Span(DLT645_READ, item.item, (item.bytes + 1) // 2)
        block = Block(span=span, period=Period(item.period) if item.period else period, linear=False)
        known = self._blocks.setdefault(f"{item.item:08X}", block)
        if known != block:
            raise mistake(path, f"item {item.item:08X} stands twice with another width or period")
        return span

    def _check_widths(self) -> None:
        """Identifiers are names, not a row of registers: none may look as if it lay inside of another."""
        spans = sorted(block.span for block in self._blocks.values())
        for first, second in itertools.pairwise(spans):
            if second.end <= first.end:
                self._problems.add(
                    "dlt645", f"items {first.addr:08X} and {second.addr:08X} cannot stand in one profile"
                )


class _collected:  # noqa: N801 - reads as a word in `with`
    """Puts a ProfileError into the list instead of ending the parse."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, ProfileError):
            self._problems.found.extend(error.problems)
            return True
        return False


def _prefixed(variants: Mapping[str, Mapping[str, Field]]) -> dict[str, Field]:
    return {f"{unit}.{name}": field for unit, fields in variants.items() for name, field in fields.items()}


def _word(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
