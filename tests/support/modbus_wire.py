"""A Modbus slave on a real socket, written from the protocol's own document, that can misbehave in every way asked for.

Shares no code with the hub or with pymodbus, so that a wrong reading of the protocol shows. One thread with its own loop.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from support.loopback import LoopbackServer


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    number: int
    unit: int
    fc: int
    addr: int
    count: int


@dataclass(frozen=True)
class Reply:
    """What to send back; `None` instead of a Reply: nothing at all."""

    pdu: bytes
    delay_s: float = 0.0
    unit: int | None = None  # another unit's
    tid: int | None = None  # another transaction's
    hang_up: bool = False
    raw: bytes | None = None  # these bytes and no frame


Answer = Callable[[Asked], Reply | None]


def registers(fc: int, values: list[int]) -> Reply:
    """A good reply to a register read."""
    return Reply(struct.pack(f">BB{len(values)}H", fc, 2 * len(values), *values))


def exception(fc: int, code: int) -> Reply:
    """An exception reply."""
    return Reply(bytes([fc | 0x80, code]))


@dataclass
class Bank:
    """Registers by unit and address; a unit that is not there is silent, an address that is not there is exception 2."""

    units: dict[int, dict[int, int]] = field(default_factory=dict)

    def put(self, unit: int, addr: int, values: list[int]) -> None:
        self.units.setdefault(unit, {}).update({addr + i: value for i, value in enumerate(values)})

    def __call__(self, asked: Asked) -> Reply | None:
        held = self.units.get(asked.unit)
        if held is None:
            return None
        values = [held.get(asked.addr + i) for i in range(asked.count)]
        if any(value is None for value in values):
            return exception(asked.fc, 2)
        return registers(asked.fc, [value or 0 for value in values])


class WireServer(LoopbackServer):
    """Listens on loopback. `answer` is called for each request; `asked` keeps them all."""

    def __init__(self, answer: Answer, *, rtu: bool = False, port: int = 0) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.functions: set[int] = set()
        self._rtu = rtu
        super().__init__(port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        pending: set[asyncio.Task[None]] = set()
        try:
            while True:
                tid, unit, pdu = await (self._read_rtu(reader) if self._rtu else self._read_tcp(reader))
                self.functions.add(pdu[0])
                addr, count = struct.unpack(">HH", pdu[1:5])
                asked = Asked(len(self.asked), unit, pdu[0], addr, count)
                self.asked.append(asked)
                reply = self.answer(asked)
                if reply is None:
                    continue
                if reply.delay_s:
                    task = asyncio.create_task(self._send_later(writer, reply, tid, unit))
                    pending.add(task)
                    task.add_done_callback(pending.discard)
                else:
                    self._send(writer, reply, tid, unit)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client went, or the test is over
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _send_later(self, writer: asyncio.StreamWriter, reply: Reply, tid: int, unit: int) -> None:
        await asyncio.sleep(reply.delay_s)
        self._send(writer, reply, tid, unit)

    def _send(self, writer: asyncio.StreamWriter, reply: Reply, tid: int, unit: int) -> None:
        if writer.is_closing():
            return
        unit = unit if reply.unit is None else reply.unit
        if reply.raw is not None:
            writer.write(reply.raw)
        elif self._rtu:
            frame = bytes([unit]) + reply.pdu
            writer.write(frame + crc(frame))
        else:
            tid = tid if reply.tid is None else reply.tid
            writer.write(struct.pack(">HHHB", tid, 0, len(reply.pdu) + 1, unit) + reply.pdu)
        if reply.hang_up:
            writer.close()

    async def _read_tcp(self, reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
        tid, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
        return tid, unit, await reader.readexactly(length - 1)

    async def _read_rtu(self, reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
        frame = await reader.readexactly(8)  # all reads are 8 bytes long
        assert crc(frame[:6]) == frame[6:], frame.hex()
        return 0, frame[0], frame[1:6]


def crc(frame: bytes) -> bytes:
    """CRC-16/MODBUS, low byte first."""
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value.to_bytes(2, "little")
