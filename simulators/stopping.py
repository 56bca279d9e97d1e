"""How a simulator ends: on Ctrl-C, on SIGTERM, and when nobody lives any more for whom it runs."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable


def stop_at_signals() -> asyncio.Event:
    """Set at Ctrl-C and SIGTERM. Called in the loop that waits for it."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def ticks(every_s: float, stop: asyncio.Event, alive: Callable[[], bool]) -> AsyncIterator[None]:
    """One now and one after each pause, until `stop` is set or `alive` says no; a stop cuts the pause short."""
    while not stop.is_set() and alive():
        yield
        with contextlib.suppress(TimeoutError):  # nobody stops it: the next one
            await asyncio.wait_for(stop.wait(), every_s)
