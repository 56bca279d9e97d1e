"""Reads data items of DL/T 645-2007 over TCP or a serial line: a BusClient like the Modbus one, for the same scheduler.

Answers name their meter and their item, so another one's answer is never taken. What a maintainer must keep: two answers to
one question are two meters with one address, and then neither is believed (domain/meters.md 7 no. 24). Read-only by
construction: the one request that is sent is 'read data'.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from connectors.codecs.dlt645 import (
    READ,
    WILDCARD,
    Damaged,
    ErrorBits,
    Frame,
    FrameReader,
    Piece,
    item_bytes,
    read_request,
    to_registers,
)
from connectors.codecs.modbus_fields import Span
from connectors.modbus.address import BusAddress, Framing
from connectors.modbus.client import CLOSED
from connectors.modbus.exchange import Answer, Dropped, Exceptional, ExceptionCode, Mismatch, Outcome, Silence
from connectors.modbus.keep_alive import keep_alive

TWO_METERS: Final = "two_meters_one_address"
CHECKSUM: Final = "checksum"
WRONG_METER: Final = "wrong_meter"
WRONG_ITEM: Final = "wrong_item"
MORE_FOLLOWS: Final = "more_follows"

ALONE_S: Final = 0.04
FIRST_ALONE_S: Final = 0.5
"""So long after an answer a second one is waited for: longer until a meter has once been found to be alone."""


class Line(Protocol):
    """What is written to: a TCP transport or a serial port."""

    def write(self, data: bytes, /) -> None: ...

    def close(self) -> None: ...

    def is_closing(self) -> bool: ...


class _Asked:
    """One question under way."""

    def __init__(self, address: str, span: Span) -> None:
        self.address = address
        self.span = span
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.again = asyncio.Event()  # a second answer came
        self.trouble: str | None = None  # what came instead of the answer

    def fits(self, frame: Frame) -> bool:
        """Whether the frame answers this question; a refusal names no item."""
        named = frame.failed or frame.data[:4] == item_bytes(self.span.addr)
        return frame.function == READ and self.is_meant(frame.address) and named

    def is_meant(self, address: str) -> bool:
        """Whether the meter at this address is asked."""
        return self.address in {WILDCARD, address}

    def settle(self, outcome: Outcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class Dlt645Client:
    """BusClient for DL/T 645. `unit_id` is the meter's address: its 12 digits read as a hexadecimal number."""

    def __init__(self, address: BusAddress, on_late: Callable[[int], None]) -> None:
        self._address = address
        self._on_late = on_late
        self._line: Line | None = None
        self._reader = FrameReader()
        self._asked: _Asked | None = None
        self._sent_at = 0.0
        self._answered: set[tuple[str, bytes]] = set()  # meters and items whose last answer was taken
        self._alone: set[str] = set()  # meters that were found to be alone at their address

    @property
    def connected(self) -> bool:
        return self._line is not None and not self._line.is_closing()

    async def connect(self, timeout_ms: int) -> str | None:
        self.close()
        self._answered.clear()
        self._alone.clear()
        where = self._address
        if where.framing is Framing.DLT645:
            if importlib.util.find_spec("serial") is None:
                return "pyserial_missing"
            try:
                self._line = SerialLine(where, self._received, self._lost)
            except Exception:  # noqa: BLE001 - termios.error is no OSError; whatever it is, the line is not there
                return "connect_failed"
            return None
        loop = asyncio.get_running_loop()
        try:
            made = loop.create_connection(lambda: _Wire(self._received, self._lost), where.host, where.port)
            self._line, _ = await asyncio.wait_for(made, timeout_ms / 1000)
            keep_alive(self._line)
        except TimeoutError:
            return "connect_timeout"
        except OSError:
            return "connect_failed"
        return None

    async def read(self, unit_id: int, span: Span, timeout_ms: int) -> Outcome:
        line = self._line
        if line is None or line.is_closing():
            return Dropped(CLOSED)
        asked = self._asked = _Asked(f"{unit_id:012X}", span)
        self._reader = FrameReader()  # what is left of an older answer belongs to nobody
        self._sent_at = time.monotonic()
        item = item_bytes(span.addr)
        self._answered = {each for each in self._answered if each[1] != item or not asked.is_meant(each[0])}
        try:
            line.write(read_request(asked.address, span.addr))
            return await self._answer(asked, timeout_ms)
        except OSError:
            self.close()
            return Dropped(CLOSED)
        finally:
            self._asked = None

    def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    async def _answer(self, asked: _Asked, timeout_ms: int) -> Outcome:
        await asyncio.wait((asked.outcome,), timeout=timeout_ms / 1000)
        if not asked.outcome.done():
            for piece in self._reader.finish():
                self._take(piece)
        if not asked.outcome.done():
            return Silence() if asked.trouble is None else Mismatch(asked.trouble)
        outcome = asked.outcome.result()
        return await self._if_alone(asked, outcome) if isinstance(outcome, Answer) else outcome

    async def _if_alone(self, asked: _Asked, outcome: Outcome) -> Outcome:
        """The answer, unless another one comes right behind it."""
        try:
            await asyncio.wait_for(asked.again.wait(), ALONE_S if asked.address in self._alone else FIRST_ALONE_S)
        except TimeoutError:
            self._alone.add(asked.address)
            return outcome
        self._alone.discard(asked.address)
        return Mismatch(TWO_METERS)

    # --- what comes in ------------------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        for piece in self._reader.feed(data):
            self._take(piece)

    def _take(self, piece: Piece) -> None:
        asked = self._asked
        if isinstance(piece, Damaged):
            if asked is not None:
                asked.trouble = CHECKSUM
        elif not piece.reply:
            return  # our own question, echoed by a two-wire converter
        elif asked is not None and asked.fits(piece):
            self._answer_came(asked, piece)
        else:
            self._nobody_asked(asked, piece)

    def _answer_came(self, asked: _Asked, frame: Frame) -> None:
        if asked.outcome.done():
            asked.again.set()
            return
        self._answered.add((frame.address, frame.data[:4]))
        asked.settle(judge(frame, asked.span))

    def _nobody_asked(self, asked: _Asked | None, frame: Frame) -> None:
        """A late answer, or the second answer to the question before."""
        if (frame.address, frame.data[:4]) in self._answered:
            self._alone -= {frame.address, WILDCARD}
            if asked is not None and asked.is_meant(frame.address):
                asked.settle(Mismatch(TWO_METERS))
                asked.again.set()  # also when the answer to this question came first
            return
        self._on_late(round((time.monotonic() - self._sent_at) * 1000))
        if asked is not None and asked.trouble is None:
            asked.trouble = WRONG_ITEM if asked.is_meant(frame.address) else WRONG_METER

    def _lost(self) -> None:
        if self._asked is not None:
            self._asked.settle(Dropped(CLOSED))


