"""A healthy meter's reading, prepared once for each shape of poll: whole numbers at known places of known replies.

A plan gives the very event that the long way (`modbus_events.meter_reading`) gives, or None, and then the long way is taken.
What a maintainer must keep: whatever is odd about a poll or its profile is None here. Fields that are not plain whole numbers,
a value that is unset, invalid or implausible, a serial number in the poll: the long way knows what to make of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any, Final, NamedTuple, TypeAlias

from connectors.codecs.modbus_events import balance_unit, counted_in
from connectors.codecs.modbus_fields import UNITS, WIDTHS, Field, NotWired, Number, Span
from connectors.codecs.modbus_profile import ModbusProfile
from hub.vocabulary.events import Clock, MeterReading
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import DeviceEntry
from hub.vocabulary.units import SUBUNITS, BalanceUnit

Shape: TypeAlias = tuple[Span, ...]
"""What a poll has read, in the order in which it came."""

_PLAIN: Final = {"u16": "H", "i16": "h", "u32": "I", "i32": "i"}
_BYTES: Final = {0xFF00: 0, 0x00FF: 1}
"""Masks of a register that are a whole byte, and which one."""

_DIGITS: Final = 12
"""Scales of more digits could be rounded in decimals where they are not as fractions."""


class _OddError(Exception):
    """Polls of this shape take the long way."""


class _Picked(NamedTuple):
    """A plain whole number: its first byte in the row of all registers, how `struct` reads it, what it means."""

    at: int
    code: str
    field: Number


class _Place(NamedTuple):
    """A whole number of the event: raw value no. `number` × over ÷ under, half to even."""

    number: int
    over: int
    under: int


class _Shown(NamedTuple):
    """A number that stays with the event as text: raw value no. `number` × scale × factor."""

    name: str
    number: int
    scale: Decimal
    factor: Decimal


class MeterPlan:
    """How polls of one profile, unit and shape become readings."""

    def __init__(self, profile: ModbusProfile, site_unit: BalanceUnit | None, unit: BalanceUnit, shape: Shape) -> None:
        picked = dict(sorted(_picked(profile, shape).items(), key=lambda each: each[1].at))
        numbers = {name: number for number, name in enumerate(picked)}
        self._unit = unit
        self._key = f":{shape[0].fc}-{shape[0].addr:04x}"
        self._size = 2 * sum(span.count for span in shape)
        self._unpack = struct.Struct(_format(picked.values(), self._size)).unpack
        self._checks = tuple(_believed(each) for each in picked.values())

        def place(name: str, subunits: int | None = 1) -> _Place | None:
            if name not in picked or subunits is None:
                return None
            field = picked[name].field
            factor = Fraction(field.scale) * Fraction(UNITS[field.unit][1]) * subunits
            return _Place(numbers[name], factor.numerator, factor.denominator)

        def credit(name: str) -> _Place | None:
            return place(name, _subunits(picked[name].field.unit, site_unit)) if name in picked else None

        def shown(group: str) -> tuple[_Shown, ...]:
            own = [(name, each.field) for name, each in picked.items() if name.startswith(group)]
            return tuple(
                _Shown(name.removeprefix(group), numbers[name], field.scale, UNITS[field.unit][1])
                for name, field in own
            )

        self._overdraft = credit("overdraft")
        whole = "overdraft" not in profile.fields or self._overdraft is not None
        self._balance = credit("balance") if whole else None
        self._last_purchase = credit("last_purchase")
        self._alarms = tuple(
            credit(name) if name in picked and counted_in(picked[name].field, site_unit) is unit else None
            for name in ("limits.alarm_1", "limits.alarm_2")
        )
        self._energy = place("energy")
        self._purchases = place("purchases")
        self._power = place("power")
        self._voltage = place("voltage", 10)
        self._extra = shown("extra.")
        self._limits = shown("limits.")

    def read(self, device: DeviceEntry, data: bytes, received_at: UtcMs) -> MeterReading | None:
        """The event of the poll whose registers these are, one reply behind the other; None: take the long way."""
        if len(data) != self._size:
            return None
        raw = self._unpack(data)
        for value, (low, high, never) in zip(raw, self._checks, strict=True):
            if not low <= value <= high or value in never:
                return None
        credit = _whole(raw, self._balance)
        if credit is not None and self._overdraft is not None:
            credit -= _whole(raw, self._overdraft) or 0
        extra: dict[str, Any] = _texts(raw, self._extra)
        if self._limits:
            extra["limits"] = _texts(raw, self._limits)
        return MeterReading(
            site=device.site,
            device=device.device,
            source_key=f"{device.device}:{received_at}{self._key}",
            occurred_at=received_at,
            received_at=received_at,
            clock=Clock.ARRIVAL,
            extra=extra or None,
            credit=credit,
            unit=self._unit,
            energy_wh=_whole(raw, self._energy),
            purchases=_whole(raw, self._purchases),
            last_purchase=_whole(raw, self._last_purchase),
            alarm_1=_whole(raw, self._alarms[0]),
            alarm_2=_whole(raw, self._alarms[1]),
            power_w=_whole(raw, self._power),
            voltage_dv=_whole(raw, self._voltage),
        )


def meter_plan(profile: ModbusProfile, site_unit: BalanceUnit | None, shape: Shape) -> MeterPlan | None:
    """The plan; None: polls of this shape take the long way."""
    unit = balance_unit(profile, site_unit)
    named = profile.identity is not None and _start(profile.identity.span, shape) is not None
    if profile.kind != "meter" or profile.valid_when or unit is None or named:
        return None
    try:
        return MeterPlan(profile, site_unit, unit, shape)
    except _OddError:
        return None


def _start(span: Span, shape: Shape) -> int | None:
    """Where `span` begins in the row of all registers. It lies in one reply, and the first one that has it counts."""
    start = 0
    for reply in shape:
        if reply.fc == span.fc and reply.addr <= span.addr and span.end <= reply.end:
            return start + span.addr - reply.addr
        start += reply.count
    return None


def _picked(profile: ModbusProfile, shape: Shape) -> dict[str, _Picked]:
    """All that is read, by the names of `profile.points()`. Raises _OddError where something is no plain whole number."""
    fields: dict[str, Field] = dict(profile.fields)
    fields |= {f"extra.{name}": field for name, field in profile.extra.items()}
    fields |= {f"limits.{name}": field for name, field in profile.limits.items()}
    found: dict[str, _Picked] = {}
    for name, field in fields.items():
        if isinstance(field, NotWired):
            continue
        starts = [_start(span, shape) for span in field.spans()]
        if starts and all(start is None for start in starts):
            continue
        if not isinstance(field, Number) or starts[0] is None:
            raise _OddError(name)
        found[name] = _plain(field, 2 * starts[0])
    if not found.keys() & profile.fields.keys():
        raise _OddError("nothing of the event is read")
    return found


def _plain(field: Number, at: int) -> _Picked:
    wide = WIDTHS[field.type] > 1
    if field.byte_swap or field.multiply_by is not None or field.labels or (wide and field.order != "big"):
        raise _OddError
    if len(field.scale.as_tuple().digits) > _DIGITS or field.type not in _PLAIN:
        raise _OddError
    if field.mask is None:
        return _Picked(at, _PLAIN[field.type], field)
    if field.type != "u16" or field.mask not in _BYTES:
        raise _OddError
    return _Picked(at + _BYTES[field.mask], "B", field)


def _format(picked: Iterable[_Picked], size: int) -> str:
    """For struct: the numbers, and bytes between them that nobody asks for. Raises _OddError where two share bytes."""
    text, end = ">", 0
    for at, code, _ in picked:
        if at < end:
            raise _OddError
        text += f"{at - end}x{code}"
        end = at + struct.calcsize(f">{code}")
    return f"{text}{size - end}x"


def _believed(picked: _Picked) -> tuple[int, int, frozenset[int]]:
    """Lowest and highest raw value that is believed, and those between them that are not."""
    field, bits, signed = picked.field, 8 * struct.calcsize(f">{picked.code}"), picked.code.islower()
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    ends = [None if end is None else Fraction(end) / Fraction(field.scale) for end in (field.low, field.high)]
    least, most = ends if field.scale > 0 else reversed(ends)
    low = low if least is None else max(low, ceil(least))
    high = high if most is None else min(high, floor(most))
    never = field.invalid | field.unset  # as unsigned numbers
    return low, high, frozenset(raw - (1 << bits) if signed and raw >> bits - 1 else raw for raw in never)


def _subunits(written: str, site_unit: BalanceUnit | None) -> int | None:
    """Fen of a yuan, or Wh of what `$site` counts; energy of another unit is Wh already."""
    if written == "$site":
        return None if site_unit is None else SUBUNITS[site_unit]
    return SUBUNITS[BalanceUnit.CNY] if written == "CNY" else 1


def _whole(raw: Sequence[int], place: _Place | None) -> int | None:
    if place is None:
        return None
    number, over, under = place
    if under == 1:
        return raw[number] * over
    quotient, rest = divmod(raw[number] * over, under)
    return quotient + (2 * rest > under or (2 * rest == under and quotient & 1 == 1))


def _texts(raw: Sequence[int], shown: Iterable[_Shown]) -> dict[str, Any]:
    return {name: f"{(raw[number] * scale * factor).normalize():f}" for name, number, scale, factor in shown}
