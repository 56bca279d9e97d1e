"""Our DL/T 645 client reads a meter written by other people (PyPI `dlt645`), which knows energies but no prepaid items."""

import asyncio
import os
import pty
import threading
import tty

import dlt645
import pytest

from connectors.codecs.dlt645 import build, read_request
from connectors.codecs.modbus_fields import Span
from connectors.modbus.address import parse_address
from connectors.modbus.dlt645_client import Dlt645Client
from connectors.modbus.exchange import Answer, Dropped, Exceptional
from support.dlt645_wire import frame

METER = "112233445566"


@pytest.fixture
def peer(free_port):
    """A meter of the other library on loopback: 12345.67 kWh, 230.5 V."""
    dlt645.disable_logging()
    port = free_port()
    meter = dlt645.MeterServerService.new_tcp_server("127.0.0.1", port, 30)
    meter.set_address(bytes.fromhex(METER)[::-1])
    assert meter.set_00(0x00010000, 12345.67)
    assert meter.set_02(0x02010100, 230.5)
    assert meter.start()
    yield port
    meter.stop()


def read(url, *spans):
    async def talk():
        client = Dlt645Client(parse_address(url), lambda ms: None)
        try:
            assert await client.connect(10_000) is None
            return [await client.read(int(METER, 16), span, 5000) for span in spans]
        finally:
            client.close()

    return asyncio.run(talk())


def test_its_energies_are_read_and_its_refusals_understood(peer):
    energy, voltage, prepaid = read(
        f"dlt645+tcp://127.0.0.1:{peer}",
        Span(0x11, 0x00010000, 2),
        Span(0x11, 0x02010100, 1),
        Span(0x11, 0x00900200, 2),
    )
    assert energy == Answer((0x0123, 0x4567), traceable=False)
    assert voltage == Answer((0x2305,), traceable=False)
    assert prepaid == Exceptional(2)


@pytest.mark.parametrize("item", [0x00010000, 0x00900200, 0x04000503, 0x33333333, 0xFFFFFFFF])
def test_both_libraries_build_the_same_question(item):
    theirs = dlt645.DLT645Protocol.build_frame(bytes.fromhex(METER)[::-1], 0x11, item.to_bytes(4, "little"))
    assert read_request(METER, item) == bytes(theirs)
    assert build(METER, 0x91, bytes(8)) == bytes(
        dlt645.DLT645Protocol.build_frame(bytes.fromhex(METER)[::-1], 0x91, bytes(8))
    )


def test_a_serial_line_is_read_until_it_is_pulled_out():
    """A pseudo terminal in place of the adapter (parity is the kernel's business there)."""
    ours, theirs = pty.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)

    def meter():
        question = b""
        while len(question) < 20:
            question += os.read(ours, 64)
        os.write(
            ours,
            frame(METER, 0x91, question[14:18].translate(bytes((i - 0x33) % 256 for i in range(256))) + b"\x07\x00"),
        )

    speaking = threading.Thread(target=meter, daemon=True)
    speaking.start()
    url = f"dlt645://{os.ttyname(theirs)}?parity=N"

    async def talk():
        client = Dlt645Client(parse_address(url), lambda ms: None)
        assert await client.connect(10_000) is None
        first = await client.read(int(METER, 16), Span(0x11, 0x03330201, 1), 5000)
        os.close(ours)
        second = await client.read(int(METER, 16), Span(0x11, 0x03330201, 1), 5000)
        client.close()
        return first, second, await Dlt645Client(parse_address("dlt645:///dev/no-such-line"), print).connect(100)

    assert asyncio.run(talk()) == (Answer((0x0007,), traceable=False), Dropped("connection_closed"), "connect_failed")
    speaking.join(5)
    os.close(theirs)
