"""What Acrel 4G meters push over TCP: `7B7B | command | payload | CRC | 7D7D`, and the registers inside of an upload.

Payloads are binary and may hold the end mark, so a frame ends at the first end mark with a right checksum, and an upload's
Modbus reply at its own length. Pure; connectors/acrel.py listens, the profile says what the registers mean. Not documented
and therefore not used: the encoding of the block's clock, and what the far side must answer.
Source: domain/meters.md 1.3 (offsets agree in three public sources).
"""

from __future__ import annotations

from typing import Final

import msgspec

START: Final = b"\x7b\x7b"
END: Final = b"\x7d\x7d"
MAX_FRAME: Final = 4096

REGISTER: Final = 0x84
PASS_THROUGH: Final = 0x90
UPLOAD: Final = 0x91
TIME: Final = 0x93
HEARTBEAT: Final = 0x94

SERIAL_BYTES: Final = 20
_SHORTEST: Final = 7  # 7B7B command CRC CRC 7D7D


class PushError(ValueError):
    """An upload that cannot be used: what and where."""


class PushFrame(msgspec.Struct, frozen=True, gc=False):
    """One frame with a right checksum."""

    command: int
    payload: bytes


class Part(msgspec.Struct, frozen=True, gc=False):
    """The registers of one meter behind a sender; `address` as the sender writes it."""

    address: str
    registers: tuple[int, ...]


class Upload(msgspec.Struct, frozen=True, gc=False):
    """An upload: the sender's serial number (None where it leaves it out), and its meters."""

    serial: str | None
    parts: tuple[Part, ...]


def crc16(data: bytes) -> bytes:
    """CRC-16/MODBUS, low byte first."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value.to_bytes(2, "little")


def build(command: int, payload: bytes = b"") -> bytes:
    """Bytes of a frame."""
    body = bytes([command]) + payload
    return START + body + crc16(body) + END


class PushReader:
    """Bytes in whatever pieces they come → frames. Holds at most one unfinished frame."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[PushFrame]:
        """Frames that are complete now, in order; whatever is between them is dropped."""
        found = []
        self._buffer += data
        while (frame := self._next()) is not None:
            found.append(frame)
        return found

    def _next(self) -> PushFrame | None:
        buffer = self._buffer
        while True:
            start = buffer.find(START)
            if start < 0:
                del buffer[: max(len(buffer) - 1, 0)]  # its first byte may have come
                return None
            del buffer[:start]
            end = self._end()
            if end is not None:
                raw = bytes(buffer[:end])
                del buffer[:end]
                return PushFrame(raw[2], raw[3:-4])
            if len(buffer) <= MAX_FRAME:
                return None
            del buffer[0]

    def _end(self) -> int | None:
        """Where the frame at the front ends."""
        at = self._buffer.find(END, _SHORTEST - 2)
        while 0 <= at <= MAX_FRAME:
            body = bytes(self._buffer[2 : at - 2])
            if crc16(body) == self._buffer[at - 2 : at]:
                return at + 2
            at = self._buffer.find(END, at + 1)
        return None


def parse_upload(payload: bytes) -> Upload:
    """`serial (20) | [[ address (( Modbus reply )) ]] …`. Raises PushError."""
    serial = None
    rest = payload
    if not rest.startswith(b"[["):
        serial = _text(rest[:SERIAL_BYTES], "serial number")
        rest = rest[SERIAL_BYTES:]
    parts = []
    while rest.startswith(b"[["):
        part, rest = _part(rest[2:])
        parts.append(part)
    if not parts or rest.strip(b"\x00"):
        raise PushError(f"[[address((registers))]] is needed, {rest[:8].hex()!r} stands there")
    return Upload(serial, tuple(parts))


def one_by_one(payload: bytes, registered: str) -> list[bytes]:
    """An upload as uploads of one meter each, so that an unknown meter costs no other its reading.

    `registered` is the serial number that the connection gave before, for uploads that leave it out. What cannot be
    taken apart stays whole: the decoder says why.
    """
    try:
        found = parse_upload(payload)
    except PushError:
        return [payload]
    serial = (found.serial or registered).encode("ascii").ljust(SERIAL_BYTES, b"\0")
    return [serial + _written(part) for part in found.parts]


def serial_of(payload: bytes) -> str | None:
    """The serial number at the beginning of a registration; None where there is none to be read."""
    try:
        return _text(payload[:SERIAL_BYTES], "serial number")
    except PushError:
        return None


def _written(part: Part) -> bytes:
    data = b"".join(word.to_bytes(2, "big") for word in part.registers)
    reply = bytes([1, 3, len(data)]) + data
    return b"[[" + part.address.encode("ascii") + b"((" + reply + crc16(reply) + b"))]]"


def _part(data: bytes) -> tuple[Part, bytes]:
    address, mark, rest = data.partition(b"((")
    if not mark or len(rest) < 3:
        raise PushError("no Modbus reply in the upload")
    size = 3 + rest[2] + 2
    reply, behind = rest[:size], rest[size:]
    if rest[1] != 3 or rest[2] % 2 or len(reply) < size:
        raise PushError(f"no reply to a read of registers: {reply[:3].hex()}, {len(reply)} of {size} bytes")
    if crc16(reply[:-2]) != reply[-2:]:
        raise PushError("the checksum of the Modbus reply is wrong")
    if not behind.startswith(b"))]]"):
        raise PushError(f"the Modbus reply ends with {behind[:4].hex()!r}, not with '))]]'")
    words = tuple(int.from_bytes(reply[at : at + 2], "big") for at in range(3, size - 2, 2))
    return Part(_text(address, "address"), words), behind[4:]


def _text(raw: bytes, what: str) -> str:
    shown = raw.strip(b"\x00 ")
    if not shown or not all(0x20 < byte < 0x7F for byte in shown):
        raise PushError(f"the {what} is no text: {raw.hex()!r}")
    return shown.decode("ascii")
