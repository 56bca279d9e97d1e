"""The estate in memory: what the site files say, as connectors, decoders and rules ask for it.

Built once from checked settings and never changed; row numbers come from the store afterwards (`facts`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from hub.registry.holidays import long_holidays, this_year
from hub.settings import BusConfig, DeviceConfig, Settings, SiteConfig
from hub.settings.limits import merged, resolve
from hub.settings.model import RuleLimits
from hub.vocabulary.credentials import NumberProfile
from hub.vocabulary.facts import DeviceFacts, SiteFacts
from hub.vocabulary.ports import BusEntry, DeviceEntry

MQTT_GATEWAY: Final = "mqtt"
"""Gateway of every device that hangs on no bus."""

NO_OPTIONS: Final[Mapping[str, Any]] = MappingProxyType({})
"""Of nearly all of ten thousand devices: one for all of them."""
LAN_GATEWAY: Final = "lan"
"""Gateway of door controllers that the hub talks to itself: it never goes as a whole, each is silent for itself."""

DeviceKey = tuple[str, str]
"""(site, device)."""


class Estate:
    """All sites of this process. `limit_types`: a rule's name → its Limits struct."""

    def __init__(self, settings: Settings, limit_types: Mapping[str, type[msgspec.Struct]]) -> None:
        self._limit_types = limit_types
        self._configs = {site.id: site for site in settings.sites}
        self._devices: dict[DeviceKey, DeviceConfig] = {
            (site.id, device.id): device for site in settings.sites for device in site.devices
        }
        self._limits: dict[tuple[str, str, str, str], Any] = {}
        self._resolved: dict[tuple[str, bytes], Any] = {}
        self.sites: Mapping[str, SiteFacts] = MappingProxyType({site.id: site_facts(site) for site in settings.sites})

    def config(self, site: str) -> SiteConfig:
        """The site's whole configuration. Raises KeyError."""
        return self._configs[site]

    def knows_unit(self, site: str, unit: str) -> bool:
        """Whether the site's file lists this unit (`b1/0101`)."""
        building, _, number = unit.partition("/")
        config = self._configs.get(site)
        return config is not None and any(each.id == building and number in each.units for each in config.buildings)

    def card_capacity(self, site: str, device: str) -> int | None:
        """Cards that fit on an access controller; None: nobody knows."""
        config = self._devices.get((site, device))
        return None if config is None or config.access is None else config.access.facts.capacity

    def numbers_of(self, site: str, device: str) -> NumberProfile | None:
        """How the readers of an access controller spell; None: nobody says."""
        config = self._devices.get((site, device))
        return None if config is None else config.numbers

    def lift_card(self, site: str, device: str) -> Mapping[str, str]:
        """What the site's file says of an elevator's papers."""
        config = self._devices.get((site, device))
        return {} if config is None else config.lift

    def device(self, site: str, device: str) -> DeviceConfig | None:
        return self._devices.get((site, device))

    def devices(self) -> Iterator[tuple[str, DeviceConfig]]:
        """(site, device), in the files' order."""
        return ((site, device) for (site, _), device in self._devices.items())

    def device_entries(self) -> tuple[DeviceEntry, ...]:
        """What connectors need of every device."""
        return tuple(_device_entry(self._configs[site], device) for site, device in self.devices())

    def bus_entries(self) -> tuple[BusEntry, ...]:
        """What connectors need of every bus."""
        return tuple(_bus_entry(site.id, bus) for site in self._configs.values() for bus in site.buses)

    def gateways(self, site: str) -> tuple[str, ...]:
        """The site's buses, and `mqtt` when a device hangs on none."""
        config = self._configs[site]
        buses = tuple(bus.id for bus in config.buses)
        return (*buses, MQTT_GATEWAY) if any(_gateway(each) == MQTT_GATEWAY for each in config.devices) else buses

    def facts(self, pks: Mapping[DeviceKey, int]) -> dict[DeviceKey, DeviceFacts]:
        """Every device as rules see it; `pks` are the row numbers that the store has given. Raises KeyError."""
        return {
            (site, device.id): _device_facts(site, device, pks[(site, device.id)]) for site, device in self.devices()
        }

    def limits(self, rule: str, site: str, device: str = "", building: str = "") -> Any:
        """The rule's Limits for a device, a building or (neither given) the site; the deeper level wins key by key.

        A device that is not in the files (any more) has its site's. Raises KeyError for an unknown rule or site.
        """
        level = self._level(site, device, building)
        key = (rule, site, *level)
        found = self._limits.get(key)
        if found is None:
            found = self._limits[key] = self._shared(rule, self._values(site, *level).get(rule, {}))
        return found

    def _level(self, site: str, device: str, building: str) -> tuple[str, str]:
        """(device, building) where the device has limits of its own; else it is as all of its building are."""
        own = self._devices.get((site, device)) if device else None
        if own is None:
            return "", building
        return (device, own.building) if own.rules else ("", own.building)

    def _values(self, site: str, device: str, building: str) -> RuleLimits:
        """What the files say for a level, as `_level` gives it."""
        config = self._configs[site]
        rules = config.rules
        for entry in config.buildings:
            if entry.id == building:
                rules = merged(rules, entry.rules)
        return merged(rules, self._devices[(site, device)].rules) if device else rules

    def _shared(self, rule: str, values: Mapping[str, Any]) -> Any:
        """One struct for all subjects with the same limits: ten thousand devices seldom have ten different ones."""
        key = (rule, msgspec.msgpack.encode(values, order="sorted"))
        found = self._resolved.get(key)
        if found is None:
            found = self._resolved[key] = resolve(self._limit_types[rule], values)
        return found


