"""A DL/T 645 meter in debt, a sub-meter without a balance and a meter that reports by itself, on real sockets, through the whole hub."""

import socket
from collections.abc import Callable

from connectors.codecs.acrel_push import REGISTER, UPLOAD, build
from support.acrel_wire import SERIAL, block, upload
from support.brokers import TestBroker
from support.dlt645_wire import Meters, MeterServer
from support.estate_files import site_file
from support.modbus_wire import Bank, WireServer
from support.running_hub import RunningHub
from support.waiting import wait_until

DEBTOR, NUMBER = "112233445566", bytes.fromhex("665544332211")
ALARM_2 = 0x2080  # relay closed; the meter's own alarm confirms a low reading at once
IN_DEBT = {
    0x00900200: bytes(4),
    0x00900201: bytes.fromhex("50070000"),  # 7.50
    0x00010000: bytes.fromhex("67452301"),
    0x03330201: bytes.fromhex("1200"),
    0x04000503: bytes.fromhex("8002"),  # about to trip; money
    0x04000402: NUMBER,
}
PAID = {**IN_DEBT, 0x00900200: bytes.fromhex("50920000"), 0x00900201: bytes(4), 0x03330201: bytes.fromhex("1300"),
        0x04000503: bytes.fromhex("0002")}  # fmt: skip


def sub_meter() -> Bank:
    bank = Bank()
    bank.put(9, 0x0000, [0x4366, 0x8000] + [0] * 10 + [0x4497, 0x4000])
    bank.put(9, 0x0048, [0x4640, 0x3200, 0, 0])
    bank.put(9, 0x0156, [0x4640, 0xE6AE])
    return bank


def report(port: int, credit: int) -> None:
    """A 4G meter calls and says what is left, in fen."""
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(build(REGISTER, SERIAL.encode()) + build(UPLOAD, upload(block(credit=credit, status=ALARM_2))))


def test_a_debt_is_seen_told_and_closed_by_a_purchase_and_a_sub_meter_is_never_told_to_buy(
    nats_broker: TestBroker, start_hub: Callable[..., RunningHub], free_port: Callable[[], int]
) -> None:
    port = free_port()
    with MeterServer(Meters({DEBTOR: IN_DEBT})) as meters, WireServer(sub_meter()) as wire:
        site = site_file(
            buses=[
                {"id": "d-1", "url": f"dlt645+tcp://127.0.0.1:{meters.port}", "every_s": 1},
                {"id": "m-1", "url": f"modbus+tcp://127.0.0.1:{wire.port}", "every_s": 1},
                {"id": "push", "url": f"acrel+tcp://127.0.0.1:{port}"},
            ],
            devices=[
                {"id": "m-0101", "kind": "meter", "profile": "dlt645-prepaid", "bus": "d-1", "address": DEBTOR,
                 "place": "b1/0101", "balance_unit": "CNY"},
                {"id": "m-shared", "kind": "meter", "profile": "eastron-sdm120", "bus": "m-1", "unit_id": 9, "place": "b1"},
                {"id": "m-0102", "kind": "meter", "profile": "acrel-4g-push", "bus": "push", "sender": SERIAL, "place": "b1/0102"},
            ],
        )  # fmt: skip
        hub = start_hub(nats_broker, [site])
        ticket = hub.wait_for_ticket("low_balance", "m-0101")
        assert ticket["fields"]["level"] == 3
        assert ticket["fields"]["credit"] == "-7.50"
        shown = hub.get("/meters/m-0101")
        assert shown["balance"] == {"amount": "-7.50", "currency": "CNY"}

        meters.answer = Meters({DEBTOR: PAID})
        over = hub.wait_for_ticket("low_balance", "m-0101", where=lambda each: not each["active"])
        assert (over["id"], over["state"]) == (ticket["id"], "closed")

        wait_until(lambda: hub.get("/meters/m-shared")["energy"], 30)
        shown = hub.get("/meters/m-shared")
        assert (shown["balance"], shown["energy"]) == (None, {"amount": "12345.670", "unit": "kWh"})
        assert hub.tickets(subject="m-shared") == []
        assert {asked.fc for asked in wire.asked} == {4}
        assert {question.control for question in meters.asked} == {0x11}

        report(port, -1_200)
        pushed = hub.wait_for_ticket("low_balance", "m-0102")
        assert pushed["fields"]["credit"] == "-12.00"
        assert {bus["id"]: bus["up"] for bus in hub.get("/buses")["items"]} == {"d-1": True, "m-1": True, "push": True}
