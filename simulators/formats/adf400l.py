"""Single-phase register map of the Acrel ADF400L cabinet meter (domain/meters.md 1.1): every user is a unit of its own.

32-bit values have the high word first, the balance is signed, and the addresses from 0x1B00 are records: one address returns
20 bytes and the next address is the next record. Addresses that the manual does not name are refused with exception 2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import datetime

from simulators.meters import Meter, TopUp
from simulators.modbus import ILLEGAL_ADDRESS, ModbusError, words

LIVE = range(0x0300, 0x0316)
SETTINGS = range(0x0501, 0x050D)
CLOCK = range(0x0908, 0x090F)
SERIAL = range(0x0947, 0x094E)
TOP_UP_RECORDS = range(0x1B00, 0x1B14)
RECORD_BYTES = 20


class Adf400lUser:
    """One user of the cabinet as a Modbus unit; `now` gives the device's local clock."""

    def __init__(self, meter: Meter, now: Callable[[], datetime]) -> None:
        self._meter, self._now = meter, now

    def read(self, address: int, count: int) -> bytes:
        """Data bytes for FC03."""
        if address in TOP_UP_RECORDS:
            return self._records(address, count)
        for block, values in (
            (LIVE, self._live),
            (SETTINGS, self._settings),
            (CLOCK, self._clock),
            (SERIAL, self._serial),
        ):
            if address in block and address + count <= block.stop:
                start = address - block.start
                return values()[2 * start : 2 * (start + count)]
        raise ModbusError(ILLEGAL_ADDRESS)

    def _live(self) -> bytes:
        meter = self._meter
        electrical = struct.pack(
            ">HHh", round(meter.voltage_v * 10), round(meter.current_a * 100), round(meter.power_w)
        )
        values = {
            0x0306: struct.pack(">I", meter.energy),
            0x030A: struct.pack(">i", meter.balance),
            0x030C: struct.pack(">I", meter.purchased),
            0x030E: struct.pack(">H", meter.purchases),
        }
        block = bytearray(electrical.ljust(2 * len(LIVE), b"\0"))
        for address, data in values.items():
            offset = 2 * (address - LIVE.start)
            block[offset : offset + len(data)] = data
        return bytes(block)

    def _settings(self) -> bytes:
        prices = [self._meter.price_fen_per_kwh] * 4
        return struct.pack(">6I", *prices, *self._meter.alarm_limits)

    def _clock(self) -> bytes:
        """Mode word (high byte 0: prepaid), two words that the manual leaves open, then the binary clock."""
        now = self._now()
        clock = [now.year % 100, now.month, now.day, now.isoweekday(), now.hour, now.minute, now.second, 0]
        return words([0, 0, 0]) + bytes(clock)

    def _serial(self) -> bytes:
        return self._meter.serial.encode("ascii").ljust(2 * len(SERIAL), b"\0")[: 2 * len(SERIAL)]

    def _records(self, address: int, count: int) -> bytes:
        index = address - TOP_UP_RECORDS.start
        if count != RECORD_BYTES // 2:
            raise ModbusError(ILLEGAL_ADDRESS)
        records = list(self._meter.top_ups)
        return _record(records[index]) if index < len(records) else bytes(RECORD_BYTES)


def _record(record: TopUp) -> bytes:
    at = record.at
    time = bytes([at.year % 100, at.month, at.day, at.hour, at.minute, at.second])
    return time + struct.pack(">HIiI", record.count, record.amount, record.balance_after, record.energy)
