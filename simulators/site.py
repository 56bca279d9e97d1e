"""Reads the site files that describe an estate, as far as a simulator needs them.

Only the contract's format is known here; what is not needed (names of rules, people) is skipped without a check, because
`hub check` is the place that judges a site file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml


class SiteFileError(Exception):
    """A site file that cannot be simulated; the text names file and field."""


@dataclass(frozen=True)
class Bus:
    """One Modbus bus: `framing` is `tcp` or `rtu` (RTU frames over TCP)."""

    id: str
    host: str
    port: int
    framing: str


@dataclass(frozen=True)
class Door:
    """A door of an access controller with the controller's own number for it."""

    id: str
    number: int


@dataclass(frozen=True)
class Device:
    """A device of the site file; `floors` are the labels of its building, lowest first."""

    id: str
    site: str
    kind: str
    profile: str
    place: str
    name: str
    floors: tuple[str, ...]
    bus: str | None = None
    unit_id: int | None = None
    balance_unit: str = "CNY"
    doors: tuple[Door, ...] = ()
    serial: int | None = None  # of a door board
    host: str | None = None  # and its address:port


@dataclass(frozen=True)
class Site:
    """One estate: its time zone, its buses by id and its devices in file order."""

    id: str
    name: str
    timezone: str
    buses: Mapping[str, Bus] = field(default_factory=dict)
    devices: tuple[Device, ...] = ()


def load_site(path: Path) -> Site:
    """Read one site file. Raises SiteFileError with the file name for anything that is missing."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SiteFileError(f"{path}: {error}") from error
    try:
        return parse_site(raw)
    except (KeyError, TypeError, ValueError) as error:
        raise SiteFileError(f"{path}: {type(error).__name__}: {error}") from error


def parse_site(raw: Mapping[str, Any]) -> Site:
    """Turn the parsed YAML of a site file into a Site."""
    head = raw["site"]
    buildings = {building["id"]: _floors(building.get("units", ())) for building in raw.get("buildings", ())}
    buses = {bus["id"]: _bus(bus) for bus in raw.get("buses", ())}
    devices = tuple(_device(entry, head["id"], buildings) for entry in raw.get("devices", ()))
    for device in devices:
        if device.bus is not None and device.bus not in buses:
            raise ValueError(f"device {device.id}: bus {device.bus} is not in `buses`")
    return Site(head["id"], head.get("name", head["id"]), head.get("timezone", "Asia/Shanghai"), buses, devices)


def _bus(entry: Mapping[str, Any]) -> Bus:
    url = urlsplit(entry["url"])
    framings = {"modbus+tcp": "tcp", "modbus+rtu-over-tcp": "rtu"}
    if url.scheme not in framings:
        raise ValueError(f"bus {entry['id']}: {url.scheme} cannot be simulated, only {' and '.join(framings)}")
    return Bus(entry["id"], url.hostname or "127.0.0.1", url.port or 502, framings[url.scheme])


def _device(entry: Mapping[str, Any], site: str, buildings: Mapping[str, tuple[str, ...]]) -> Device:
    place = str(entry.get("place", ""))
    return Device(
        id=entry["id"],
        site=site,
        kind=entry["kind"],
        profile=entry["profile"],
        place=place,
        name=entry.get("name", entry["id"]),
        serial=entry["serial"] if isinstance(entry.get("serial"), int) else None,
        host=entry.get("host"),
        floors=buildings.get(place.partition("/")[0], _floors(())),
        bus=entry.get("bus"),
        unit_id=entry.get("unit_id"),
        balance_unit=entry.get("balance_unit", "CNY"),
        doors=tuple(Door(door["id"], int(door["number"])) for door in entry.get("doors", ())),
    )


def _floors(units: Sequence[str]) -> tuple[str, ...]:
    """The landings of a building: B1, then 1 up to the highest floor that a unit number (0302 = floor 3) names."""
    numbers = [int(unit[:-2]) for unit in map(str, units) if len(unit) > 2 and unit.isdigit()]
    top = max([*numbers, 6])
    return ("B1", *(str(number) for number in range(1, top + 1)))
