"""One site file: its buildings, buses, devices and limits, checked against the profiles and rules that there are.

References are checked after everything is read, so that one slip in a building's id is one mistake and not a hundred.
"""

from __future__ import annotations

import re
import sys
import zoneinfo
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from hub.settings.access import Controllers
from hub.settings.card_rules import read_card_rules
from hub.settings.clocks import NO_CLOCKS, ClockTable, read_clocks
from hub.settings.door_opening import Openings, read_opening
from hub.settings.duty import read_escalation
from hub.settings.lift_card import read_lift_card
from hub.settings.limits import LimitTypes, merged, read_limits
from hub.settings.meter_addresses import NO_UNIT_ID, MeterAddresses, read_address
from hub.settings.mistakes import Mistake, listed, nearest
from hub.settings.model import BuildingConfig, BusConfig, DeviceConfig, DoorConfig, RuleLimits, SiteConfig
from hub.settings.notifiers import NotifierTypes, read_notifiers, read_policy
from hub.settings.number_profiles import read_number_profile
from hub.settings.once import Once
from hub.settings.publishing import read_site_publishing
from hub.settings.section import Section
from hub.settings.source import Located
from hub.settings.urls import BUS_ALLOWED, UrlError, bus_url
from hub.settings.wires import wire_of
from hub.vocabulary.facts import DeviceKind, ProfileFacts
from hub.vocabulary.units import BalanceUnit

LOCALES: Final = ("zh-CN", "en")
NO_NOTIFIERS: Final = NotifierTypes()
NO_VARIABLES: Final[Mapping[str, str]] = {}
RESERVED_BUSES: Final = ("mqtt", "lan")
NOTHING: Final[dict[str, Any]] = {}
ON_A_BUS: Final = ("modbus", "dlt645", "acrel")
UNIT: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
UNIT_ALLOWED: Final = 'letters, digits, - and _, at most 32, quoted: "0101"'
PLACE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}(/[A-Za-z0-9_-]{1,32})?")
PLACE_ALLOWED: Final = "a building (b1) or building/unit (b1/0101)"
SITE_BALANCE_UNIT: Final = "$site"

Profiles = Mapping[str, ProfileFacts]


def read_site(
    document: Located,
    path: Path,
    profiles: Profiles,
    rules: LimitTypes,
    log: list[Mistake],
    notifier_types: NotifierTypes = NO_NOTIFIERS,
    environ: Mapping[str, str] = NO_VARIABLES,
    clock_table: ClockTable = NO_CLOCKS,
) -> SiteConfig:
    """The site; what is wrong is in `log`, and then the result is not to be used."""
    root = Section(document, "", log)
    head = root.section("site", required=True)
    site_id, name, timezone, locale = _read_head(head) if head is not None else ("", "", "", "")
    limits = read_limits(root, rules, {})
    buildings = _read_buildings(root, rules, limits)
    buses = _read_buses(root)
    devices = _read_devices(root, _Estate(buildings, buses, profiles, rules, limits))
    notifiers = read_notifiers(root, notifier_types, environ, path.parent)
    policy = read_policy(root, LOCALES, locale)
    escalation = read_escalation(root)
    clocks = read_clocks(root, clock_table)
    publishing = read_site_publishing(root, environ, path.parent, notifier_types, devices)
    card_rules = read_card_rules(root)
    root.finish()
    return SiteConfig(
        id=site_id,
        name=name or site_id,
        timezone=timezone,
        locale=locale,
        file=path,
        buildings=tuple(buildings.values()),
        buses=tuple(buses.values()),
        devices=devices,
        rules=limits,
        notifiers=notifiers,
        notices=policy,
        escalation=escalation,
        clocks=clocks,
        publishing=publishing,
        card_rules=card_rules,
    )


def _read_head(head: Section) -> tuple[str, str, str, str]:
    site_id = head.id()
    name = head.text("name")
    timezone = head.text("timezone", required=True, allowed="an IANA name such as Asia/Shanghai")
    if timezone and timezone not in _timezones():
        near = nearest(timezone, _timezones())
        head.wrong("timezone", f"{timezone!r} is no time zone{near}", "an IANA name such as Asia/Shanghai")
    locale = head.choice("locale", LOCALES, default="zh-CN")
    head.finish()
    return site_id, name, timezone, locale or "zh-CN"


@cache
def _timezones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _read_buildings(root: Section, rules: LimitTypes, outer: RuleLimits) -> dict[str, BuildingConfig]:
    found: dict[str, BuildingConfig] = {}
    once = Once("building")
    for section in root.sections("buildings"):
        building_id = section.id()
        building = BuildingConfig(
            id=building_id,
            name=section.text("name") or building_id,
            units=tuple(filter(None, section.texts("units", UNIT, UNIT_ALLOWED))),
            rules=read_limits(section, rules, outer),
        )
        section.finish()
        if once.new(section, "id", building.id):
            found[building.id] = building
    return found


