"""Bytes of a device → a JSON object, or a Refusal that says exactly why not.

Fractions become Decimal from the literal's own text: a float never comes into being, so money stays exact. The fast way
is msgspec; it takes the last of duplicate keys silently, so the keys are counted against the text, and only where the
count differs is the text read a second time by a slow and strict reader (domain/reliability.md P17, P18).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

import msgspec

from connectors.codecs.refusal import Refusal, shown
from hub.vocabulary.rejected import RejectReason

MAX_BYTES: Final = 256 * 1024
"""The largest payload that a device may send; the largest of the known formats is under 4 kB."""

MAX_DEPTH: Final = 16
"""Deepest nesting; the known formats have at most 3."""

MAX_INT: Final = 2**63 - 1
MIN_INT: Final = -(2**63)

_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
_SPACED_COLON: Final = re.compile(rb'"[ \n\t\r]+:')


def read_object(payload: bytes) -> dict[str, Any]:
    """The object in `payload`. Raises Refusal with the reason's word."""
    if len(payload) > MAX_BYTES:
        raise Refusal(RejectReason.TOO_LARGE, f"{len(payload)} bytes; at most {MAX_BYTES} are allowed")
    try:
        value = _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError, ValueError) as error:
        _diagnose(payload, error)
    if type(value) is not dict:
        raise Refusal(RejectReason.WRONG_TYPE, f"payload is {kind_of(value)}; an object {{…}} is needed")
    flat = payload.count(b"{") == 1 and b"[" not in payload
    if payload.count(b'":') != (len(value) if flat else _count_keys(value, 1)) or _SPACED_COLON.search(payload):
        _read_strictly(payload)
    if b"\\u0000" in payload:
        _refuse_nul(value)
    return value


def _count_keys(value: dict[str, Any], depth: int) -> int:
    """Distinct keys in the whole tree; Refusal when it is nested too deeply."""
    count = len(value)
    for item in value.values():
        kind = type(item)
        if kind is dict or kind is list:
            count += _count_below(item, depth + 1)
    return count


def _count_below(value: Any, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise Refusal(RejectReason.TOO_DEEP, f"nested more than {MAX_DEPTH} deep")
    if type(value) is dict:
        return _count_keys(value, depth)
    return sum(_count_below(item, depth + 1) for item in value if type(item) in {dict, list})


def _diagnose(payload: bytes, error: Exception) -> NoReturn:
    """Why the fast reader failed, as one word."""
    if not payload.strip():
        raise Refusal(RejectReason.EMPTY, "no payload") from error
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError as bad:
        raise Refusal(RejectReason.NOT_UTF8, f"byte {bad.start} is not UTF-8: {bad.reason}") from error
    if isinstance(error, RecursionError):
        raise Refusal(RejectReason.TOO_DEEP, f"nested more than {MAX_DEPTH} deep") from error
    if isinstance(error, InvalidOperation):
        raise Refusal(RejectReason.NUMBER_OUT_OF_RANGE, "a number's exponent is beyond all bounds") from error
    _read_strictly(payload)
    raise Refusal(RejectReason.NOT_JSON, str(error)) from error


def _read_strictly(payload: bytes) -> None:
    """Read again with Python's own parser, which shows every key, number and word; Refusal where one is wrong."""
    try:
        value = json.loads(
            payload.decode("utf-8"),
            object_pairs_hook=_no_duplicates,
            parse_constant=_not_finite,
            parse_int=_whole_number,
            parse_float=str,
        )
    except json.JSONDecodeError as error:
        raise Refusal(RejectReason.NOT_JSON, f"{error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise Refusal(RejectReason.TOO_DEEP, f"nested more than {MAX_DEPTH} deep") from error
    _refuse_lone_surrogates(value)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1}) if len(names) < 1000 else ["(many)"]
        raise Refusal(RejectReason.DUPLICATE_KEY, f"more than once in one object: {', '.join(map(shown, twice))}")
    return found


def _not_finite(word: str) -> NoReturn:
    raise Refusal(RejectReason.NOT_FINITE, f"{word} is not a number of JSON")


def _whole_number(digits: str) -> int:
    if len(digits) > 20 or not MIN_INT <= int(digits) <= MAX_INT:
        raise Refusal(
            RejectReason.NUMBER_OUT_OF_RANGE, f"a whole number of {len(digits)} digits; at most 64 bits are read"
        )
    return int(digits)


def _strings(value: Any) -> Iterable[str]:
    """Every string and key of the tree."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            yield from item
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _refuse_lone_surrogates(value: Any) -> None:
    for text in _strings(value):
        if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            raise Refusal(RejectReason.BAD_TEXT, "half of a surrogate pair stands alone")


def _refuse_nul(value: Any) -> None:
    for text in _strings(value):
        if "\0" in text:
            raise Refusal(RejectReason.BAD_TEXT, f"NUL character in {shown(text)}")


def kind_of(value: Any) -> str:
    """What JSON calls this value, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | Decimal):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"


def plain(value: Any, path: str) -> Any:
    """A value that the profile does not name, in a form that every store and JSON writer takes; Refusal where none is."""
    kind = type(value)
    if kind is Decimal:
        number = float(value)
        if number in {float("inf"), float("-inf")}:
            raise Refusal(RejectReason.NOT_FINITE, "a number beyond all bounds", path)
        return number
    if kind is int and not MIN_INT <= value <= MAX_INT:
        raise Refusal(RejectReason.NUMBER_OUT_OF_RANGE, "more than 64 bits", path)
    if kind is dict:
        return {key: plain(item, f"{path}.{key}") for key, item in value.items()}
    if kind is list:
        return [plain(item, path) for item in value]
    return value
