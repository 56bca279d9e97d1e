"""Answers that are read from the database: where the request arrives, if they are small, or else in a thread.

The way to another thread and back takes as long as a small answer, and while others compute each of its steps waits for a turn.
Rule: what is asked on the event loop holds up everybody who is connected, so it is a millisecond's work.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, TypeVar

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection

from hub.right_of_way import Claim
from hub.store.database import Store

SMALL: Final = 10
"""So many items at most, found by an index; each is a tenth of a millisecond's work, or two."""

T = TypeVar("T")


async def answered(store: Store, ask: Callable[[Connection], T], *, small: bool) -> T:
    """What `ask` finds in a consistent view, with the alarm in it that is under way. PostgreSQL is waited for in a thread."""
    if not (small and store.is_sqlite):
        return await run_in_threadpool(_in_a_thread, store, ask)
    await let_pass(store.way.alarms)
    with store.brief_read() as connection:
        return ask(connection)


def _in_a_thread(store: Store, ask: Callable[[Connection], T]) -> T:
    with store.read() as connection:
        return ask(connection)


async def let_pass(claim: Claim) -> None:
    """As `Claim.give_way`; the event loop goes on meanwhile."""
    left_s = claim.left_s()
    if not left_s:
        return
    through, loop = asyncio.Event(), asyncio.get_running_loop()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(through.set)

    if claim.tell(wake):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(through.wait(), left_s)
