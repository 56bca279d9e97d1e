"""Is each meter what its profile and site file say? What its display shows is compared with what its registers say.

Pure. A difference is explained where it can be: another unit, scale, word order or sign, or another meter's values. What a
maintainer must keep: an explanation has to fit the display as closely as the right reading would; near nothing every scale
fits, and then the report says that nothing is proved.
Source: domain/meters.md 7 nos. 2, 6, 7, 20.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from connectors.codecs.modbus_events import credit_of
from connectors.codecs.modbus_fields import WIDTHS, Number
from connectors.codecs.modbus_profile import ModbusProfile
from connectors.codecs.modbus_values import Image, value_of
from hub.vocabulary.displays import Displayed
from hub.vocabulary.events import MeterReading
from hub.vocabulary.units import SUBUNITS, BalanceUnit, credit_text, kwh_text

Meter: TypeAlias = tuple[str, str]
"""(site, device)."""

SCALES: Final = tuple(Decimal(10) ** power for power in (-3, -2, -1, 1, 2, 3))
SLACK: Final = {"balance": (Decimal(1), Decimal("0.01")), "total": (Decimal(1), Decimal("0.001"))}
"""What is used between the look at the display and the reading: so much at least, and this share of what is shown."""

ENOUGH_OF_A_SERIAL: Final = 6
RATIO: Final = "ct"
"""Name under `extra` of a current transformer's ratio."""

CLOSE: Final = Decimal("0.05")
"""So close an explanation has to come, as a share of what is shown."""

SIGNS: Final = {"u16": "i16", "i16": "u16", "u32": "i32", "i32": "u32", "u64": "i64", "i64": "u64"}


class Live(msgspec.Struct, frozen=True):
    """One meter as it was read: the event, and the registers with their meaning. `site_unit`: what the site file says."""

    reading: MeterReading
    image: Image
    profile: ModbusProfile
    site_unit: BalanceUnit | None


class Judgement(NamedTuple):
    """One line of the report. `cause`: `agrees`, `scale_not_proved`, or what is wrong."""

    ok: bool
    meter: Meter
    cause: str
    text: str


def compare(shown: Mapping[Meter, Displayed], live: Mapping[Meter, Live]) -> list[Judgement]:
    """Every meter that somebody has looked at, in the sheet's order."""
    return [_judged(meter, displayed, shown, live) for meter, displayed in shown.items()]


def unit_trouble(live: Live) -> str | None:
    """What the meter itself says against the site file; None: nothing."""
    said, written = live.reading.unit, live.site_unit
    if written is None or said is written:
        return None
    return f"the meter counts in {said}, balance_unit in the site file says {written}"


def _judged(
    meter: Meter, displayed: Displayed, shown: Mapping[Meter, Displayed], live: Mapping[Meter, Live]
) -> Judgement:
    mine = live.get(meter)
    if mine is None:
        text = "was not read here; one that reports by itself is compared with GET /api/v1/meters/{id}"
        return Judgement(False, meter, "not_read", text)
    facts = _beside(displayed, mine)
    wrong = _wrong(displayed, mine)
    if not wrong:
        if _wrong_unit(displayed, mine):
            text = f"{facts}: the number is right, but counted in {displayed.unit}: balance_unit or profile is wrong"
            return Judgement(False, meter, "wrong_unit", text)
        if _scale_is_open(displayed, mine):
            return Judgement(True, meter, "scale_not_proved", f"{facts}: fits, but is too little to prove the scale")
        return Judgement(True, meter, "agrees", f"{facts}: agrees")
    other = _other(meter, displayed, shown, live)
    if other is not None and other.certain:
        return Judgement(False, meter, "swapped", f"{facts}: {other.text}")
    cause, why = next((found for name in wrong if (found := _explained(name, displayed, mine))), ("", ""))
    if cause:
        return Judgement(False, meter, cause, f"{facts}: {why}")
    if other is not None:
        return Judgement(False, meter, "swapped", f"{facts}: {other.text}")
    if wrong == ["serial"]:
        return Judgement(False, meter, "other_meter", f"{facts}: another meter answers at this address")
    text = f"{facts}: neither unit, scale, word order, sign nor another meter on the sheet explains it"
    return Judgement(False, meter, "differs", text)