def _read_buses(root: Section) -> dict[str, BusConfig]:
    found: dict[str, BusConfig] = {}
    ids = Once("bus")
    urls = Once("the address")
    for section in root.sections("buses"):
        bus_id = section.id()
        if bus_id in RESERVED_BUSES:
            section.wrong("id", f"{bus_id!r} is the hub's own word", "another id")
        timeout_ms, every_s, fast_ms = _read_periods(section)
        bus = BusConfig(id=bus_id, url=_read_bus_url(section), timeout_ms=timeout_ms, every_s=every_s, fast_ms=fast_ms)
        section.finish()
        urls.new(section, "url", wire_of(bus.url))
        if ids.new(section, "id", bus_id):
            found[bus_id] = bus
    return found


def _read_bus_url(section: Section) -> str:
    text = section.text("url", required=True, allowed=BUS_ALLOWED)
    if not text:
        return ""
    try:
        return bus_url(text)
    except UrlError as error:
        section.wrong("url", error.problem, error.allowed)
        return ""


def _read_periods(section: Section) -> tuple[int | None, float | None, int | None]:
    return (
        section.integer("timeout_ms", 10, 60_000),
        section.number("every_s", 0.1, 86_400),
        section.integer("fast_ms", 50, 60_000),
    )


class _Estate:
    """What devices refer to."""

    def __init__(
        self,
        buildings: Mapping[str, BuildingConfig],
        buses: Mapping[str, BusConfig],
        profiles: Profiles,
        rules: LimitTypes,
        limits: RuleLimits,
    ) -> None:
        self.buildings = buildings
        self.units = {building.id: frozenset(building.units) for building in buildings.values()}
        self.buses = buses
        self.profiles = profiles
        self.rules = rules
        self.limits = {building.id: merged(limits, building.rules) for building in buildings.values()}
        self.site_limits = limits
        self.controllers = Controllers()


def _read_devices(root: Section, estate: _Estate) -> tuple[DeviceConfig, ...]:
    found: list[DeviceConfig] = []
    ids, units, doors, options = Once("device"), Once("unit_id"), Once("door"), Once("the value")
    addresses, openings = MeterAddresses(), Openings()
    for section in root.sections("devices"):
        device = _read_device(section, estate, doors)
        if ids.new(section, "id", device.id):
            found.append(device)
        openings.take(section, device, estate.profiles.get(device.profile))
        if device.bus and device.unit_id is not None:
            units.new(section, "unit_id", (device.unit_id, device.bus))
        if addresses.take(section, device):
            continue
        for name, value in device.options.items():
            options.new(section, name, f"{name} {value}")
    addresses.finish()
    openings.finish()
    return tuple(found)


def _read_device(section: Section, estate: _Estate, doors: Once) -> DeviceConfig:
    device_id = section.id()
    kind = section.choice("kind", DeviceKind, required=True)
    profile_name, profile = _read_profile(section, estate, kind)
    place, building, unit = _read_place(section, estate)
    bus, unit_id = _read_bus(section, estate, profile)
    timeout_ms, every_s, fast_ms = _read_periods(section)
    numbers = read_number_profile(section, kind, profile)
    device = DeviceConfig(
        id=device_id,
        kind=kind or DeviceKind.ELEVATOR,
        profile=sys.intern(profile_name),  # one string for ten thousand devices, not ten thousand
        place=sys.intern(place),
        building=sys.intern(building),
        unit=unit,
        name=section.text("name") or device_id,
        bus=bus,
        unit_id=unit_id,
        balance_unit=_read_balance_unit(section, kind, profile),
        expects_test_call=profile is not None and profile.expects_test_call,
        doors=_read_doors(section, kind, profile, doors),
        timeout_ms=timeout_ms,
        every_s=every_s,
        fast_ms=fast_ms,
        options=_read_options(section, profile) or NOTHING,
        rules=read_limits(section, estate.rules, estate.limits.get(building, estate.site_limits)) or NOTHING,
        access=estate.controllers.read(section, kind, profile, numbers),
        numbers=numbers,
        lift=read_lift_card(section, kind) or NOTHING,
    )
    section.finish()
    return device


def _read_profile(section: Section, estate: _Estate, kind: DeviceKind | None) -> tuple[str, ProfileFacts | None]:
    name = section.text("profile", required=True, allowed=listed(estate.profiles))
    profile = estate.profiles.get(name)
    if not name:
        return "", None
    if profile is None:
        near = nearest(name, estate.profiles)
        section.wrong("profile", f"there is no profile {name!r}{near}", listed(estate.profiles))
    elif kind is not None and kind not in profile.kinds:
        fitting = [other for other, facts in estate.profiles.items() if kind in facts.kinds]
        kinds = " and ".join(profile.kinds)
        section.wrong("profile", f"{name!r} describes {kinds}, not {kind}", listed(fitting) or "no profile yet")
    return name, profile


