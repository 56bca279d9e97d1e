"""`hub check --connect`: does each card reader and relay module answer, and which card stands at it right now?

Reads once and writes nothing: a card that is held to the reader meanwhile is shown as the hub would understand it, so that a
turned byte order or a wrong format is seen by whoever holds the card, before the door is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from connectors.access.check import Finding
from connectors.access.door_bus import cause_of
from connectors.codecs.modbus_values import Segment
from connectors.codecs.reader_profile import ReaderProfile
from connectors.codecs.reader_watch import Card, number_of, registers_at
from connectors.modbus.address import BusAddressError, parse_address
from connectors.modbus.client import PymodbusClient
from connectors.modbus.exchange import Answer
from connectors.modbus.poller import CONNECT_MS
from hub.vocabulary.credentials import FORMATS
from hub.vocabulary.ports import BusEntry, DeviceEntry


def check_readers(
    buses: Sequence[BusEntry], devices: Sequence[DeviceEntry], profiles: Mapping[str, ReaderProfile]
) -> list[Finding]:
    """A finding for each reader and relay module on a bus that can be reached; of the others `check_bus` says why. Not from an event loop."""
    return asyncio.run(_all(buses, [each for each in devices if each.profile in profiles], profiles))


async def _all(
    buses: Sequence[BusEntry], devices: Sequence[DeviceEntry], profiles: Mapping[str, ReaderProfile]
) -> list[Finding]:
    found: list[Finding] = []
    for bus in buses:
        mine = [each for each in devices if (each.site, each.bus) == (bus.site, bus.bus)]
        if not mine:
            continue
        try:
            link = PymodbusClient(parse_address(bus.url), lambda _: None)
        except BusAddressError:
            continue  # check_bus has said so
        try:
            if await link.connect(CONNECT_MS) is None:
                found += [await _one(link, each, profiles[each.profile]) for each in mine]
        finally:
            link.close()
    return found


async def _one(link: PymodbusClient, entry: DeviceEntry, profile: ReaderProfile) -> Finding:
    target, unit_id = f"{entry.site}/{entry.device}", 1 if entry.unit_id is None else entry.unit_id
    segments = []
    for span in profile.reads:
        outcome = await link.read(unit_id, span, profile.timeout_ms)
        if not isinstance(outcome, Answer):
            return Finding(False, target, f"unit {unit_id}: {cause_of(outcome)}")
        segments.append(Segment(span.fc, span.addr, outcome.registers))
    return Finding(True, target, f"unit {unit_id}: answers; {_shown(segments, entry, profile)}")


def _shown(segments: Sequence[Segment], entry: DeviceEntry, profile: ReaderProfile) -> str:
    if profile.number is None:
        return f"{len(profile.relays)} relays"
    registers = registers_at(segments, profile.number.span)
    if not any(registers):
        return "no card"
    bits = None if profile.number.bits is None else registers_at(segments, profile.number.bits)[0]
    format_ = str(entry.options["card_format"])
    try:
        return f"last card {format_} {number_of(Card(registers, bits, False), profile, FORMATS[format_].bits)} (as the reader orders the bytes)"
    except ValueError as error:
        return f"last card is no {format_} number: {error}"
