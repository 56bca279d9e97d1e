"""Uploads as a 4G meter sends them; written after domain/meters.md 1.3, without the codec's help but for the checksum."""

from __future__ import annotations

from connectors.codecs.acrel_push import crc16

SERIAL = "20260101123456789012"


def block(*, credit: int = 8_000, purchases: int = 12, energy: int = 200_000, status: int = 0x2000) -> bytes:
    """The 48 registers: credit in fen, energy in 0.01 kWh, the status word (relay closed)."""
    data = bytearray(96)
    data[0:2] = b"\x07\x00"
    data[42:46] = energy.to_bytes(4, "big")
    data[62:66] = credit.to_bytes(4, "big", signed=True)
    data[66:68] = purchases.to_bytes(2, "big")
    data[72:74] = status.to_bytes(2, "big")
    return bytes(data)


def upload(registers: bytes, address: bytes = b"12345678", serial: bytes = SERIAL.encode()) -> bytes:
    """The payload of one upload of one meter."""
    reply = bytes([1, 3, len(registers)]) + registers
    return serial + b"[[" + address + b"((" + reply + crc16(reply) + b"))]]"
