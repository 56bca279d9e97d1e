"""(6 d) Reads a second of 21 registers over many TCP gateways: the whole hub, decoded, decided on and stored, against bare pymodbus.

The gateways are sockets of one process that answers from one dump (tests/cases/acrel-adf400l-1p). *Bare loop*: one pymodbus
client a gateway, all in one event loop; balance, total and count by its own convert_from_registers; a thread that commits what
has come to SQLite (synchronous=FULL), as the hub does. *Dropped*: the same, and what is read is thrown away. Neither checks,
keeps to a schedule, nor decides anything. A read of the hub counts when another process finds its reading in the database.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymodbus.client import AsyncModbusTcpClient

from bench import machine
from bench.contestants import HubProcess
from bench.ingest import MakeBroker
from support.estate_files import site_file

GATEWAYS, METERS = 250, 4  # a gateway is read with 20 ms between requests: so many are needed to fill a core
ADDR, COUNT = 0x0300, 21
LIVE = bytes.fromhex(
    "08FD01F4047E0000000000000001E240000000000000273E0000C35000070000000012340000000000000000"[: COUNT * 4]
)
SERIAL = b"ADF40023A00001"


class _Gateway(asyncio.Protocol):
    """Modbus-TCP, function 3: the live block, the serial number, zeros elsewhere."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 12:
            asked, self._buffer = self._buffer[:12], self._buffer[12:]
            addr, count = int.from_bytes(asked[8:10], "big"), int.from_bytes(asked[10:12], "big")
            words = {ADDR: LIVE, 0x0947: SERIAL}.get(addr, b"")[: count * 2].ljust(count * 2, b"\0")
            body = asked[6:8] + bytes([len(words)]) + words
            self._transport.write(asked[:4] + len(body).to_bytes(2, "big") + body)


def _serve(ports: Any, count: int) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(_Gateway, "127.0.0.1", 0) for _ in range(count)]
        ports.put([server.sockets[0].getsockname()[1] for server in servers])
        await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def gateways(count: int) -> Iterator[list[int]]:
    """Ports of gateways in another process."""
    ports: multiprocessing.Queue[list[int]] = multiprocessing.Queue()
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(ports, count), daemon=True)
    process.start()
    try:
        yield ports.get(timeout=30)
    finally:
        process.terminate()
        process.join(10)


class _Table:
    """Rows into SQLite in batches, by a thread of its own; counts what is committed."""

    def __init__(self, file: Path) -> None:
        self.rows: deque[tuple[int, int, int, int, int]] = deque()
        self.stored = 0
        self._file = file
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        connection = sqlite3.connect(self._file, isolation_level=None)
        for line in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"):
            connection.execute(line)
        connection.execute("CREATE TABLE readings (device INT, at INT, credit INT, energy INT, purchases INT)")
        while not (self._over.is_set() and not self.rows):
            batch = [self.rows.popleft() for _ in range(min(len(self.rows), 512))]
            if not batch:
                time.sleep(0.002)
                continue
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO readings VALUES (?, ?, ?, ?, ?)", batch)
            connection.execute("COMMIT")
            self.stored += len(batch)
        connection.close()

    def close(self) -> None:
        self._over.set()
        self._thread.join()


async def _bare(ports: list[int], seconds: float, table: _Table | None) -> float:
    """Reads a second. With a table: of those that are stored."""
    clients = [AsyncModbusTcpClient("127.0.0.1", port=port, retries=0, timeout=5) for port in ports]
    for client in clients:
        assert await client.connect()
    until = time.perf_counter() + seconds
    counts = [0] * len(clients)

    async def read(number: int, client: AsyncModbusTcpClient) -> None:
        u32, i32, u16 = client.DATATYPE.UINT32, client.DATATYPE.INT32, client.DATATYPE.UINT16
        while time.perf_counter() < until:
            reply = await client.read_holding_registers(ADDR, count=COUNT, device_id=number % METERS + 1)
            words = reply.registers
            counts[number] += 1
            if table is not None:
                of = client.convert_from_registers
                row = of(words[10:12], i32), of(words[6:8], u32), of(words[14:15], u16)
                table.rows.append((number, time.time_ns(), *row))

    began = time.perf_counter()
    await asyncio.gather(*(read(number, client) for number, client in enumerate(clients)))
    took = time.perf_counter() - began
    for client in clients:
        client.close()
    return (sum(counts) if table is None else table.stored) / took


def _bare_stored(ports: list[int], seconds: float, file: Path) -> float:
    table = _Table(file)
    try:
        return asyncio.run(_bare(ports, seconds, table))
    finally:
        table.close()


def _site(ports: list[int]) -> dict[str, Any]:
    buses = [{"id": f"g{n}", "url": f"modbus+tcp://127.0.0.1:{port}", "every_s": 0.1} for n, port in enumerate(ports)]
    devices = [
        {"id": f"m-{n * METERS + unit}", "kind": "meter", "profile": "acrel-adf400l-1p", "bus": f"g{n}",
         "unit_id": unit + 1, "place": "b1", "balance_unit": "CNY"}
        for n in range(len(ports)) for unit in range(METERS)
    ]  # fmt: skip
    return site_file(buses=buses, devices=devices)


def measure(folder: Path, make_broker: MakeBroker, seconds: float) -> list[dict[str, Any]]:
    """Bare, then the hub, on the same gateways."""
    broker = make_broker(folder / "broker")
    broker.start()
    try:
        with gateways(GATEWAYS) as ports:
            dropped = asyncio.run(_bare(ports, seconds, None))
            bare = _bare_stored(ports, seconds, folder / "bare.db")
            contestant = HubProcess(folder / "hub", broker, [_site(ports)])
            contestant.start()
            try:
                hub, cpu_ms = _rate(contestant, seconds)
            finally:
                contestant.stop()
    finally:
        broker.stop()
    common = {"gateways": GATEWAYS, "meters": GATEWAYS * METERS, "load": machine.load()}
    return [
        {"contestant": "bare pymodbus, dropped", "reads_per_second": round(dropped), "cpu_ms": None, **common},
        {"contestant": "bare loop", "reads_per_second": round(bare), "cpu_ms": None, **common},
        {"contestant": contestant.name, "reads_per_second": round(hub), "cpu_ms": cpu_ms, **common},
    ]


def _rate(contestant: HubProcess, seconds: float) -> tuple[float, float]:
    """Readings stored a second once every meter has been read, and processor time per 1,000 of them."""
    while contestant.stored() < 2 * GATEWAYS * METERS:
        time.sleep(0.2)
    began, first, cpu = time.perf_counter(), contestant.stored(), contestant.usage().cpu_s
    time.sleep(seconds)
    stored = contestant.stored() - first
    took = time.perf_counter() - began
    return stored / took, round((contestant.usage().cpu_s - cpu) / stored * 1e6, 1)
