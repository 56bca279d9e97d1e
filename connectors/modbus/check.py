"""`hub check --connect`: does the bus answer, is each device what its profile says, and what does it say right now?

Shows the values beside the device's name. A wrong unit, scale or word order, or two swapped meters, show only beside what the
displays say (`commissioning`). Reads once, politely, and leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence

import msgspec

from connectors.codecs.modbus_decoder import ModbusDecoder
from connectors.codecs.modbus_poll import Poll, encode_poll
from connectors.codecs.modbus_profile import ModbusProfile, Period
from connectors.codecs.modbus_values import Image, Segment
from connectors.modbus.address import BusAddress, BusAddressError, Framing, channel_of, parse_address
from connectors.modbus.client import BusClient
from connectors.modbus.commissioning import Live, unit_trouble
from connectors.modbus.connector import unit_spec, utc_ms
from connectors.modbus.dlt645_client import CHECKSUM, TWO_METERS
from connectors.modbus.exchange import Answer, Dropped, Exceptional, Mismatch, Outcome, UnitSpec
from connectors.modbus.links import check_company, decoder_of, open_link
from connectors.modbus.poller import CONNECT_MS
from hub.vocabulary.events import ElevatorState, Event, MeterReading
from hub.vocabulary.ports import BusEntry, DeviceEntry, RawMessage
from hub.vocabulary.rejected import Rejected
from hub.vocabulary.units import BalanceUnit, credit_text, kwh_text


class Finding(msgspec.Struct, frozen=True):
    """One line of the report. `target` is the bus or the device, `cause` the word that the running hub would use."""

    ok: bool
    target: str
    cause: str
    text: str
    live: Live | None = None  # of a meter that was read


def check_bus(bus: BusEntry, devices: Sequence[DeviceEntry], profiles: Mapping[str, ModbusProfile]) -> list[Finding]:
    """Connect and read each device of the bus once: the bus first, then its devices. Never raises; not from an event loop."""
    try:
        address = parse_address(bus.url)
    except BusAddressError as error:
        return [Finding(False, bus.bus, "bad_address", str(error))]
    if address.framing is Framing.ACREL:
        return [_listening(bus, address)]
    on_it = [d for d in devices if d.site == bus.site and d.bus == bus.bus and d.profile in profiles]
    try:
        check_company(address, {device.device: device for device in on_it}, profiles)
        specs = {device.device: unit_spec(device, bus, profiles[device.profile]) for device in on_it}
    except BusAddressError as error:
        return [Finding(False, bus.bus, "bad_address", str(error))]
    look = _Look(bus, open_link(address, lambda _: None), decoder_of(address, profiles, on_it), channel_of(bus.url))
    return asyncio.run(look.at(on_it, specs, profiles, quiet=not address.traceable))


def _listening(bus: BusEntry, address: BusAddress) -> Finding:
    """Whether the port can be had; which meters call there is seen only when they do."""
    try:
        socket.create_server((address.host, address.port)).close()
    except OSError as error:
        return Finding(False, bus.bus, "port_in_use", f"{bus.url}: cannot listen: {error.strerror}")
    return Finding(True, bus.bus, "", f"{bus.url}: free; meters that call are seen when the hub runs")


class _Look:
    """One polite look at a bus."""

    def __init__(self, bus: BusEntry, link: BusClient, decoder: ModbusDecoder, channel: str) -> None:
        self._bus = bus
        self._link = link
        self._decoder = decoder
        self._channel = channel

    async def at(
        self,
        devices: Sequence[DeviceEntry],
        specs: Mapping[str, UnitSpec],
        profiles: Mapping[str, ModbusProfile],
        *,
        quiet: bool,
    ) -> list[Finding]:
        """The bus, then each device; silence after each that did not answer, where a late reply could be mistaken."""
        bus, link = self._bus, self._link
        try:
            cause = await link.connect(CONNECT_MS)
            if cause is not None:
                return [Finding(False, bus.bus, cause, f"{bus.url}: {cause}")]
            found = [Finding(True, bus.bus, "", f"{bus.url}: connected")]
            for device in devices:
                finding = await self._read(device, specs[device.device])
                found.append(finding)
                if not finding.ok and quiet:
                    await asyncio.sleep(profiles[device.profile].max_lateness_ms / 1000)
            return found
        finally:
            link.close()

    async def _read(self, device: DeviceEntry, spec: UnitSpec) -> Finding:
        named = f"address {device.options['address']}" if "address" in device.options else f"unit {spec.unit_id}"
        segments = []
        for read in sorted(spec.reads, key=lambda each: each.period is Period.DAILY):
            outcome = await self._link.read(spec.unit_id, read.span, spec.timeout_ms)
            await asyncio.sleep(spec.min_gap_ms / 1000)
            if isinstance(outcome, Answer):
                segments.append(Segment(read.span.fc, read.span.addr, outcome.registers))
            elif not (segments or (isinstance(outcome, Exceptional) and self._channel == "dlt645")):
                cause = _cause(outcome)
                return Finding(False, device.device, cause, f"{named}: {cause} ({_advice(outcome)})")
        payload = encode_poll(Poll(profile=device.profile, segments=tuple(segments)))
        address = f"{device.site}/{device.device}"
        message = RawMessage(channel=self._channel, address=address, payload=payload, received_at=utc_ms())
        decoded = self._decoder.decode(message)
        if isinstance(decoded, Rejected):
            return Finding(False, device.device, decoded.reason, f"{named}: {decoded.detail}")
        text = f"{named}: {'; '.join(map(_shown, decoded))}"
        live = next((self._live(device, each, segments) for each in decoded if isinstance(each, MeterReading)), None)
        trouble = None if live is None else unit_trouble(live)
        if trouble is not None:
            return Finding(False, device.device, "wrong_unit", f"{text}: {trouble}", live)
        return Finding(True, device.device, "", text, live)

    def _live(self, device: DeviceEntry, reading: MeterReading, segments: Sequence[Segment]) -> Live:
        image = Image(segments)
        unit = BalanceUnit(device.balance_unit) if device.balance_unit in set(BalanceUnit) else None
        return Live(reading, image, self._decoder.profile_of(device, image), unit)


def _cause(outcome: Outcome) -> str:
    if isinstance(outcome, Exceptional):
        return f"exception_{outcome.code:02x}"
    return outcome.cause if isinstance(outcome, Mismatch | Dropped) else "timeout"


def _advice(outcome: Outcome) -> str:
    if isinstance(outcome, Exceptional):
        if outcome.code in {0x0A, 0x0B}:
            return "the gateway answers, the device behind it does not: unit_id, wiring, baud rate"
        return "the device answers, but has no such registers: is it this profile's model?"
    if isinstance(outcome, Mismatch) and outcome.cause in {TWO_METERS, CHECKSUM}:
        return "two meters with one address, another parity than the meter's (DL/T 645: even), or a disturbed line"
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
