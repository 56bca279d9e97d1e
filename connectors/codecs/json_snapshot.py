"""Transform `base64_snapshot`: bytes of a device in base64, read by a layout that is data, and kept beside the event.

A snapshot is evidence and never vetoes anything: real ones contradict their own documentation (domain/elevator.md 2.7),
so each value is checked against what is plausible, doubts are written down, and the raw text is always kept.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec

from connectors.codecs.profile_error import Problems
from connectors.codecs.refusal import shown

TYPES: Final = {"u8": 1, "i8": 1, "u16": 2, "i16": 2, "u32": 4, "i32": 4}
"""Little-endian integers and their sizes in bytes."""

MAX_SNAPSHOT_TEXT: Final = 4_096


class SnapshotField(msgspec.Struct, frozen=True, kw_only=True):
    """One value in the snapshot. `low` … `high` and `words` are what the documentation allows."""

    name: str
    offset: int
    type: str
    words: Mapping[int, str] | None = None
    low: int | None = None
    high: int | None = None
    divide: int = 1


Layout: TypeAlias = tuple[SnapshotField, ...]


def read_snapshot(value: Any, layout: Layout) -> dict[str, Any]:
    """`{raw, fields, doubts}`; never raises."""
    if not isinstance(value, str):
        return {"raw": shown(value), "doubts": ["not base64 text"]}
    if len(value) > MAX_SNAPSHOT_TEXT:
        return {"raw": value, "doubts": [f"{len(value)} characters; at most {MAX_SNAPSHOT_TEXT} are read"]}
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        return {"raw": value, "doubts": [f"not base64: {error}"]}
    fields: dict[str, Any] = {}
    doubts: list[str] = []
    for field in layout:
        part = content[field.offset : field.offset + TYPES[field.type]]
        if len(part) == TYPES[field.type]:
            fields[field.name] = _read(field, int.from_bytes(part, "little", signed=field.type[0] == "i"), doubts)
    if len(content) < max((field.offset + TYPES[field.type] for field in layout), default=0):
        doubts.append(f"{len(content)} bytes: shorter than the layout")
    return {"raw": value, "fields": fields, "doubts": doubts}


def _read(field: SnapshotField, number: int, doubts: list[str]) -> Any:
    if field.words is not None:
        if number not in field.words:
            doubts.append(f"{field.name} {number}: documented are {', '.join(map(str, field.words))}")
            return number
        return field.words[number]
    if (field.low is not None and number < field.low) or (field.high is not None and number > field.high):
        doubts.append(f"{field.name} {number}: plausible are {field.low} … {field.high}")
    return number if field.divide == 1 else number / field.divide


def parse_layout(raw: Any, path: str, problems: Problems) -> Layout:
    """Read a layout of a profile: `[{name, offset, type, words?, range?, divide?}]`."""
    if not isinstance(raw, list) or not raw:
        problems.add(path, "a list of {name, offset, type, words, range, divide} is needed")
        return ()
    return tuple(
        field
        for index, item in enumerate(raw)
        if (field := _parse_field(item, f"{path}[{index}]", problems)) is not None
    )


def _parse_field(raw: Any, path: str, problems: Problems) -> SnapshotField | None:
    if not isinstance(raw, Mapping):
        problems.add(path, "a mapping with name, offset, type is needed")
        return None
    problems.unknown_keys(raw, ("name", "offset", "type", "words", "range", "divide"), path)
    words, limits, divide = raw.get("words"), raw.get("range", [None, None]), raw.get("divide", 1)
    for name, right, allowed in (
        ("name", isinstance(raw.get("name"), str), "a text"),
        ("offset", type(raw.get("offset")) is int and 0 <= raw["offset"] < 1024, "a whole number, 0 … 1023"),
        ("type", raw.get("type") in TYPES, ", ".join(TYPES)),
        (
            "words",
            words is None or (isinstance(words, Mapping) and all(type(key) is int for key in words)),
            "number: text",
        ),
        ("range", isinstance(limits, list) and len(limits) == 2, "[lowest, highest]"),
        ("divide", type(divide) is int and divide > 0, "a whole number over 0"),
    ):
        if not right:
            problems.add(f"{path}.{name}", f"{raw.get(name)!r}; allowed: {allowed}")
            return None
    return SnapshotField(
        name=raw["name"],
        offset=raw["offset"],
        type=raw["type"],
        words=words and {key: str(word) for key, word in words.items()},
        low=limits[0],
        high=limits[1],
        divide=divide,
    )
