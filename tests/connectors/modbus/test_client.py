"""What the shell can and cannot say on a bus, and what it makes of what comes back."""

import ast
import asyncio
import inspect
import logging
import random
import struct
from pathlib import Path

import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

import connectors.modbus
from connectors.codecs.modbus_fields import Span
from connectors.modbus import client as shell
from connectors.modbus.address import BusAddress, BusAddressError, Framing, parse_address
from connectors.modbus.client import PymodbusClient
from connectors.modbus.exchange import Answer, Dropped, Exceptional, Mismatch, Silence, check
from support.modbus_wire import Bank, Reply, WireServer, exception, registers
from support.waiting import wait_until

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)


def ask(port, span, *, unit=1, framing=Framing.TCP, timeout_ms=150, times=1):
    """The outcomes of asking, on one link."""

    async def talk():
        link = PymodbusClient(BusAddress(framing=framing, host="127.0.0.1", port=port), lambda ms: None)
        try:
            cause = await link.connect(10_000)
            assert cause is None, cause
            return [await link.read(unit, span, timeout_ms) for _ in range(times)]
        finally:
            link.close()

    return asyncio.run(talk())


def test_only_the_four_reads_can_be_said():
    """Nothing that polls can write to a device: no other request is imported, named or built.

    What writes to the relays of doors stands in one file, which nothing here imports (who does: tests/connectors/access).
    """
    assert set(shell.REQUESTS) == {1, 2, 3, 4}
    assert [request.function_code for request in shell.REQUESTS.values()] == [1, 2, 3, 4]
    folder = Path(inspect.getfile(connectors.modbus)).parent
    for path in set(folder.glob("*.py")) - {folder / "writing.py"}:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        imported = {a.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for a in node.names}
        # DL/T 645: bytes go to a transport, and `read_request` is the only thing that makes any.
        transport = {"write"} if path.name == "dlt645_client.py" else set()
        assert not [name for name in (names | imported) - transport if "write" in name.lower()], path.name
        assert "build" not in imported, path.name
        modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        modules |= {
            f"{node.module}.{a.name}" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for a in node.names
        }
        assert not [m for m in modules if m.startswith("connectors.modbus.writing")], path.name
        assert path.name == "client.py" or not [m for m in modules if m.startswith("pymodbus")], path.name


def test_a_server_of_the_library_itself_is_read():
    """pymodbus answers from its own simulator: voltage as a float of two registers, then the device that is not there."""

    async def talk():
        device = SimDevice(1, [SimData(0, values=[230.5, 5.25], datatype=DataType.FLOAT32)])
        server = ModbusTcpServer([device], address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        port = server.transport.sockets[0].getsockname()[1]
        link = PymodbusClient(BusAddress(framing=Framing.TCP, host="127.0.0.1", port=port), lambda ms: None)
        try:
            assert await link.connect(10_000) is None
            return await link.read(1, Span(3, 0, 4), 1000), await link.read(1, Span(3, 50, 2), 1000)
        finally:
            link.close()
            await server.shutdown()

    good, illegal = asyncio.run(talk())
    assert good == Answer((0x4366, 0x8000, 0x40A8, 0x0000), True)
    assert illegal == Exceptional(2)


def test_the_request_on_the_wire_is_the_one_of_the_standard():
    """Domain/meters.md 3.3: read 21 registers at 0x0300 from unit 25 is 19 03 03 00 00 15 87 99."""
    bank = Bank()
    bank.put(25, 0x0300, list(range(21)))
    with WireServer(bank, rtu=True) as server:
        (outcome,) = ask(server.port, Span(3, 0x0300, 21), unit=25, framing=Framing.RTU_OVER_TCP)
    assert outcome == Answer(tuple(range(21)), False)
    assert [(a.unit, a.fc, a.addr, a.count) for a in server.asked] == [(25, 3, 0x0300, 21)]


def test_bits_are_registers_of_0_and_1_and_their_padding_is_cut():
    with WireServer(lambda asked: Reply(bytes([1, 2, 0b1000_0101, 0b0000_0010]))) as server:
        assert ask(server.port, Span(1, 0, 10)) == [Answer((1, 0, 1, 0, 0, 0, 0, 1, 0, 1), True)]
        assert ask(server.port, Span(1, 0, 17)) == [Mismatch("short_reply")]
        assert ask(server.port, Span(1, 0, 8)) == [Mismatch("long_reply")]


def test_an_odd_byte_count_is_refused_even_where_one_register_was_asked_for():
    """Reliability P15: the library takes three bytes for one register."""
    with WireServer(lambda asked: Reply(bytes([3, 3, 0x12, 0x34, 0x56]))) as server:
        assert ask(server.port, Span(3, 0, 1)) == [Mismatch("short_reply")]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 8, 10, 11])
