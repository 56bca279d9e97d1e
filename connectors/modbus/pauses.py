"""Pauses of all buses: one timer for those that end in the same millisecond.

A bus pauses after every request. Hundreds of buses would make, order and take apart a timer of their own each time.
"""

from __future__ import annotations

import asyncio


class Pauses:
    """For the event loop in which it is made."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending: dict[int, list[asyncio.Future[None]]] = {}  # by millisecond of the loop's clock

    def start(self, milliseconds: int) -> asyncio.Future[None]:
        """Done after so long, never before; whoever wants to end it earlier does so himself (`end`)."""
        at = int(self._loop.time() * 1000) + max(milliseconds, 0)
        together = self._ending.get(at)
        if together is None:
            together = self._ending[at] = []
            self._loop.call_at(at / 1000, self._over, at)
        pause = self._loop.create_future()
        together.append(pause)
        return pause

    def _over(self, at: int) -> None:
        for pause in self._ending.pop(at):
            end(pause)


def end(pause: asyncio.Future[None]) -> None:
    """It is over, if it was not before."""
    if not pause.done():
        pause.set_result(None)
