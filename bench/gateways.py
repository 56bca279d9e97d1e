"""(6 d) Reads a second of 21 registers over many TCP gateways: the whole hub, decoded, decided on and stored, against bare pymodbus.

The gateways are sockets of one process that answers from one dump (tests/cases/acrel-adf400l-1p). *Bare loop*: one pymodbus
client a gateway, all in one event loop; the seven values that the hub decodes of a block, by the library's own
convert_from_registers; a thread that commits what has come to SQLite (synchronous=FULL), in the hub's table with the hub's key.
*Three values*: the same with balance, total and count alone, into a table without a key. *Dropped*: what is read is thrown away.
None of them checks, waits between requests, keeps to a schedule, nor decides anything. A read counts when it is committed; one of
the hub when another process finds it in the database.
"""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pymodbus.client import AsyncModbusTcpClient

from bench import bare_loop, machine
from bench.contestants import BARE, HubProcess
from bench.ingest import MakeBroker
from support.estate_files import site_file

GATEWAYS, METERS = 500, 4  # a gateway is read with 20 ms between requests: so many are needed to fill a core
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


@dataclass(frozen=True)
class _Bare:
    """What a bare loop makes of a block, and where to. `row` gets the meter's number, the registers and the client."""

    name: str
    table: str
    insert: str
    row: Callable[[int, list[int], AsyncModbusTcpClient], tuple[Any, ...]]


def _same_row(meter: int, words: list[int], client: AsyncModbusTcpClient) -> tuple[Any, ...]:
    """The hub's columns: balance, total and count; voltage, power, what was bought and the status word are decoded, too."""
    of, kind = client.convert_from_registers, client.DATATYPE
    for at, count, type_ in ((0, 1, kind.UINT16), (2, 1, kind.INT16), (12, 2, kind.UINT32), (17, 1, kind.UINT16)):
        of(words[at : at + count], type_)
    credit, energy, purchases = _three(words, client)
    at = time.time_ns() // 1_000_000
    digest = hashlib.blake2b(f"m-{meter}:{at}:3-0300".encode(), digest_size=8).digest()
    key = int.from_bytes(digest, "big", signed=True)
    return meter, at, key, 0, credit, 0, energy * 10, purchases, 0, None, 0


def _three(words: list[int], client: AsyncModbusTcpClient) -> tuple[Any, Any, Any]:
    of, kind = client.convert_from_registers, client.DATATYPE
    return of(words[10:12], kind.INT32), of(words[6:8], kind.UINT32), of(words[14:15], kind.UINT16)


def _three_values(meter: int, words: list[int], client: AsyncModbusTcpClient) -> tuple[Any, ...]:
    return meter, time.time_ns(), *_three(words, client)


_BARE = (
    _Bare(
        "bare pymodbus, three values",
        "CREATE TABLE readings (device INT, at INT, credit INT, energy INT, purchases INT)",
        "INSERT INTO readings VALUES (?, ?, ?, ?, ?)",
        _three_values,
    ),
    _Bare(BARE, bare_loop.TABLE, bare_loop.INSERT, _same_row),
)


class _Table:
    """Rows into SQLite in batches, by a thread of its own; counts what is committed."""

    def __init__(self, file: Path, how: _Bare) -> None:
        self.rows: deque[tuple[Any, ...]] = deque()
        self.stored = 0
        self.how = how
        self._file = file
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        connection = sqlite3.connect(self._file, isolation_level=None)
        for line in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"):
            connection.execute(line)
        connection.execute(self.how.table)
        while not (self._over.is_set() and not self.rows):
            batch = [self.rows.popleft() for _ in range(min(len(self.rows), 512))]
            if not batch:
                time.sleep(0.002)
                continue
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(self.how.insert, batch)
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
        while time.perf_counter() < until:
            unit = counts[number] % METERS
            reply = await client.read_holding_registers(ADDR, count=COUNT, device_id=unit + 1)
            counts[number] += 1
            if table is not None:
                table.rows.append(table.how.row(number * METERS + unit, list(reply.registers), client))

    began = time.perf_counter()
    await asyncio.gather(*(read(number, client) for number, client in enumerate(clients)))
    took = time.perf_counter() - began
    for client in clients:
        client.close()
    return (sum(counts) if table is None else table.stored) / took


def _bare_stored(ports: list[int], seconds: float, file: Path, how: _Bare) -> float:
    table = _Table(file, how)
    try:
        return asyncio.run(_bare(ports, seconds, table))
    finally:
        table.close()


def _timed(run: Callable[[], float], seconds: float) -> dict[str, Any]:
    """Its reads a second, and processor time of this process per 1,000 of them."""
    began = time.process_time()
    rate = run()
    return {"reads_per_second": round(rate), "cpu_ms": round((time.process_time() - began) / (rate * seconds) * 1e6, 1)}


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
            rows = [
                {"contestant": "bare pymodbus, dropped"}
                | _timed(lambda: asyncio.run(_bare(ports, seconds, None)), seconds)
            ]
            for number, how in enumerate(_BARE):
                file = folder / f"bare{number}.db"
                made = _timed(partial(_bare_stored, ports, seconds, file, how), seconds)
                rows.append({"contestant": how.name} | made)
            contestant = HubProcess(folder / "hub", broker, [_site(ports)])
            contestant.start()
            try:
                rows.append({"contestant": contestant.name} | _rate(contestant, seconds))
            finally:
                contestant.stop()
    finally:
        broker.stop()
    common = {"gateways": GATEWAYS, "meters": GATEWAYS * METERS, "load": machine.load()}
    return [row | common for row in rows]


def _rate(contestant: HubProcess, seconds: float) -> dict[str, Any]:
    """Readings stored a second once every meter has been read, and processor time per 1,000 of them."""
    while contestant.stored() < 2 * GATEWAYS * METERS:
        time.sleep(0.2)
    began, first, cpu = time.perf_counter(), contestant.stored(), contestant.usage().cpu_s
    time.sleep(seconds)
    stored = contestant.stored() - first
    took = time.perf_counter() - began
    spent = contestant.usage().cpu_s - cpu
    return {"reads_per_second": round(stored / took), "cpu_ms": round(spent / stored * 1e6, 1)}
