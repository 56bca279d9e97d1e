"""Decoder of the channel `modbus`: a poll's bytes → an elevator's state or a meter's reading.

`address` is `{site}/{device}`. The device gives no time of its own, so arrival is when it happened; each poll is an event of
its own (its key is device, arrival and what was read), because polling repeats a state, it does not repeat an event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from connectors.codecs.modbus_events import Origin, Values, balance_unit, elevator_state, meter_reading, place_of
from connectors.codecs.modbus_poll import Poll, decode_poll
from connectors.codecs.modbus_profile import ModbusProfile
from connectors.codecs.modbus_values import Image
from hub.vocabulary.events import ElevatorState, Event, Unreachable
from hub.vocabulary.ports import DeviceEntry, RawMessage
from hub.vocabulary.rejected import Rejected, RejectReason
from hub.vocabulary.units import BalanceUnit

LINK_DOWN = "link_down"
"""Cause of Unreachable when a module answers, but says that it does not reach the device behind it."""


class ModbusDecoder:
    """Pure. `profiles` by id; devices of other transports are ignored."""

    def __init__(self, profiles: Mapping[str, ModbusProfile], devices: Iterable[DeviceEntry]) -> None:
        self._profiles = profiles
        self._devices = {f"{device.site}/{device.device}": device for device in devices if device.profile in profiles}

    def decode(self, message: RawMessage) -> Sequence[Event] | Rejected:
        """One event, or why the poll cannot be used."""
        device = self._devices.get(message.address)
        if device is None:
            return Rejected(
                reason=RejectReason.UNKNOWN_DEVICE, detail=f"no Modbus device {message.address!r} in the site files"
            )
        try:
            poll = decode_poll(message.payload)
        except ValueError as error:
            return _rejected(device, RejectReason.BAD_SNAPSHOT, str(error))
        if poll.profile != device.profile:
            return _rejected(
                device, RejectReason.WRONG_PROFILE, f"polled as {poll.profile!r}, the site file says {device.profile!r}"
            )
        return self._events(device, poll, message)

    def _profile_of(self, device: DeviceEntry, image: Image) -> ModbusProfile:
        """What the device's words mean."""
        return self._profiles[device.profile]

    def _events(self, device: DeviceEntry, poll: Poll, message: RawMessage) -> Sequence[Event] | Rejected:
        image = Image(poll.segments)
        profile = self._profile_of(device, image)
        origin = Origin(
            site=device.site,
            device=device.device,
            source_key=_source_key(device.device, poll, message.received_at),
            received_at=message.received_at,
            balance_unit=_site_unit(device),
        )
        values = Values(profile, image, origin.balance_unit)
        if any(image.holds(case) is False for case in profile.valid_when):
            return _behind_a_dead_link(values, origin, profile.kind)
        if not values.anything():
            return _rejected(device, *_nothing(values, poll))
        if profile.kind == "elevator":
            return [elevator_state(values, origin)]
        unit = balance_unit(profile, origin.balance_unit)
        if unit is None:
            return _rejected(
                device,
                RejectReason.MISSING_FIELD,
                "the meter counts in the site's unit: balance_unit CNY or kWh is missing",
            )
        return [meter_reading(values, unit, origin)]


def _behind_a_dead_link(values: Values, origin: Origin, kind: str) -> Sequence[Event]:
    """Old registers prove nothing, but a set `trapped` bit among them is never kept from the control room."""
    lost = Unreachable(**origin.common(), cause=LINK_DOWN)
    if kind != "elevator" or values.word("trapped") in {None, "none"}:
        return [lost]
    trapped = ElevatorState(**origin.common(), trapped=place_of(values), trapped_known=True, code=values.code())
    return [trapped, msgspec.structs.replace(lost, source_key=f"{lost.source_key}:link")]


def _nothing(values: Values, poll: Poll) -> tuple[RejectReason, str]:
    if values.unusable:
        return RejectReason.IMPLAUSIBLE, "; ".join(f"{name}: {why}" for name, why in values.unusable.items())
    refused = ", ".join(f"0x{each.addr:04X}+{each.count}: exception {each.exception}" for each in poll.refused)
    return RejectReason.SHORT_REPLY, f"no field of the profile is in this poll; refused: {refused or 'nothing'}"


def _source_key(device: str, poll: Poll, received_at: int) -> str:
    first = poll.segments[0] if poll.segments else None
    return f"{device}:{received_at}:{first.fc}-{first.addr:04x}" if first else f"{device}:{received_at}"


def _site_unit(device: DeviceEntry) -> BalanceUnit | None:
    return BalanceUnit(device.balance_unit) if device.balance_unit in set(BalanceUnit) else None


def _rejected(device: DeviceEntry, reason: RejectReason, detail: str) -> Rejected:
    return Rejected(reason=reason, detail=detail, site=device.site, device=device.device)
