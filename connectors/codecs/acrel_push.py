"""What Acrel 4G meters push over TCP: `7B7B | command | payload | CRC | 7D7D`, and the 48 registers inside of an upload.

Payloads are binary and may hold the end mark, so a frame ends at the first end mark with a right checksum, and an upload's
Modbus reply at its own length. Pure; the listener is somebody else's. Not documented and therefore not used: the encoding of
the block's clock (byte 80), what the far side must answer, and whether the total is that of the primary side.
Source: domain/meters.md 1.3 (offsets agree in three public sources).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from connectors.codecs import modbus_profile
from connectors.codecs.modbus_events import Origin, Values, meter_reading
from connectors.codecs.modbus_values import Image, Segment
from hub.vocabulary.events import MeterReading
from hub.vocabulary.units import BalanceUnit

START: Final = b"\x7b\x7b"
END: Final = b"\x7d\x7d"
MAX_FRAME: Final = 4096

REGISTER: Final = 0x84
PASS_THROUGH: Final = 0x90
UPLOAD: Final = 0x91
TIME: Final = 0x93
HEARTBEAT: Final = 0x94

SERIAL_BYTES: Final = 20
BLOCK_REGISTERS: Final = 48
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


_STATUS: Final = 36  # bytes 72 and 73
_INVALID: Final = [0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0xEEEEEEEE]
_MAP: Final[dict[str, Any]] = {
    "blocks": {"block": {"addr": 0, "count": BLOCK_REGISTERS}},
    "fields": {
        "balance": {"addr": 31, "type": "i32", "scale": "0.01", "unit": "CNY", "plausible": [-100_000, 1_000_000],
                    "invalid": _INVALID},
        "energy": {"addr": 21, "type": "u32", "scale": "0.01", "unit": "kWh", "plausible": [0, 10_000_000],
                   "invalid": [0xEEEEEEEE]},
        "purchases": {"addr": 33, "type": "u16", "invalid": [0xFFFF, 0xEEEE]},
        "voltage": {"addr": 1, "type": "u16", "scale": "0.1", "unit": "V", "plausible": [0, 300], "invalid": [0xEEEE]},
        "power": {"addr": 10, "type": "i16", "scale": "0.001", "unit": "kW", "plausible": [-30, 30], "invalid": [0xEEEE]},
        "relay": {"cases": [{"addr": _STATUS, "mask": 0xE000, "equals": 0, "is": "open"},
                            {"addr": _STATUS, "mask": 0x2000, "is": "closed"}], "invalid": [0xFFFF, 0xEEEE]},
        "meter_alarm": {"cases": [{"addr": _STATUS, "mask": 0x80, "is": 2}, {"addr": _STATUS, "mask": 0x40, "is": 1},
                                  {"addr": _STATUS, "mask": 0x20, "equals": 0, "is": 0}], "invalid": [0xFFFF, 0xEEEE]},
    },
    "extra": {
        "model": {"addr": 0, "mask": 0xFF00},
        "pt": {"addr": 19},
        "ct": {"addr": 20},
        "load_control_count": {"addr": 34},
        "status_word": {"addr": _STATUS},
    },
}  # fmt: skip
BLOCK: Final = modbus_profile.parse({"id": "acrel-4g-block", "kind": "meter", "modbus": _MAP})
"""The block as registers: data byte n is half of register n // 2."""


def block_reading(registers: tuple[int, ...], origin: Origin) -> MeterReading:
    """What one meter says. Raises PushError when the block is too short for it."""
    if len(registers) < BLOCK_REGISTERS:
        raise PushError(f"{len(registers)} registers; the block has {BLOCK_REGISTERS}")
    image = Image([Segment(3, 0, registers[:BLOCK_REGISTERS])])
    return meter_reading(Values(BLOCK, image, BalanceUnit.CNY), BalanceUnit.CNY, origin)
