"""What all dialects of door controllers share: where a message comes from, its time, its door, the event of a meaning. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from connectors.codecs.access_words import Meaning, Sort
from connectors.codecs.door_profile import DoorProfile
from connectors.codecs.refusal import Refusal
from hub.vocabulary.access import Danger, DoorDanger
from hub.vocabulary.device_clock import believe
from hub.vocabulary.events import (
    AccessEvent,
    AccessResult,
    CardNumber,
    Clock,
    DeviceStatus,
    DoorEvent,
    DoorState,
    Event,
)
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import DeviceEntry
from hub.vocabulary.rejected import RejectReason


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Whose message it is. `doors`: the controller's number → door; `word`: the last level of the topic."""

    entry: DeviceEntry
    profile: DoorProfile
    doors: Mapping[int, str]
    word: str
    received_at: UtcMs
    live: bool

    def door(self, number: int) -> str:
        """The door of a number; one that the site file does not list is kept by its number."""
        return self.doors.get(number, f"#{number}")

    def card(self, value: str) -> CardNumber:
        """A card as the readers of this controller spell it."""
        return CardNumber(str(self.entry.options.get("card_format", "uid32")), value)

    def meaning(self, code: str) -> Meaning | None:
        """After the profile's table."""
        return self.profile.codes.get(code)

    def common(self, key: str, device_at: UtcMs | None) -> dict[str, Any]:
        """The common part of an event. A clock that nobody believes makes no key either: 1970 comes after every start."""
        occurred_at, clock, kept = believe(device_at, self.received_at)
        unsure = clock is not Clock.DEVICE
        return {
            "site": self.entry.site,
            "device": self.entry.device,
            "source_key": f"{key}@{self.received_at}" if unsure else key,
            "occurred_at": occurred_at,
            "received_at": self.received_at,
            "clock": clock,
            "device_at": kept,
            "live": self.live,
        }


class Presented(msgspec.Struct, frozen=True, kw_only=True):
    """What a controller says of one decision. `granted` None: the meaning alone says."""

    granted: bool | None
    card: CardNumber | None = None
    direction: str | None = None
    index: int | None = None
    code: str = ""


def event_of(meaning: Meaning | None, common: dict[str, Any], door: str, presented: Presented) -> Event | None:
    """The event of a meaning; None for what says nothing. Without a meaning the device's own flag decides."""
    if meaning is None:
        if presented.granted is None:
            raise Refusal(RejectReason.UNKNOWN_VALUE, f"the profile's table does not name {presented.code!r}")
        common = common | {"extra": {"code": presented.code}}
        meaning = Meaning(Sort.GRANTED) if presented.granted else Meaning(Sort.DENIED, "other")
    match meaning.sort:
        case Sort.NOTHING:
            return None
        case Sort.BOOT:
            return DeviceStatus(**common, online=True, boot_id=common["source_key"])
        case Sort.DOOR:
            return DoorEvent(**common, door=door, state=DoorState(meaning.word or ""))
        case Sort.DANGER:
            return DoorDanger(**common, door=door, danger=Danger(meaning.word or ""))
    granted = meaning.sort is Sort.GRANTED if presented.granted is None else presented.granted
    return AccessEvent(
        **common,
        door=door,
        card=presented.card,
        result=AccessResult.GRANTED if granted else AccessResult.DENIED,
        reason=meaning.word,
        direction=presented.direction,
        index=presented.index,
    )


def need(payload: Mapping[str, Any], key: str, kind: type, path: str = "") -> Any:
    """A field of this type. Raises Refusal."""
    where = f"{path}.{key}" if path else key
    if key not in payload:
        raise Refusal(RejectReason.MISSING_FIELD, "missing", where)
    value = payload[key]
    if type(value) is not kind:
        raise Refusal(RejectReason.WRONG_TYPE, f"{type(value).__name__}; {kind.__name__} is needed", where)
    return value
