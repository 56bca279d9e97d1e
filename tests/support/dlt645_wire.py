"""DL/T 645 meters on a real socket, written from the protocol's own description, that can misbehave in every way asked for.

Shares no code with the hub, so that a wrong reading of the protocol shows. One thread with its own loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """One request as it came."""

    number: int
    address: str
    control: int
    item: int
    preamble: int


Bytes = list[tuple[float, bytes]]
"""What is sent back: (seconds after the question, bytes)."""

Answer = Callable[[Question], Bytes]


def frame(address: str, control: int, data: bytes) -> bytes:
    """A frame of a meter, with two wake-up bytes."""
    body = b"\x68" + bytes(int(address[i : i + 2], 16) for i in range(10, -1, -2)) + b"\x68"
    body += bytes([control, len(data)]) + bytes((byte + 0x33) % 256 for byte in data)
    return b"\xfe\xfe" + body + bytes([sum(body) % 256, 0x16])


def reply(question: Question, value: bytes, address: str | None = None, item: int | None = None) -> bytes:
    """A good answer; `value` low byte first."""
    named = (question.item if item is None else item).to_bytes(4, "little")
    return frame(address or question.address, 0x91, named + value)


def refusal(question: Question, errors: int = 2) -> bytes:
    return frame(question.address, 0xD1, bytes([errors]))


@dataclass
class Meters:
    """Items by address; who is not there is silent, an item that is not there is refused."""

    held: Mapping[str, Mapping[int, bytes]]

    def __call__(self, question: Question) -> Bytes:
        for address, items in self.held.items():
            if question.address in {address, "AAAAAAAAAAAA"}:
                value = items.get(question.item)
                return [(0, refusal(question) if value is None else reply(question, value, address))]
        return []


class MeterServer:
    """Listens on loopback. `answer` is called for each request; `asked` keeps them all. `echo`: a two-wire converter."""

    def __init__(self, answer: Answer, *, echo: bool = False) -> None:
        self.answer = answer
        self.asked: list[Question] = []
        self.connections = 0
        self._echo = echo
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def hang_up(self) -> None:
        """Close all connections, go on listening."""
        self._call(self._hang_up())

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(5)

    async def _shut(self) -> None:
        self._server.close()
        await self._hang_up()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _hang_up(self) -> None:
        for writer in tuple(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        pending: set[asyncio.Task[None]] = set()
        try:
            while True:
                question, raw = await self._question(reader)
                self.asked.append(question)
                if self._echo:
                    writer.write(raw)
                for delay, data in self.answer(question):
                    task = asyncio.create_task(_send(writer, delay, data))
                    pending.add(task)
                    task.add_done_callback(pending.discard)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client went, or the test is over
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _question(self, reader: asyncio.StreamReader) -> tuple[Question, bytes]:
        preamble = b""
        while (byte := await reader.readexactly(1)) == b"\xfe":
            preamble += byte
        assert byte == b"\x68", byte.hex()
        head = byte + await reader.readexactly(9)
        rest = await reader.readexactly(head[9] + 2)
        assert head[7] == 0x68
        assert sum(head + rest[:-2]) % 256 == rest[-2]
        assert rest[-1] == 0x16
        item = int.from_bytes(bytes((each - 0x33) % 256 for each in rest[:-2]), "little")
        address = head[6:0:-1].hex().upper()
        return Question(len(self.asked), address, head[8], item, len(preamble)), preamble + head + rest


async def _send(writer: asyncio.StreamWriter, delay: float, data: bytes) -> None:
    await asyncio.sleep(delay)
    if not writer.is_closing():
        writer.write(data)
