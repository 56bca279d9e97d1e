"""A thread with an event loop of its own: how connectors that are asyncio inside start, are called and stop from any thread.

What runs in it sets itself up, waits in `until_stopped`, and clears up. Whatever it dies of is in the log, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final

log = logging.getLogger(__name__)

STOP_S: Final = 5.0


class LoopThread:
    """Start and stop once; `call` and `stop` may come before the start and after the end, and do nothing then."""

    def __init__(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._ready = threading.Event()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self.loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Returns when the work waits for its end, or is over."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Have it clear up, and wait for that."""
        if self._thread.ident is not None:
            self.call(self._stopping.set)
            self._thread.join(STOP_S)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    def call(self, call: Callable[..., object], *args: Any) -> bool:
        """Have this called in the loop's thread, without waiting; False where no loop runs."""
        if self.loop is None:
            return False
        try:
            self.loop.call_soon_threadsafe(call, *args)
        except RuntimeError:  # the loop is closed already
            return False
        return True

    async def until_stopped(self) -> None:
        """For the work itself: everything is set up; wait for the end."""
        self._ready.set()
        await self._stopping.wait()

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception:
            log.exception("%s: the thread died", self._thread.name)
        finally:
            self._ready.set()

    async def _run(self) -> None:
        self.loop = asyncio.get_running_loop()
        await self._work()


async def woken(wake: asyncio.Event, seconds: float) -> None:
    """Wait for news, so long at most."""
    with contextlib.suppress(TimeoutError):  # no news: the caller looks by itself
        await asyncio.wait_for(wake.wait(), seconds)
