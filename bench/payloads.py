"""What the benches send: hub-json readings of about 250 bytes, as a 4G meter would send them."""

from __future__ import annotations

import datetime
import json
import uuid

from support.lean_publisher import Message

ZONE = datetime.timezone(datetime.timedelta(hours=8))
NAMESPACE = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


def reading_at(start_ms: int, number: int) -> int:
    """Time of reading `number`: one millisecond after the one before."""
    return start_ms + number


def readings(first: int, count: int, meters: int, start_ms: int, site: str = "lakeside") -> list[Message]:
    """Readings `first` …, dealt out to the meters in turn; healthy ones, so that rules look at each and do nothing."""
    made = []
    for number in range(first, first + count):
        at = datetime.datetime.fromtimestamp(reading_at(start_ms, number) / 1000, ZONE)
        body = {
            "id": str(uuid.uuid5(NAMESPACE, str(number))),
            "at": at.isoformat(timespec="milliseconds"),
            "balance": round(100 + number % 40_000 / 100, 2),
            "unit": "CNY",
            "overdraft": 0,
            "energy_kwh": round(10_000 + number / 1000, 2),
            "purchases": 12,
            "relay": "closed",
            "meter_alarm": 0,
            "serial": f"2026{number % meters:08d}",
        }
        made.append((f"hub/v1/{site}/m-{number % meters}/reading", json.dumps(body, separators=(",", ":")).encode()))
    return made
