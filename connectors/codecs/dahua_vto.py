"""Dahua door stations (VTO) over DahuaVTO2MQTT: events only, read after their UTC time, which stands beside the local one. Pure.

The only maker here whose device itself can say 'lost' (error 0x11). Cards are not written over this way. Source: domain/access.md 2.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connectors.codecs.door_words import Origin, Presented, event_of, need
from connectors.codecs.refusal import Refusal
from hub.vocabulary.events import Event
from hub.vocabulary.rejected import RejectReason

OPENED = 1


def decode(payload: dict[str, Any], origin: Origin) -> Sequence[Event]:
    """What one `AccessControl` event says; a door that was opened by something else than a card has no card."""
    data = need(payload, "Data", dict)
    if data.get("Name") not in {"OpenDoor", "CloseDoor", None}:
        raise Refusal(RejectReason.UNKNOWN_VALUE, f"{data.get('Name')!r}; known: OpenDoor, CloseDoor", "Data.Name")
    record = need(data, "RecNo", int, "Data")
    utc = data.get("UTC")
    common = origin.common(f"{record}", utc * 1000 if type(utc) is int else None)
    common["source_key"] = f"{record}/{utc}"  # numbers begin anew when the station's list is cleared
    number = data.get("CardNo")
    card = origin.card(number.strip()) if isinstance(number, str) and number.strip() else None
    granted = need(data, "Status", int, "Data") == OPENED
    code = data.get("ErrorCode")
    key = f"error {code}" if type(code) is int and code else f"method {data.get('Method')}"
    reader = data.get("ReaderID")
    door = origin.door(int(reader) if isinstance(reader, str) and reader.isdigit() else 1)
    direction = {"Entry": "in", "Exit": "out"}.get(str(data.get("Type")))
    presented = Presented(granted=granted, card=card, direction=direction, code=key)
    event = event_of(origin.meaning(key), common, door, presented)
    return () if event is None else (event,)
