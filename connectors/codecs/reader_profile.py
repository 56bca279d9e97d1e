"""Section `reader` of a profile: the register map of a card reader that decides nothing, and the few points that may be written.

`writable` is the whole of what the hub can ever write to such a device: a coil or a register with the values that it takes.
Pure. Source of the maps: domain/access.md 2.6 and the makers' documents that the profiles name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from connectors.codecs.modbus_fields import Span
from connectors.codecs.profile_error import Problems, ProfileError

READS: Final = (1, 2, 3, 4)
WRITES: Final = {"coil": 5, "register": 6}
READ_BACK: Final = {5: 1, 6: 3}
PACKINGS: Final = ("byte_per_register", "right_aligned")
TONES: Final = ("accept", "reject")
TIMES: Final = {
    "every_ms": (50, 5_000, 250),
    "timeout_ms": (50, 5_000, 500),
    "min_gap_ms": (0, 1_000, 20),
    "max_lateness_ms": (0, 10_000, 1_000),
    "repeat_ms": (200, 30_000, 2_000),
    "stale_after_ms": (500, 60_000, 2_000),
}
"""Name → lowest, highest, usual."""
KEYS: Final = (
    "reads",
    "number",
    "new",
    "sequence",
    "restarted",
    "relays",
    "inputs",
    "tones",
    "writable",
    "doors",
    *TIMES,
)


class Writable(msgspec.Struct, frozen=True):
    """A point that may be written, and the values that it takes. `fc` 5: a coil, 6: a holding register."""

    fc: int
    addr: int
    values: tuple[int, ...]

    @property
    def back(self) -> Span:
        """How it is read back."""
        return Span(READ_BACK[self.fc], self.addr, 1)


class CardRegisters(msgspec.Struct, frozen=True, kw_only=True):
    """Where the card's number stands. `bits`: how many of them, where the reader says; a presence flag of 1 says nothing."""

    span: Span
    packing: str
    bits: Span | None = None


class Flag(msgspec.Struct, frozen=True):
    """A point that is not 0 when it is set; `clear` writes it away."""

    at: Span
    clear: Writable


class ReaderProfile(msgspec.Struct, frozen=True, kw_only=True):
    """`new` or `sequence`: how a card that was not there before is told. All None for a relay module."""

    reads: tuple[Span, ...]
    number: CardRegisters | None
    new: Flag | None
    sequence: Span | None
    restarted: Flag | None
    relays: tuple[Writable, ...]
    inputs: tuple[Span, ...]
    tones: Mapping[str, tuple[Writable, int]]
    every_ms: int
    timeout_ms: int
    min_gap_ms: int
    max_lateness_ms: int
    repeat_ms: int
    stale_after_ms: int

    @property
    def writable(self) -> frozenset[Writable]:
        """Everything that may be written."""
        flags = [flag.clear for flag in (self.new, self.restarted) if flag is not None]
        return frozenset([*self.relays, *flags, *(point for point, _ in self.tones.values())])


def parse(raw: dict[str, Any]) -> ReaderProfile:
    """Raises ProfileError with every mistake."""
    section = raw.get("reader")
    if not isinstance(section, Mapping):
        raise ProfileError([f"reader: a mapping with {', '.join(KEYS[:-1])} is needed"])
    found = _Parser(section)
    profile = found.profile()
    found.problems.raise_if_any()
    return profile


