"""One poll of a Modbus device as bytes: what was asked, what came, what the device refused.

JSON with hexadecimal registers, so that a person can read it in the list of rejected input, and so that it can be decoded
again after a profile was mended.
"""

from __future__ import annotations

import struct

import msgspec

from connectors.codecs.modbus_values import Segment


class Refused(msgspec.Struct, frozen=True, gc=False):
    """Registers that the device does not have: an exception is not a value of 0."""

    fc: int
    addr: int
    count: int
    exception: int


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """Replies of one poll, in the order in which they came."""

    profile: str
    segments: tuple[Segment, ...]
    refused: tuple[Refused, ...] = ()


class WireRead(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """One reply; registers in hexadecimal, four digits each."""

    fc: int
    addr: int
    registers: str


class Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A poll as it is written, its registers not looked at yet."""

    profile: str
    reads: list[WireRead]
    refused: list[tuple[int, int, int, int]] = []


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Wire)


def encode_poll(poll: Poll) -> bytes:
    """Bytes of a poll: `{"profile": …, "reads": [[fc, addr, "hex registers"], …], "refused": [[fc, addr, count, exception], …]}`."""
    reads = [
        WireRead(each.fc, each.addr, struct.pack(f">{len(each.registers)}H", *each.registers).hex())
        for each in poll.segments
    ]
    refused = [(each.fc, each.addr, each.count, each.exception) for each in poll.refused]
    return _ENCODER.encode(Wire(poll.profile, reads, refused))


def decode_poll(payload: bytes) -> Poll:
    """The poll again. Raises ValueError (what and where) when the bytes are none."""
    return poll_of(decode_wire(payload))


def decode_wire(payload: bytes) -> Wire:
    """The poll as it is written. Raises ValueError when the bytes are none."""
    try:
        return _DECODER.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"not a poll: {error}") from None


def poll_of(wire: Wire) -> Poll:
    """The poll. Raises ValueError where registers are none."""
    return Poll(
        profile=wire.profile,
        segments=tuple(Segment(read.fc, read.addr, _registers(read.registers)) for read in wire.reads),
        refused=tuple(Refused(*each) for each in wire.refused),
    )


def _registers(text: str) -> tuple[int, ...]:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"registers are not hexadecimal: {text[:20]!r}") from None
    if len(data) % 2:
        raise ValueError(f"half a register at the end: {text[-20:]!r}")
    return struct.unpack(f">{len(data) // 2}H", data)
