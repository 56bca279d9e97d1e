"""DL/T 645 meters on a real socket, written from the protocol's own description, that can misbehave in every way asked for.

Shares no code with the hub, so that a wrong reading of the protocol shows. One thread with its own loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from support.loopback import LoopbackServer


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


class MeterServer(LoopbackServer):
    """Listens on loopback. `answer` is called for each request; `asked` keeps them all. `echo`: a two-wire converter."""

    def __init__(self, answer: Answer, *, echo: bool = False) -> None:
        self.answer = answer
        self.asked: list[Question] = []
        self._echo = echo
        super().__init__()

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
