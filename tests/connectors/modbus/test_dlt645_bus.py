"""DL/T 645 meters on the same scheduler as Modbus: from a site's entries over a socket to readings, through every trouble."""

import msgspec
import pytest

from connectors import profiles
from connectors.codecs.dlt645_decoder import Dlt645Decoder
from connectors.modbus.check import check_bus
from connectors.modbus.connector import BusConnector
from hub.vocabulary.events import GatewayChanged, MeterReading, Unreachable
from hub.vocabulary.ports import BusEntry, DeviceEntry
from hub.vocabulary.units import BalanceUnit, Relay
from support.dlt645_wire import Meters, MeterServer, reply
from support.waiting import wait_until

pytestmark = pytest.mark.slow  # real processes or sockets with their own times

SHIPPED = {name: each.dlt645 for name, each in profiles.load().items() if each.dlt645 is not None}
ALL = {name: each.modbus or each.dlt645 for name, each in profiles.load().items() if each.modbus or each.dlt645}
QUICK = msgspec.structs.replace(SHIPPED["dlt645-prepaid"], timeout_ms=300, max_lateness_ms=400, min_gap_ms=0)
A, B = "112233445566", "000000000001"
MONEY = {
    0x00900200: bytes.fromhex("45230100"),
    0x00900201: bytes(4),
    0x00010000: bytes.fromhex("67452301"),
    0x03330201: bytes.fromhex("1200"),
    0x04000503: bytes.fromhex("0002"),
    0x04001001: bytes.fromhex("00100000"),
    0x04000402: bytes.fromhex("665544332211"),
}
ENERGY = {0x00900100: bytes.fromhex("50120000"), 0x00900101: bytes(4), 0x04000503: bytes.fromhex("1001")}


class Inbox:
    def __init__(self):
        self.messages, self.events = [], []
        self.offer, self.report = self.messages.append, self.events.append


def meter(name, address, **more):
    return DeviceEntry(
        site="lakeside", device=name, kind="meter", profile="dlt645-prepaid", timezone="Asia/Shanghai", bus="b",
        balance_unit="CNY", options={"address": address, "every_s": 1, **more},
    )  # fmt: skip


def bus(port, scheme="dlt645+tcp"):
    return BusEntry(site="lakeside", bus="b", url=f"{scheme}://127.0.0.1:{port}")


class Running:
    """A connector on one bus with these meters."""

    def __init__(self, port, devices, profile=QUICK):
        self.inbox = Inbox()
        self.devices = devices
        self.connector = BusConnector([bus(port)], devices, {**ALL, "dlt645-prepaid": profile}, self.inbox)

    def __enter__(self):
        self.connector.start()
        return self

    def __exit__(self, *_):
        self.connector.stop()

    def readings(self, device):
        decoder = Dlt645Decoder(SHIPPED, self.devices)
        found = [event for message in self.inbox.messages for event in decoder.decode(message)]
        return [event for event in found if isinstance(event, MeterReading) and event.device == device]

    def wait(self, condition):
        wait_until(condition, 30, lambda: f"{self.inbox.events} {self.connector.status()}")

    def lost(self):
        return [event for event in self.inbox.events if isinstance(event, Unreachable)]


def test_two_meters_of_different_type_are_read_on_one_bus():
    with (
        MeterServer(Meters({A: MONEY, B: ENERGY})) as server,
        Running(server.port, [meter("m1", A), meter("m2", B)]) as on,
    ):
        on.wait(lambda: on.readings("m1") and on.readings("m2"))
        first, second = on.readings("m1")[0], on.readings("m2")[0]
        assert (first.credit, first.unit, first.purchases, first.energy_wh) == (12345, BalanceUnit.CNY, 12, 12345670)
        assert (first.serial, first.relay) == (A, Relay.CLOSED)
        assert first.extra["limits"] == {"alarm_1": "10"}
        assert (second.credit, second.unit, second.relay) == (12500, BalanceUnit.KWH, Relay.OPEN)
        assert {message.channel for message in on.inbox.messages} == {"dlt645"}
        assert {each.control for each in server.asked} == {0x11}


def test_what_a_meter_refuses_is_not_asked_again():
    with MeterServer(Meters({A: MONEY})) as server, Running(server.port, [meter("m1", A)]) as on:
        on.wait(lambda: len(on.readings("m1")) >= 3)
        assert sum(each.item == 0x00900100 for each in server.asked) == 1
        assert {reading.credit for reading in on.readings("m1")} == {12345}
        assert on.connector.status()[0].units[0].unsupported == ()


def test_an_item_that_a_meter_of_its_type_must_have_is_missed():
    """No purchases count: a top-up cannot be proven, so the integrator is told."""
    without = {item: value for item, value in MONEY.items() if item != 0x03330201}
    with MeterServer(Meters({A: without})) as server, Running(server.port, [meter("m1", A)]) as on:
        on.wait(lambda: bool(on.readings("m1")))
        assert on.connector.status()[0].units[0].unsupported == ("CNY.purchases",)


