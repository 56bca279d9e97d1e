"""Registers of the car-top monitor, unit 0xF7 (domain/elevator.md 2.6A): 19 registers at address 0, two 8-bit values each.

The inspection and button bits exist in the header but the firmware never sets them, so they are always 0 here: a reader
must take them for unknown. Floors below ground are 0xE0 plus their number (B1 is 0xE1). The level bit comes two seconds
after the car has come to rest at a landing; until then the direction bit of the last movement stays.
"""

from __future__ import annotations

from simulators.detector import Thresholds
from simulators.elevator import Doors
from simulators.sensors import Fault, Reading

UNIT_ID = 0xF7
COUNT = 19
FAULT_BITS = {
    Fault.TRAPPED_LEVEL: 0x0001,
    Fault.TRAPPED_OFF_LEVEL: 0x0002,
    Fault.DOOR_OPEN_OUTSIDE_ZONE: 0x0004,
    Fault.STOPPED_OUTSIDE_ZONE: 0x0020,
    Fault.POWER_LOST: 0x0800,
}
UP, DOWN, LEVEL, DOOR_OPEN, PERSON = 0x0100, 0x0200, 0x0400, 0x0800, 0x1000
LEVEL_AFTER_S = 2.0
FLOOR_PITCH_DM, OVERSPEED_MPS, DOOR_CYCLES = 30, 3, 20


class Movement:
    """The firmware's memory of the last movement: a direction until the car has been level for two seconds."""

    def __init__(self) -> None:
        self.direction = 0
        self._level_s = LEVEL_AFTER_S

    @property
    def level(self) -> bool:
        """Whether the level bit is set."""
        return self._level_s >= LEVEL_AFTER_S

    def advance(self, reading: Reading, seconds: float) -> None:
        """Let time pass with this look at the car."""
        if reading.moving:
            self.direction, self._level_s = reading.direction, 0.0
        elif reading.door_zone:
            self._level_s += seconds
        if self.level:
            self.direction = 0


def registers(
    reading: Reading, movement: Movement, infrared: bool, floors: tuple[str, ...], thresholds: Thresholds
) -> list[int]:
    """All 19 registers for one look at the car; `infrared` is the raw presence detector."""
    above = sum(1 for floor in floors if floor.isdigit())
    values = [0] * COUNT
    values[0] = sum(FAULT_BITS[fault] for fault in reading.faults & FAULT_BITS.keys())
    values[1] = _state(reading, movement, infrared)
    values[2] = _pair(_floor(reading.floor_number), round(reading.speed_mps * 10))
    values[3:5] = _words(reading.door_openings)
    values[5:7] = _words(reading.floors_travelled)
    values[13] = _pair(above, len(floors) - above)
    values[14] = _pair(1, FLOOR_PITCH_DM)
    values[15] = _pair(OVERSPEED_MPS, 0)
    values[16] = _pair(round(thresholds.level_s), round(thresholds.off_level_s))
    values[17] = _pair(round(thresholds.outside_zone_s), 1)
    values[18] = _pair(1, DOOR_CYCLES)
    return values


def _state(reading: Reading, movement: Movement, infrared: bool) -> int:
    bits = {
        UP: movement.direction == 1,
        DOWN: movement.direction == 2,
        LEVEL: movement.level,
        DOOR_OPEN: reading.doors is not Doors.CLOSED,
        PERSON: infrared,
    }
    return sum(bit for bit, holds in bits.items() if holds)


def _floor(number: int) -> int:
    return number if number > 0 else 0xE0 - number


def _pair(high: int, low: int) -> int:
    return (high & 0xFF) << 8 | (low & 0xFF)


def _words(value: int) -> list[int]:
    return [value >> 16 & 0xFFFF, value & 0xFFFF]
