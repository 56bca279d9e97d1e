"""The elevatorcloud JSON format (domain/elevator.md 2.5 and 2.7): one `info` message with the whole state, no time, no id.

direction 0 stop, 1 up, 2 down; inposition 1 level; door 0 shut, 1 open, 2 closing, 3 opening; faults 1 trapped off level,
2 trapped on level, 3 door opened in run, 4 stopped outside the door zone.
"""

from __future__ import annotations

from typing import Any

from simulators.elevator import Doors, ServiceMode
from simulators.sensors import Fault, Reading

FAULT_NUMBERS = {Fault.TRAPPED_OFF_LEVEL: 1, Fault.TRAPPED_LEVEL: 2, Fault.STOPPED_OUTSIDE_ZONE: 4}
DOOR_NUMBERS = {Doors.CLOSED: 0, Doors.OPEN: 1, Doors.CLOSING: 2, Doors.OPENING: 3, Doors.UNKNOWN: 0}


def topic(site: str, device: str) -> str:
    """Where a platform would push it: the format itself knows no topics."""
    return f"elevatorcloud/{site}/{device}/info"


def info(reading: Reading) -> dict[str, Any]:
    """The message for one look at the car; an unknown presence is sent as nobody, as this format has no third value."""
    return {
        "type": "info",
        "data": {
            "direction": reading.direction,
            "inposition": int(bool(reading.door_zone)),
            "floor": reading.floor_number,
            "door": DOOR_NUMBERS[reading.doors],
            "haspeople": int(bool(reading.passenger)),
            "reparing": int(reading.service_mode == ServiceMode.INSPECTION),
            "inmaintenance": int(reading.service_mode == ServiceMode.STOPPED),
            "fault": sorted(FAULT_NUMBERS[fault] for fault in reading.faults & FAULT_NUMBERS.keys()),
        },
    }