def test_late_answers_are_never_believed_for_another_item():
    """Some answers come after its time-out; every value that is handed in is the item's own."""
    truth = dict(MONEY)

    def late(question):
        value = truth.get(question.item)
        if value is None:
            return Meters({A: MONEY})(question)
        return [(0.36 if question.number % 23 == 3 else 0, reply(question, value))]

    with MeterServer(late) as server, Running(server.port, [meter("m1", A)]) as on:
        on.wait(lambda: len(on.readings("m1")) >= 3 and on.connector.status()[0].late_replies >= 1)
        for reading in on.readings("m1"):
            assert (reading.credit, reading.purchases, reading.energy_wh) == (12345, 12, 12345670)


def test_a_storm_of_wrong_checksums_is_told_as_such_and_nothing_is_handed_in():
    def storm(question):
        if question.address == B:
            return Meters({B: ENERGY})(question)
        return [(0, reply(question, b"\x00" * 4)[:-2] + b"\x00\x16")]

    with MeterServer(storm) as server, Running(server.port, [meter("m1", A), meter("m2", B)]) as on:
        on.wait(lambda: on.lost() and on.readings("m2"))
        assert [(event.device, event.cause) for event in on.lost()] == [("m1", "checksum")]
        assert on.readings("m1") == []


def test_two_meters_with_one_address_are_told_as_such_and_neither_is_believed():
    """Edge case 24."""

    def twins(question):
        if question.address == B:
            return Meters({B: ENERGY})(question)
        return [(0, reply(question, MONEY.get(question.item, bytes(4)))), (0.05, reply(question, bytes(4)))]

    with MeterServer(twins) as server, Running(server.port, [meter("m1", A), meter("m2", B)]) as on:
        on.wait(lambda: on.lost() and on.readings("m2"))
        assert [(event.device, event.cause) for event in on.lost()] == [("m1", "two_meters_one_address")]
        assert on.readings("m1") == []


def test_another_meters_number_behind_the_address_is_not_believed():
    """Edge case 7: the address was given to another meter; the site file names the number."""
    swapped = Meters({A: {**MONEY, 0x04000402: bytes.fromhex("010000000000")}})
    expected = meter("m1", A, serial="112233445566")
    with MeterServer(swapped) as server, Running(server.port, [expected]) as on:
        on.wait(lambda: bool(on.lost()))
        assert on.lost()[0].cause == "identity_mismatch"
        assert on.readings("m1") == []


def test_a_gateway_that_goes_away_is_one_loss_and_comes_back_with_readings():
    both = Meters({A: MONEY, B: ENERGY})
    with MeterServer(both) as server, Running(server.port, [meter("m1", A), meter("m2", B)]) as on:
        on.wait(lambda: on.readings("m1") and on.readings("m2"))
        server.answer = lambda question: []
        on.wait(lambda: any(isinstance(event, GatewayChanged) and not event.up for event in on.inbox.events))
        assert on.lost() == []
        before = len(on.readings("m1"))
        server.answer = both
        on.wait(lambda: len(on.readings("m1")) > before)
        assert on.inbox.events[-1].up


@pytest.mark.parametrize(
    ("devices", "says"),
    [
        ([meter("m1", "AAAAAAAAAAAA"), meter("m2", B)], "means every meter; there are 2 here"),
        ([meter("m1", "12345")], "12 digits"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_a_byte_is_sent(devices, says):
    """Edge case 24: the wildcard on a shared bus."""
    with MeterServer(Meters({A: MONEY})) as server, Running(server.port, devices) as on:
        assert [status.cause for status in on.connector.status()] == ["bad_address"]
        [finding] = check_bus(bus(server.port), devices, ALL)
        assert (finding.ok, finding.cause) == (False, "bad_address")
        assert says in finding.text
        assert server.asked == []


def test_a_meter_of_the_other_protocol_is_refused():
    device = DeviceEntry(
        site="lakeside",
        device="m1",
        kind="meter",
        profile="eastron-sdm120",
        timezone="Asia/Shanghai",
        bus="b",
        unit_id=1,
    )
    with MeterServer(Meters({})) as server, Running(server.port, [device]) as on:
        assert [status.cause for status in on.connector.status()] == ["bad_address"]


def test_a_single_meter_is_commissioned_by_the_wildcard():
    with MeterServer(Meters({A: MONEY})) as server:
        found = check_bus(bus(server.port), [meter("m1", "AAAAAAAAAAAA")], ALL)
        assert [finding.ok for finding in found] == [True, True]
        assert "balance 123.45 CNY, total 12345.670 kWh, serial 112233445566" in found[1].text


def test_commissioning_says_what_is_wrong():
    def broken(question):
        return [(0, reply(question, bytes(4))[:-2] + b"\x00\x16")]

    quick = {**ALL, "dlt645-prepaid": QUICK}
    with MeterServer(broken) as server:
        found = check_bus(bus(server.port), [meter("m1", A)], quick)
        assert (found[1].ok, found[1].cause) == (False, "checksum")
        assert "address 112233445566: checksum (two meters with one address" in found[1].text
    with MeterServer(Meters({})) as server:
        found = check_bus(bus(server.port), [meter("m1", A)], quick)
        assert (found[1].ok, found[1].cause) == (False, "timeout")
