"""Profile `hub-json` of the contract: topics and payloads of elevators, meters and access controllers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from simulators.sensors import Reading

Payload = dict[str, Any]


def topic(site: str, device: str, message: str) -> str:
    """`hub/v1/{site}/{device}/{message}`."""
    return f"hub/v1/{site}/{device}/{message}"


def stamp(at: datetime) -> str:
    """ISO 8601 with offset; a naive time is refused, because the contract asks for an offset."""
    if at.tzinfo is None:
        raise ValueError("a time of profile hub-json needs its offset")
    return at.isoformat(timespec="milliseconds")


def envelope(message_id: str, at: datetime, **fields: Any) -> Payload:
    """`id`, `at` and the message's own fields."""
    return {"id": message_id, "at": stamp(at), **fields}


def elevator_state(reading: Reading) -> Payload:
    """The fields of `state` of an elevator."""
    return {
        "service_mode": reading.service_mode,
        "car_status": int(reading.moving),
        "direction": reading.direction,
        "door_zone": reading.door_zone,
        "doors": reading.doors.value,
        "passenger": reading.passenger,
        "floor": reading.floor,
        "power": "mains" if reading.mains else "outage",
    }


def money(hundredths: int | None) -> float | None:
    """A balance as a JSON number with two decimals; json writes the shortest digits, so 12.34 stays 12.34."""
    return None if hundredths is None else hundredths / 100
