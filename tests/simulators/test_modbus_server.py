"""The Modbus servers as a foreign client reads them over a socket, healthy and in every kind of trouble."""

import asyncio
import logging
import random
import struct
from datetime import datetime

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusIOException

from simulators.elevator_devices import ModbusElevator
from simulators.formats.adf400l import Adf400lUser
from simulators.meters import MICRO, Meter
from simulators.modbus import BusServer, Misbehaviour, Trouble, answer, crc16
from simulators.site import Device

HOST = "127.0.0.1"
NOW = datetime(2026, 11, 21, 18, 30, 5)
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


def meter(**more) -> Meter:
    facts = {
        "serial": "AD123456789012",
        "balance_micro": -100 * MICRO,
        "energy_mwh": 1234567_000_000,
        "purchased": 700_000,
        "purchases": 12,
        "power_w": 1500,
        "voltage_v": 230.4,
    }
    return Meter(**(facts | more))


def user(**more) -> Adf400lUser:
    return Adf400lUser(meter(**more), lambda: NOW)


def on_bus(units, talk, framing="tcp"):
    """Run `talk(client, server)` against a bus with these units."""

    async def main():
        server = BusServer(HOST, 0, framing, units, random.Random(1))
        await server.open()
        framer = FramerType.SOCKET if framing == "tcp" else FramerType.RTU
        client = AsyncModbusTcpClient(HOST, port=server.port, timeout=0.5, retries=0, framer=framer)
        assert await client.connect()
        try:
            return await talk(client, server)
        finally:
            client.close()
            await server.close()

    return asyncio.run(main())


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
def test_adf400l_live_block_reads_as_the_manual_says(framing):
    """domain/meters.md 1.1: 0x0300 x 21, 32 bit high word first, balance signed: -100.00 stays negative."""

    async def talk(client, _server):
        return (await client.read_holding_registers(0x0300, count=21, device_id=25)).registers

    registers = on_bus({25: user()}, talk, framing)
    block = struct.pack(">21H", *registers)
    voltage, current, power = struct.unpack(">HHh", block[:6])
    energy, _, balance, purchased, count = struct.unpack(">IIiIH", block[12:30])
    assert (voltage, current, power) == (2304, 651, 1500)
    assert (energy, balance, purchased, count) == (123456700, -10000, 700_000, 12)


def test_adf400l_identity_settings_and_clock():
    async def talk(client, _server):
        serial = await client.read_holding_registers(0x0947, count=7, device_id=1)
        limits = await client.read_holding_registers(0x0509, count=4, device_id=1)
        clock = await client.read_holding_registers(0x090B, count=4, device_id=1)
        mode = await client.read_holding_registers(0x0908, count=1, device_id=1)
        return serial.registers, limits.registers, clock.registers, mode.registers

    serial, limits, clock, mode = on_bus({1: user()}, talk)
    assert struct.pack(">7H", *serial) == b"AD123456789012"
    assert struct.unpack(">II", struct.pack(">4H", *limits)) == (3000, 1000)
    assert struct.pack(">4H", *clock)[:7] == bytes([26, 11, 21, 6, 18, 30, 5])
    assert mode[0] >> 8 == 0


def test_top_up_records_are_not_linear():
    """One address gives 20 bytes, the next address the next record; any other length is refused."""
    device = meter(balance_micro=0)
    device.top_up(5000, NOW)
    device.top_up(20000, NOW)

    async def talk(client, _server):
        newest = await client.read_holding_registers(0x1B00, count=10, device_id=1)
        older = await client.read_holding_registers(0x1B01, count=10, device_id=1)
        merged = await client.read_holding_registers(0x1B00, count=20, device_id=1)
        return newest.registers, older.registers, merged.exception_code

    newest, older, merged = on_bus({1: Adf400lUser(device, lambda: NOW)}, talk)
    assert struct.unpack(">HIiI", struct.pack(">10H", *newest)[6:]) == (14, 20000, 25000, 123456700)
    assert struct.unpack(">HIiI", struct.pack(">10H", *older)[6:])[:3] == (13, 5000, 5000)
    assert merged == 2


@pytest.mark.parametrize(("address", "count"), [(0x0316, 1), (0x0310, 10), (0x0000, 1), (0x1A00, 10)])
def test_addresses_outside_the_map_are_illegal(address, count):
    async def talk(client, _server):
        return (await client.read_holding_registers(address, count=count, device_id=1)).exception_code

    assert on_bus({1: user()}, talk) == 2


