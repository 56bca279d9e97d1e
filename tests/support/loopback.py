"""The far side of a wire on loopback, in a thread of its own, for tests of what asks it.

What stands there is touched by its own thread alone: a test reaches into it with `do`.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar

T = TypeVar("T")
LONGEST_S = 5.0


class LoopThread(ABC):
    """An asyncio loop in a thread, as soon as it is made; use as a context manager, or `stop` it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it in the thread and wait for what it gives."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(LONGEST_S)

    def do(self, act: Callable[[], T]) -> T:
        """Something that happens there, in its own thread."""

        async def acting() -> T:
            return act()

        return self.call(acting())

    def stop(self) -> None:
        """The end of it."""
        self.call(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LONGEST_S)
        self._loop.close()

    @abstractmethod
    async def _shut(self) -> None:
        """Stop listening and let go of everybody."""


class LoopbackServer(LoopThread):
    """Listens as soon as it is made; can hang up on everybody and go on listening. What is asked is up to `_serve`.

    `connections` counts them; `_writers` are those that are open, kept by `_serve`. What `_serve` needs is set before `__init__`.
    """

    def __init__(self, port: int = 0) -> None:
        super().__init__()
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = self.call(asyncio.start_server(self._serve, "127.0.0.1", port))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def hang_up(self) -> None:
        """Close all connections, go on listening."""
        self.do(self._hang_up)

    async def _shut(self) -> None:
        self._server.close()
        self._hang_up()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _hang_up(self) -> None:
        for writer in tuple(self._writers):
            writer.close()

    @abstractmethod
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it ends."""
