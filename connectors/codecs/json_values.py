"""Values of a payload → values of an event, strictly: a boolean is no number, '12' is no number, a number is no text.

Each kind compiles a profile's field into one function of the value. Numbers stay integers or Decimal until the unit of
the vocabulary is reached; only quantities that are no money (speed, load, seconds) end as floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import Any, Final, TypeAlias

import msgspec

from connectors.codecs.json_text import kind_of, plain
from connectors.codecs.refusal import Refusal, shown
from hub.vocabulary.events import CardNumber
from hub.vocabulary.rejected import RejectReason

Convert: TypeAlias = Callable[[Any], Any]

ONE: Final = Decimal(1)
MAX_CARDS: Final = 20_000
MAX_CARD_DOORS: Final = 512


class Adjust(msgspec.Struct, frozen=True):
    """What a profile may say about a field's value."""

    map: Mapping[Any, Any] | None = None  # the device's value → ours
    otherwise: Any = msgspec.UNSET  # for a value that `map` does not hold; unset: refused
    scale: Decimal | None = None  # device's number × scale = ours
    low: Decimal | None = None  # plausible, in the device's unit
    high: Decimal | None = None
    strip_zeros: bool = False  # '04' is code '4'
    number_too: bool = False  # text may come as a whole number


def wrong(value: Any, needed: str) -> Refusal:
    """The value has the wrong type."""
    return Refusal(RejectReason.WRONG_TYPE, f"{kind_of(value)}; {needed} is needed")


def _unknown(value: Any, allowed: object) -> Refusal:
    return Refusal(RejectReason.UNKNOWN_VALUE, f"{shown(value)} is not known; allowed: {allowed}")


# --- words and truth --------------------------------------------------------------------------------------


def mapped(table: Mapping[Any, Any], otherwise: Any, strip_zeros: bool = False) -> Convert:
    """A function from the device's value to ours by a table; keys are text, whole numbers or booleans, never mixed up."""
    kinds = frozenset(type(key) for key in table)
    allowed = ", ".join(str(key) for key in table)
    needed = " or ".join(sorted(_NAMES[kind] for kind in kinds))

    def convert(value: Any) -> Any:
        if type(value) not in kinds:
            if type(value) is int and strip_zeros:
                value = str(value)
            else:
                raise wrong(value, needed)
        if strip_zeros:
            value = value.lstrip("0") or "0"
        try:
            return table[value]
        except KeyError:
            if otherwise is msgspec.UNSET:
                raise _unknown(value, allowed) from None
            return otherwise

    return convert


_NAMES: Final = {str: "a string", int: "a whole number", bool: "true or false"}


def compile_words(words: type[StrEnum], adjust: Adjust) -> Convert:
    """One word of an enum: by the profile's map, else the word itself."""
    if adjust.map is not None:
        return mapped(adjust.map, adjust.otherwise, adjust.strip_zeros)
    return mapped({word.value: word for word in words}, adjust.otherwise)


def compile_word_list(words: type[StrEnum], adjust: Adjust, longest: int, single_too: bool) -> Convert:
    """Several words as a tuple; what the map makes None is left out, and a null is the word `unknown` where there is one."""
    known = compile_words(words, adjust)
    unknown = words("unknown") if "unknown" in {word.value for word in words} else None

    def one(value: Any) -> Any:
        return unknown if value is None and unknown is not None else known(value)

    def convert(value: Any) -> Any:
        if type(value) is not list:
            if not single_too:
                raise wrong(value, "a list")
            value = [value]
        if not value and single_too:
            raise Refusal(RejectReason.UNKNOWN_VALUE, "an empty list; at least one value is needed")
        if len(value) > longest:
            raise Refusal(RejectReason.IMPLAUSIBLE, f"{len(value)} values; at most {longest}")
        return tuple(item for item in map(one, value) if item is not None)

    return convert


def compile_first_of_list(words: type[StrEnum], adjust: Adjust) -> Convert:
    """The first value of a list (or the single value) that the map knows; None where there is none."""
    one = compile_words(words, adjust)

    def convert(value: Any) -> Any:
        items = value if type(value) is list else [value]
        return next((word for word in map(one, items) if word is not None), None)

    return convert


def compile_truth(adjust: Adjust) -> Convert:
    """True or False; numbers only where the profile gives their polarity."""
    return mapped(adjust.map if adjust.map is not None else {True: True, False: False}, adjust.otherwise)


# --- text -------------------------------------------------------------------------------------------------


def text_of(value: Any, longest: int, number_too: bool = False) -> str:
    """Text within `longest` characters; a whole number only where it may stand for text."""
    if type(value) is not str:
        if not number_too or type(value) is not int:
            raise wrong(value, "a string or whole number" if number_too else "a string")
        value = str(plain(value, ""))
    if len(value) > longest:
        raise Refusal(RejectReason.BAD_TEXT, f"{len(value)} characters; at most {longest}")
    return str(value)


def id_text(value: Any, longest: int) -> str:
    """An identifier: text or whole number, never empty."""
    text = text_of(value, longest, number_too=True)
    if not text.strip():
        raise Refusal(RejectReason.BAD_TEXT, "empty; an identifier is needed")
    return text


