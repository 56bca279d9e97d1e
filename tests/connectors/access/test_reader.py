"""A reader's session by itself: what is cleared when, and what may be written at all."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path
from typing import Any

import pytest

from connectors import profiles
from connectors.access.door_lock import DoorLock
from connectors.access.reader import Reader
from connectors.codecs.modbus_fields import Span
from connectors.codecs.reader_profile import ReaderProfile, Writable
from connectors.codecs.reader_watch import Card
from connectors.modbus.address import parse_address
from connectors.modbus.exchange import Answer, Outcome, Silence
from connectors.modbus.writing import NotWritableError, WritingClient
from hub.vocabulary.ports import DeviceEntry, Receipt
from simulators.modbus import BusServer, Misbehaviour, Trouble
from simulators.readers import InveoReader
from support.door_site import Hands
from support.readers import SECURE, ReaderWire

CONNECTORS = Path(__file__).parents[3] / "connectors"
CARD = Card((0x56, 0x30, 0xF0, 0x09, 0, 0, 0, 0, 0, 0), None, True)
ADDRESS = parse_address("modbus+tcp://127.0.0.1:502")


class Bus:
    """Answers everything, and remembers what was written."""

    up = True

    def __init__(self) -> None:
        self.silent = False
        self.written: list[tuple[int, int]] = []
        self.registers: dict[int, tuple[int, ...]] = {}

    async def read(self, unit_id: int, span: Span, timeout_ms: int) -> Outcome:
        if self.silent:
            return Silence()
        return Answer(self.registers.get(span.addr, (0,) * span.count))

    async def write(self, unit_id: int, point: Writable, value: int, timeout_ms: int) -> Outcome:
        if self.silent:
            return Silence()
        self.written.append((point.addr, value))
        self.registers[point.addr] = (value,)
        return Answer((value,))


def reader(bus: Bus) -> Reader:
    options: dict[str, Any] = {"card_format": "uid32", "openings": {"north": SECURE}, "doors": {"north": 1}}
    entry = DeviceEntry(
        site="lakeside",
        device="gate-7",
        kind="access_controller",
        profile="inveo-rfid-ind",
        timezone="Asia/Shanghai",
        options=options,
    )
    section = profiles.load()["inveo-rfid-ind"].reader
    assert isinstance(section, ReaderProfile)
    made: Any = Reader(entry, section, bus, None, Hands(), lambda: 1_780_000_000_000, lambda call, *args: call(*args))  # type: ignore[arg-type,return-value]
    return made  # type: ignore[no-any-return]


NEW_TAG = (1016, 0)


def test_the_flag_is_cleared_when_the_card_is_committed_and_not_before() -> None:
    bus = Bus()
    made = reader(bus)

    async def story() -> None:
        made._presented(CARD)
        await made._serve()
        assert NEW_TAG not in bus.written
        made.acknowledge([Receipt(1, 1, 1)])
        await made._serve()
        assert bus.written.count(NEW_TAG) == 1

    asyncio.run(story())


def test_a_commit_that_comes_late_does_not_clear_the_flag_of_the_next_card() -> None:
    bus = Bus()
    made = reader(bus)

    async def story() -> None:
        made._presented(CARD)
        await made._undecided("1", CARD)  # too late for a decision: let go, for whoever comes next
        await made._serve()
        assert bus.written.count(NEW_TAG) == 1
        made.acknowledge([Receipt(1, 1, 1)])
        await made._serve()
        assert bus.written.count(NEW_TAG) == 1

    asyncio.run(story())


def test_a_reader_that_does_not_answer_is_asked_less_and_less_often() -> None:
    """Each time costs its bus a time-out, and people stand at the others."""
    bus = Bus()
    made = reader(bus)
    pauses = []

    async def story() -> None:
        bus.silent = True
        for _ in range(9):
            await made._look()
            pauses.append(made._pause_ms())
        bus.silent = False
        await made._look()
        pauses.append(made._pause_ms())

    asyncio.run(story())
    assert pauses == [250, 250, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000, 250]


@pytest.mark.parametrize(("told_to_open", "again_ms"), [(False, 10_000), (True, 1_000)])
def test_a_relay_that_is_away_is_tried_as_often_as_it_may_stand_open(told_to_open: bool, again_ms: int) -> None:
    bus: Any = Bus()
    heard: list[tuple[bool, str, bool]] = []
    lock = DoorLock(bus, 1, Writable(5, 1000, (0, 1)), SECURE, 100, lambda *said: heard.append(said))

    async def story() -> None:
        if told_to_open:
            await lock.open(0)
        bus.silent = True
        await lock.tend(5_000)

    asyncio.run(story())
    assert lock.lock_at == 5_000 + again_ms
    assert heard[-1] == (False, "write_timeout", told_to_open)


def test_a_write_has_its_own_time_and_not_what_is_left_of_a_reads() -> None:
    relay = Writable(5, 1000, (0, 1))

    async def story(server: BusServer) -> tuple[Outcome, Outcome, Outcome]:
        address = parse_address(f"modbus+tcp://127.0.0.1:{server.port}")
        client = WritingClient(address, lambda _: None, {1: frozenset({relay})})
        assert await client.connect(2_000) is None
        read = await client.read(1, Span(1, 1000, 1), 100)
        server.misbehaving[1] = Misbehaviour(Trouble.SLOW, delay_s=0.25)
        written = await client.write(1, relay, 1, 5_000)
        late = await client.write(1, relay, 0, 50)
        client.close()
        return read, written, late

    with ReaderWire({1: InveoReader()}) as wire:
        assert asyncio.run(story(wire.server)) == (Answer((0,)), Answer((1,)), Silence())


@pytest.mark.parametrize(
    ("unit_id", "point", "value"),
    [
        (1, Writable(5, 1000, (0, 1)), 2),
        (1, Writable(5, 1001, (0, 1)), 1),
        (2, Writable(5, 1000, (0, 1)), 1),
        (1, Writable(6, 1000, (0, 1)), 1),
    ],
)
def test_nothing_is_written_but_what_the_profile_names(unit_id: int, point: Writable, value: int) -> None:
    client = WritingClient(ADDRESS, lambda _: None, {1: frozenset({Writable(5, 1000, (0, 1))})})
    with pytest.raises(NotWritableError):
        asyncio.run(client.write(unit_id, point, value, 100))


def test_one_file_alone_knows_how_to_write_and_only_doors_use_it() -> None:
    imports: dict[str, set[str]] = {}
    for path in CONNECTORS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = {alias.name for alias in node.names}
                if any(name.startswith("Write") and name.endswith("Request") for name in names):
                    imports.setdefault("request", set()).add(path.name)
                if node.module == "connectors.modbus.writing":
                    imports.setdefault("client", set()).add(path.name)
    assert imports == {"request": {"writing.py"}, "client": {"door_bus.py"}}
