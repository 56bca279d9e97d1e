"""Add/disappear fault events with a base64 snapshot (domain/elevator.md 2.5 and 2.7).

The snapshot is 20 bytes for a one-door car (version 1) and 25 for a two-door car (version 45), little-endian; its time is a
UTC epoch in seconds while the outer `time` is local without a zone. Both oddities are the platform's own.
"""

from __future__ import annotations

import base64
import struct
from datetime import datetime
from typing import Any

from simulators.elevator import Doors, ServiceMode
from simulators.sensors import Fault, Reading

FAULT_TYPES = {
    Fault.STOPPED_OUTSIDE_ZONE: 6,
    Fault.TRAPPED_LEVEL: 7,
    Fault.TRAPPED_OFF_LEVEL: 8,
    Fault.ALARM_BUTTON: 21,
}
FAULT_NAMES = {6: "开锁区域外停止", 7: "平层困人", 8: "非平层困人", 21: "轿厢报警按钮"}
ONE_DOOR, TWO_DOORS = 1, 0x2D
SIGNAL_PERCENT, BATTERY_PERCENT, TEMPERATURE_C = 21, 100, 30


def topic(site: str, device: str) -> str:
    """Where a platform would push it."""
    return f"shmashine/{site}/{device}/event"


def event(
    code: str, fault: Fault, add: bool, fault_id: str, local: datetime, reading: Reading, two_doors: bool = False
) -> dict[str, Any]:
    """One fault event; `local` is the device's local time with its zone, `fault_id` is the same for add and disappear."""
    number = FAULT_TYPES[fault]
    return {
        "elevatorCode": code,
        "TY": "Fault",
        "ST": "add" if add else "disappear",
        "fault_type": number,
        "faultName": FAULT_NAMES[number],
        "sensorType": "CarRoof",
        "faultId": fault_id,
        "time": local.strftime("%Y-%m-%d %H:%M:%S"),
        "D": base64.b64encode(snapshot(reading, int(local.timestamp()), two_doors)).decode(),
    }


def snapshot(reading: Reading, epoch_s: int, two_doors: bool = False) -> bytes:
    """The bytes of field `D`: 4 of time, 16 of state, and 5 more for a car with two doors."""
    shut = int(reading.doors is Doors.CLOSED)
    modes = {ServiceMode.NORMAL: 0, ServiceMode.INSPECTION: 1, ServiceMode.STOPPED: 2}
    state = struct.pack(
        "<16B",
        TWO_DOORS if two_doors else ONE_DOOR,
        _now_status(reading.faults),
        reading.direction,
        0 if reading.door_zone else 1,
        min(round(reading.speed_mps * 10), 127),
        1 - shut,  # door lock: 0 locked
        int(bool(reading.passenger)),
        0 if reading.mains else 1,
        reading.floor_number & 0xFF,
        SIGNAL_PERCENT,
        BATTERY_PERCENT,
        modes.get(reading.service_mode, 0),
        int(reading.moving),
        shut,
        int(reading.moving),
        TEMPERATURE_C,
    )
    second_door = struct.pack("<5B", shut, 0, 0, int(Fault.STOPPED_OUTSIDE_ZONE in reading.faults), 0)
    return struct.pack("<I", epoch_s) + state + (second_door if two_doors else b"")


def _now_status(faults: frozenset[Fault]) -> int:
    if Fault.TRAPPED_OFF_LEVEL in faults:
        return 3
    if Fault.TRAPPED_LEVEL in faults:
        return 2
    return 1 if faults else 0
