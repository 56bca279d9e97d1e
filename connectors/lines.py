"""The lines to devices beside the broker, and what turns each channel's bytes into events: a new connector is one row in each.

A row asks for what it needs by name from `Given`; the wiring knows the tables and no connector of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from connectors.access.mqtt_doors import Publisher
from connectors.access.ways import DoorWays, Resumes
from connectors.acrel import AcrelListener
from connectors.codecs.acrel_decoder import AcrelDecoder
from connectors.codecs.dlt645_decoder import Dlt645Decoder
from connectors.codecs.modbus_decoder import ModbusDecoder
from connectors.codecs.reader import ReaderDecoder
from connectors.codecs.uhppote import UhppoteDecoder
from connectors.modbus.connector import BusConnector
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import BusEntry, CommandSender, Decoder, DeviceEntry, Intake

Sections = Callable[[str], Mapping[str, Any]]
"""A transport's word → profile id → its section, of the profiles that have one."""


class Given(NamedTuple):
    """What a line may ask for."""

    buses: Sequence[BusEntry]
    devices: Sequence[DeviceEntry]
    sections: Sections
    publisher: Publisher
    resumes: Resumes
    intake: Intake
    clock: Callable[[], UtcMs]


class Line(Protocol):
    """A connector with threads of its own. `start` returns when they run; nothing needs to be reachable."""

    def start(self) -> Any: ...
    def stop(self) -> None: ...
    def status(self) -> Sequence[Any]:
        """Each bus as it stands."""


class Laid(NamedTuple):
    """A line that is ready to be started. `senders`: (site, device) → what carries its commands.

    `attend`: told for which (site, device) somebody waits, where a line can read them sooner.
    """

    line: Line
    senders: Mapping[tuple[str, str], CommandSender] = {}
    attend: Callable[[Collection[tuple[str, str]]], None] | None = None


def bus_profiles(sections: Sections) -> dict[str, Any]:
    """Profile id → what the bus scheduler reads, of all protocols that share it."""
    return {**sections("modbus"), **sections("dlt645")}


def _buses(given: Given) -> Laid:
    profiles = bus_profiles(given.sections)
    line = BusConnector(given.buses, given.devices, profiles, given.intake, clock=given.clock)
    return Laid(line, attend=line.attend)


def _acrel(given: Given) -> Laid:
    return Laid(AcrelListener(given.buses, given.intake, clock=given.clock))


def _doors(given: Given) -> Laid:
    ways = DoorWays(
        given.devices, given.sections, given.publisher, given.buses, given.resumes, given.intake, given.clock
    )
    return Laid(ways, ways.senders())


LINES: Final[tuple[Callable[[Given], Laid], ...]] = (_buses, _acrel, _doors)

DECODERS: Final[Mapping[str, Callable[[Mapping[str, Any], Sequence[DeviceEntry]], Decoder]]] = {
    "modbus": ModbusDecoder,
    "dlt645": Dlt645Decoder,
    "uhppote": UhppoteDecoder,
    "acrel": AcrelDecoder,
    "reader": ReaderDecoder,
}
"""Channel → its decoder, made of the profiles' sections of that name; MQTT's is the wiring's own."""


def decoders(sections: Sections, devices: Sequence[DeviceEntry]) -> dict[str, Decoder]:
    """By channel."""
    return {channel: make(sections(channel), devices) for channel, make in DECODERS.items()}
