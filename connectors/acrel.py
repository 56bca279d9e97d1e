"""Listens for Acrel 4G meters that report by themselves: bytes → frames → uploads, handed in one meter at a time.

A bus whose port cannot be had is a bus that is down: it is reported, tried again, and keeps nobody else from working. The hub
answers nothing, because no source says what the meter expects. Whoever sends no frame for a while is hung up on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from connectors.codecs.acrel_push import REGISTER, UPLOAD, PushFrame, PushReader, one_by_one, serial_of
from connectors.loop_thread import LoopThread
from connectors.modbus.address import BusAddressError, Framing, parse_address
from connectors.modbus.connector import BAD_ADDRESS, utc_ms
from connectors.modbus.poller import BusStatus, gateway_changed, unusable
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import BusEntry, Intake, RawMessage

IDLE_S: Final = 900.0
"""A 4G module sends a heartbeat every few minutes; a line that is silent for longer is a dead one."""
MAX_LINES: Final = 1_000
RETRY_S: Final = 5.0
PIECE: Final = 4_096
CHANNEL: Final = "acrel"
PORT_IN_USE: Final = "port_in_use"

_log = structlog.get_logger(__name__)


def listens(bus: BusEntry) -> bool:
    """Whether the hub waits on this bus instead of asking."""
    return bus.url.startswith(f"{Framing.ACREL}:")


class AcrelListener:
    """All listening buses of this process, in one thread with an event loop. Start and stop once."""

    def __init__(
        self,
        buses: Sequence[BusEntry],
        intake: Intake,
        *,
        clock: Callable[[], UtcMs] = utc_ms,
        idle_s: float = IDLE_S,
        max_lines: int = MAX_LINES,
    ) -> None:
        self._ears = [_Ear(bus, intake, clock, idle_s, max_lines) for bus in buses if listens(bus)]
        self._thread = LoopThread("acrel", self._run)

    def start(self) -> None:
        """Returns at once; a port that is taken is reported and waited for. Without such a bus there is no thread."""
        if self._ears:
            self._thread.start()

    def stop(self) -> None:
        """Close every line and end the thread."""
        self._thread.stop()

    def status(self) -> list[BusStatus]:
        """Each bus as it stands. Thread-safe."""
        return [ear.status for ear in self._ears]

    async def _run(self) -> None:
        tasks = [asyncio.create_task(ear.listen()) for ear in self._ears]
        await self._thread.until_stopped()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Ear:
    """One bus: its port and whoever is connected."""

    def __init__(
        self, bus: BusEntry, intake: Intake, clock: Callable[[], UtcMs], idle_s: float, max_lines: int
    ) -> None:
        self._bus = bus
        self._intake = intake
        self._clock = clock
        self._idle_s = idle_s
        self._max_lines = max_lines
        self._lines: set[asyncio.Task[None]] = set()
        self.status = msgspec.structs.replace(unusable(bus, ""), up=None)

    async def listen(self) -> None:
        """Until cancelled."""
        try:
            address = parse_address(self._bus.url)
        except BusAddressError as error:
            _log.error("acrel.bad_address", bus=self._bus.bus, error=str(error))
            self._say(up=False, cause=BAD_ADDRESS)
            return
        while True:
            try:
                server = await asyncio.start_server(self._connected, address.host, address.port, limit=PIECE)
            except OSError as error:
                _log.warning("acrel.port", bus=self._bus.bus, url=self._bus.url, error=str(error))
                self._say(up=False, cause=PORT_IN_USE)
                await asyncio.sleep(RETRY_S)
                continue
            self._say(up=True, cause="")
            try:
                async with server:
                    await server.serve_forever()
            finally:
                for line in self._lines:
                    line.cancel()
                await asyncio.gather(*self._lines, return_exceptions=True)

    def _say(self, *, up: bool, cause: str) -> None:
        if self.status.up is not up:
            self.status = msgspec.structs.replace(self.status, up=up, connected=up, cause=cause)
            self._intake.report(gateway_changed(self._bus, up=up, cause=cause, at=self._clock()))

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line is not None
        if len(self._lines) >= self._max_lines:
            _log.warning("acrel.too_many_lines", bus=self._bus.bus, allowed=self._max_lines)
            writer.close()
            return
        self._lines.add(line)
        try:
            await self._follow(reader)
        except (OSError, TimeoutError) as error:  # the meter calls again; its silence is noticed by its readings
            _log.debug("acrel.line_ended", bus=self._bus.bus, error=str(error) or "nobody spoke")
        except Exception:  # noqa: BLE001 - one line must not end the others
            self.status = msgspec.structs.replace(self.status, stumbles=self.status.stumbles + 1)
            _log.exception("acrel.line", bus=self._bus.bus)
        finally:
            self._lines.discard(line)
            writer.close()

    async def _follow(self, reader: asyncio.StreamReader) -> None:
        frames, serial = PushReader(), ""
        while piece := await asyncio.wait_for(self._piece(reader, frames), self._idle_s):
            for frame in piece:
                if frame.command == REGISTER:
                    serial = serial_of(frame.payload) or serial
                elif frame.command == UPLOAD:
                    self._take(frame, serial)

    @staticmethod
    async def _piece(reader: asyncio.StreamReader, frames: PushReader) -> list[PushFrame]:
        """The next whole frames; empty when the line has ended. Bytes that make no frame do not keep a line open."""
        while data := await reader.read(PIECE):
            if found := frames.feed(data):
                return found
        return []

    def _take(self, frame: PushFrame, serial: str) -> None:
        now = self._clock()
        for payload in one_by_one(frame.payload, serial):
            self._intake.offer(
                RawMessage(
                    channel=CHANNEL,
                    address=f"{self._bus.site}/{self._bus.bus}",
                    payload=payload,
                    received_at=now,
                )
            )
        self.status = msgspec.structs.replace(self.status, answers=self.status.answers + 1)
