"""The Modbus connector against real sockets: what the control room gets to know, and what it never gets to believe."""

import struct

import msgspec
import pytest

from connectors.modbus.connector import BusConnector
from hub.vocabulary.elevator import TrappedPlace
from hub.vocabulary.events import ElevatorState, GatewayChanged, MeterReading, Unreachable
from hub.vocabulary.ports import BusEntry, Lane
from support.modbus_estate import DEADLINE_S, SHIPPED, Inbox, bus, elevator, meter, put_meter, readings
from support.modbus_wire import Bank, Reply, WireServer, exception, registers
from support.waiting import wait_until

pytestmark = pytest.mark.slow  # real processes or sockets with their own times


@pytest.fixture
def run():
    started = []

    def start(buses, devices, inbox):
        connector = BusConnector(buses, devices, SHIPPED, inbox)
        connector.start()
        started.append(connector)
        return connector

    yield start
    for connector in started:
        connector.stop()
        assert not connector.alive()


def test_a_meter_is_read_as_its_manual_says(run):
    """Balance in fen, energy in Wh, purchases, serial and the meter's own limits come from one poll."""
    bank, inbox, devices = Bank(), Inbox(), [meter("0101", 2)]
    put_meter(bank, 2, 1234)
    with WireServer(bank) as server:
        run([bus(server.port)], devices, inbox)
        inbox.wait(lambda it: it.messages)
        reading = readings(inbox, devices)[0]
    assert isinstance(reading, MeterReading)
    assert (reading.credit, reading.unit, reading.energy_wh, reading.purchases) == (1234, "CNY", 1_234_560, 7)
    assert (reading.serial, reading.voltage_dv, reading.power_w) == ("ADF40023A00001", 2301, 1150)
    assert reading.extra["limits"] == {"alarm_1": "10", "alarm_2": "5"}
    assert inbox.messages[0].lane is Lane.TELEMETRY
    assert server.functions == {3}


def test_alarm_points_are_handed_in_when_they_change_and_not_at_every_poll(run):
    bank, inbox, devices = Bank(), Inbox(), [elevator(1, 0xF7)]
    bank.put(0xF7, 0, [0x0000, 0x1400, 0x0500])
    with WireServer(bank) as server:
        run([bus(server.port)], devices, inbox)
        inbox.wait(lambda it: len(server.asked) > 10)
        assert len(inbox.messages) == 1
        bank.put(0xF7, 0, [0x0022, 0x1100, 0x0500])
        inbox.wait(lambda it: len(it.messages) == 2)
        before, after = readings(inbox, devices)
    assert (before.trapped, before.trapped_known, before.passenger, before.door_zone) == (None, True, True, True)
    assert (after.trapped, after.door_zone, after.floor) == (TrappedPlace.OFF_LEVEL, False, "5")
    assert after.button is None
    assert all(message.lane is Lane.ALARM for message in inbox.messages)


def test_a_dead_meter_is_reported_once_and_does_not_stall_its_neighbours(run):
    bank, inbox, devices = Bank(), Inbox(), [meter("dead", 9), meter("0101", 2), meter("0102", 3)]
    put_meter(bank, 2, 1234)
    put_meter(bank, 3, 5678)
    with WireServer(bank) as server:
        connector = run([bus(server.port)], devices, inbox)
        inbox.wait(lambda it: it.events and any(isinstance(e, Unreachable) for e in it.events))
        seen = len(inbox.messages)
        inbox.wait(lambda it: len(it.messages) > seen + 8)
        status = connector.status()[0]
        put_meter(bank, 9, 100)
        connector.attend({("lakeside", "m-dead"), ("elsewhere", "m-0101")})
        inbox.wait(lambda it: any(m.address == "lakeside/m-dead" for m in it.messages))
    lost = [event for event in inbox.events if isinstance(event, Unreachable)]
    assert [(event.device, event.cause) for event in lost] == [("m-dead", "timeout")]
    assert [event.up for event in inbox.events if isinstance(event, GatewayChanged)] == [True]
    assert [unit.device for unit in status.dead_units] == ["m-dead"]
    assert status.up
    assert status.connected


