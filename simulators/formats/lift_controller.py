"""Status block of a lift controller behind a 4G module, slave 2, function 3, at 0xC800 (domain/elevator.md 2.6B).

Only the offsets that the source names carry values: 0 speed x10, 5 door, 10 inspection and direction, 11 fault x100,
12 floor, 35 link, 38 bit 1 trapped. Door state 3 is what the source reports as "open"; the others are this simulator's choice.
"""

from __future__ import annotations

from simulators.elevator import Doors, ServiceMode
from simulators.sensors import Fault, Reading

UNIT_ID = 2
BASE = 0xC800
COUNT = 40
DOOR_STATES = {Doors.CLOSED: 0, Doors.OPENING: 1, Doors.CLOSING: 2, Doors.OPEN: 3, Doors.UNKNOWN: 0}
MAKER_FAULTS = {Fault.DOOR_OPEN_FAILED: 48, Fault.STOPPED_OUTSIDE_ZONE: 41}
TRAPPED_BIT = 0x0002


def registers(reading: Reading) -> list[int]:
    """The block for one look at the car; the fault is the lowest active maker's code x100, 0 when there is none."""
    values = [0] * COUNT
    values[0] = round(reading.speed_mps * 10)
    values[5] = DOOR_STATES[reading.doors]
    values[10] = int(reading.service_mode == ServiceMode.INSPECTION) | reading.direction << 8
    values[11] = min((MAKER_FAULTS[fault] for fault in reading.faults & MAKER_FAULTS.keys()), default=0) * 100
    values[12] = reading.floor_number & 0xFFFF
    values[35] = 1
    trapped = reading.faults & {Fault.TRAPPED_LEVEL, Fault.TRAPPED_OFF_LEVEL}
    values[38] = TRAPPED_BIT if trapped else 0
    return values
