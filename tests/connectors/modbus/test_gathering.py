"""Readings are handed in together; alarm points wait for nobody, and reports overtake nothing."""

import asyncio

from connectors import profiles
from connectors.modbus import gathering
from connectors.modbus.connector import BusConnector
from connectors.modbus.gathering import ENOUGH, Gathering
from hub.vocabulary.events import Clock, Unreachable
from hub.vocabulary.ports import BusEntry, DeviceEntry, Lane, RawMessage
from support.modbus_wire import Bank, WireServer
from support.waiting import wait_until

SHIPPED = {name: each.modbus for name, each in profiles.load().items() if each.modbus is not None}


class Inbox:
    """Everything in the order in which it came."""

    def __init__(self):
        self.taken = []
        self.filled = asyncio.Event()
        self.refuses = ""

    def offer(self, message):
        if message.address == self.refuses:
            raise RuntimeError("out of order")
        self.filled.set()
        self.taken.append(message.address)

    def report(self, event):
        self.taken.append(type(event).__name__)


def message(number, lane=Lane.TELEMETRY):
    return RawMessage(channel="modbus", address=f"s/{number}", payload=b"", received_at=number, lane=lane)


def in_a_loop(do):
    """What the inbox holds after `do(gathering, inbox)`."""

    async def run():
        inbox = Inbox()
        await do(Gathering(inbox), inbox)
        return inbox.taken

    return asyncio.run(run())


def test_readings_come_together_in_their_order_without_being_asked_for():
    async def do(together, inbox):
        for number in range(3):
            together.offer(message(number))
        assert inbox.taken == []
        await asyncio.wait_for(inbox.filled.wait(), 10)
        inbox.filled.clear()
        together.offer(message(3))
        await asyncio.wait_for(inbox.filled.wait(), 10)

    assert in_a_loop(do) == ["s/0", "s/1", "s/2", "s/3"]


def test_a_reading_that_is_not_taken_is_counted_and_costs_no_other():
    async def do(together, inbox):
        inbox.refuses = "s/1"
        for number in range(3):
            together.offer(message(number))
        together.flush()
        assert together.stumbles == {"s/1": 1}

    assert in_a_loop(do) == ["s/0", "s/2"]


def test_an_alarm_point_waits_for_no_reading():
    async def do(together, inbox):
        together.offer(message(1))
        together.offer(message(2, Lane.ALARM))
        assert inbox.taken == ["s/2"]
        together.flush()

    assert in_a_loop(do) == ["s/2", "s/1"]


def test_a_loss_that_is_reported_does_not_overtake_what_was_read_before_it():
    async def do(together, inbox):
        together.offer(message(1))
        together.report(Unreachable(site="s", device="d", occurred_at=1, received_at=1, clock=Clock.ARRIVAL, cause="x"))

    assert in_a_loop(do) == ["s/1", "Unreachable"]


def test_a_step_full_of_readings_waits_no_longer():
    async def do(together, inbox):
        for number in range(ENOUGH + 1):
            together.offer(message(number))
        assert len(inbox.taken) == ENOUGH
        together.flush()
        together.flush()

    assert len(in_a_loop(do)) == ENOUGH + 1


def test_what_was_read_before_an_orderly_stop_is_handed_in(monkeypatch):
    monkeypatch.setattr(gathering, "GATHER_S", 3600)
    inbox, bank = Inbox(), Bank()
    bank.put(2, 0, [0] * 0x0950)
    device = DeviceEntry(
        site="s", device="d", kind="meter", profile="acrel-adf400l-1p", timezone="UTC", bus="b", unit_id=2,
        options={"every_s": 0.02},
    )  # fmt: skip
    with WireServer(bank) as server:
        url = f"modbus+tcp://127.0.0.1:{server.port}"
        connector = BusConnector([BusEntry(site="s", bus="b", url=url)], [device], SHIPPED, inbox)
        connector.start()
        wait_until(lambda: len(server.asked) > 6, 10, "the meter is not read")
        assert "s/d" not in inbox.taken
        connector.stop()
    assert "s/d" in inbox.taken
