"""The DL/T 645 client against meters on a socket: only the answer to the question is taken, and only when one meter gives it."""

import asyncio
import sys

import pytest

from connectors.codecs.modbus_fields import Span
from connectors.modbus.address import BusAddress, BusAddressError, Framing, parse_address
from connectors.modbus.dlt645_client import Dlt645Client
from connectors.modbus.exchange import Answer, Dropped, Exceptional, Mismatch, Silence
from support.dlt645_wire import Meters, MeterServer, frame, refusal, reply
from support.waiting import wait_until

A, B = "112233445566", "000000000001"
AMOUNT, DEBT = 0x00900200, 0x00900201
VALUE = bytes.fromhex("45230100")
GOOD = Answer((0x0001, 0x2345), traceable=False)


def ask(answer, *questions, echo=False, timeout_ms=300):
    """The outcomes of questions (address, item) on one connection, what the server saw, and the late answers."""
    late = []

    async def talk(port):
        client = Dlt645Client(BusAddress(framing=Framing.DLT645_TCP, host="127.0.0.1", port=port), late.append)
        try:
            assert await client.connect(10_000) is None
            return [
                await client.read(int(address, 16), Span(0x11, item, 1 if item == 0x04000503 else 2), timeout_ms)
                for address, item in questions
            ]
        finally:
            client.close()

    with MeterServer(answer, echo=echo) as server:
        return asyncio.run(talk(server.port)), server.asked, late


def test_a_meter_is_asked_with_a_wake_up_and_read_data_only():
    outcomes, asked, _ = ask(Meters({A: {AMOUNT: VALUE, 0x04000503: b"\x10\x02"}}), (A, AMOUNT), (A, 0x04000503))
    assert outcomes == [GOOD, Answer((0x0210,), traceable=False)]
    assert [(each.address, each.control, each.item, each.preamble) for each in asked] == [
        (A, 0x11, AMOUNT, 4),
        (A, 0x11, 0x04000503, 4),
    ]


def test_the_wildcard_takes_whoever_answers():
    assert ask(Meters({A: {AMOUNT: VALUE}}), ("AAAAAAAAAAAA", AMOUNT))[0] == [GOOD]


def test_an_echo_of_the_question_is_no_answer():
    assert ask(Meters({A: {AMOUNT: VALUE}}), (A, AMOUNT), echo=True)[0] == [GOOD]
    assert ask(Meters({}), (A, AMOUNT), echo=True)[0] == [Silence()]


def test_an_answer_in_single_bytes_with_noise_around_it_is_read():
    def drips(question):
        whole = b"\x00\x68\x01\xff" + reply(question, VALUE) + b"\xfe\x68"
        return [(0.002 * i, whole[i : i + 1]) for i in range(len(whole))]

    assert ask(drips, (A, AMOUNT))[0] == [GOOD]


def test_a_frame_behind_a_false_start_is_found_when_the_time_is_up():
    def hidden(question):
        return [(0, bytes.fromhex("68 00 00 00 00 00 00 68 91 C8") + reply(question, VALUE))]

    assert ask(hidden, (A, AMOUNT), timeout_ms=150)[0] == [GOOD]


@pytest.mark.parametrize(("errors", "exception"), [(0x02, 2), (0x04, 1), (0x01, 4), (0x08, 4), (0x06, 2), (0x00, 4)])
def test_a_refusal_says_whether_asking_again_makes_sense(errors, exception):
    assert ask(lambda question: [(0, refusal(question, errors))], (A, AMOUNT))[0] == [Exceptional(exception)]


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (lambda question: reply(question, VALUE, address=B), "wrong_meter"),
        (lambda question: reply(question, VALUE, item=DEBT), "wrong_item"),
        (lambda question: reply(question, VALUE)[:-2] + b"\x00\x16", "checksum"),
        (lambda question: reply(question, b"\x45"), "short_reply"),
        (lambda question: reply(question, VALUE * 2), "long_reply"),
        (lambda question: frame(question.address, 0xB1, question.item.to_bytes(4, "little") + VALUE), "more_follows"),
    ],
)
def test_what_is_not_the_answer_is_not_believed(sent, cause):
    assert ask(lambda question: [(0, sent(question))], (A, AMOUNT), timeout_ms=100)[0] == [Mismatch(cause)]


def test_the_right_answer_behind_a_strangers_is_taken():
    def both(question):
        return [(0, reply(question, b"\x99\x99\x99\x99", address=B)), (0.02, reply(question, VALUE))]

    outcomes, _, late = ask(both, (A, AMOUNT))
    assert outcomes == [GOOD]
    assert len(late) == 1


