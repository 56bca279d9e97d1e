"""A Modbus device model as data: which registers to read, how often, and what they mean as words of an event.

`parse` finds every mistake of a profile before a single register is read. All fields of one event come from reads of one
period, because an event is made from one poll: words of two moments are never put together.
Source of the keys: domain/meters.md 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from connectors.codecs.modbus_fields import (
    UNITS,
    Case,
    Field,
    NotWired,
    Number,
    Shape,
    Span,
    Text,
    check_span,
    convert,
    parse_field,
)
from connectors.codecs.profile_error import Problems, ProfileError
from hub.vocabulary.elevator import CarStatus, Direction, Doors, ElevatorFault, Power, ServiceMode
from hub.vocabulary.units import Relay


class Period(StrEnum):
    """How often something is read."""

    FAST = "fast"  # alarm points
    SLOW = "slow"
    DAILY = "daily"  # settings and identity; read together with a slow (else a fast) poll


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Registers that are read in one request. `linear: false`: addresses are no row of registers (records), never merged."""

    span: Span
    period: Period
    linear: bool = True


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Registers that tell which physical device answers (serial number); read on connect, daily and when in doubt."""

    span: Span


class ModbusProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One device model. `points` are the spans of each named field: what the planner makes reads from."""

    id: str
    kind: str  # elevator | meter
    blocks: Mapping[str, Block]
    fields: Mapping[str, Field]
    extra: Mapping[str, Field]
    limits: Mapping[str, Field]
    valid_when: tuple[Case, ...]  # all must hold, or the answering module does not reach the device behind it
    identity: Identity | None
    forbidden: tuple[tuple[int, int], ...]  # first and last address of ranges that are never read
    max_registers: int
    merge_gap: int
    fast_ms: int
    every_ms: int
    timeout_ms: int
    min_gap_ms: int
    max_lateness_ms: int

    def points(self) -> dict[str, tuple[Span, ...]]:
        """Spans by name of what needs them: fields, `extra.…`, `limits.…`, `valid_when`, `identity`."""
        found = {name: field.spans() for name, field in self.fields.items()}
        found |= {f"extra.{name}": field.spans() for name, field in self.extra.items()}
        found |= {f"limits.{name}": field.spans() for name, field in self.limits.items()}
        if self.valid_when:
            found["valid_when"] = tuple(dict.fromkeys(case.span for case in self.valid_when))
        if self.identity:
            found["identity"] = (self.identity.span,)
        return {name: spans for name, spans in found.items() if spans}

    def period_of(self, name: str, span: Span) -> Period:
        """When this span of this point is read: its block's period, else daily for settings, else slow."""
        if name.startswith("limits.") or name == "identity":
            return Period.DAILY
        for block in self.blocks.values():
            if block.span.fc == span.fc and block.span.addr <= span.addr and span.end <= block.span.end:
                return block.period
        return Period.SLOW


_ENERGY: Final = ("kWh", "Wh", "MWh")
_ALL_UNITS: Final = tuple(UNITS)
_FLAG: Final = frozenset({"true", "false"})


def _shape(words: Any) -> Shape:
    return Shape(kind="words", words=frozenset(str(word) for word in words))


TARGETS: Final[dict[str, dict[str, Shape]]] = {
    "meter": {
        "balance": Shape(kind="number", units=("$site", "CNY", *_ENERGY)),
        "overdraft": Shape(kind="number", units=("$site", "CNY", *_ENERGY)),
        "energy": Shape(kind="number", units=_ENERGY),
        "purchases": Shape(kind="number", units=("1",)),
        "power": Shape(kind="number", units=("W", "kW")),
        "voltage": Shape(kind="number", units=("V",)),
        "last_purchase": Shape(kind="number", units=("$site", "CNY", *_ENERGY)),
        "relay": _shape(Relay),
        "relay_command": _shape(Relay),
        "meter_alarm": _shape(range(4)),
    },
    "elevator": {
        "service_mode": _shape(ServiceMode),
        "car_status": _shape(CarStatus),
        "direction": _shape(Direction),
        "door_zone": Shape(kind="words", words=_FLAG),
        "doors": _shape(Doors),
        "doors_2": _shape(Doors),
        "passenger": Shape(kind="words", words=_FLAG),
        "floor": Shape(kind="floor", units=("1",)),
        "power": _shape(Power),
        "speed": Shape(kind="number", units=("m/s",)),
        "load": Shape(kind="number", units=("%",)),
        "trapped": _shape(("level", "off_level", "unknown", "none")),
        "button": Shape(kind="words", words=_FLAG),
        "faults": Shape(kind="faults", words=frozenset(ElevatorFault)),
    },
}
"""What each kind of event can carry, under the names that a profile uses."""