def site_facts(site: SiteConfig) -> SiteFacts:
    """A site as everybody else knows it."""
    return SiteFacts(
        id=site.id,
        name=site.name,
        timezone=site.timezone,
        locale=site.locale,
        card_rules=site.card_rules,
        holidays=long_holidays(site.timezone, this_year()),
    )


def _device_facts(site: str, device: DeviceConfig, pk: int) -> DeviceFacts:
    return DeviceFacts(
        pk=pk,
        site=site,
        id=device.id,
        kind=device.kind,
        name=device.name,
        place=device.place,
        building=device.building,
        profile=device.profile,
        gateway=_gateway(device),
        balance_unit=device.balance_unit,
        expects_test_call=device.expects_test_call,
        doors=tuple(door.id for door in device.doors),
        access=None if device.access is None else device.access.facts,
        numbers=device.numbers,
        openings=tuple((door.id, door.opening) for door in device.doors if door.opening is not None),
    )


def _gateway(device: DeviceConfig) -> str:
    on_the_lan = device.access is not None and "host" in device.access.settings
    return device.bus or (LAN_GATEWAY if on_the_lan else MQTT_GATEWAY)


def _device_entry(site: SiteConfig, device: DeviceConfig) -> DeviceEntry:
    options: dict[str, Any] = {**_periods(device), **device.options}
    if device.doors:
        options["doors"] = {door.id: door.number for door in device.doors}
    if openings := {door.id: door.opening for door in device.doors if door.opening is not None}:
        options["openings"] = openings
    if device.access is not None:
        options |= device.access.settings
    return DeviceEntry(
        site=site.id,
        device=device.id,
        kind=device.kind.value,
        profile=device.profile,
        timezone=site.timezone,
        bus=device.bus,
        unit_id=device.unit_id,
        balance_unit=device.balance_unit.value if device.balance_unit is not None else None,
        options=options or NO_OPTIONS,
    )


def _bus_entry(site: str, bus: BusConfig) -> BusEntry:
    return BusEntry(site=site, bus=bus.id, url=bus.url, options=_periods(bus))


def _periods(entry: DeviceConfig | BusConfig) -> dict[str, Any]:
    """Only what the file sets: an absent period is the profile's."""
    periods = {"timeout_ms": entry.timeout_ms, "every_s": entry.every_s, "fast_ms": entry.fast_ms}
    return {name: value for name, value in periods.items() if value is not None}
