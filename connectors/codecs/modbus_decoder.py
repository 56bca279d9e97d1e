"""Decoder of the channel `modbus`: a poll's bytes → an elevator's state or a meter's reading.

`address` is `{site}/{device}`. The device gives no time of its own, so arrival is when it happened; each poll is an event of
its own (its key is device, arrival and what was read), because polling repeats a state, it does not repeat an event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from connectors.codecs.modbus_events import Origin, Values, balance_unit, elevator_state, meter_reading, place_of
from connectors.codecs.modbus_fields import Span
from connectors.codecs.modbus_plan import MeterPlan, meter_plan
from connectors.codecs.modbus_poll import Poll, Wire, decode_wire, poll_of
from connectors.codecs.modbus_profile import ModbusProfile
from connectors.codecs.modbus_values import Image
from hub.vocabulary.events import ElevatorState, Event, Unreachable
from hub.vocabulary.ports import DeviceEntry, RawMessage
from hub.vocabulary.rejected import Rejected, RejectReason
from hub.vocabulary.units import BalanceUnit

LINK_DOWN: Final = "link_down"
"""Cause of Unreachable when a module answers, but says that it does not reach the device behind it."""

PLANS: Final = 4096
"""Shapes of polls that are remembered; a bus has a handful, whoever sends others gets no more than this."""


_Reads: TypeAlias = tuple[int, int, int] | tuple[tuple[int, int, int], ...]
"""Function code, address and hexadecimal digits of each reply; of the only one, where it is one."""


class ModbusDecoder:
    """Pure. `profiles` by id; devices of other transports are ignored."""

    def __init__(self, profiles: Mapping[str, ModbusProfile], devices: Iterable[DeviceEntry]) -> None:
        self._profiles = profiles
        self._devices = {f"{device.site}/{device.device}": device for device in devices if device.profile in profiles}
        self._units = {address: _site_unit(device) for address, device in self._devices.items()}
        self._plans: dict[tuple[str, BalanceUnit | None, _Reads], MeterPlan | None] = {}

    def decode(self, message: RawMessage) -> Sequence[Event] | Rejected:
        """One event, or why the poll cannot be used."""
        device = self._devices.get(message.address)
        if device is None:
            return Rejected(
                reason=RejectReason.UNKNOWN_DEVICE, detail=f"no Modbus device {message.address!r} in the site files"
            )
        try:
            wire = decode_wire(message.payload)
            reading = self._planned(device, wire, message)
            if reading is not None:
                return [reading]
            poll = poll_of(wire)
        except ValueError as error:
            return _rejected(device, RejectReason.BAD_SNAPSHOT, str(error))
        if poll.profile != device.profile:
            return _rejected(
                device, RejectReason.WRONG_PROFILE, f"polled as {poll.profile!r}, the site file says {device.profile!r}"
            )
        return self._events(device, poll, message)

    def _planned(self, device: DeviceEntry, wire: Wire, message: RawMessage) -> Event | None:
        """The reading, where nothing about it is odd; None: the long way."""
        if wire.profile != device.profile:
            return None
        reads = wire.reads
        shape: _Reads
        if len(reads) == 1:
            only = reads[0]
            text = only.registers
            shape = (only.fc, only.addr, len(text))
        else:
            text = "".join(each.registers for each in reads)
            shape = tuple((each.fc, each.addr, len(each.registers)) for each in reads)
        key = device.profile, self._units[message.address], shape
        try:
            plan = self._plans[key]
        except KeyError:
            plan = self._new_plan(*key, wire)
        if plan is None:
            return None
        try:
            data = bytes.fromhex(text)
        except ValueError:
            return None
        return plan.read(device, data, message.received_at)

    def _new_plan(self, profile: str, unit: BalanceUnit | None, shape: _Reads, wire: Wire) -> MeterPlan | None:
        spans = tuple(Span(each.fc, each.addr, len(each.registers) // 4) for each in wire.reads)
        whole = all(len(each.registers) % 4 == 0 for each in wire.reads)
        plan = meter_plan(self._profiles[profile], unit, spans) if whole else None
        if len(self._plans) < PLANS:
            self._plans[profile, unit, shape] = plan
        return plan

    def profile_of(self, device: DeviceEntry, image: Image) -> ModbusProfile:
        """What the device's words mean."""
        return self._profiles[device.profile]

    def _events(self, device: DeviceEntry, poll: Poll, message: RawMessage) -> Sequence[Event] | Rejected:
        image = Image(poll.segments)
        profile = self.profile_of(device, image)
        origin = Origin(
            site=device.site,
            device=device.device,
            source_key=_source_key(device.device, poll, message.received_at),
            received_at=message.received_at,
            balance_unit=self._units[message.address],
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
