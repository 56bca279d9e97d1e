"""esp-rfid (branch dev) over MQTT: its messages → events, commands → its messages. Pure.

Its acknowledgement names neither card nor result and is sent even when nothing was stored: it says nothing here. A list
comes one message a user and has no end; so every list begins with a marker of ours that opens nothing, and a list without
it is none. Access type 99 (Admin) knows no end of validity and is never sent. Source: domain/access.md 2.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from connectors.codecs.door_words import Origin, Presented, event_of, need
from connectors.codecs.refusal import Refusal
from hub.vocabulary.access import AddressSeen, CardListed
from hub.vocabulary.events import CardNumber, DeviceStatus, DoorEvent, DoorState, Event
from hub.vocabulary.ports import DeviceEntry
from hub.vocabulary.rejected import RejectReason

MARKER: Final = "marker"
MARKER_UID: Final = "hub-list"
NEVER: Final = 4_102_444_800  # 2100-01-01: the firmware wants a number
ALWAYS, DISABLED = 1, 0
BY_MQTT, BY_BUTTON = "MQTT", "Button"
_DOOR: Final = {"Door Open": DoorState.OPEN, "Door Closed": DoorState.CLOSED}
_TAMPER: Final = {
    # 'Tampered' means here: opened while the lock was shut.
    "Door was tampered!": DoorState.FORCED_OPEN,
    "Door wasn't closed within max open time!": DoorState.HELD_OPEN,
}
_SILENT: Final = frozenset({"adduser", "deletuid", "deletusers", "opendoor"})


def decode(payload: dict[str, Any], origin: Origin) -> Sequence[Event]:
    """What one message says. Raises Refusal."""
    if payload.get("command") == "userfile":
        return (_listed(payload, origin),)
    kind = payload.get("type")
    if kind == "access" or origin.word == "tag":
        return _access(payload, origin)
    if kind in {"boot", "heartbeat"}:
        return _alive(payload, origin, booted=kind == "boot")
    if kind in {"INFO", "WARN", "ERRO"}:
        return _logged(payload, origin)
    if kind in _SILENT:
        return ()
    raise Refusal(RejectReason.UNKNOWN_VALUE, f"{kind!r}; known: access, boot, heartbeat, INFO, WARN, ERRO", "type")


def availability(payload: bytes, origin: Origin) -> Sequence[Event]:
    """`avty` of its Home Assistant mode: `online`, or `offline` as last will; plain text, and retained."""
    text = payload.strip()
    if text not in {b"online", b"offline"}:
        raise Refusal(RejectReason.UNKNOWN_VALUE, "allowed: online, offline")
    common = origin.common(f"avty/{origin.received_at}", None)
    return (DeviceStatus(**common, online=text == b"online"),)


def _time(payload: Mapping[str, Any]) -> int | None:
    value = payload.get("time")
    return value * 1000 if type(value) is int else None


def _access(payload: dict[str, Any], origin: Origin) -> Sequence[Event]:
    uid = need(payload, "uid", str).strip()
    given = payload.get("access")
    states = given if isinstance(given, list) else [given]  # several relays: one word each
    user = payload.get("username")
    found: list[Event] = []
    for number, state in enumerate(states, start=1):
        if not isinstance(state, str):
            raise Refusal(RejectReason.WRONG_TYPE, "a word, or a list of words, is needed", "access")
        by = {BY_MQTT: "MQTT", BY_BUTTON: "Button"}.get(user) if isinstance(user, str) and not uid else None
        card = _card(origin, uid) if uid and by is None else None
        common = origin.common(f"access/{payload.get('time')}/{uid}/{number}/{state}", _time(payload))
        presented = Presented(granted=None, card=card, code=by or state)
        event = event_of(origin.meaning(by or state), common, origin.door(number), presented)
        if event is not None:
            found.append(event)
    return found


def _alive(payload: dict[str, Any], origin: Origin, *, booted: bool) -> Sequence[Event]:
    at = _time(payload)
    seen = AddressSeen(
        **origin.common(f"alive/{payload.get('time')}", None),
        address=need(payload, "ip", str),
        expected=str(origin.entry.options.get("ip", "")),
    )
    if not booted:
        return (seen,)
    boot = f"boot/{payload.get('time')}"
    return (seen, DeviceStatus(**origin.common(boot, at), online=True, boot_id=f"{boot}/{origin.received_at}"))


def _logged(payload: dict[str, Any], origin: Origin) -> Sequence[Event]:
    """Log lines: doors and tampering are events; an unknown tag was told as `access` already; the rest says nothing."""
    source, text = payload.get("src"), payload.get("desc")
    if source == "door":
        state = _DOOR.get(str(text))
    elif source == "tamper":
        state = _TAMPER.get(str(text), DoorState.TAMPER)
    else:
        return ()
    if state is None:
        raise Refusal(RejectReason.UNKNOWN_VALUE, f"{text!r}; known: {', '.join(_DOOR)}", "desc")
    common = origin.common(f"{source}/{payload.get('time')}/{text}", _time(payload))
    return (DoorEvent(**common, door=origin.door(1), state=state),)


def _listed(payload: dict[str, Any], origin: Origin) -> Event:
    uid = need(payload, "uid", str)
    common = origin.common(f"user/{uid}", None)
    if uid == MARKER_UID:
        return CardListed(**common, card={"format": MARKER, "value": uid, "doors": []})
    kinds = [payload.get(name) for name in ("acctype", "acctype2", "acctype3", "acctype4")]
    doors = [origin.door(at) for at, kind in enumerate(kinds, start=1) if str(kind) not in {"None", "", str(DISABLED)}]
    card = _card(origin, uid)
    return CardListed(**common, card={"format": card.format, "value": card.value, "doors": doors})


def _card(origin: Origin, uid: str) -> CardNumber:
    """A card as our ledger reads it: UIDs are hex; Wiegand readers give the frame's number in decimal, without zeros."""
    wanted = origin.card(uid).format
    if wanted == "uid32":
        return origin.card(uid.upper())
    if wanted == "wiegand26" and uid.isdigit() and int(uid) < 1 << 24:
        return origin.card(f"{int(uid) >> 16:03d}{int(uid) & 0xFFFF:05d}")
    return origin.card(uid.zfill(10) if uid.isdigit() else uid)