def _beside(displayed: Displayed, live: Live) -> str:
    """Both, side by side."""
    reading, parts = live.reading, []
    if displayed.balance is not None:
        unit = f" {displayed.unit}" if displayed.unit else ""
        read = "unknown" if reading.credit is None else f"{credit_text(reading.credit, reading.unit)} {reading.unit}"
        parts.append(f"balance: display {displayed.balance}{unit}, read {read}")
    if displayed.total_kwh is not None:
        read = "unknown" if reading.energy_wh is None else f"{kwh_text(reading.energy_wh)} kWh"
        parts.append(f"total: display {displayed.total_kwh} kWh, read {read}")
    if displayed.serial is not None:
        parts.append(f"serial: display {displayed.serial}, read {reading.serial or 'unknown'}")
    return "; ".join(parts)


# --- does it fit ----------------------------------------------------------------------------------------------


def _wrong(displayed: Displayed, live: Live) -> list[str]:
    """What differs, of what was looked at: `balance`, `total`, `serial`."""
    reading = live.reading
    found = []
    if displayed.balance is not None and not _fits("balance", displayed.balance, _credit(reading)):
        found.append("balance")
    if displayed.total_kwh is not None and not _fits("total", displayed.total_kwh, _energy(reading)):
        found.append("total")
    if displayed.serial is not None and reading.serial is not None and not _same(displayed.serial, reading.serial):
        found.append("serial")
    return found


def _fits(name: str, shown: Decimal, read: Decimal | None) -> bool:
    least, share = SLACK[name]
    return read is not None and abs(shown - read) <= max(least, abs(shown) * share)


def _explains(name: str, shown: Decimal, otherwise: Decimal) -> bool:
    """Whether the display shows what the registers would be otherwise: by chance, more than that would fit a small number."""
    return _fits(name, shown, otherwise) and abs(shown - otherwise) <= abs(shown) * CLOSE


def _shows(displayed: Displayed, live: Live) -> bool:
    """Whether the display shows what this other meter answers, and not only by chance."""
    pairs = (
        ("balance", displayed.balance, _credit(live.reading)),
        ("total", displayed.total_kwh, _energy(live.reading)),
    )
    return not _wrong(displayed, live) and any(
        shown is not None and read is not None and _explains(name, shown, read) for name, shown, read in pairs
    )


def _same(shown: str, read: str) -> bool:
    """The printed number may be a part of what the registers hold, or the other way round; a few digits prove nothing."""
    texts = [text.replace(" ", "").replace("-", "").casefold() for text in (shown, read)]
    shorter, longer = sorted(texts, key=len)
    return shorter == longer or (len(shorter) >= ENOUGH_OF_A_SERIAL and shorter in longer)


def _wrong_unit(displayed: Displayed, live: Live) -> bool:
    return displayed.balance is not None and displayed.unit is not None and displayed.unit is not live.reading.unit


def _scale_is_open(displayed: Displayed, live: Live) -> bool:
    """Whether ten times more or less would have fitted as well."""
    pairs = (
        ("balance", displayed.balance, _credit(live.reading)),
        ("total", displayed.total_kwh, _energy(live.reading)),
    )
    return any(
        shown is not None and read is not None and any(_fits(name, shown, read * scale) for scale in SCALES)
        for name, shown, read in pairs
    )


def _credit(reading: MeterReading) -> Decimal | None:
    return None if reading.credit is None else Decimal(reading.credit) / SUBUNITS[reading.unit]


def _energy(reading: MeterReading) -> Decimal | None:
    return None if reading.energy_wh is None else Decimal(reading.energy_wh) / SUBUNITS[BalanceUnit.KWH]


# --- what explains it -----------------------------------------------------------------------------------------


