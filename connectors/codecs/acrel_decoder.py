"""Decoder of the channel `acrel`: an upload of one meter → its reading, as the profile says what the registers mean.

`address` is `{site}/{bus}`: the sender is known by its serial number and the meter's address inside of the upload only, so
an upload from a meter that no site file names is put aside, and not taken for another's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from connectors.codecs.acrel_push import PushError, Upload, parse_upload
from connectors.codecs.modbus_decoder import ModbusDecoder
from connectors.codecs.modbus_poll import Poll, encode_poll
from connectors.codecs.modbus_profile import ModbusProfile
from connectors.codecs.modbus_values import Segment
from hub.vocabulary.events import Event
from hub.vocabulary.ports import DeviceEntry, RawMessage
from hub.vocabulary.rejected import Rejected, RejectReason

SENDER: Final = "sender"
"""Option of a device: the serial number that the sender gives."""
METER: Final = "meter"
"""Option of a device: its address inside of the sender's uploads; without it, the sender is its own only meter."""


class AcrelDecoder:
    """Pure. `profiles` by id; devices of other transports are ignored."""

    def __init__(self, profiles: Mapping[str, ModbusProfile], devices: Iterable[DeviceEntry]) -> None:
        mine = [device for device in devices if device.profile in profiles]
        self._registers = ModbusDecoder(profiles, mine)
        self._profiles = profiles
        self._devices = {
            (device.site, device.bus, str(device.options.get(SENDER)), device.options.get(METER)): device
            for device in mine
        }

    def decode(self, message: RawMessage) -> Sequence[Event] | Rejected:
        """One reading, or why the upload cannot be used."""
        site, _, bus = message.address.partition("/")
        try:
            upload = parse_upload(message.payload)
        except PushError as error:
            return Rejected(reason=RejectReason.BAD_SNAPSHOT, detail=str(error), site=site)
        if len(upload.parts) != 1:
            detail = f"{len(upload.parts)} meters in one message; the listener hands them in one by one"
            return Rejected(reason=RejectReason.BAD_SNAPSHOT, detail=detail, site=site)
        device = self._device(site, bus, upload)
        if device is None:
            detail = f"no device on bus {bus!r} has sender: {upload.serial!r} (and meter: {upload.parts[0].address!r})"
            return Rejected(reason=RejectReason.UNKNOWN_DEVICE, detail=detail, site=site)
        return self._reading(device, upload.parts[0].registers, message)

    def _device(self, site: str, bus: str, upload: Upload) -> DeviceEntry | None:
        sender, meter = str(upload.serial), upload.parts[0].address
        return self._devices.get((site, bus, sender, meter)) or self._devices.get((site, bus, sender, None))

    def _reading(
        self, device: DeviceEntry, registers: tuple[int, ...], message: RawMessage
    ) -> Sequence[Event] | Rejected:
        needed = max(block.span.addr + block.span.count for block in self._profiles[device.profile].blocks.values())
        if len(registers) < needed:
            detail = f"{len(registers)} registers; the block has {needed}"
            return Rejected(reason=RejectReason.SHORT_REPLY, detail=detail, site=device.site, device=device.device)
        poll = Poll(profile=device.profile, segments=(Segment(3, 0, registers[:needed]),))
        return self._registers.decode(
            RawMessage(
                channel=message.channel,
                address=f"{device.site}/{device.device}",
                payload=encode_poll(poll),
                received_at=message.received_at,
            )
        )
