"""Reads registers over a Modbus link. The only file that knows pymodbus.

Read-only by construction: the four read requests are all that is imported and sent. Retries, back-off and time-outs are ours;
what the library lets pass (wrong function, wrong length, odd byte counts: domain/reliability.md P15) is refused here.

Of a good reply of registers over TCP everything but the registers is known before it comes: transaction, length, unit, function,
byte count. A reply that is exactly so is taken at once; whatever else comes is the library's to take apart, and ours to judge.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import struct
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.client.base import ModbusBaseClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadCoilsResponse,
    ReadDiscreteInputsRequest,
    ReadDiscreteInputsResponse,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
)

from connectors.codecs.modbus_fields import Span
from connectors.modbus.address import BusAddress, Framing
from connectors.modbus.exchange import Answer, Dropped, Mismatch, Outcome, Silence, check
from connectors.modbus.keep_alive import keep_alive

REQUESTS: Final[dict[int, type[ModbusPDU]]] = {
    1: ReadCoilsRequest,
    2: ReadDiscreteInputsRequest,
    3: ReadHoldingRegistersRequest,
    4: ReadInputRegistersRequest,
}
"""Function code → request: everything that this hub can say on a bus."""

NEVER_S: Final = 3600.0
"""The library's own time-out; ours come first."""

SILENCE: Final = Silence()
CLOSED: Final = "connection_closed"
GARBLED: Final = "garbled"


class BusClient(Protocol):
    """A link to a bus. One request at a time."""

    @property
    def connected(self) -> bool: ...

    async def connect(self, timeout_ms: int) -> str | None:
        """Open the link; the cause when that fails (`connect_timeout`, `connect_failed`, `pyserial_missing`). Never raises."""

    async def read(self, unit_id: int, span: Span, timeout_ms: int) -> Outcome:
        """Ask for registers. Never raises but CancelledError."""

    def close(self) -> None:
        """Close the link. Never raises."""


def _whole(data: bytes) -> bool:
    """Whether a reply's byte count is what follows it; the library reads as much as it can and says nothing."""
    return len(data) >= 1 and data[0] == len(data) - 1


class _HoldingReply(ReadHoldingRegistersResponse):
    """Refuses odd and wrong byte counts: no registers, so the length check fails."""

    def decode(self, data: bytes) -> None:
        self.registers = []
        if _whole(data) and data[0] % 2 == 0:
            super().decode(data)


class _InputReply(ReadInputRegistersResponse):
    def decode(self, data: bytes) -> None:
        self.registers = []
        if _whole(data) and data[0] % 2 == 0:
            super().decode(data)


class _CoilsReply(ReadCoilsResponse):
    def decode(self, data: bytes) -> None:
        self.bits = []
        if _whole(data):
            super().decode(data)


class _DiscreteReply(ReadDiscreteInputsResponse):
    def decode(self, data: bytes) -> None:
        self.bits = []
        if _whole(data):
            super().decode(data)


class _Question:
    """One request of one unit as it goes over the wire, made once and asked again and again."""

    __slots__ = ("frame", "head", "length", "registers", "span", "unit_id")

    def __init__(self, unit_id: int, span: Span, frame: bytes) -> None:
        self.unit_id = unit_id
        self.span = span
        self.frame = frame  # with transaction number 0 where frames have one
        # A good reply over TCP behind its transaction number: protocol 0, length, unit, function, byte count; then registers.
        size = 2 * span.count
        words = span.fc in {3, 4}
        self.head = struct.pack(">HHBBB", 0, 3 + size, unit_id, span.fc, size) if words else None
        self.length = 9 + size
        self.registers = struct.Struct(f">9x{span.count}H").unpack