def _explained(name: str, displayed: Displayed, live: Live) -> tuple[str, str] | None:
    """Cause and sentence; None: nothing that is known here."""
    shown = {"balance": displayed.balance, "total": displayed.total_kwh}.get(name)
    if shown is None:
        return None
    read = _credit(live.reading) if name == "balance" else _energy(live.reading)
    if read is not None:
        for scale in SCALES:
            if _explains(name, shown, read * scale):
                return "wrong_scale", f"{name} is off by a factor of {1 / scale:f}: the scale in the profile is wrong"
    if name == "total" and read is not None and (by_ratio := _ratio(shown, read, live)):
        return by_ratio
    for cause, why, value in _otherwise("balance" if name == "balance" else "energy", live):
        if _explains(name, shown, value):
            return cause, f"{name} would be {value.normalize():f} {why}"
    return None


def _ratio(shown: Decimal, read: Decimal, live: Live) -> tuple[str, str] | None:
    """A transformer's ratio that is multiplied where the display does not, or the other way round (meters.md 7 no. 20)."""
    ratio = Decimal(str((live.reading.extra or {}).get(RATIO, 1)))
    if ratio > 1 and _explains("total", shown, read / ratio):
        return "wrong_ratio", f"the display does not multiply by the ratio {ratio}, the profile does"
    if ratio > 1 and _explains("total", shown, read * ratio):
        return "wrong_ratio", f"the display multiplies by the ratio {ratio}, the profile does not"
    return None


def _otherwise(field_name: str, live: Live) -> Iterator[tuple[str, str, Decimal]]:
    """The same registers taken in other ways: cause, how, and the number that comes out in the display's unit."""
    field = live.profile.fields.get(field_name)
    if not isinstance(field, Number):
        return
    plain = replace(field, low=None, high=None, invalid=frozenset(), unset=frozenset())
    other_order = "little" if field.order == "big" else "big"
    ways = (
        [("wrong_sign", f"as {SIGNS[field.type]}", replace(plain, type=SIGNS[field.type]))]
        if field.type in SIGNS
        else []
    )
    if WIDTHS[field.type] > 1:
        ways.append(("wrong_word_order", f"with order: {other_order}", replace(plain, order=other_order)))
    swapped = not field.byte_swap
    ways.append(("wrong_word_order", f"with byte_swap: {swapped}".lower(), replace(plain, byte_swap=swapped)))
    ways.append(
        (
            "wrong_word_order",
            f"with order: {other_order} and byte_swap: {swapped}".lower(),
            replace(plain, order=other_order, byte_swap=swapped),
        )
    )
    for cause, how, way in ways:
        found = value_of(way, live.image)
        if isinstance(found, Decimal):
            yield cause, how, _as_shown(found, field, live)


def _as_shown(value: Decimal, field: Number, live: Live) -> Decimal:
    unit = live.reading.unit
    if field.unit in {"CNY", "$site"}:
        credit = credit_of(value, field.unit, live.site_unit) or 0
        return Decimal(credit) / SUBUNITS[unit]
    return value / SUBUNITS[BalanceUnit.KWH]


class _Other(NamedTuple):
    """Another meter whose registers hold what this display shows. `certain`: by its number, or each holds the other's."""

    certain: bool
    text: str


def _other(
    meter: Meter, displayed: Displayed, shown: Mapping[Meter, Displayed], live: Mapping[Meter, Live]
) -> _Other | None:
    found: _Other | None = None
    for other, its in live.items():
        if other == meter or _wrong(displayed, its):
            continue
        theirs = shown.get(other)
        both = theirs is not None and not _wrong(theirs, live[meter])
        numbered = displayed.serial is not None and its.reading.serial is not None
        name = other[1] if other[0] == meter[0] else "/".join(other)
        text = f"that is what {name} answers: unit ids or places are swapped"
        if both or numbered:
            return _Other(True, text)
        if _shows(displayed, its):
            found = found or _Other(False, text)
    return found
