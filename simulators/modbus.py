"""A small Modbus server over TCP (MBAP or RTU frames) whose units can also misbehave the way real ones do.

It is written from the Modbus specification and not with the library that the hub polls with, so that both sides of the wire
are not the same code. Meters are read only: every write is answered with exception 1. A unit that `respond`s answers for
itself, writes included (card readers).
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, NO_ANSWER_BEHIND_GATEWAY = 0x01, 0x02, 0x03, 0x0B
READ_FUNCTIONS = (3, 4)
MAX_REGISTERS = 125
CLOSE_WITHIN_S = 2.0


Responder: TypeAlias = Callable[[bytes], bytes]
"""Request PDU → reply PDU."""


class ModbusError(Exception):
    """A refusal that goes back to the client as an exception reply."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code:#04x}")
        self.code = code


class Unit(Protocol):
    """One unit id on a bus."""

    def read(self, address: int, count: int) -> bytes:
        """The data bytes of `count` registers from a 0-based wire address; raises ModbusError."""
        ...


class Trouble(StrEnum):
    """How a unit can misbehave."""

    SILENT = "silent"
    SLOW = "slow"
    EXCEPTION = "exception"
    SHORT = "short"
    GARBAGE = "garbage"


@dataclass(frozen=True)
class Misbehaviour:
    """A trouble with its detail: `delay_s` for slow, `code` for exception (default: no answer behind the gateway)."""

    trouble: Trouble
    delay_s: float = 1.0
    code: int = NO_ANSWER_BEHIND_GATEWAY


def words(values: list[int]) -> bytes:
    """Registers as bytes, high byte first."""
    return struct.pack(f">{len(values)}H", *(value & 0xFFFF for value in values))


def answer(unit: Unit | None, request: bytes) -> bytes:
    """The reply PDU for a request PDU; a missing unit is reported as a gateway does."""
    function = request[0]
    try:
        if unit is None:
            raise ModbusError(NO_ANSWER_BEHIND_GATEWAY)
        respond: Responder | None = getattr(unit, "respond", None)
        if respond is not None:
            return respond(request)
        if function not in READ_FUNCTIONS or len(request) != 5:
            raise ModbusError(ILLEGAL_FUNCTION)
        address, count = struct.unpack(">HH", request[1:])
        if not 1 <= count <= MAX_REGISTERS:
            raise ModbusError(ILLEGAL_VALUE)
        data = unit.read(address, count)
    except ModbusError as refusal:
        return bytes([function | 0x80, refusal.code])
    return bytes([function, len(data)]) + data


def spoil(reply: bytes, misbehaviour: Misbehaviour | None, rng: random.Random) -> bytes | None:
    """The reply PDU as this unit really sends it; None when it keeps silent."""
    if misbehaviour is None or misbehaviour.trouble is Trouble.SLOW:
        return reply
    if misbehaviour.trouble is Trouble.SILENT:
        return None
    if misbehaviour.trouble is Trouble.EXCEPTION:
        return bytes([reply[0] & 0x7F | 0x80, misbehaviour.code])
    if misbehaviour.trouble is Trouble.SHORT and reply[0] < 0x80 and reply[1] >= 4:
        return bytes([reply[0], reply[1] - 2]) + reply[2:-2]
    return rng.randbytes(rng.randint(2, 12))


def crc16(frame: bytes) -> bytes:
    """The checksum of an RTU frame, low byte first."""
    crc = 0xFFFF
    for byte in frame:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return struct.pack("<H", crc)


class BusServer:
    """One bus: a listening socket with many units behind it. `units` and `misbehaving` may change while it runs."""

    def __init__(self, host: str, port: int, framing: str, units: Mapping[int, Unit], rng: random.Random) -> None:
        self.host, self.port, self.framing, self.units = host, port, framing, units
        self.misbehaving: dict[int, Misbehaviour] = {}
        self.requests = 0
        self._rng = rng
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def open(self) -> None:
        """Listen; with port 0 the chosen port is in `port` afterwards. Raises OSError when the port is taken."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop every connection, as a gateway without power does."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        exchanges = [task for task in self._connections.values() if task is not None]
        for writer in tuple(self._connections):
            writer.transport.abort()
        if exchanges:
            await asyncio.wait(exchanges, timeout=CLOSE_WITHIN_S)
        await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections[writer] = asyncio.current_task()
        exchange = self._mbap if self.framing == "tcp" else self._rtu
        try:
            while True:
                await exchange(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            return  # the client hung up, or this gateway lost its power
        finally:
            self._connections.pop(writer, None)
            writer.close()

    async def _mbap(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transaction, protocol, length, unit_id = struct.unpack(">HHHB", await reader.readexactly(7))
        if protocol != 0 or not 2 <= length <= 254:
            raise OSError("not a Modbus frame")
        reply = await self._reply(unit_id, await reader.readexactly(length - 1))
        if reply is not None:
            writer.write(struct.pack(">HHHB", transaction, 0, len(reply) + 1, unit_id) + reply)
            await writer.drain()

    async def _rtu(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frame = await reader.readexactly(8)
        if frame[1] in {15, 16}:
            frame += await reader.readexactly(frame[6] + 1)
        if crc16(frame[:-2]) != frame[-2:]:
            return  # a damaged request is not answered
        reply = await self._reply(frame[0], frame[1:-2])
        if reply is not None:
            adu = frame[:1] + reply
            writer.write(adu + crc16(adu))
            await writer.drain()

    async def _reply(self, unit_id: int, request: bytes) -> bytes | None:
        self.requests += 1
        misbehaviour = self.misbehaving.get(unit_id)
        if misbehaviour is not None and misbehaviour.trouble is Trouble.SLOW:
            await asyncio.sleep(misbehaviour.delay_s)
        return spoil(answer(self.units.get(unit_id), request), misbehaviour, self._rng)