def test_a_late_answer_is_not_the_answer_to_the_next_question():
    """No guard time between the two: the answer to the first comes while the second waits."""

    def late_first(question):
        return [
            (0.15 if question.number == 0 else 0.1, reply(question, VALUE if question.item == AMOUNT else b"\x01" * 4))
        ]

    outcomes, _, late = ask(late_first, (A, AMOUNT), (A, DEBT), timeout_ms=120)
    assert outcomes == [Silence(), Answer((0x0101, 0x0101), traceable=False)]
    assert len(late) == 1


def test_two_meters_with_one_address_are_never_believed():
    """Edge case 24: whichever answers first, neither is taken, however far apart they are."""

    def two(gap):
        return lambda question: [(0, reply(question, VALUE)), (gap, reply(question, b"\x00" * 4))]

    assert ask(two(0.0), (A, AMOUNT), (A, AMOUNT))[0] == [Mismatch("two_meters_one_address")] * 2
    assert ask(two(0.1), (A, AMOUNT), (A, DEBT))[0] == [Mismatch("two_meters_one_address")] * 2


def test_a_twin_that_is_hung_up_later_is_found_out():
    """It was alone when first asked; from then on its answers come behind those to other questions."""

    def twin_comes(question):
        twice = [(0.1, reply(question, b"\x00" * 4))] if question.number else []
        return [(0, reply(question, VALUE)), *twice]

    twins = Mismatch("two_meters_one_address")
    outcomes = ask(twin_comes, (A, AMOUNT), *((A, DEBT), (A, AMOUNT)) * 4)[0]
    assert outcomes[0] == GOOD
    assert set(outcomes[outcomes.index(twins) :]) == {twins}


def test_a_twins_answer_to_the_question_before_spoils_an_answer_that_came_first():
    """It comes while the right answer is held back to see whether a second one follows."""

    def twin_is_late(question):
        late = [(0, reply(question, b"\x00" * 4, item=AMOUNT))] if question.number == 1 else []
        return [(0, reply(question, VALUE)), *late]

    outcomes = ask(twin_is_late, (A, AMOUNT), (A, DEBT))[0]
    assert outcomes == [GOOD, Mismatch("two_meters_one_address")]


def test_a_meter_whose_twin_was_taken_away_is_believed_again():
    def twin_goes(question):
        twice = [(0.0, reply(question, b"\x00" * 4))] if question.number == 0 else []
        return [(0, reply(question, VALUE)), *twice]

    assert ask(twin_goes, (A, AMOUNT), (A, AMOUNT))[0] == [Mismatch("two_meters_one_address"), GOOD]


def test_a_connection_that_breaks_ends_the_wait():
    async def talk(server):
        client = Dlt645Client(parse_address(f"dlt645+tcp://127.0.0.1:{server.port}"), lambda ms: None)
        assert await client.connect(10_000) is None
        waiting = asyncio.create_task(client.read(int(A, 16), Span(0x11, AMOUNT, 2), 20_000))
        await asyncio.to_thread(wait_until, lambda: bool(server.asked), 10)
        await asyncio.to_thread(server.hang_up)
        first = await waiting
        return first, client.connected, await client.read(int(A, 16), Span(0x11, AMOUNT, 2), 100)

    with MeterServer(Meters({})) as server:
        assert asyncio.run(talk(server)) == (Dropped("connection_closed"), False, Dropped("connection_closed"))


def test_a_gateway_that_is_not_there_is_told_as_such(free_port):
    client = Dlt645Client(parse_address(f"dlt645+tcp://127.0.0.1:{free_port()}"), lambda ms: None)
    assert asyncio.run(client.connect(1000)) == "connect_failed"


def test_a_serial_line_without_pyserial_or_without_device_is_told_as_such(monkeypatch):
    client = Dlt645Client(parse_address("dlt645:///dev/no-such-line"), lambda ms: None)
    monkeypatch.setitem(sys.modules, "serial", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert asyncio.run(client.connect(100)) == "pyserial_missing"


def test_the_addresses_of_such_buses():
    line = parse_address("dlt645:///dev/ttyUSB0")
    assert (line.baudrate, line.parity, line.bytesize, line.traceable) == (2400, "E", 8, False)
    assert round(line.char_ms, 2) == 4.58
    other = parse_address("dlt645:///dev/ttyUSB0?baudrate=9600&parity=N")
    assert (other.baudrate, other.parity) == (9600, "N")
    assert parse_address("dlt645+tcp://10.0.0.1:4001").port == 4001
    for wrong in ("dlt645+tcp://10.0.0.1", "dlt645://10.0.0.1:4001", "dlt645+tcp://10.0.0.1:4001/x"):
        with pytest.raises(BusAddressError):
            parse_address(wrong)