def test_a_unit_that_is_not_there_is_reported_by_the_gateway():
    async def talk(client, _server):
        return (await client.read_holding_registers(0x0300, count=2, device_id=9)).exception_code

    assert on_bus({1: user()}, talk) == 0x0B


def test_writing_is_refused():
    async def talk(client, _server):
        single = await client.write_register(0x0908, 1, device_id=1)
        several = await client.write_registers(0x0501, [1, 2], device_id=1)
        return single.exception_code, several.exception_code

    assert on_bus({1: user()}, talk) == (1, 1)


@pytest.mark.parametrize("trouble", [Trouble.SILENT, Trouble.GARBAGE, Trouble.EXCEPTION, Trouble.SHORT])
def test_one_units_trouble_leaves_the_others_alone(trouble):
    async def talk(client, server):
        server.misbehaving[1] = Misbehaviour(trouble)
        try:
            bad = await client.read_holding_registers(0x0300, count=21, device_id=1)
            broken = bad.isError() or len(bad.registers) != 21
        except ModbusIOException:
            broken = True
        await client.connect()
        good = await client.read_holding_registers(0x0300, count=21, device_id=2)
        server.misbehaving.clear()
        healed = await client.read_holding_registers(0x0300, count=21, device_id=1)
        return broken, len(good.registers), len(healed.registers)

    assert on_bus({1: user(), 2: user()}, talk) == (True, 21, 21)


def test_a_short_reply_is_two_bytes_short_and_says_so():
    """The dangerous kind: well-formed, with fewer registers than asked."""

    async def talk(client, server):
        server.misbehaving[1] = Misbehaviour(Trouble.SHORT)
        return len((await client.read_holding_registers(0x0300, count=21, device_id=1)).registers)

    assert on_bus({1: user()}, talk) == 20


def test_a_slow_unit_answers_rightly_but_late():
    async def talk(client, server):
        server.misbehaving[1] = Misbehaviour(Trouble.SLOW, delay_s=0.2)
        return len((await client.read_holding_registers(0x0300, count=21, device_id=1)).registers)

    assert on_bus({1: user()}, talk) == 21


def test_a_gateway_without_power_drops_its_clients_and_comes_back_on_the_same_port():
    async def talk(client, server):
        port = server.port
        await server.close()
        with pytest.raises((ConnectionException, ModbusIOException)):
            await client.read_holding_registers(0x0300, count=2, device_id=1)
        refused = AsyncModbusTcpClient(HOST, port=port, timeout=0.5, retries=0, reconnect_delay=0)
        assert not await refused.connect()
        await server.open()
        again = AsyncModbusTcpClient(HOST, port=port, timeout=0.5, retries=0)
        assert await again.connect()
        registers = (await again.read_holding_registers(0x0300, count=2, device_id=1)).registers
        again.close()
        return server.port == port, len(registers)

    assert on_bus({1: user()}, talk) == (True, 2)


def test_rtu_frames_of_the_document_have_their_checksum():
    """domain/meters.md 3.3: read 21 registers at 0x0300 from unit 25."""
    assert crc16(bytes.fromhex("190303000015")) == bytes.fromhex("8799")


@pytest.mark.parametrize(
    "request_", [b"\x03\x03", b"\x03\x03\x00\x00\x00", b"\x03\x03\x00\x00\x7e", b"\x2b\x0e\x01\x00"]
)
def test_malformed_requests_get_an_exception_and_no_crash(request_):
    assert answer(user(), request_)[0] & 0x80


def elevator(profile: str) -> ModbusElevator:
    device = Device("e1", "s", "elevator", profile, "b1", "E1", ("1", "2", "3", "4", "5", "6"), "bus", 247)
    return ModbusElevator(device, random.Random(1), traffic=False)


@pytest.mark.parametrize(
    ("profile", "address", "count", "word", "bit"),
    [("car-top-monitor", 0, 19, 0, 0x0002), ("lift-controller", 0xC800, 39, 38, 0x0002)],
)
def test_a_trapped_passenger_shows_in_the_registers(profile, address, count, word, bit):
    """The whole chain: physics, infrared detector, on-board detector, registers, socket, a foreign client."""
    car = elevator(profile)
    car.trip(to="6", people=1)
    car.car.stick()

    async def talk(client, _server):
        async def look():
            return (await client.read_holding_registers(address, count=count, device_id=247)).registers[word] & bit

        before = await look()
        for _ in range(600):
            car.advance(0.1)
        during = await look()
        car.car.free()
        for _ in range(300):
            car.advance(0.1)
        return before, during, await look()

    assert on_bus({247: car}, talk) == (0, bit, 0)