def test_an_exception_keeps_its_code(code):
    with WireServer(lambda asked: exception(asked.fc, code)) as server:
        assert ask(server.port, Span(3, 0, 1)) == [Exceptional(code)]


def test_an_exception_for_another_function_is_no_answer():
    with WireServer(lambda asked: exception(4, 2)) as server:
        assert ask(server.port, Span(3, 0, 1)) == [Mismatch("wrong_function")]


def test_a_gateway_without_transaction_numbers_is_noticed():
    with WireServer(lambda asked: Reply(registers(3, [7]).pdu, tid=0)) as server:
        assert ask(server.port, Span(3, 0, 1)) == [Answer((7,), False)]


def test_a_late_reply_over_tcp_answers_nothing_else():
    """Transaction numbers tell replies apart: the late first reply is not the second's."""
    with WireServer(lambda asked: Reply(registers(3, [asked.number]).pdu, 0.3 if asked.number == 0 else 0)) as server:
        assert ask(server.port, Span(3, 0, 1), times=3) == [Silence(), Answer((1,)), Answer((2,))]


def test_every_request_has_its_own_time_however_long_the_one_before_it_had():
    """A look at the clock that was meant for an earlier request neither ends a later one nor lets it wait."""
    waits = [(100, 0.0), (30_000, 0.2), (60_000, 0.0), (60, None), (60, None)]

    async def talk(port):
        link = PymodbusClient(BusAddress(framing=Framing.TCP, host="127.0.0.1", port=port), lambda ms: None)
        assert await link.connect(10_000) is None
        async with asyncio.timeout(20):
            found = [await link.read(1, Span(3, 0, 1), timeout_ms) for timeout_ms, _ in waits]
        link.close()
        return found

    def answer(asked):
        delay_s = waits[asked.number][1]
        return None if delay_s is None else Reply(registers(3, [asked.number]).pdu, delay_s)

    with WireServer(answer) as server:
        assert asyncio.run(talk(server.port)) == [Answer((0,)), Answer((1,)), Answer((2,)), Silence(), Silence()]


def test_a_reply_in_pieces_and_two_replies_at_once_are_one_answer_each():
    """TCP keeps no frames: wherever a reply is cut it is the same answer, and what hangs on behind it is nobody's."""
    late = []

    async def talk(server):
        link = PymodbusClient(BusAddress(framing=Framing.TCP, host="127.0.0.1", port=server.port), late.append)
        assert await link.connect(10_000) is None
        receive = link._client.ctx.data_received
        found = []
        for number, cut in enumerate(range(18), start=1):
            good = struct.pack(">HHHBBB4H", number, 0, 11, 1, 3, 8, 1, 2, 3, number)
            asked = asyncio.ensure_future(link.read(1, Span(3, 0, 4), 5000))
            await asyncio.to_thread(wait_until, lambda: len(server.asked) == len(found) + 1, 4, "it has not asked")
            for piece in {0: (good, good), 17: (good + good,)}.get(cut, (good[:cut], good[cut:])):
                receive(piece)
            found.append(await asked)
        receive(good)
        link.close()
        return found

    with WireServer(lambda asked: None) as server:
        found = asyncio.run(talk(server))
        wait_until(lambda: len(server.asked) == 18, 10, "not all was asked")
    assert found == [Answer((1, 2, 3, number)) for number in range(1, 19)]
    assert len(late) == 2


def test_what_looks_like_the_reply_inside_of_another_frame_is_none():
    """The rest of somebody else's frame may hold any bytes; what a frame is, is said by where it begins."""

    async def talk(server):
        link = PymodbusClient(BusAddress(framing=Framing.TCP, host="127.0.0.1", port=server.port), lambda ms: None)
        assert await link.connect(10_000) is None
        asked = asyncio.ensure_future(link.read(1, Span(3, 0, 4), 1000))
        await asyncio.to_thread(wait_until, lambda: bool(server.asked), 10, "it has not asked")
        good = struct.pack(">HHHBBB4H", 1, 0, 11, 1, 3, 8, 1, 2, 3, 4)
        for piece in (struct.pack(">HHHBBB", 77, 0, 3 + len(good), 1, 3, len(good)), good):
            assert not asked.done(), "it still waits"
            link._client.ctx.data_received(piece)
        found = await asked
        link.close()
        return found

    with WireServer(lambda asked: None) as server:
        found = asyncio.run(talk(server))
        assert server.asked
    assert found == Silence()


def test_a_connection_that_breaks_in_the_middle_is_noticed_at_once():
    with WireServer(lambda asked: Reply(b"", raw=b"", hang_up=True)) as server:
        assert ask(server.port, Span(3, 0, 1), timeout_ms=60_000) == [Dropped("connection_closed")]


