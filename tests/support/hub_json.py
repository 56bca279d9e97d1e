"""Messages of the contract's profile hub-json, as a device's maker would send them: topic and payload."""

from __future__ import annotations

import datetime
import json
from typing import Any

SITE = "lakeside"


def stamp(at: datetime.datetime | None = None) -> str:
    """ISO 8601 with offset and milliseconds; now where no time is given."""
    return (at or datetime.datetime.now(datetime.UTC)).isoformat(timespec="milliseconds")


def ago(seconds: float) -> datetime.datetime:
    """So long before now."""
    return datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds)


def message(
    device: str, kind: str, id_: str, at: datetime.datetime | None, site: str, **fields: Any
) -> tuple[str, bytes]:
    body = {"id": id_, "at": stamp(at), **fields}
    return f"hub/v1/{site}/{device}/{kind}", json.dumps(body, ensure_ascii=False).encode()


def alarm(
    device: str,
    id_: str,
    type_: str = "trapped",
    state: str = "add",
    *,
    at: datetime.datetime | None = None,
    site: str = SITE,
    **fields: Any,
) -> tuple[str, bytes]:
    """An elevator's alarm comes or goes."""
    return message(device, "alarm", id_, at, site, type=type_, state=state, **fields)


def stuck_state(
    device: str, id_: str, *, at: datetime.datetime | None = None, site: str = SITE, **fields: Any
) -> tuple[str, bytes]:
    """An elevator that stands between two floors with its doors shut and somebody inside."""
    known: dict[str, Any] = {
        "service_mode": 1,
        "car_status": 0,
        "direction": 0,
        "door_zone": False,
        "doors": "closed",
        "passenger": True,
        "floor": "5",
        "power": "mains",
    }
    return message(device, "state", id_, at, site, **(known | fields))


def reading(
    device: str,
    id_: str,
    balance: float | None,
    *,
    at: datetime.datetime | None = None,
    site: str = SITE,
    **fields: Any,
) -> tuple[str, bytes]:
    """A meter's reading in yuan."""
    return message(device, "reading", id_, at, site, **({"balance": balance, "unit": "CNY"} | fields))
