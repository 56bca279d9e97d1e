"""`hub check --connect`: does the bus answer, is each device what its profile says, and what does it say right now?

Shows the values beside the device's name, so that whoever stands before the display can compare: a wrong unit, scale or word
order, or two swapped meters, cannot be seen from here. Reads once, politely, and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from connectors.codecs.modbus_decoder import ModbusDecoder
from connectors.codecs.modbus_poll import Poll, encode_poll
from connectors.codecs.modbus_profile import ModbusProfile, Period
from connectors.codecs.modbus_values import Segment
from connectors.modbus.address import BusAddressError, parse_address
from connectors.modbus.client import BusClient, PymodbusClient
from connectors.modbus.connector import unit_spec, utc_ms
from connectors.modbus.exchange import Answer, Dropped, Exceptional, Mismatch, Outcome, UnitSpec
from connectors.modbus.poller import CONNECT_MS
from hub.vocabulary.events import ElevatorState, Event, MeterReading
from hub.vocabulary.ports import BusEntry, DeviceEntry, RawMessage
from hub.vocabulary.rejected import Rejected
from hub.vocabulary.units import credit_text, kwh_text


class Finding(msgspec.Struct, frozen=True):
    """One line of the report. `target` is the bus or the device, `cause` the word that the running hub would use."""

    ok: bool
    target: str
    cause: str
    text: str


def check_bus(bus: BusEntry, devices: Sequence[DeviceEntry], profiles: Mapping[str, ModbusProfile]) -> list[Finding]:
    """Connect and read each device of the bus once: the bus first, then its devices. Never raises; not from an event loop."""
    try:
        address = parse_address(bus.url)
    except BusAddressError as error:
        return [Finding(False, bus.bus, "bad_address", str(error))]
    on_it = [d for d in devices if d.site == bus.site and d.bus == bus.bus and d.profile in profiles]
    link = PymodbusClient(address, lambda _: None)
    return asyncio.run(_look(link, bus, on_it, profiles, quiet=not address.traceable))


async def _look(
    link: BusClient,
    bus: BusEntry,
    devices: Sequence[DeviceEntry],
    profiles: Mapping[str, ModbusProfile],
    *,
    quiet: bool,
) -> list[Finding]:
    try:
        cause = await link.connect(CONNECT_MS)
        if cause is not None:
            return [Finding(False, bus.bus, cause, f"{bus.url}: {cause}")]
        found = [Finding(True, bus.bus, "", f"{bus.url}: connected")]
        decoder = ModbusDecoder(profiles, devices)
        for device in devices:
            profile = profiles[device.profile]
            finding = await _read(link, device, unit_spec(device, bus, profile), decoder)
            found.append(finding)
            if not finding.ok and quiet:
                await asyncio.sleep(profile.max_lateness_ms / 1000)  # its reply may still be on the way
        return found
    finally:
        link.close()


async def _read(link: BusClient, device: DeviceEntry, spec: UnitSpec, decoder: ModbusDecoder) -> Finding:
    segments = []
    for read in sorted(spec.reads, key=lambda each: each.period is Period.DAILY):
        outcome = await link.read(spec.unit_id, read.span, spec.timeout_ms)
        await asyncio.sleep(spec.min_gap_ms / 1000)
        if isinstance(outcome, Answer):
            segments.append(Segment(read.span.fc, read.span.addr, outcome.registers))
        elif not segments:
            cause = _cause(outcome)
            return Finding(False, device.device, cause, f"unit {spec.unit_id}: {cause} ({_advice(outcome)})")
    payload = encode_poll(Poll(profile=device.profile, segments=tuple(segments)))
    address = f"{device.site}/{device.device}"
    decoded = decoder.decode(RawMessage(channel="modbus", address=address, payload=payload, received_at=utc_ms()))
    if isinstance(decoded, Rejected):
        return Finding(False, device.device, decoded.reason, f"unit {spec.unit_id}: {decoded.detail}")
    return Finding(True, device.device, "", f"unit {spec.unit_id}: {'; '.join(map(_shown, decoded))}")


def _cause(outcome: Outcome) -> str:
    if isinstance(outcome, Exceptional):
        return f"exception_{outcome.code:02x}"
    return outcome.cause if isinstance(outcome, Mismatch | Dropped) else "timeout"


def _advice(outcome: Outcome) -> str:
    if isinstance(outcome, Exceptional):
        if outcome.code in {0x0A, 0x0B}:
            return "the gateway answers, the device behind it does not: unit_id, wiring, baud rate"
        return "the device answers, but has no such registers: is it this profile's model?"
    if isinstance(outcome, Mismatch | Dropped):
        return "what came back does not fit the request: another framing, or another device in between"
    return "no reply: unit_id, wiring, or a timeout_ms shorter than the gateway's"


def _shown(event: Event) -> str:
    unusable = (event.extra or {}).get("unusable")
    beside = f"; not believed: {unusable}" if unusable else ""
    if isinstance(event, MeterReading):
        credit = "unknown" if event.credit is None else f"{credit_text(event.credit, event.unit)} {event.unit}"
        energy = "unknown" if event.energy_wh is None else f"{kwh_text(event.energy_wh)} kWh"
        return f"balance {credit}, total {energy}, serial {event.serial or 'unknown'}{beside}"
    if isinstance(event, ElevatorState):
        trapped = event.trapped or ("none" if event.trapped_known else "unknown")
        return f"floor {event.floor or 'unknown'}, doors {', '.join(event.doors)}, trapped {trapped}{beside}"
    return f"{type(event).__name__} {getattr(event, 'cause', '')}"
