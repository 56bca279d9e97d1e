"""What the site file says of an access controller beyond its doors: where a board is, how its readers count, how much fits.

Two boards that one answer could belong to are a mistake. Which cards a reader sends is said here and never guessed: a
Wiegand 26 number and a Wiegand 34 number can look the same (domain/access.md 3).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from hub.settings.model import AccessConfig
from hub.settings.once import Once
from hub.settings.section import Section
from hub.vocabulary.credentials import NumberProfile
from hub.vocabulary.facts import AccessFacts, DeviceKind, ProfileFacts

BOARD_PORT: Final = 60000
LISTEN_PORT: Final = 60001
READER_KINDS: Final = ("rc522", "pn532", "wiegand")
HOST: Final = re.compile(r"([0-9.]{7,15})(?::([0-9]{1,5}))?")
IP: Final = re.compile(r"[0-9.]{7,15}")
IP_ALLOWED: Final = 'the controller\'s IPv4 address, fixed at the router: "192.168.1.50"'
MAX_SERIAL: Final = 2**32 - 1
MAX_CAPACITY: Final = 1_000_000


class Controllers:
    """All controllers of one file, device by device."""

    def __init__(self) -> None:
        self._once = {"serial": Once("the serial"), "host": Once("the host"), "ip": Once("the ip")}

    def read(
        self,
        section: Section,
        kind: DeviceKind | None,
        profile: ProfileFacts | None,
        numbers: NumberProfile | None = None,
    ) -> AccessConfig | None:
        """None for whatever is no access controller. `numbers`: how its readers spell."""
        if kind is not DeviceKind.ACCESS_CONTROLLER or profile is None:
            return None
        facts = _facts(section, profile.access or AccessFacts())
        found = {key: READERS[key](section) for key in facts.settings if key in READERS}
        if ("numbers" in facts.settings or facts.hub_decides) and numbers is not None:
            found["card_format"] = numbers.format
        for key, once in self._once.items():
            once.new(section, key, found.get(key))
        return AccessConfig(facts=facts, settings={key: value for key, value in found.items() if value is not None})


def _facts(section: Section, known: AccessFacts) -> AccessFacts:
    """The profile's word, unless the site knows better."""
    capacity = section.integer("capacity", 1, MAX_CAPACITY)
    lease_days = section.integer("lease_days", 1, 90)
    return msgspec.structs.replace(
        known,
        capacity=known.capacity if capacity is None else capacity,
        lease_days=known.lease_days if lease_days is None else lease_days,
    )


def _host(section: Section) -> str | None:
    return _address_of(section, "host", required=True, port=BOARD_PORT)


def _address_of(section: Section, key: str, *, required: bool, port: int) -> str | None:
    allowed = f'an IPv4 address, with a port when it is not {port}: "192.168.1.100:{port}"'
    text = section.text(key, required=required, pattern=HOST, allowed=allowed)
    match = HOST.fullmatch(text)
    if match is None:
        return None
    number = int(match[2] or port)
    try:
        address = ipaddress.IPv4Address(match[1])
    except ValueError:
        section.wrong(key, f"{text!r} is no IPv4 address", allowed)
        return None
    if not 1 <= number <= 65_535:
        section.wrong(key, f"port {number} is out of range", "1 to 65535")
        return None
    return f"{address}:{number}"


def _serial(section: Section) -> int | None:
    return section.integer("serial", 1, MAX_SERIAL, required=True)


def _ip(section: Section) -> str | None:
    """Commands of some makers are matched by the address alone."""
    text = section.text("ip", required=True, pattern=IP, allowed=IP_ALLOWED)
    try:
        return str(ipaddress.IPv4Address(text)) if text else None
    except ValueError:
        section.wrong("ip", f"{text!r} is no IPv4 address", IP_ALLOWED)
        return None


def _reader(section: Section) -> str | None:
    return section.choice("reader", READER_KINDS, default="rc522")


def _listener(section: Section) -> str | None:
    """Where this board is to push its events: the hub's own address as the board sees it; left out, it is polled alone."""
    return _address_of(section, "listener", required=False, port=LISTEN_PORT)


READERS: Final[Mapping[str, Callable[[Section], Any]]] = {
    "serial": _serial,
    "host": _host,
    "listener": _listener,
    "ip": _ip,
    "reader": _reader,
}
"""What a profile may ask the site file for (`access: {settings: [...]}`); `numbers` is read for all (number_profiles)."""
