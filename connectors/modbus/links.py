"""Which client and which decoder a bus needs: one line for each protocol that shares the scheduler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from connectors.codecs.dlt645 import WILDCARD
from connectors.codecs.dlt645_decoder import Dlt645Decoder
from connectors.codecs.dlt645_profile import Dlt645Profile
from connectors.codecs.modbus_decoder import ModbusDecoder
from connectors.codecs.modbus_profile import ModbusProfile
from connectors.modbus.address import BusAddress, BusAddressError
from connectors.modbus.client import BusClient, PymodbusClient
from connectors.modbus.dlt645_client import Dlt645Client
from hub.vocabulary.ports import DeviceEntry


def open_link(address: BusAddress, on_late: Callable[[int], None]) -> BusClient:
    """A link that is not connected yet. `on_late(ms)`: see the clients."""
    return Dlt645Client(address, on_late) if address.speaks_dlt645 else PymodbusClient(address, on_late)


def decoder_of(
    address: BusAddress, profiles: Mapping[str, ModbusProfile], devices: Sequence[DeviceEntry]
) -> ModbusDecoder:
    """The decoder of this bus's channel."""
    if not address.speaks_dlt645:
        return ModbusDecoder(profiles, devices)
    own = {name: profile for name, profile in profiles.items() if isinstance(profile, Dlt645Profile)}
    return Dlt645Decoder(own, devices)


def number_on_bus(device: DeviceEntry, profile: ModbusProfile) -> int:
    """A Modbus unit id, or the 12 digits of a DL/T 645 address as a hexadecimal number. Raises BusAddressError."""
    if not isinstance(profile, Dlt645Profile):
        return 1 if device.unit_id is None else device.unit_id
    address = str(device.options.get("address", ""))
    if len(address) != 12 or not ((address.isascii() and address.isdecimal()) or address == WILDCARD):
        raise BusAddressError(f"{device.device}: address {address!r}; 12 digits are needed, as printed on the meter")
    return int(address, 16)


def check_company(
    address: BusAddress, devices: Mapping[str, DeviceEntry], profiles: Mapping[str, ModbusProfile]
) -> None:
    """Raises BusAddressError where devices cannot be on this bus: another protocol, or the wildcard beside others."""
    for device in devices.values():
        if isinstance(profiles[device.profile], Dlt645Profile) is not address.speaks_dlt645:
            raise BusAddressError(f"{device.device}: profile {device.profile!r} does not speak {address.framing}")
        if device.options.get("address") == WILDCARD and len(devices) > 1:
            raise BusAddressError(
                f"{device.device}: address {WILDCARD} means every meter; there are {len(devices)} here"
            )