_EXTRA: Final = Shape(kind="number", units=_ALL_UNITS)
_LIMIT: Final = Shape(kind="number", units=("$site", "CNY", *_ENERGY))


class _RawBlock(msgspec.Struct, forbid_unknown_fields=True):
    addr: int
    count: int
    fc: int | None = None
    period: str = "slow"
    linear: bool = True


class _RawIdentity(msgspec.Struct, forbid_unknown_fields=True):
    addr: int
    count: int
    fc: int | None = None


class _RawCondition(msgspec.Struct, forbid_unknown_fields=True):
    addr: int
    equals: int
    mask: int = 0xFFFF


class _RawModbus(msgspec.Struct, forbid_unknown_fields=True):
    fields: dict[str, Any]
    fc: int = 3
    order: str = "big"
    blocks: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    valid_when: list[_RawCondition] = []
    identity: _RawIdentity | None = None
    forbidden: list[tuple[int, int]] = []
    max_registers: int = 125
    merge_gap: int = 8
    fast_ms: int = 500
    every_s: int = 900
    timeout_ms: int = 1000
    min_gap_ms: int = 20
    max_lateness_ms: int = 1000


def parse(raw: Mapping[str, Any]) -> ModbusProfile:
    """The profile from a YAML document with `id`, `kind` (elevator, meter), `transport: modbus` and the section `modbus`.

    Raises ProfileError with every mistake found: its path and what is allowed.
    """
    problems = Problems()
    kind = raw.get("kind")
    if kind not in TARGETS:
        problems.add("kind", f"{kind!r}; allowed with transport modbus: {', '.join(TARGETS)}")
    if not isinstance(raw.get("id"), str) or not raw["id"]:
        problems.add("id", "a name is needed")
    if not isinstance(raw.get("modbus"), Mapping):
        problems.add("modbus", "this section says which registers to read")
    problems.raise_if_any()
    section: _RawModbus = convert(dict(raw["modbus"]), _RawModbus, "modbus")
    profile = _build(str(raw["id"]), str(kind), section, problems)
    problems.raise_if_any()
    _check(profile, problems)
    problems.raise_if_any()
    return profile


def _build(name: str, kind: str, section: _RawModbus, problems: Problems) -> ModbusProfile:
    for key, least, most in (
        ("max_registers", 1, 125),
        ("merge_gap", 0, 124),
        ("fast_ms", 50, 60_000),
        ("every_s", 1, 86_400),
        ("timeout_ms", 20, 60_000),
        ("min_gap_ms", 0, 5_000),
        ("max_lateness_ms", 0, 60_000),
    ):
        if not least <= getattr(section, key) <= most:
            problems.add(f"modbus.{key}", f"{getattr(section, key)}; allowed: {least} … {most}")
    identity = section.identity
    return ModbusProfile(
        id=name,
        kind=kind,
        blocks=_blocks(section, problems),
        fields=_fields(section.fields, "modbus.fields", TARGETS[kind], section, problems),
        extra=_fields(section.extra, "modbus.extra", dict.fromkeys(section.extra, _EXTRA), section, problems),
        limits=_fields(section.limits, "modbus.limits", dict.fromkeys(section.limits, _LIMIT), section, problems),
        valid_when=tuple(
            Case(Span(section.fc, case.addr, 1), case.mask, case.equals, "valid") for case in section.valid_when
        ),
        identity=Identity(span=Span(identity.fc or section.fc, identity.addr, identity.count)) if identity else None,
        forbidden=tuple(section.forbidden),
        max_registers=section.max_registers,
        merge_gap=section.merge_gap,
        fast_ms=section.fast_ms,
        every_ms=section.every_s * 1000,
        timeout_ms=section.timeout_ms,
        min_gap_ms=section.min_gap_ms,
        max_lateness_ms=section.max_lateness_ms,
    )


