"""What a look at a card reader means: a card that was not there before, one that is still held, one that nobody can date.

Pure: registers and a monotonic time in, findings out. What a maintainer must keep: whatever stood in the reader when nobody
looked (start, broken bus, its own restart) is never fresh, because it has no time stamp and could open a door hours later.
Number and reset flag come in two replies: a restart between them is seen one look before the card that it found lying there.
Source: domain/access.md 2.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from connectors.codecs.modbus_fields import Span
from connectors.codecs.modbus_values import Segment
from connectors.codecs.reader_profile import ReaderProfile

ROUND: Final = 0x10000
LEAP: Final = 1_000
"""A sequence number that jumps further was reset: the reader has restarted."""
PRESENCE: Final = 1
"""A bit count of 1 says only that there is a card (listen mode)."""


class Card(msgspec.Struct, frozen=True):
    """A card that was presented: its registers as they came, and how many bits the reader says; None: it does not."""

    registers: tuple[int, ...]
    bits: int | None
    fresh: bool


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What one look found. `clear`: the reader's flag stands and has to be cleared before it can read the next card."""

    card: Card | None = None
    missed: int = 0  # cards that came and went between two looks
    restarted: bool = False
    clear: bool = False


class ReaderWatch:
    """Remembers one reader. Times are monotonic milliseconds."""

    def __init__(self, profile: ReaderProfile) -> None:
        self._profile = profile
        self._looked_at: int | None = None
        self._restarted = False  # the look before saw a restart, maybe only after it had read the number
        self._last: tuple[int, ...] | None = None
        self._last_at = 0
        self._sequence: int | None = None
        self._there = False
        self._listens = False  # the reader says when a card leaves

    def look(self, segments: Sequence[Segment], now: int) -> Look:
        """The meaning of what was read at `now`."""
        profile = self._profile
        restarted = profile.restarted is not None and bool(registers_at(segments, profile.restarted.at)[0])
        gap = self._looked_at is None or now - self._looked_at > profile.stale_after_ms
        doubtful = gap or restarted or self._restarted
        self._looked_at, self._restarted = now, restarted
        if profile.number is None:
            return Look(restarted=restarted)
        registers = registers_at(segments, profile.number.span)
        bits = None if profile.number.bits is None else registers_at(segments, profile.number.bits)[0]
        if profile.new is not None:
            flag = bool(registers_at(segments, profile.new.at)[0])
            return self._flagged(registers, bits, flag, fresh=not doubtful, restarted=restarted, now=now)
        assert profile.sequence is not None
        return self._counted(registers, bits, registers_at(segments, profile.sequence)[0], gap=gap, now=now)

    def _flagged(
        self, registers: tuple[int, ...], bits: int | None, flag: bool, *, fresh: bool, restarted: bool, now: int
    ) -> Look:
        if not flag:
            return Look(restarted=restarted)
        # Held: the reader sets its flag again and again; seen at every look, it stays the same presentation.
        held = self._last == registers and now - self._last_at < self._profile.repeat_ms
        self._last, self._last_at = registers, now
        return Look(card=None if held else Card(registers, bits, fresh), restarted=restarted, clear=True)

    def _counted(self, registers: tuple[int, ...], bits: int | None, sequence: int, *, gap: bool, now: int) -> Look:
        before, there = self._sequence, self._there
        self._sequence, self._there = sequence, any(registers) and bits != 0
        self._listens = self._listens or bits in {0, PRESENCE}
        if before is None or sequence == before:
            return Look()  # what stood there at the first look has no time at all
        steps = (sequence - before) % ROUND
        restarted = steps > LEAP
        missed = 0 if restarted else self._missed(steps, there)
        if not self._there:
            return Look(restarted=restarted, missed=missed)
        held = self._last == registers and now - self._last_at < self._profile.repeat_ms and not gap
        self._last, self._last_at = registers, now
        card = None if held else Card(registers, bits, fresh=not (gap or restarted))
        return Look(card=card, missed=missed, restarted=restarted)

    def _missed(self, steps: int, there: bool) -> int:
        """Cards that nobody saw. In listen mode a card that leaves is a step of its own, in polling mode it is none."""
        if not self._listens:
            return steps - 1
        return (steps - (there != self._there)) // 2 - (there and self._there and steps > 1)


def number_of(card: Card, profile: ReaderProfile, bits: int) -> str:
    """The card's bits as hex of full length, in the reader's order of bytes. Raises ValueError with why it is no number."""
    assert profile.number is not None
    if profile.number.packing == "byte_per_register":
        return _bytes(card.registers, bits)
    value = int.from_bytes(b"".join(each.to_bytes(2, "big") for each in card.registers), "big")
    said = card.bits if card.bits not in {None, PRESENCE} else bits
    if said == bits + 2:
        value, said = _without_parity(value, bits), bits
    if said != bits:
        raise ValueError(f"the reader says {said} bits, the site file says {bits}")
    if value >> bits:
        raise ValueError(f"more than {bits} bits")
    return f"{value:0{-(-bits // 4)}X}"


def _bytes(registers: tuple[int, ...], bits: int) -> str:
    if any(each > 0xFF for each in registers):
        raise ValueError("a register holds more than one byte")
    kept = -(-bits // 8)
    if any(registers[kept:]):
        raise ValueError(f"the card's number is longer than {bits} bits")
    value = int.from_bytes(bytes(registers[:kept]), "big")
    if value >> bits:
        raise ValueError(f"more than {bits} bits")
    return f"{value:0{-(-bits // 4)}X}"


def _without_parity(framed: int, bits: int) -> int:
    """Wiegand frames carry even parity over the first half and odd parity over the second (domain/access.md 3)."""
    value = framed >> 1 & (1 << bits) - 1
    text = f"{value:0{bits}b}"
    half = (bits + bits % 2) // 2
    even, odd = text[:half].count("1") % 2, 1 - text[-half:].count("1") % 2
    if framed >> bits + 2 or (framed >> bits + 1, framed & 1) != (even, odd):
        raise ValueError("the parity bits are wrong")
    return value


def registers_at(segments: Sequence[Segment], span: Span) -> tuple[int, ...]:
    """What was read there. Raises LookupError where it was not read."""
    for each in segments:
        if each.fc == span.fc and each.addr <= span.addr and span.end <= each.addr + len(each.registers):
            start = span.addr - each.addr
            return tuple(each.registers[start : start + span.count])
    raise LookupError(f"{span} was not read")