def test_a_refused_connection_is_one_problem_of_the_bus_and_none_of_its_devices(run):
    inbox, devices = Inbox(), [meter(str(n), n) for n in range(1, 37)]
    with WireServer(Bank()) as gone:
        port = gone.port
    run([bus(port)], devices, inbox)
    inbox.wait(lambda it: it.events)
    bank = Bank()
    for n in range(1, 37):
        put_meter(bank, n, 100 * n)
    with WireServer(bank, port=port):
        inbox.wait(lambda it: len({m.address for m in it.messages}) == 36)
    assert [(e.gateway, e.up) for e in inbox.events] == [("meters-1", False), ("meters-1", True)]


def test_a_cut_line_behind_a_living_gateway_is_the_bus_too(run):
    """The gateway answers 0x0B for everybody: one problem, not one for each meter."""
    bank, inbox, devices = Bank(), Inbox(), [meter(str(n), n) for n in range(1, 9)]
    for n in range(1, 9):
        put_meter(bank, n, 100)
    with WireServer(bank) as server:
        run([bus(server.port)], devices, inbox)
        inbox.wait(lambda it: len({m.address for m in it.messages}) == 8)
        server.answer = lambda asked: exception(asked.fc, 0x0B)
        inbox.wait(lambda it: any(isinstance(e, GatewayChanged) and not e.up for e in it.events))
        server.answer = bank
        inbox.wait(lambda it: len([e for e in it.events if isinstance(e, GatewayChanged)]) == 3)
    assert not [event for event in inbox.events if isinstance(event, Unreachable)]
    assert inbox.events[1].cause == "no_unit_answers"


def test_one_meter_with_exception_0b_is_that_meters_fault(run):
    bank, inbox, devices = Bank(), Inbox(), [meter("0101", 2), meter("0102", 3)]
    put_meter(bank, 2, 1234)
    with WireServer(lambda asked: exception(asked.fc, 0x0B) if asked.unit == 3 else bank(asked)) as server:
        run([bus(server.port)], devices, inbox)
        inbox.wait(lambda it: any(isinstance(e, Unreachable) for e in it.events))
    assert [(e.device, e.cause) for e in inbox.events if isinstance(e, Unreachable)] == [("m-0102", "exception_0b")]


WRONG = {
    "fewer registers": lambda asked: registers(asked.fc, [1] * (asked.count - 1)),
    "more registers": lambda asked: registers(asked.fc, [1] * (asked.count + 1)),
    "wrong function": lambda asked: registers(4, [1] * asked.count),
    "odd byte count": lambda asked: Reply(bytes([3, 2 * asked.count + 1]) + b"\1" * (2 * asked.count + 1)),
    "byte count too small": lambda asked: Reply(bytes([3, 2 * asked.count - 2]) + b"\1" * (2 * asked.count)),
    "byte count too large": lambda asked: Reply(bytes([3, 2 * asked.count + 2]) + b"\1" * (2 * asked.count)),
    "empty": lambda asked: Reply(bytes([3, 0])),
    "other unit": lambda asked: Reply(registers(3, [1] * asked.count).pdu, unit=99),
    "other transaction": lambda asked: Reply(registers(3, [1] * asked.count).pdu, tid=0xABCD),
    "truncated": lambda asked: Reply(registers(3, [1] * asked.count).pdu[:-3]),
    "garbage": lambda asked: Reply(b"", raw=b"\x00\xff" * 30),
    "unknown function": lambda asked: Reply(bytes([0x55]) + b"\1" * 20),
    "write confirmed": lambda asked: Reply(struct.pack(">BHH", 6, 0x0300, 1)),
    "hang up": lambda asked: Reply(b"", raw=b"", hang_up=True),
    "half a reply, then hang up": lambda asked: Reply(b"", raw=b"\x00\x01\x00\x00", hang_up=True),
}