def _blocks(section: _RawModbus, problems: Problems) -> dict[str, Block]:
    found = {}
    for name, raw in section.blocks.items():
        path = f"modbus.blocks.{name}"
        try:
            block: _RawBlock = convert(raw, _RawBlock, path)
            span = check_span(Span(block.fc or section.fc, block.addr, block.count), path)
        except ProfileError as error:
            problems.found.extend(error.problems)
            continue
        if block.period not in set(Period):
            problems.add(f"{path}.period", f"{block.period!r}; allowed: {', '.join(Period)}")
        elif span.count > section.max_registers:
            problems.add(f"{path}.count", f"{span.count} is more than max_registers ({section.max_registers})")
        else:
            found[name] = Block(span=span, period=Period(block.period), linear=block.linear)
    return found


def _fields(
    raw: Mapping[str, Any], path: str, shapes: Mapping[str, Shape], section: _RawModbus, problems: Problems
) -> dict[str, Field]:
    found: dict[str, Field] = {}
    for name, spec in raw.items():
        if name not in shapes:
            problems.add(f"{path}.{name}", f"unknown field; allowed: {', '.join(shapes)}")
            continue
        try:
            found[name] = parse_field(spec, f"{path}.{name}", shapes[name], section.fc, section.order)
        except ProfileError as error:
            problems.found.extend(error.problems)
    return found


def _check(profile: ModbusProfile, problems: Problems) -> None:
    """What only shows when all parts are there."""
    for name, spans in profile.points().items():
        for span in spans:
            if span.count > profile.max_registers:
                problems.add(f"modbus.{name}", f"{span.count} registers; max_registers is {profile.max_registers}")
            for first, last in profile.forbidden:
                if span.addr <= last and first < span.end:
                    problems.add(f"modbus.{name}", f"lies in the forbidden range {first} … {last}")
    _check_periods(profile, problems)
    _check_lengths(profile, problems)
    for name, field in profile.fields.items():
        ratio = field.multiply_by if isinstance(field, Number) else None
        if ratio is not None and not isinstance(profile.extra.get(ratio), Number):
            problems.add(f"modbus.fields.{name}.multiply_by", f"{ratio!r} is no number under `extra`")
    if not any(field.spans() for field in profile.fields.values()):
        problems.add("modbus.fields", "no field reads a register")


def _check_periods(profile: ModbusProfile, problems: Problems) -> None:
    """One event comes from one poll: its fields share a period."""
    periods = {
        name: {profile.period_of(name, span) for span in field.spans()}
        for name, field in profile.fields.items()
        if not isinstance(field, NotWired | Text)
    }
    seen = {period for each in periods.values() for period in each}
    for name, field in profile.extra.items():
        own = {profile.period_of(name, span) for span in field.spans()} - {Period.DAILY}
        if own - seen:
            problems.add(f"modbus.extra.{name}", f"is read {', '.join(own)}, but there is no event then to carry it")
    if len(seen) > 1:
        listed = "; ".join(f"{name}: {', '.join(sorted(each))}" for name, each in periods.items() if each)
        problems.add("modbus.fields", f"all must be read in one period, because they make one event ({listed})")
    elif Period.DAILY in seen:
        problems.add("modbus.fields", "fields of an event are `fast` or `slow`; `daily` is for settings")


def _check_lengths(profile: ModbusProfile, problems: Problems) -> None:
    """RTU frames carry neither address nor transaction: only its length tells one block's reply from another's."""
    spans = {f"blocks.{name}": block.span for name, block in profile.blocks.items()}
    if profile.identity:
        spans["identity"] = profile.identity.span
    seen: dict[tuple[int, int], str] = {}
    for name, span in spans.items():
        other = seen.setdefault((span.fc, span.count), name)
        if other != name:
            problems.add(
                f"modbus.{name}.count",
                f"{span.count} registers like modbus.{other}; lengths must differ, so that a late reply is noticed",
            )