class PymodbusClient:
    """BusClient over pymodbus 3.16. `on_late(ms)`: a reply came so long after its request, when nobody waited any more."""

    def __init__(self, address: BusAddress, on_late: Callable[[int], None]) -> None:
        self._address = address
        self._on_late = on_late
        self._client: ModbusBaseClient | None = None
        self._numbered = address.traceable
        self._questions: dict[tuple[int, Span], _Question] = {}
        self._reply: asyncio.Future[Outcome | ModbusPDU] | None = None  # while somebody waits for one
        self._asked: _Question | None = None
        self._good: bytes | None = None  # how a good reply begins
        self._sent_at = 0.0
        self._patience: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        # The library logs every oddity of the wire as an error with a packet dump; we report each once, in our words.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

    @property
    def connected(self) -> bool:
        return self._client is not None and self._client.connected

    async def connect(self, timeout_ms: int) -> str | None:
        self.close()
        if self._address.framing is Framing.RTU and importlib.util.find_spec("serial") is None:
            return "pyserial_missing"
        try:
            self._client = self._build()
            made = await asyncio.wait_for(self._client.connect(), timeout_ms / 1000)
            if made and self._address.framing is not Framing.RTU:
                keep_alive(self._client.ctx.transport)
        except TimeoutError:
            self.close()
            return "connect_timeout"
        except (OSError, ModbusException, RuntimeError):
            self.close()
            return "connect_failed"
        return None if made else "connect_failed"

    async def read(self, unit_id: int, span: Span, timeout_ms: int) -> Outcome:
        client = self._client
        if client is None or not client.connected:
            return Dropped(CLOSED)
        question = self._questions.get((unit_id, span)) or self._question(client, unit_id, span)
        loop = asyncio.get_running_loop()
        self._reply = reply = loop.create_future()
        self._wait_until(loop, loop.time() + timeout_ms / 1000)
        try:
            self._send(client, question, reply)
            found = await reply
        finally:
            self._reply = None
        return _judged(found, span) if isinstance(found, ModbusPDU) else found

    def _wait_until(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        """One timer for many requests: it looks when it fires, and goes on to the deadline of the request of then."""
        self._deadline = deadline
        if self._patience is not None and self._patience.when() > deadline:
            self._patience.cancel()
            self._patience = None
        if self._patience is None:
            self._patience = loop.call_at(deadline, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._patience = None
        if self._reply is None:
            return
        if loop.time() < self._deadline:
            self._patience = loop.call_at(self._deadline, self._look, loop)
        else:
            self._settle(self._reply, SILENCE)

    def _question(self, client: ModbusBaseClient, unit_id: int, span: Span) -> _Question:
        request = REQUESTS[span.fc](address=span.addr, count=span.count, dev_id=unit_id)
        question = _Question(unit_id, span, client.ctx.framer.buildFrame(request))
        self._questions[unit_id, span] = question
        return question

    def _send(self, client: ModbusBaseClient, question: _Question, reply: asyncio.Future[Outcome | ModbusPDU]) -> None:
        """As the library's `execute` does, without its lock, its time-out and its retries: those are the scheduler's."""
        link = client.ctx
        number = link.getNextTID()
        link.request_dev_id, link.request_transaction_id, link.response_future = question.unit_id, number, reply
        frame = question.frame
        self._good = None
        if self._numbered:
            said = number.to_bytes(2, "big")
            frame = said + frame[2:]
            self._good = None if question.head is None else said + question.head
        self._asked = question
        self._sent_at = time.monotonic()
        link.send(frame)

    def close(self) -> None:
        client, self._client = self._client, None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if client is not None:
            client.close()

    def _build(self) -> ModbusBaseClient:
        where = self._address
        shared: dict[str, Any] = {
            "timeout": NEVER_S,
            "retries": 0,
            "reconnect_delay": 0,
            "trace_connect": self._link_changed,
        }
        client: ModbusBaseClient
        if where.framing is Framing.RTU:
            client = AsyncModbusSerialClient(
                where.device,
                baudrate=where.baudrate,
                bytesize=where.bytesize,
                parity=where.parity,
                stopbits=where.stopbits,
                **shared,
            )
        else:
            framer = FramerType.SOCKET if where.traceable else FramerType.RTU
            client = AsyncModbusTcpClient(where.host, port=where.port, framer=framer, **shared)
        for reply in (_HoldingReply, _InputReply, _CoilsReply, _DiscreteReply):
            client.register(reply)
        self._guard(client)
        return client

    def _guard(self, client: ModbusBaseClient) -> None:
        """What the library cannot decode it throws at the event loop, which would close the link: judge it here instead."""
        link = client.ctx
        arrived, receive = link.datagram_received, link.callback_data

        def taken(data: bytes, addr: tuple[Any, ...] | None) -> None:
            reply, asked, good = self._reply, self._asked, self._good
            if (
                good is not None
                and asked is not None
                and len(data) == asked.length
                and data.startswith(good)
                and not link.recv_buffer
                and reply is not None
                and not reply.done()
            ):
                reply.set_result(Answer(asked.registers(data)))
            else:
                arrived(data, addr)

        def guarded(data: bytes, addr: tuple[Any, ...] | None = None) -> int:
            reply = self._reply
            if reply is None or reply.done():
                self._on_late(round((time.monotonic() - self._sent_at) * 1000))
                return len(data)
            try:
                return receive(data, addr)
            except ModbusException:
                self._settle(reply, Mismatch(GARBLED))
                return len(data)

        link.datagram_received, link.callback_data = taken, guarded  # type: ignore[method-assign]

    def _link_changed(self, up: bool) -> None:
        """A link that breaks ends the wait for a reply: the library would wait for its time-out."""
        if not up and self._reply is not None:
            self._settle(self._reply, Dropped(CLOSED))

    @staticmethod
    def _settle(reply: asyncio.Future[Outcome | ModbusPDU], outcome: Outcome) -> None:
        if not reply.done():
            reply.set_result(outcome)


def _judged(reply: ModbusPDU, span: Span) -> Outcome:
    # A gateway that answers with transaction number 0 gives us nothing to tell replies apart by.
    traceable = reply.transaction_id != 0
    registers = reply.registers if span.fc in {3, 4} else _bits(reply, span)
    return check(span, reply.function_code, registers, traceable=traceable, exception_code=reply.exception_code)


def _bits(reply: ModbusPDU, span: Span) -> list[int]:
    """Bits come in whole bytes: the padding is cut off only when its length is right."""
    padded = (span.count + 7) // 8 * 8
    bits = [int(bit) for bit in reply.bits]
    return bits[: span.count] if len(bits) == padded else bits
