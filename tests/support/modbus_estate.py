"""Meters and a lift on a Modbus bus as `lakeside` has them, what their registers hold, and an intake that keeps what comes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

from connectors import profiles
from connectors.codecs.modbus_decoder import ModbusDecoder
from hub.vocabulary.events import Event
from hub.vocabulary.ports import BusEntry, DeviceEntry, RawMessage
from support.modbus_wire import Bank
from support.waiting import wait_until

DEADLINE_S = 15

SHIPPED = {name: each.modbus for name, each in profiles.load().items() if each.modbus is not None}


class Inbox:
    """An intake that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[RawMessage] = []
        self.events: list[Event] = []

    def offer(self, message: RawMessage) -> None:
        self.messages.append(message)

    def report(self, event: Event) -> None:
        self.events.append(event)

    def wait(self, condition: Callable[[Inbox], object]) -> None:
        wait_until(lambda: condition(self), DEADLINE_S, lambda: f"messages {self.messages[-3:]}, events {self.events}")


def meter(number: str, unit: int, **options: Any) -> DeviceEntry:
    """Polled five times a second."""
    return DeviceEntry(
        site="lakeside",
        device=f"m-{number}",
        kind="meter",
        profile="acrel-adf400l-1p",
        timezone="Asia/Shanghai",
        bus="meters-1",
        unit_id=unit,
        balance_unit="CNY",
        options={"every_s": 0.2, "timeout_ms": 300, **options},
    )


def elevator(number: int, unit: int, profile: str = "car-top-monitor", **options: Any) -> DeviceEntry:
    """Its alarm points every 50 ms."""
    return DeviceEntry(
        site="lakeside",
        device=f"b1-e{number}",
        kind="elevator",
        profile=profile,
        timezone="Asia/Shanghai",
        bus="meters-1",
        unit_id=unit,
        options={"fast_ms": 50, "timeout_ms": 300, **options},
    )


def bus(port: int, scheme: str = "modbus+tcp", **options: Any) -> BusEntry:
    """The gateway at this port of this machine."""
    return BusEntry(site="lakeside", bus="meters-1", url=f"{scheme}://127.0.0.1:{port}", options=options)


def put_meter(bank: Bank, unit: int, credit_hundredths: int, serial: str = "ADF40023A00001") -> None:
    """The register bytes of domain/meters.md 1.1, by hand: 230.1 V, 5.00 A, 1.150 kW, 1234.56 kWh, 7 purchases."""
    live = [
        2301,
        500,
        1150,
        0,
        0,
        0,
        *words(123456),
        0,
        0,
        *words(credit_hundredths),
        *words(50000),
        7,
        0,
        0,
        0x1234,
        0,
        0,
        0,
    ]
    bank.put(unit, 0x0300, live)
    bank.put(unit, 0x0509, [*words(1000), *words(500)])
    bank.put(unit, 0x0947, list(struct.unpack(">7H", serial.encode())))


def words(value: int) -> list[int]:
    """A 32-bit number as two registers."""
    return list(struct.unpack(">HH", struct.pack(">I", value & 0xFFFFFFFF)))


def readings(inbox: Inbox, devices: Iterable[DeviceEntry]) -> list[Event]:
    """What was handed in, decoded."""
    decoder = ModbusDecoder(SHIPPED, devices)
    found: list[Event] = []
    for message in list(inbox.messages):
        events = decoder.decode(message)
        assert isinstance(events, list), events
        found += events
    return found