def test_nobody_listens():
    with WireServer(Bank()) as server:
        port = server.port

    async def talk():
        link = PymodbusClient(BusAddress(framing=Framing.TCP, host="127.0.0.1", port=port), lambda ms: None)
        return await link.connect(1000), await link.read(1, Span(3, 0, 1), 1000)

    assert asyncio.run(talk()) == ("connect_failed", Dropped("connection_closed"))


def test_a_serial_bus_without_pyserial_says_so(monkeypatch):
    monkeypatch.setattr(shell.importlib.util, "find_spec", lambda name: None)

    async def talk():
        return await PymodbusClient(parse_address("modbus+rtu:///dev/ttyUSB0"), lambda ms: None).connect(1000)

    assert asyncio.run(talk()) == "pyserial_missing"


@pytest.mark.parametrize(
    ("fc", "registers_", "code", "outcome"),
    [
        (3, [1, 2], 0, Answer((1, 2))),
        (3, [1], 0, Mismatch("short_reply")),
        (3, [1, 2, 3], 0, Mismatch("long_reply")),
        (4, [1, 2], 0, Mismatch("wrong_function")),
        (0x83, [], 2, Exceptional(2)),
        (0x84, [], 2, Mismatch("wrong_function")),
        (3, [1, 70000], 0, Mismatch("garbled")),
    ],
)
def test_every_reply_is_judged(fc, registers_, code, outcome):
    assert check(Span(3, 0, 2), fc, registers_, exception_code=code) == outcome


# --- addresses ------------------------------------------------------------------------------------------------


def test_bus_addresses():
    assert parse_address("modbus+tcp://10.0.0.1:5020") == BusAddress(framing=Framing.TCP, host="10.0.0.1", port=5020)
    assert parse_address("modbus+tcp://gateway").port == 502
    assert parse_address("modbus+rtu-over-tcp://10.0.0.1:4001").traceable is False
    line = parse_address("modbus+rtu:///dev/ttyUSB0?baudrate=2400&parity=E&stopbits=1")
    assert (line.device, line.baudrate, line.parity) == ("/dev/ttyUSB0", 2400, "E")
    assert line.char_ms == pytest.approx(11_000 / 2400)


@pytest.mark.parametrize(
    "url",
    [
        "tcp://10.0.0.1:502",
        "modbus+tcp://",
        "modbus+tcp://10.0.0.1:99999",
        "modbus+tcp://10.0.0.1:0",
        "modbus+tcp://10.0.0.1:502/path",
        "modbus+rtu://ttyUSB0",
        "modbus+rtu:///dev/ttyUSB0?baudrate=fast",
        "modbus+rtu:///dev/ttyUSB0?parity=X",
        "modbus+rtu:///dev/ttyUSB0?speed=9600",
        "",
    ],
)
def test_a_wrong_address_says_what_is_allowed(url):
    with pytest.raises(BusAddressError, match=r"allowed|needs|port|may follow"):
        parse_address(url)


def spoiled(chance, good):
    """A reply frame (MBAP) with one thing wrong somewhere, or nothing."""
    frame = bytearray(good)
    how = chance.choice(["flip", "cut", "grow", "noise", "nothing"])
    if how == "flip":
        frame[chance.randrange(len(frame))] ^= 1 << chance.randrange(8)
    elif how == "cut":
        del frame[chance.randrange(1, len(frame)) :]
    elif how == "grow":
        frame += chance.randbytes(chance.randrange(1, 9))
    elif how == "noise":
        frame = bytearray(chance.randbytes(chance.randrange(1, 40)))
    return bytes(frame)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_bytes_come_only_a_fitting_reply_is_an_answer_and_the_link_goes_on(seed):
    """Random damage to real replies: registers are believed only when their number, function, unit and length are right."""
    chance = random.Random(seed)
    sent = []

    def answer(asked):
        values = [chance.randrange(0x10000) for _ in range(asked.count)]
        pdu = registers(asked.fc, values).pdu
        good = struct.pack(">HHHB", 1, 0, len(pdu) + 1, asked.unit) + pdu
        sent.append((good, spoiled(chance, good)))
        return Reply(b"", raw=sent[-1][1])

    async def talk(port):
        believed = []
        link = PymodbusClient(BusAddress(framing=Framing.TCP, host="127.0.0.1", port=port), lambda ms: None)
        for _ in range(150):
            assert await link.connect(10_000) is None
            outcome = await link.read(1, Span(3, 0, 4), 25)
            believed += [(len(sent) - 1, outcome.registers)] if isinstance(outcome, Answer) else []
        link.close()
        return believed

    with WireServer(answer) as server:
        believed = asyncio.run(talk(server.port))
    assert len(believed) > 20
    for number, values in believed:
        good, spoilt = sent[number]
        assert spoilt[7:9] == good[7:9], "function and byte count"
        assert struct.pack(">4H", *values) == spoilt[9:17]