class _Parser:
    """Reads the section; what is wrong is in `problems`."""

    def __init__(self, section: Mapping[str, Any]) -> None:
        self.problems = Problems()
        self._section = section
        self.problems.unknown_keys(section, [key for key in KEYS if key != "doors"], "reader")
        self._writable = self._points(section.get("writable", {}))

    def profile(self) -> ReaderProfile:
        section = self._section
        reads = section.get("reads", [])
        if not isinstance(reads, list) or not reads:
            self.problems.add("reader.reads", "a list of {fc, addr, count} is needed")
            reads = []
        spans = tuple(self._span(each, f"reader.reads[{at}]") for at, each in enumerate(reads))
        number = self._number(section.get("number"))
        new, sequence = self._flag("new"), self._inside("sequence", section.get("sequence"), spans)
        if number is not None and (new is None) == (sequence is None):
            self.problems.add("reader", "exactly one of new and sequence says when a card is another")
        restarted = self._flag("restarted")
        for name, span in (
            ("number", number.span if number else None),
            ("number.bits", number.bits if number else None),
            ("new", new.at if new else None),
            ("restarted", restarted.at if restarted else None),
        ):
            self._covered(name, span, spans)
        return ReaderProfile(
            reads=spans,
            number=number,
            new=new,
            sequence=sequence,
            restarted=restarted,
            relays=self._relays(section.get("relays", [])),
            inputs=self._inputs(section.get("inputs", []), spans),
            tones=self._tones(section.get("tones", {})),
            **{name: self._time(name) for name in TIMES},
        )

    def _time(self, name: str) -> int:
        low, high, usual = TIMES[name]
        value = self._section.get(name, usual)
        if type(value) is not int or not low <= value <= high:
            self.problems.add(f"reader.{name}", f"{value!r}; allowed: {low} to {high}")
            return usual
        return value

    def _span(self, raw: Any, name: str) -> Span:
        given: Mapping[Any, Any] = raw if isinstance(raw, Mapping) else {}
        self.problems.unknown_keys(given, ("fc", "addr", "count", "packing", "bits", "clear"), name)
        fc: Any = given.get("fc")
        addr: Any = given.get("addr")
        count: Any = given.get("count", 1)
        numbers_ = all(type(each) is int for each in (fc, addr, count))
        if not numbers_ or fc not in READS or not 0 <= addr <= 0xFFFF or not 1 <= count <= 125:
            self.problems.add(name, f"{raw!r}; {{fc: 1 to 4, addr: 0 to 65535, count: 1 to 125}} is needed")
            return Span(3, 0, 1)
        return Span(fc, addr, count)

    def _inside(self, name: str, raw: Any, spans: tuple[Span, ...]) -> Span | None:
        if raw is None:
            return None
        span = self._span(raw, f"reader.{name}")
        self._covered(name, span, spans)
        return span

    def _covered(self, name: str, span: Span | None, spans: tuple[Span, ...]) -> None:
        if span is not None and not any(
            each.fc == span.fc and each.addr <= span.addr and span.end <= each.end for each in spans
        ):
            self.problems.add(
                f"reader.{name}", "is in none of the reads: a number that is put together could be two cards'"
            )

    def _number(self, raw: Any) -> CardRegisters | None:
        if raw is None:
            return None
        span = self._span(raw, "reader.number")
        packing = raw.get("packing") if isinstance(raw, Mapping) else None
        if packing not in PACKINGS:
            self.problems.add("reader.number.packing", f"{packing!r}; allowed: {', '.join(PACKINGS)}")
        bits = raw.get("bits") if isinstance(raw, Mapping) else None
        return CardRegisters(
            span=span, packing=str(packing), bits=None if bits is None else self._span(bits, "reader.number.bits")
        )

    def _points(self, raw: Any) -> dict[str, Writable]:
        found: dict[str, Writable] = {}
        for name, point in raw.items() if isinstance(raw, Mapping) else ():
            given = point if isinstance(point, Mapping) else {}
            self.problems.unknown_keys(given, (*WRITES, "values"), f"reader.writable.{name}")
            where = [(fc, given[word]) for word, fc in WRITES.items() if word in given]
            values: Any = given.get("values")
            right = isinstance(values, list) and values and all(type(v) is int and 0 <= v <= 0xFFFF for v in values)
            if len(where) != 1 or type(where[0][1]) is not int or not 0 <= where[0][1] <= 0xFFFF or not right:
                self.problems.add(
                    f"reader.writable.{name}", "{coil or register: address, values: [those it takes]} is needed"
                )
                continue
            if where[0][0] == WRITES["coil"] and not set(values) <= {0, 1}:
                self.problems.add(f"reader.writable.{name}.values", "a coil takes 0 and 1")
                continue
            found[str(name)] = Writable(where[0][0], where[0][1], tuple(values))
        return found

    def _point(self, name: Any, where: str, value: int) -> Writable | None:
        point = self._writable.get(str(name))
        if point is None:
            self.problems.add(where, f"{name!r} is not writable; named there: {', '.join(self._writable) or 'nothing'}")
        elif value not in point.values:
            self.problems.add(where, f"{name!r} does not take {value}")
        else:
            return point
        return None

    def _flag(self, key: str) -> Flag | None:
        raw = self._section.get(key)
        if raw is None:
            return None
        at = self._span(raw, f"reader.{key}")
        name = raw.get("clear") if isinstance(raw, Mapping) else None
        point = self._point(name, f"reader.{key}.clear", 0)
        return None if point is None else Flag(at, point)

    def _relays(self, raw: Any) -> tuple[Writable, ...]:
        if not isinstance(raw, list):
            self.problems.add("reader.relays", "a list of writable points is needed")
            return ()
        points = [self._point(name, "reader.relays", value) for name in raw for value in (0, 1)]
        return tuple(point for point in points[::2] if point is not None)

    def _inputs(self, raw: Any, spans: tuple[Span, ...]) -> tuple[Span, ...]:
        if not isinstance(raw, list):
            self.problems.add("reader.inputs", "a list of {fc, addr} is needed")
            return ()
        found = tuple(self._span(each, f"reader.inputs[{at}]") for at, each in enumerate(raw))
        for at, span in enumerate(found):
            self._covered(f"inputs[{at}]", span, spans)
        return found

    def _tones(self, raw: Any) -> dict[str, tuple[Writable, int]]:
        found: dict[str, tuple[Writable, int]] = {}
        for tone, told in raw.items() if isinstance(raw, Mapping) else ():
            if tone not in TONES or not isinstance(told, list) or len(told) != 2 or type(told[1]) is not int:
                self.problems.add(f"reader.tones.{tone}", f"{{{', '.join(TONES)}}}: [writable point, value] is needed")
            elif (point := self._point(told[0], f"reader.tones.{tone}", told[1])) is not None:
                found[str(tone)] = (point, told[1])
        return found
