"""Decoder of channel `reader`: a card that was presented to a reader which decides nothing → CardPresented.

`address` is `{site}/{device}`. The message holds the registers as they came, so that it can be read again after a profile was
mended; read again it is never live: a card that was put aside must not open a door hours later. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from connectors.codecs.reader_profile import ReaderProfile
from connectors.codecs.reader_watch import Card, number_of
from hub.vocabulary.credentials import FORMATS
from hub.vocabulary.events import Clock, Event
from hub.vocabulary.ports import DeviceEntry, RawMessage
from hub.vocabulary.readers import CardPresented
from hub.vocabulary.rejected import Rejected, RejectReason

CHANNEL = "reader"


class Presentation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One card at one reader. `key`: unique per reader; `registers`: those of the number, hex."""

    key: str
    door: str
    registers: str
    bits: int | None
    fresh: bool


def encode(key: str, door: str, card: Card) -> bytes:
    """The message of a card."""
    registers = struct.pack(f">{len(card.registers)}H", *card.registers).hex()
    return msgspec.json.encode(Presentation(key=key, door=door, registers=registers, bits=card.bits, fresh=card.fresh))


class ReaderDecoder:
    """`profiles` by id; devices of other transports are ignored."""

    def __init__(self, profiles: Mapping[str, ReaderProfile], devices: Iterable[DeviceEntry]) -> None:
        self._profiles = profiles
        self._devices = {f"{each.site}/{each.device}": each for each in devices if each.profile in profiles}

    def decode(self, message: RawMessage) -> Sequence[Event] | Rejected:
        """One event, or why it cannot be used. A number that is none is an event too: somebody stands at the door."""
        device = self._devices.get(message.address)
        if device is None:
            detail = f"no reader {message.address!r} in the site files"
            return Rejected(reason=RejectReason.UNKNOWN_DEVICE, detail=detail)
        try:
            told = msgspec.json.decode(message.payload, type=Presentation)
            data = bytes.fromhex(told.registers)
            registers = struct.unpack(f">{len(data) // 2}H", data)
        except (msgspec.DecodeError, ValueError, struct.error) as error:
            return Rejected(
                reason=RejectReason.WRONG_TYPE, detail=str(error)[:200], site=device.site, device=device.device
            )
        format_ = str(device.options["card_format"])
        raw, why = None, None
        try:
            raw = number_of(
                Card(registers, told.bits, told.fresh), self._profiles[device.profile], FORMATS[format_].bits
            )
        except ValueError as error:
            why = str(error)
        return (
            CardPresented(
                site=device.site,
                device=device.device,
                source_key=told.key,
                occurred_at=message.received_at,
                received_at=message.received_at,
                clock=Clock.ARRIVAL,  # these readers have none
                live=told.fresh and message.replay_of is None,
                door=told.door,
                format=format_,
                raw=raw,
                why=why,
                registers=told.registers,
            ),
        )
