"""Modbus side by side: wrong values with late replies, cycle with dead meters, use of a slow line.

Every row has its baseline from the same run; the slave is a process of its own. Set-ups: domain/meters.md 5 and 8.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerType

from connectors.codecs.modbus_poll import decode_poll
from connectors.modbus.address import BusAddress, Framing
from connectors.modbus.client import PymodbusClient
from connectors.modbus.exchange import UnitSpec
from connectors.modbus.poller import BusPoller, BusStatus
from connectors.modbus.scheduler import Schedule
from hub.vocabulary.events import Event
from hub.vocabulary.ports import BusEntry, DeviceEntry, RawMessage
from support.modbus_bus import LINE_MS, SimulatedBus, dead, spec, truth
from support.modbus_wire import Answer, Asked, Reply, WireServer, registers

BLOCKS = ((0x300, 21), (0x400, 12), (0x500, 7))
METERS = 3
LATE_READS, LATE_LINKS, LATE_S = 10_000, 20, 20


class Kept:
    """An intake that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[RawMessage] = []

    def offer(self, message: RawMessage) -> None:
        self.messages.append(message)

    def report(self, event: Event) -> None:
        """Not looked at."""


def true_answer(asked: Asked) -> Reply:
    return registers(asked.fc, [truth(asked.unit, asked.addr + n) for n in range(asked.count)])


def five_percent_late(asked: Asked) -> Reply:
    good = true_answer(asked)
    return Reply(good.pdu, delay_s=0.25) if asked.number % 20 == 7 else good


def slow_line(asked: Asked) -> Reply:
    """21 registers at 9,600 baud with 20 ms of thinking: 85 ms."""
    return Reply(true_answer(asked).pdu, delay_s=0.085)


@contextmanager
def slave(answer: Answer, *, rtu: bool = False) -> Iterator[int]:
    """A slave in another process; its port."""
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    stop = multiprocessing.Event()

    def serve() -> None:
        with WireServer(answer, rtu=rtu) as server:
            ports.put(server.port)
            stop.wait()

    process = multiprocessing.get_context("fork").Process(target=serve)
    process.start()
    try:
        yield ports.get(timeout=10)
    finally:
        stop.set()
        process.join(10)


async def plain(port: int, reads: int, *, rtu: bool, timeout_s: float, retries: int) -> tuple[int, int, int, float]:
    """Bare pymodbus, block after block and meter after meter: right, wrong, failed, seconds."""
    framer = FramerType.RTU if rtu else FramerType.SOCKET
    client = AsyncModbusTcpClient("127.0.0.1", port=port, framer=framer, retries=retries, timeout=timeout_s)
    await client.connect()
    right = wrong = failed = 0
    began = time.perf_counter()
    for number in range(reads):
        unit, (addr, count) = number // len(BLOCKS) % METERS + 1, BLOCKS[number % len(BLOCKS)]
        try:
            reply = await client.read_holding_registers(addr, count=count, device_id=unit)
        except ModbusException:
            failed += 1
            continue
        good = list(reply.registers) == [truth(unit, addr + n) for n in range(count)]
        right, wrong = right + good, wrong + (not good)
    client.close()
    return right, wrong, failed, time.perf_counter() - began


async def ours(
    port: int, specs: list[UnitSpec], seconds: float, *, rtu: bool = False, quiet_ms: int = 300
) -> tuple[Kept, BusStatus]:
    """Our poller on the same slave for so long."""
    framing = Framing.RTU_OVER_TCP if rtu else Framing.TCP
    address = BusAddress(framing=framing, host="127.0.0.1", port=port)
    kept = Kept()
    poller = BusPoller(
        BusEntry(site="s", bus="b", url=""),
        {
            each.device: DeviceEntry(site="s", device=each.device, kind="meter", profile="p", timezone="UTC")
            for each in specs
        },
        specs,
        lambda on_late: PymodbusClient(address, on_late),
        kept,
        quiet_ms=quiet_ms,
        traceable=not rtu,
        clock=lambda: 0,
    )
    task = asyncio.create_task(poller.run())
    await asyncio.sleep(seconds)
    status = poller.status()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return kept, status


