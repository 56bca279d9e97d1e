"""A city platform's alarm push (domain/elevator.md 2.5 and 2.7): one message per alarm, a snapshot as named parameters.

Code 09 covers both ways of being trapped. There is no message for the end of an alarm.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from simulators.elevator import Doors
from simulators.sensors import Fault, Reading

SUPPLIER = "sim"
FROM_DEVICE = "S04"
FAILURE_CODES = {Fault.TRAPPED_LEVEL: "09", Fault.TRAPPED_OFF_LEVEL: "09"}


def topic(site: str, device: str) -> str:
    """Where a platform would push it."""
    return f"citypush/{site}/{device}/event"


def alarm(register_number: str, fault: Fault, fault_id: str, local: datetime, reading: Reading) -> dict[str, Any]:
    """The push for one alarm; times are local without a zone; parameter values are strings."""
    at = local.strftime("%Y-%m-%d %H:%M:%S")
    return {
        "alarmId": f"{SUPPLIER}-{fault_id}",
        "alarmChannel": FROM_DEVICE,
        "registerNumber": register_number,
        "occurTime": at,
        "failureCode": FAILURE_CODES[fault],
        "eventDesc": "困人",
        "statusCollectTime": at,
        "statusDetails": [
            _parameter("speed", "电梯的运行速度", f"{reading.speed_mps:.1f}"),
            _parameter("Passenger_Status", "轿厢是否有人", str(bool(reading.passenger))),
            _parameter("Door_Close_Status", "关门是否到位", str(reading.doors is Doors.CLOSED)),
            _parameter("Car_Status", "轿厢运行状态", str(int(reading.moving))),
            _parameter("Car_Position", "电梯所在的楼层", reading.floor),
            _parameter("Car_Direction", "轿厢运行方向", str(reading.direction)),
            _parameter("Package_Time", "数据生产时间", at),
        ],
    }


def _parameter(code: str, name: str, value: str) -> dict[str, str]:
    return {"paramCode": code, "paramName": name, "paramValue": value}
