"""Decoder of the channel `dlt645`: a poll's data items → a meter's reading, in the unit that the meter itself names.

The polls are those of `modbus_poll` (function code 17, the identifier as address); only what the words mean depends on the
meter's type. A meter that says what it counts in is believed over the site file: yuan taken for kWh would make every
threshold wrong, and the rule reports the contradiction.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from connectors.codecs.dlt645 import clock_of
from connectors.codecs.dlt645_profile import Dlt645Profile
from connectors.codecs.modbus_decoder import ModbusDecoder
from connectors.codecs.modbus_fields import Number
from connectors.codecs.modbus_poll import Wire
from connectors.codecs.modbus_profile import ModbusProfile
from connectors.codecs.modbus_values import Image, value_of
from hub.vocabulary.events import Event, MeterReading
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import DeviceEntry, RawMessage
from hub.vocabulary.rejected import Rejected

CLOCK: tuple[str, str] = ("clock_date", "clock_time")
"""Names under `extra` that make up the meter's clock."""


class Dlt645Decoder(ModbusDecoder):
    """Pure. `profiles` by id; devices of other transports are ignored."""

    def __init__(self, profiles: Mapping[str, Dlt645Profile], devices: Iterable[DeviceEntry]) -> None:
        devices = tuple(devices)
        super().__init__(profiles, devices)
        self._models = profiles
        self._zones = {f"{each.site}/{each.device}": each.timezone for each in devices if each.profile in profiles}

    def decode(self, message: RawMessage) -> Sequence[Event] | Rejected:
        """As ModbusDecoder; a poll that holds the meter's clock says by how much it is wrong."""
        found = super().decode(message)
        if isinstance(found, Rejected):
            return found
        return [self._with_drift(event, message) for event in found]

    def _planned(self, device: DeviceEntry, wire: Wire, message: RawMessage) -> Event | None:
        """What the words mean depends on what the meter says: there is only the long way."""
        return None

    def profile_of(self, device: DeviceEntry, image: Image) -> ModbusProfile:
        model = self._models[device.profile]
        said = value_of(model.credit_type, image) if model.credit_type is not None else None
        profile = model.of_type(said if isinstance(said, str) else device.balance_unit)
        overdraft = profile.fields.get("overdraft")
        if isinstance(overdraft, Number) and image.read(overdraft.span) is None:
            # A poll is whole: what is not in it, the meter refuses. It has no overdraft, so what remains is the credit.
            fields = {name: field for name, field in profile.fields.items() if name != "overdraft"}
            return msgspec.structs.replace(profile, fields=fields)
        return profile

    def _with_drift(self, event: Event, message: RawMessage) -> Event:
        date, time = (str((event.extra or {}).get(name, "")) for name in CLOCK)
        if not isinstance(event, MeterReading) or event.extra is None or not (date and time):
            return event
        kept = {name: value for name, value in event.extra.items() if name not in CLOCK}
        local = clock_of(date, time)
        kept["clock"] = None if local is None else local.isoformat()
        drift_s = None if local is None else _drift_s(local, self._zones[message.address], message.received_at)
        if drift_s is not None:
            kept["clock_drift_s"] = drift_s
        return msgspec.structs.replace(event, extra=kept, clock_drift_s=drift_s)


def _drift_s(local: dt.datetime, zone: str, received_at: UtcMs) -> int:
    """Seconds by which the meter's clock is ahead of ours."""
    meter = local.replace(tzinfo=zoneinfo.ZoneInfo(zone)).timestamp()
    return round(meter - received_at / 1000)