# --- commands -------------------------------------------------------------------------------------------------


def encode(entry: DeviceEntry, topic: str, name: str, args: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """(topic, payload) of each message of a command. Raises ValueError with what people are told."""
    address = {"doorip": str(entry.options["ip"])}
    match name:
        case "put_card":
            said = [_adduser(address, entry, args)]
        case "delete_card":
            said = [{"cmd": "deletuid", **address, "uid": _uid(entry, args)}]
        case "list_cards":
            marker = {"cmd": "adduser", **address, "uid": MARKER_UID, "user": MARKER_UID, "acctype": str(DISABLED)}
            said = [marker | {"validsince": "0", "validuntil": str(NEVER)}, {"cmd": "getuserlist", **address}]
        case _:
            raise ValueError(f"esp-rfid has no {name}")
    return [(topic, msgspec.json.encode(each)) for each in said]


def _adduser(address: dict[str, str], entry: DeviceEntry, args: Mapping[str, Any]) -> dict[str, str]:
    numbers = entry.options.get("doors", {})
    opened = {numbers[door] for door in args["doors"] if door in numbers}
    if not opened <= {1, 2, 3, 4} or len(opened) != len(args["doors"]):
        raise ValueError("a door has no number from 1 to 4 in the site file")
    kinds = {f"acctype{at if at > 1 else ''}": str(ALWAYS if at in opened else DISABLED) for at in (1, 2, 3, 4)}
    until = args.get("until")
    uid = _uid(entry, args)
    return {
        "cmd": "adduser",
        **address,
        "uid": uid,
        "user": uid,  # it is told to everybody who listens: no names to devices
        **kinds,
        "validsince": str(int(datetime.fromisoformat(args["from"]).timestamp())),
        "validuntil": str(NEVER if until is None else int(datetime.fromisoformat(until).timestamp())),
    }


def _uid(entry: DeviceEntry, args: Mapping[str, Any]) -> str:
    """The card as this reader will spell it: hex for UIDs, decimal for Wiegand."""
    wanted = entry.options.get("card_format", "uid32")
    if args.get("format") != wanted:
        raise ValueError(f"this controller's reader sends {wanted}, the card is {args.get('format')}")
    if "raw" not in args:
        raise ValueError(f"{args.get('value')!r} is no number")
    raw = str(args["raw"])
    if wanted != "uid32":
        return str(int(raw, 16))
    if entry.options.get("reader") == "pn532" and any(byte < 0x10 for byte in bytes.fromhex(raw)):
        # 01 02 and 12 00 would be one card to it.
        raise ValueError("this reader (PN532) drops leading zeros of bytes and cannot tell this card from others")
    return raw.lower()
