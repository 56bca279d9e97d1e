"""Frames of DL/T 645-2007, the Chinese meter protocol: requests → bytes, bytes → frames, data items → registers.

`FE×0–4 | 68 | A0…A5 | 68 | C | L | DATA | CS | 16`: the address in BCD with its low byte first, every data byte plus 33H, CS
the sum of all bytes from the first 68. What a maintainer must keep: nothing is believed before its checksum, and whatever is
not decimal is no number (a concentrator fills what it does not know with EE). Source: domain/meters.md 3.1–3.3.
"""

from __future__ import annotations

import datetime as dt
import struct
from enum import IntFlag
from typing import Final, TypeAlias

import msgspec

from connectors.codecs.modbus_fields import DLT645_READ

START: Final = 0x68
END: Final = 0x16
PREAMBLE: Final = b"\xfe\xfe\xfe\xfe"
OFFSET: Final = 0x33
MAX_DATA: Final = 200
_HEAD: Final = 10  # 68 A0…A5 68 C L
_TAIL: Final = 2  # CS 16

READ: Final = DLT645_READ
READ_NEXT: Final = 0x12
READ_ADDRESS: Final = 0x13
WILDCARD: Final = "AAAAAAAAAAAA"
"""Every meter feels meant: only where there is one on the wire."""

_REPLY: Final = 0x80
_FAILED: Final = 0x40
_MORE: Final = 0x20
_FUNCTION: Final = 0x1F


class ErrorBits(IntFlag):
    """The one data byte of an error answer."""

    OTHER = 0x01
    NO_SUCH_DATA = 0x02
    PASSWORD = 0x04
    BAUD_RATE = 0x08
    YEAR_ZONES = 0x10
    DAY_ZONES = 0x20
    TARIFFS = 0x40


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One frame with a right checksum. `address`: 12 digits as printed on the meter; `data` without the 33H."""

    address: str
    control: int
    data: bytes

    @property
    def reply(self) -> bool:
        """From a meter; otherwise a request, such as our own that a converter echoes."""
        return bool(self.control & _REPLY)

    @property
    def failed(self) -> bool:
        """The meter refuses; `errors` say why."""
        return bool(self.control & _FAILED)

    @property
    def more(self) -> bool:
        """The answer goes on in further frames."""
        return bool(self.control & _MORE)

    @property
    def function(self) -> int:
        """What was asked for: READ, READ_ADDRESS …"""
        return self.control & _FUNCTION

    @property
    def errors(self) -> ErrorBits:
        """Of an error answer; an answer that gives no reason has another one."""
        return ErrorBits(self.data[0] & 0x7F) if self.data and self.data[0] & 0x7F else ErrorBits.OTHER


class Damaged(msgspec.Struct, frozen=True, gc=False):
    """Bytes that look like a frame and are none: noise, another parity, or two meters that speak at once."""

    raw: bytes


Piece: TypeAlias = Frame | Damaged


def build(address: str, control: int, data: bytes = b"", preamble: bytes = PREAMBLE) -> bytes:
    """Bytes of a frame. `address`: 12 digits or the wildcard; ValueError for anything else, and for more than 200 bytes."""
    if len(data) > MAX_DATA:
        raise ValueError(f"{len(data)} bytes of data; at most {MAX_DATA}")
    body = bytes([START, *_address_bytes(address), START, control, len(data)])
    body += bytes((byte + OFFSET) & 0xFF for byte in data)
    return preamble + body + bytes([sum(body) & 0xFF, END])


def read_request(address: str, item: int) -> bytes:
    """Ask for a data item (DI3 DI2 DI1 DI0 as one number, 0x00900200: the remaining amount)."""
    return build(address, READ, item_bytes(item))


def item_bytes(item: int) -> bytes:
    """A data identifier as it is sent, low byte first."""
    return item.to_bytes(4, "little")


class FrameReader:
    """Bytes in whatever pieces they come → frames. Holds at most one unfinished frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Piece]:
        """Frames that are complete now, in order; anything between them is dropped."""
        self._buffer += data
        found: list[Piece] = []
        while (piece := self._next()) is not None:
            found.append(piece)
        return found

    def finish(self) -> list[Piece]:
        """Nothing more comes: what is hidden behind the start of a frame that never ended."""
        found: list[Piece] = []
        while self._buffer:
            del self._buffer[0]
            found += self.feed(b"")
        return found

    def _next(self) -> Piece | None:
        """The frame at the front; None when more bytes are needed."""
        buffer = self._buffer
        while True:
            start = buffer.find(START)
            del buffer[: len(buffer) if start < 0 else start]
            if len(buffer) < _HEAD:
                if len(buffer) > 7 and buffer[7] != START:
                    del buffer[0]
                    continue
                return None
            if buffer[7] != START or buffer[9] > MAX_DATA:
                del buffer[0]
                continue
            whole = _HEAD + buffer[9] + _TAIL
            if len(buffer) < whole:
                return None
            raw = bytes(buffer[:whole])
            if sum(raw[:-_TAIL]) & 0xFF != raw[-2] or raw[-1] != END:
                del buffer[0]  # a frame may begin inside of what was none
                return Damaged(raw)
            del buffer[:whole]
            return _frame(raw)


def _frame(raw: bytes) -> Frame:
    data = bytes((byte - OFFSET) & 0xFF for byte in raw[_HEAD:-_TAIL])
    return Frame(raw[6:0:-1].hex().upper(), raw[8], data)


def _address_bytes(address: str) -> bytes:
    if len(address) != 12 or not ((address.isascii() and address.isdecimal()) or address == WILDCARD):
        raise ValueError(f"{address!r} is no address: 12 digits, or {WILDCARD}")
    return bytes.fromhex(address)[::-1]


def to_registers(value: bytes) -> tuple[int, ...]:
    """A data item, low byte first, as 16-bit words with the high one first; an odd number of bytes gets a leading 0.

    So that everything that reads Modbus registers (numbers, BCD, bits, plausible ranges) reads these as well.
    """
    ordered = value[::-1]
    padded = ordered if len(ordered) % 2 == 0 else b"\x00" + ordered
    return struct.unpack(f">{len(padded) // 2}H", padded)


def digits_of(registers: tuple[int, ...]) -> str | None:
    """BCD digits with their leading zeros; None where a nibble is no digit."""
    text = "".join(f"{register:04x}" for register in registers)
    return text if text.isdecimal() else None


def clock_of(date_digits: str, time_digits: str) -> dt.datetime | None:
    """The meter's local time from its items 04000101 (YYMMDDWW) and 04000102 (hhmmss); None: no such moment."""
    text = date_digits[:6] + time_digits[-6:]
    if len(text) != 12 or not text.isdecimal():
        return None
    year, month, day, hour, minute, second = (int(text[i : i + 2]) for i in range(0, 12, 2))
    try:
        return dt.datetime(2000 + year, month, day, hour, minute, second)  # noqa: DTZ001 - the meter names no zone
    except ValueError:
        return None