@pytest.mark.parametrize("how", WRONG)
def test_a_wrong_reply_never_becomes_a_value(run, how):
    """Reliability P15, P16: what does not fit the request is a failure of that meter; its neighbour is still read."""
    bank, inbox, devices = Bank(), Inbox(), [meter("bad", 3), meter("0101", 2)]
    put_meter(bank, 2, 1234)
    with WireServer(lambda asked: WRONG[how](asked) if asked.unit == 3 else bank(asked)) as server:
        run([bus(server.port)], devices, inbox)
        inbox.wait(lambda it: any(isinstance(e, Unreachable) for e in it.events))
        seen = len(inbox.messages)
        inbox.wait(lambda it: len(it.messages) > seen + 3)
    assert {message.address for message in inbox.messages} == {"lakeside/m-0101"}
    assert {reading.credit for reading in readings(inbox, devices)} == {1234}
    assert {event.device for event in inbox.events if isinstance(event, Unreachable)} == {"m-bad"}


def test_late_rtu_replies_are_never_believed(run):
    """Domain/meters.md 5.3: transparent gateway, 5 % of the replies at 250 ms, time-out 100 ms; no wrong value, ever."""
    bank, inbox = Bank(), Inbox()
    devices = [meter(str(n), n, timeout_ms=100, every_s=0.01, min_gap_ms=0) for n in (1, 2, 3)]
    for n in (1, 2, 3):
        put_meter(bank, n, 1000 * n, serial=f"ADF40023A0000{n}")

    def slow(asked):
        reply = bank(asked)
        late = asked.number % 20 == 7
        return Reply(reply.pdu, delay_s=0.25) if late else reply

    with WireServer(slow, rtu=True) as server:
        connector = run([bus(server.port, "modbus+rtu-over-tcp", quiet_ms=300)], devices, inbox)
        inbox.wait(lambda it: len(server.asked) > 300)
        status = connector.status()[0]
    found = readings(inbox, devices)
    assert {(r.device, r.credit, r.serial) for r in found if r.serial} == {
        (f"m-{n}", 1000 * n, f"ADF40023A0000{n}") for n in (1, 2, 3)
    }
    assert {(r.device, r.credit) for r in found} == {(f"m-{n}", 1000 * n) for n in (1, 2, 3)}
    assert status.late_replies > 5, "or the test has tested nothing"


def test_a_bus_with_a_wrong_address_is_down_and_keeps_nobody_from_working(run):
    bank, inbox, devices = Bank(), Inbox(), [meter("0101", 2), meter("0102", 3)]
    devices[1] = msgspec.structs.replace(devices[1], bus="meters-2")
    put_meter(bank, 2, 1234)
    with WireServer(bank) as server:
        wrong = BusEntry(site="lakeside", bus="meters-2", url="modbus+tcp://nowhere:port")
        connector = run([wrong, bus(server.port)], devices, inbox)
        inbox.wait(lambda it: it.messages)
        assert {(status.bus, status.up, status.cause) for status in connector.status()} == {
            ("meters-1", True, ""),
            ("meters-2", False, "bad_address"),
        }
    assert (inbox.events[0].gateway, inbox.events[0].up, inbox.events[0].cause) == ("meters-2", False, "bad_address")


def test_a_bus_that_cannot_be_set_up_keeps_nobody_from_working(run):
    bank, inbox, devices = Bank(), Inbox(), [meter("0101", 2), meter("0102", 3, timeout_ms="soon")]
    devices[1] = msgspec.structs.replace(devices[1], bus="meters-2")
    put_meter(bank, 2, 1234)
    with WireServer(bank) as server:
        other = BusEntry(site="lakeside", bus="meters-2", url="modbus+tcp://127.0.0.1:1")
        run([other, bus(server.port)], devices, inbox)
        inbox.wait(lambda it: it.messages)
    assert (inbox.events[0].gateway, inbox.events[0].up, inbox.events[0].cause) == ("meters-2", False, "setup_failed")