def judge(frame: Frame, span: Span) -> Outcome:
    """What a meter's answer is worth. `span.count`: words that the item takes."""
    if frame.failed:
        return Exceptional(_exception(frame.errors))
    if frame.more:
        return Mismatch(MORE_FOLLOWS)
    words = (len(frame.data) - 4 + 1) // 2
    if words != span.count:
        return Mismatch("short_reply" if words < span.count else "long_reply")
    return Answer(to_registers(frame.data[4:]), traceable=False)


def _exception(errors: ErrorBits) -> int:
    """The Modbus exception that means the same to the scheduler: not in the meter, not allowed, or a failure."""
    if ErrorBits.NO_SUCH_DATA in errors:
        return ExceptionCode.ILLEGAL_ADDRESS
    return ExceptionCode.ILLEGAL_FUNCTION if ErrorBits.PASSWORD in errors else ExceptionCode.DEVICE_FAILURE


class _Wire(asyncio.Protocol):
    """Hands bytes and the end of a TCP connection on."""

    def __init__(self, received: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        self._received = received
        self._lost = lost

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._lost()


class SerialLine:
    """A serial port in the event loop, by pyserial. Raises OSError when it cannot be opened."""

    def __init__(self, where: BusAddress, received: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        serial: Any = importlib.import_module("serial")
        self._received = received
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._port: Any = serial.Serial(
            where.device,
            baudrate=where.baudrate,
            bytesize=where.bytesize,
            parity=where.parity,
            stopbits=where.stopbits,
            timeout=0,
            write_timeout=1,
            exclusive=True,
        )
        self._loop.add_reader(self._port.fileno(), self._ready)

    def write(self, data: bytes) -> None:
        self._port.write(data)

    def is_closing(self) -> bool:
        return self._port is None

    def close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            self._loop.remove_reader(port.fileno())
            port.close()

    def _ready(self) -> None:
        try:
            data = self._port.read(4096)
        except OSError:  # the adapter was pulled out
            self.close()
            self._lost()
            return
        self._received(data)
