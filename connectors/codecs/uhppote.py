"""Decoder of channel `uhppote`: one event of a board's own list → what happened at a door.

`address` is `{site}/{device}`. The board's event number within its epoch is the event's identity: read twice, it happened
once. Door and alarm events carry pseudo card numbers, which are never looked up (domain/access.md 2.1). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from connectors.codecs.access_words import Meaning, Sort
from connectors.codecs.uhppote_profile import UhppoteProfile
from hub.vocabulary.access import Danger, DoorDanger
from hub.vocabulary.device_clock import believe
from hub.vocabulary.events import AccessEvent, AccessResult, CardNumber, DeviceStatus, DoorEvent, DoorState, Event
from hub.vocabulary.ports import DeviceEntry, RawMessage
from hub.vocabulary.rejected import Rejected, RejectReason

SWIPE: Final = 1
FACILITY: Final = 100_000
_OTHER: Final = {True: Meaning(Sort.GRANTED), False: Meaning(Sort.DENIED, "other")}


class BoardEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event as the client has read it. `at`: the board's own time, no zone; None: it shows none."""

    epoch: int
    index: int
    type: int  # 1 swipe, 2 door, 3 alarm
    granted: bool
    door: int
    direction: int  # 1 in, 2 out
    card: int
    at: str | None
    reason: int
    offset_ms: int = 0  # the board's clock minus ours when it wrote this


def card_number(number: int, card_format: str) -> CardNumber:
    """What a board's number means, after its readers' format: Wiegand 26 shows facility × 100000 + number."""
    if card_format == "wiegand26":
        return CardNumber(card_format, f"{number:08d}")
    return CardNumber(card_format, f"{number:010d}")


class UhppoteDecoder:
    """`profiles` by id; devices of other transports are ignored."""

    def __init__(self, profiles: Mapping[str, UhppoteProfile], devices: Iterable[DeviceEntry]) -> None:
        self._profiles = profiles
        self._devices = {f"{each.site}/{each.device}": each for each in devices if each.profile in profiles}
        self._doors = {
            address: {number: door for door, number in each.options.get("doors", {}).items()}
            for address, each in self._devices.items()
        }

    def decode(self, message: RawMessage) -> Sequence[Event] | Rejected:
        """One event, none for what says nothing, or why it cannot be used."""
        device = self._devices.get(message.address)
        if device is None:
            return Rejected(
                reason=RejectReason.UNKNOWN_DEVICE, detail=f"no board {message.address!r} in the site files"
            )
        try:
            seen = msgspec.json.decode(message.payload, type=BoardEvent)
        except msgspec.DecodeError as error:
            return Rejected(
                reason=RejectReason.WRONG_TYPE, detail=str(error)[:200], site=device.site, device=device.device
            )
        return self._events(device, seen, message)

    def _events(self, device: DeviceEntry, seen: BoardEvent, message: RawMessage) -> Sequence[Event]:
        profile = self._profiles[device.profile]
        meaning = profile.reasons.get(str(seen.reason))
        unknown = meaning is None
        if meaning is None or (seen.type == SWIPE and meaning.sort not in {Sort.GRANTED, Sort.DENIED}):
            meaning = _OTHER[seen.granted]
        common = self._common(device, seen, message)
        if unknown:
            common["extra"] = {**(common.get("extra") or {}), "type": seen.type, "reason": seen.reason}
        door = self._doors[message.address].get(seen.door, f"#{seen.door}")
        match meaning.sort:
            case Sort.NOTHING:
                return ()
            case Sort.BOOT:
                return (DeviceStatus(**common, online=True, boot_id=f"{seen.epoch}/{seen.index}"),)
            case Sort.DOOR:
                return (DoorEvent(**common, door=door, state=DoorState(meaning.word or "")),)
            case Sort.DANGER:
                return (DoorDanger(**common, door=door, danger=Danger(meaning.word or "")),)
        card = None
        if seen.type == SWIPE and seen.card not in profile.no_cards:
            card = card_number(seen.card, str(device.options["card_format"]))
        # The board's flag is what the lock did; the reason is only why.
        result = AccessResult.GRANTED if seen.granted else AccessResult.DENIED
        direction = {1: "in", 2: "out"}.get(seen.direction)
        common |= {"index": seen.index, "direction": direction, "reason": meaning.word}
        return (AccessEvent(**common, door=door, card=card, result=result),)

    def _common(self, device: DeviceEntry, seen: BoardEvent, message: RawMessage) -> dict[str, Any]:
        device_at = None
        if seen.at is not None:
            local = datetime.fromisoformat(seen.at).replace(tzinfo=ZoneInfo(device.timezone))
            device_at = round(local.timestamp() * 1000) - seen.offset_ms
        occurred_at, clock, kept = believe(device_at, message.received_at)
        return {
            "site": device.site,
            "device": device.device,
            "source_key": f"{seen.epoch}/{seen.index}",
            "occurred_at": occurred_at,
            "received_at": message.received_at,
            "clock": clock,
            "device_at": kept,
            "extra": {"clock_offset_ms": seen.offset_ms} if seen.offset_ms else None,
        }