def compile_text(longest: int, adjust: Adjust) -> Convert:
    """Text as it came."""
    return lambda value: text_of(value, longest, adjust.number_too)


def compile_name(longest: int, adjust: Adjust) -> Convert:
    """Text that must not be empty, because something is found by it."""

    def convert(value: Any) -> str:
        text = text_of(value, longest, adjust.number_too)
        if not text.strip():
            raise Refusal(RejectReason.BAD_TEXT, "empty; a name is needed")
        return text

    return convert


def compile_code(longest: int, adjust: Adjust) -> Convert:
    """A vendor's code, or several, as text: kept as evidence."""

    def convert(value: Any) -> str:
        if type(value) is list:
            return text_of(",".join(text_of(item, longest, number_too=True) for item in value[:longest]), longest)
        return text_of(value, longest, number_too=True)

    return convert


# --- numbers ----------------------------------------------------------------------------------------------


class Bounds(msgspec.Struct, frozen=True, gc=False):
    """What a number may be: within `hard` (storable), and within what the profile calls plausible."""

    hard: tuple[Decimal, Decimal]
    plausible: tuple[Decimal | None, Decimal | None]

    def tightest(self) -> tuple[Decimal, Decimal]:
        """The range in which nothing is wrong: one look in the good case."""
        low, high = self.plausible
        return max(self.hard[0], self.hard[0] if low is None else low), min(
            self.hard[1], self.hard[1] if high is None else high
        )

    def refusal(self, value: Any) -> Refusal:
        """Why a number outside of `tightest` is refused."""
        low, high = self.plausible
        if (low is not None and value < low) or (high is not None and value > high):
            return Refusal(RejectReason.IMPLAUSIBLE, f"plausible: {low} … {high}")
        return Refusal(RejectReason.NUMBER_OUT_OF_RANGE, f"beyond {self.hard[0]} … {self.hard[1]}")


def compile_integer(low: int, high: int, adjust: Adjust) -> Convert:
    """A whole number in our unit; with `scale` from a fraction in the device's, half to even."""
    scale = ONE if adjust.scale is None else adjust.scale
    bounds = Bounds((low / scale, high / scale), (adjust.low, adjust.high))
    least, most = bounds.tightest()
    lowest, highest = math.ceil(least), math.floor(most)

    def whole(value: Any) -> int:
        if type(value) is not int:
            raise wrong(value, "a whole number")
        if not lowest <= value <= highest:
            raise bounds.refusal(value)
        return value

    def scaled(value: Any) -> int:
        if type(value) is not Decimal and type(value) is not int:
            raise wrong(value, "a number")
        if not least <= value <= most:
            raise bounds.refusal(value)
        return int((value * scale).to_integral_value(ROUND_HALF_EVEN))

    return whole if adjust.scale is None else scaled


def compile_real(low: float, high: float, adjust: Adjust) -> Convert:
    """A quantity that is no money."""
    bounds = Bounds((Decimal(str(low)), Decimal(str(high))), (adjust.low, adjust.high))
    least, most = bounds.tightest()
    scale = float(adjust.scale) if adjust.scale is not None else 1.0

    def convert(value: Any) -> float:
        if type(value) is not Decimal and type(value) is not int:
            raise wrong(value, "a number")
        if not least <= value <= most:
            raise bounds.refusal(value)
        return float(value) * scale

    return convert


# --- cards ------------------------------------------------------------------------------------------------


def card_number(value: Any) -> CardNumber:
    """`{format, value}`; leading zeros are significant, so a number is refused."""
    if type(value) is not dict:
        raise wrong(value, "an object {format, value}")
    parts = []
    for name in ("format", "value"):
        if name not in value:
            raise Refusal(RejectReason.MISSING_FIELD, "missing", name)
        try:
            text = text_of(value[name], 64)
        except Refusal as refusal:
            raise Refusal(refusal.reason, refusal.detail, name) from None
        if not text:
            raise Refusal(RejectReason.BAD_TEXT, "empty", name)
        parts.append(text)
    return CardNumber(parts[0], parts[1])


def card_list(value: Any) -> tuple[dict[str, Any], ...]:
    """What an access controller holds: `[{format, value, doors}]`."""
    if type(value) is not list:
        raise wrong(value, "a list of {format, value, doors}")
    if len(value) > MAX_CARDS:
        raise Refusal(RejectReason.IMPLAUSIBLE, f"{len(value)} cards; at most {MAX_CARDS}")
    return tuple(_card_with_doors(item, f"[{index}]") for index, item in enumerate(value))


def _card_with_doors(item: Any, path: str) -> dict[str, Any]:
    try:
        card = card_number(item)
        doors = item.get("doors", [])
        if type(doors) is not list or len(doors) > MAX_CARD_DOORS:
            raise Refusal(RejectReason.WRONG_TYPE, f"a list of at most {MAX_CARD_DOORS} door ids is needed", "doors")
        names = [text_of(door, 64, number_too=True) for door in doors]
    except Refusal as refusal:
        raise Refusal(refusal.reason, refusal.detail, f"{path}.{refusal.path}".rstrip(".")) from None
    rest = {key: plain(extra, path) for key, extra in item.items() if key not in {"format", "value", "doors"}}
    return {"format": card.format, "value": card.value, "doors": names, **rest}