def judged(kept: Kept) -> tuple[int, int]:
    """Blocks handed in that are right and wrong."""
    right = wrong = 0
    for message in kept.messages:
        unit = int(message.address.removeprefix("s/d"))
        for part in decode_poll(message.payload).segments:
            good = list(part.registers) == [truth(unit, part.addr + n) for n in range(len(part.registers))]
            right, wrong = right + good, wrong + (not good)
    return right, wrong


def meters(count: int, blocks: tuple[tuple[int, int], ...] = BLOCKS, **options: Any) -> list[UnitSpec]:
    return [
        spec(n, slow=blocks, **{"every_ms": 1, "timeout_ms": 100, "min_gap_ms": 0} | options)
        for n in range(1, count + 1)
    ]


def late_replies() -> list[dict[str, Any]]:
    """(a) RTU over TCP, 5 % of the replies at 250 ms, time-out 100 ms: some 10,000 blocks, on links side by side."""

    async def plainly(port: int, retries: int) -> list[tuple[int, int, int, float]]:
        reads = LATE_READS // LATE_LINKS
        return await asyncio.gather(
            *(plain(port, reads, rtu=True, timeout_s=0.1, retries=retries) for _ in range(LATE_LINKS))
        )

    async def by_hub(port: int) -> list[tuple[Kept, BusStatus]]:
        return await asyncio.gather(*(ours(port, meters(METERS), LATE_S, rtu=True) for _ in range(LATE_LINKS)))

    rows = []
    for retries in (0, 3):
        with slave(five_percent_late, rtu=True) as port:
            each = asyncio.run(plainly(port, retries))
        right, wrong, failed = (sum(one[n] for one in each) for n in range(3))
        rows.append(
            {"contestant": f"plain pymodbus, retries={retries}", "right": right, "wrong": wrong, "failed": failed}
        )
    with slave(five_percent_late, rtu=True) as port:
        found = asyncio.run(by_hub(port))
    judgements = [judged(kept) for kept, _ in found]
    return [
        *rows,
        {
            "contestant": "hub",
            "right": sum(right for right, _ in judgements),
            "wrong": sum(wrong for _, wrong in judgements),
            "failed": sum(status.failures for _, status in found),
        },
    ]


def dead_meters() -> list[dict[str, Any]]:
    """(b) 200 meters on 6 buses, one block each: seconds between two readings of a living meter, in virtual time."""
    count, timeout_ms, rows = 34, 800, []
    for share in (0.0, 0.05, 0.2):
        gone = set(range(1, round(count * share) + 1))
        specs = meters(count, ((0x300, 21),), timeout_ms=timeout_ms, min_gap_ms=20)
        bus = SimulatedBus(Schedule(specs, now=0, quiet_ms=0, traceable=True), dead(gone)).run(until=3_600_000)
        living = sum(1 for _, request in bus.sent if request.unit_id == count)
        naive = (count - len(gone)) * (LINE_MS + 20) + len(gone) * 4 * timeout_ms
        rows.append({"dead": f"{share:.0%}", "hub_s": round(3600 / living, 2), "naive_s": round(naive / 1000, 2)})
    return rows


def line_use() -> dict[str, Any]:
    """(c) 9,600 baud, 21 registers, 20 ms gap: polls against the computed limit of the line."""
    gap_ms, seconds = 20, 10
    with slave(slow_line) as port:
        kept, _ = asyncio.run(ours(port, meters(8, ((0x300, 21),), timeout_ms=800, min_gap_ms=gap_ms), seconds))
    limit = seconds * 1000 / (85 + gap_ms)
    return {"polls": len(kept.messages), "limit": round(limit), "share": round(len(kept.messages) / limit, 3)}


def measure() -> dict[str, Any]:
    """All three; takes a minute. (d) is bench.gateways."""
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    return {"late": late_replies(), "dead": dead_meters(), "line": line_use()}