def _read_place(section: Section, estate: _Estate) -> tuple[str, str, str | None]:
    place = section.text("place", required=True, pattern=PLACE, allowed=PLACE_ALLOWED)
    building, _, unit = place.partition("/")
    if place and building not in estate.buildings:
        near = nearest(building, estate.buildings)
        section.wrong("place", f"there is no building {building!r}{near}", listed(estate.buildings) or "none is listed")
    elif unit and unit not in estate.units[building]:
        problem = f"building {building!r} has no unit {unit!r}{nearest(unit, estate.units[building])}"
        section.wrong("place", problem, listed(sorted(estate.units[building])) or "no unit is listed")
    return place, building, unit or None


def _read_bus(section: Section, estate: _Estate, profile: ProfileFacts | None) -> tuple[str | None, int | None]:
    modbus = profile is not None and profile.channel == "modbus"
    on_a_bus = profile is not None and profile.channel in ON_A_BUS
    bus = section.text("bus", required=on_a_bus, allowed=listed(estate.buses) or "no bus is listed") or None
    if bus is not None and bus not in estate.buses:
        problem = f"there is no bus {bus!r}{nearest(bus, estate.buses)}"
        section.wrong("bus", problem, listed(estate.buses) or "no bus is listed")
        low, high = 0, 255
    else:
        if (
            bus is not None
            and profile is not None
            and on_a_bus
            and _channel(estate.buses[bus]) not in ("", profile.channel)
        ):
            fitting = [name for name, each in estate.buses.items() if _channel(each) == profile.channel]
            problem = f"bus {bus!r} does not speak {profile.channel}, as this profile does"
            section.wrong("bus", problem, listed(fitting) or f"a bus with {profile.channel}… in its url")
        # 0 is the broadcast and 248–255 are reserved on a serial line; behind pure TCP, 0 and 255 mean the device itself.
        pure_tcp = bus is not None and estate.buses[bus].url.startswith("modbus+tcp:")
        low, high = (0, 255) if pure_tcp else (1, 247)
    if profile is not None and on_a_bus and not modbus:
        section.refuse("unit_id", *NO_UNIT_ID[profile.channel])
        return bus, None
    unit_id = section.integer("unit_id", low, high, required=modbus)
    if profile is not None and not on_a_bus:
        for key in ("bus", "unit_id"):
            if key in section.fields:
                section.wrong(key, f"this profile speaks {profile.channel}, it hangs on no bus", "leave it out")
    return bus, unit_id


def _channel(bus: BusConfig) -> str:
    """What is spoken on a bus; empty where its url is wrong."""
    return bus.url.partition(":")[0].partition("+")[0]


def _read_balance_unit(section: Section, kind: DeviceKind | None, profile: ProfileFacts | None) -> BalanceUnit | None:
    wanted = profile.balance_unit if profile is not None else None
    unit = section.choice(
        "balance_unit", BalanceUnit, required=kind is DeviceKind.METER and wanted == SITE_BALANCE_UNIT
    )
    if "balance_unit" in section.fields and kind is not None and kind is not DeviceKind.METER:
        section.wrong("balance_unit", "only meters have a balance", "leave it out")
    fixed = BalanceUnit(wanted) if wanted in tuple(BalanceUnit) else None
    if fixed is not None and unit is not None and unit is not fixed:
        section.wrong("balance_unit", f"the profile says that this meter counts {fixed}", f"{fixed}, or leave it out")
    return unit or fixed


def _read_options(section: Section, profile: ProfileFacts | None) -> dict[str, str]:
    """What this profile asks for beside the common fields; these are its sender's own names for the device."""
    read = {name: section.text(name) for name in (profile.options if profile is not None else ())}
    if profile is not None:
        read |= read_address(section, profile.channel)
    return {name: value for name, value in read.items() if value}


def _read_doors(
    section: Section, kind: DeviceKind | None, profile: ProfileFacts | None, doors: Once
) -> tuple[DoorConfig, ...]:
    found: list[DoorConfig] = []
    numbers = Once("door number")
    for door in section.sections("doors"):
        number = door.integer("number", 0, 65_535, required=True)
        door_id = door.id()
        opening = read_opening(door, profile)
        door.finish()
        numbers.new(door, "number", number)
        if doors.new(door, "id", door_id) and number is not None:
            found.append(DoorConfig(id=door_id, number=number, opening=opening))
    if "doors" in section.fields and kind is not None and kind is not DeviceKind.ACCESS_CONTROLLER:
        section.wrong("doors", "only access controllers have doors", "leave it out")
    return tuple(found)
