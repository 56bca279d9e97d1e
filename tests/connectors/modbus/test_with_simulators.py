"""The connector against the simulated estate: two readings of the same register tables, written by different hands."""

import subprocess
import sys

import pytest

from connectors import profiles
from connectors.codecs.modbus_decoder import ModbusDecoder
from connectors.modbus.connector import BusConnector
from hub.vocabulary.elevator import Doors
from hub.vocabulary.events import ElevatorState, MeterReading
from hub.vocabulary.ports import BusEntry, DeviceEntry
from hub.vocabulary.rejected import Rejected
from support.waiting import wait_until

SHIPPED = {name: each.modbus for name, each in profiles.load().items() if each.modbus is not None}
SITE = """
site: {{id: lakeside, name: 湖畔花园, timezone: Asia/Shanghai, locale: zh-CN}}
buildings: [{{id: b1, name: 1栋, units: ["0101", "0102", "0103"]}}]
buses: [{{id: meters-1, url: "modbus+tcp://127.0.0.1:{port}"}}]
devices:
  - {{id: b1-e1, kind: elevator, profile: car-top-monitor, bus: meters-1, unit_id: 247, place: b1, name: 1号梯}}
  - {{id: b1-e2, kind: elevator, profile: lift-controller, bus: meters-1, unit_id: 248, place: b1, name: 2号梯}}
  - {{id: m-0101, kind: meter, profile: acrel-adf400l-1p, bus: meters-1, unit_id: 1, place: b1/0101, balance_unit: CNY}}
  - {{id: m-0102, kind: meter, profile: acrel-adf400l-1p, bus: meters-1, unit_id: 2, place: b1/0102, balance_unit: kWh}}
  - {{id: m-0103, kind: meter, profile: acrel-adf400l-1p, bus: meters-1, unit_id: 3, place: b1/0103, balance_unit: CNY}}
"""
DEVICES = [
    DeviceEntry(
        site="lakeside",
        device=name,
        kind=kind,
        profile=profile,
        timezone="Asia/Shanghai",
        bus="meters-1",
        unit_id=unit,
        balance_unit=balance,
        options={"every_s": 1},
    )
    for name, kind, profile, unit, balance in (
        ("b1-e1", "elevator", "car-top-monitor", 247, None),
        ("b1-e2", "elevator", "lift-controller", 248, None),
        ("m-0101", "meter", "acrel-adf400l-1p", 1, "CNY"),
        ("m-0102", "meter", "acrel-adf400l-1p", 2, "kWh"),
        ("m-0103", "meter", "acrel-adf400l-1p", 3, "CNY"),
    )
]


class Inbox:
    def __init__(self):
        self.messages, self.events = [], []
        self.offer, self.report = self.messages.append, self.events.append


@pytest.fixture
def estate(free_port, tmp_path):
    """The simulated bus, as a process of its own."""
    port = free_port()
    site = tmp_path / "lakeside.yaml"
    site.write_text(SITE.format(port=port), encoding="utf-8")
    command = [sys.executable, "-m", "simulators", "meters", "--site", str(site), "--die-with-parent"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        yield port
        process.terminate()


def test_every_simulated_device_is_understood(estate):
    inbox = Inbox()
    bus = BusEntry(site="lakeside", bus="meters-1", url=f"modbus+tcp://127.0.0.1:{estate}")
    connector = BusConnector([bus], DEVICES, SHIPPED, inbox)
    connector.start()
    try:
        wait_until(
            lambda: len({message.address for message in inbox.messages}) == len(DEVICES), 30, lambda: str(inbox.events)
        )
    finally:
        connector.stop()
    decoder = ModbusDecoder(SHIPPED, DEVICES)
    events = {}
    for message in inbox.messages:
        found = decoder.decode(message)
        assert not isinstance(found, Rejected), found
        events |= {event.device: event for event in found}
    for name in ("m-0101", "m-0102", "m-0103"):
        reading = events[name]
        assert isinstance(reading, MeterReading)
        assert reading.credit is not None
        assert reading.energy_wh is not None
        assert reading.voltage_dv is not None
        assert 1800 < reading.voltage_dv < 2600
        assert "unusable" not in (reading.extra or {})
    for name in ("b1-e1", "b1-e2"):
        state = events[name]
        assert isinstance(state, ElevatorState)
        assert state.trapped is None
        assert state.trapped_known
        assert state.button is None
    assert events["b1-e1"].doors[0] in {Doors.OPEN, Doors.CLOSED}
