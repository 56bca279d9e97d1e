"""`hub check --connect`: does each door board answer, is it the one that the site file names, and what does it say right now?

Reads only. A board of another serial number at the same address is named: boards answer to their own number alone, so that
a swapped one would be nothing but silence.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from connectors.access.board_link import BoardLink, BoardSilentError, board_client
from connectors.access.board_words import clock_offset
from hub.vocabulary.ports import DeviceEntry

if TYPE_CHECKING:
    from uhppoted.uhppote_async import UhppoteAsync

AT_ONCE = 50
ANY_BOARD = 0


class Finding(NamedTuple):
    """One line of the report."""

    ok: bool
    target: str
    text: str


def check_boards(devices: Sequence[DeviceEntry], profiles: Collection[str], timeout_s: float = 2.5) -> list[Finding]:
    """A finding for each board, in the files' order."""
    boards = [each for each in devices if each.profile in profiles]
    return asyncio.run(_all(boards, timeout_s)) if boards else []


async def _all(boards: Sequence[DeviceEntry], timeout_s: float) -> list[Finding]:
    client = board_client()
    few = asyncio.Semaphore(AT_ONCE)

    async def one(entry: DeviceEntry) -> Finding:
        async with few:
            ok, text = await _one(client, entry, timeout_s)
            return Finding(ok, f"{entry.site}/{entry.device}", text)

    return list(await asyncio.gather(*(one(entry) for entry in boards)))


async def _one(client: UhppoteAsync, entry: DeviceEntry, timeout_s: float) -> tuple[bool, str]:
    serial, host = int(entry.options["serial"]), str(entry.options["host"])
    link = BoardLink(client, serial, host, timeout_s)
    try:
        status, number = await link.status(), await link.count()
    except BoardSilentError:
        other = await _who_is_there(client, host, timeout_s)
        if other is None:
            return False, f"no answer from {host}; is the board on, and is the address right?"
        return False, f"at {host} there is board {other}, the site file says {serial}"
    zone = ZoneInfo(entry.timezone)
    offset = None if status.local is None else clock_offset(status.local, zone, time.time_ns() // 1_000_000)
    clock = "shows no time" if offset is None else f"clock {offset / 1000:+.0f} s"
    return True, f"board {serial}: {number} cards, newest event {status.event_index}, {clock}"


async def _who_is_there(client: UhppoteAsync, host: str, timeout_s: float) -> int | None:
    try:
        reply = await client.get_controller((ANY_BOARD, host, "udp"), timeout=timeout_s)
    except (OSError, TimeoutError, ValueError, RuntimeError):
        return None
    return None if reply is None else int(reply.controller)
