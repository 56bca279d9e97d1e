"""`hub check --connect` at a bus: living, unreachable, silent and foreign meters are told apart."""

import pytest

from connectors.modbus.check import check_bus
from hub.vocabulary.ports import BusEntry
from support.modbus_estate import SHIPPED, bus, meter, put_meter
from support.modbus_wire import Bank, WireServer, exception

pytestmark = pytest.mark.slow  # real sockets with their own times


def test_check_shows_live_values_and_says_what_is_wrong_with_the_others():
    """`hub check --connect`: a living meter, one that the gateway does not reach, a silent one, one of another model."""
    bank = Bank()
    put_meter(bank, 2, 1234)
    bank.put(5, 0, [1, 2, 3])
    devices = [meter(str(unit), unit) for unit in (2, 3, 4, 5)]
    with WireServer(lambda asked: exception(asked.fc, 0x0B) if asked.unit == 3 else bank(asked)) as server:
        found = check_bus(bus(server.port), devices, SHIPPED)
    assert [(each.ok, each.target, each.cause) for each in found] == [
        (True, "meters-1", ""),
        (True, "m-2", ""),
        (False, "m-3", "exception_0b"),
        (False, "m-4", "timeout"),
        (False, "m-5", "exception_02"),
    ]
    assert found[1].text == "unit 2: balance 12.34 CNY, total 1234.560 kWh, serial ADF40023A00001"
    assert "wiring" in found[2].text
    gone = check_bus(bus(server.port), devices, SHIPPED)
    assert [(each.ok, each.target, each.cause) for each in gone] == [(False, "meters-1", "connect_failed")]
    assert check_bus(BusEntry(site="lakeside", bus="x", url="nonsense"), devices, SHIPPED)[0].cause == "bad_address"