def test_an_intake_that_fails_does_not_end_the_polling(run):
    """Whatever goes wrong above, the bus goes on: the error is counted and shown."""
    bank, inbox, devices = Bank(), Inbox(), [meter("0101", 2)]
    put_meter(bank, 2, 1234)
    take, failing = inbox.offer, [True]

    def offer(message):
        if failing:
            failing.clear()
            raise RuntimeError("out of order")
        take(message)

    inbox.offer = offer
    with WireServer(bank) as server:
        connector = run([bus(server.port)], devices, inbox)
        inbox.wait(lambda it: it.messages)
        assert connector.status()[0].stumbles == 1


def test_a_connection_that_the_gateway_closes_is_made_again_and_is_no_news(run):
    bank, inbox, devices = Bank(), Inbox(), [meter("0101", 2, timeout_ms=2_000)]  # a closed line is no time-out
    put_meter(bank, 2, 1234)
    with WireServer(bank) as server:
        run([bus(server.port)], devices, inbox)
        inbox.wait(lambda it: it.messages)
        for times in (2, 3, 4):
            server.hang_up()
            inbox.wait(lambda it, times=times: server.connections >= times)
        seen = len(inbox.messages)
        inbox.wait(lambda it: len(it.messages) > seen + 2)
    assert [(type(event), event.up) for event in inbox.events] == [(GatewayChanged, True)]


def test_a_half_open_link_is_made_anew(run):
    """A link on which nothing ever comes back again looks connected: after some silence it is replaced."""
    bank, inbox, devices = Bank(), Inbox(), [meter("0101", 2), meter("0102", 3)]
    put_meter(bank, 2, 1234)
    put_meter(bank, 3, 1234)
    deaf = []

    def answer(asked):
        return None if server.connections in deaf else bank(asked)

    with WireServer(answer) as server:
        run([bus(server.port)], devices, inbox)
        inbox.wait(lambda it: it.messages)
        deaf.append(server.connections)
        inbox.wait(lambda it: server.connections > deaf[0])
        seen = len(inbox.messages)
        inbox.wait(lambda it: len(it.messages) > seen)
    assert {event.credit for event in readings(inbox, devices) if isinstance(event, MeterReading)} == {1234}


def test_a_lift_and_its_meters_share_a_bus_and_the_alarm_comes_within_its_period(run):
    """A dead meter, thirty living ones and one lift: the entrapment is handed in while all of that goes on."""
    bank, inbox = Bank(), Inbox()
    devices = [elevator(1, 0xF7), *(meter(str(n), n) for n in range(1, 32))]
    bank.put(0xF7, 0, [0x0000, 0x0400, 0x0500])
    for n in range(1, 31):
        put_meter(bank, n, 100 * n)
    with WireServer(bank) as server:
        run([bus(server.port)], devices, inbox)
        inbox.wait(lambda it: len({m.address for m in it.messages}) == 31)
        bank.put(0xF7, 0, [0x0002, 0x1100, 0x0500])
        inbox.wait(lambda it: any(m.lane is Lane.ALARM and b"0002" in m.payload for m in it.messages))
        lift = [event for event in readings(inbox, devices) if isinstance(event, ElevatorState)]
    assert lift[-1].trapped is TrappedPlace.OFF_LEVEL


def test_devices_of_other_transports_and_buses_without_devices_are_left_alone(run):
    inbox = Inbox()
    other = msgspec.structs.replace(elevator(1, 1), profile="hub-json")
    connector = run([bus(1)], [other], inbox)
    assert connector.status() == []
    assert inbox.events == []


def test_a_busy_bus_stops_when_it_is_told_to():
    """A cancellation that comes together with a reply must not get lost (Python 3.11's wait_for can swallow it)."""
    bank, devices = Bank(), [meter(str(n), n, every_s=0.001, min_gap_ms=0) for n in range(1, 9)]
    for n in range(1, 9):
        put_meter(bank, n, 100)
    with WireServer(bank) as server:
        for _ in range(10):
            inbox = Inbox()
            connector = BusConnector([bus(server.port)], devices, SHIPPED, inbox)
            connector.start()
            wait_until(lambda inbox=inbox: len(inbox.messages) > 20, DEADLINE_S)
            connector.stop()
            assert not connector.alive()
