"""All UHPPOTE boards of this process: one thread with an event loop, one task a board, one ear for what they push.

Implements CommandSender and AckSink. A push only wakes the board's task: events are read by number, so that a push that
gets lost is late by one poll and never missing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from connectors.access.board import Board, Command, Resume
from connectors.access.board_link import TIMEOUT_S, BoardLink, board_client
from connectors.loop_thread import LoopThread
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import DeviceEntry, Intake, Receipt

log = logging.getLogger(__name__)

POLL_S: Final = 1.0


class BoardState(NamedTuple):
    """For health; `up` None: not asked yet."""

    site: str
    device: str
    up: bool | None


class _Sink:
    """What one board is told of commits."""

    def __init__(self, connector: UhppoteConnector, key: tuple[str, str]) -> None:
        self._connector, self._key = connector, key

    def acknowledge(self, receipts: Sequence[Receipt]) -> None:
        self._connector.committed(self._key, list(receipts))


class UhppoteConnector:
    """`devices` of other profiles are ignored. A board with a `listener` (address:port of this machine) pushes there."""

    def __init__(
        self,
        devices: Sequence[DeviceEntry],
        profiles: Collection[str],
        resume: Mapping[tuple[str, str], Resume],
        intake: Intake,
        *,
        clock: Callable[[], UtcMs] = lambda: time.time_ns() // 1_000_000,
        poll_s: float = POLL_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._entries = [each for each in devices if each.profile in profiles]
        self._resume, self._intake, self._clock = resume, intake, clock
        self._poll_s, self._timeout_s = poll_s, timeout_s
        self._thread = LoopThread("uhppote", self._run)
        self._boards: dict[tuple[str, str], Board] = {}

    def start(self) -> None:
        """Returns when the tasks run; no board needs to be reachable. Without boards there is no thread."""
        if self._entries:
            self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._thread.stop()

    def state(self) -> list[BoardState]:
        """Every board as it stands."""
        return [BoardState(site, device, board.up) for (site, device), board in list(self._boards.items())]

    @property
    def reaches(self) -> list[tuple[str, str]]:
        """(site, device) of those that commands go to through here."""
        return [(each.site, each.device) for each in self._entries]

    def alive(self) -> bool:
        """Whether the thread runs, or none is needed."""
        return not self._entries or self._thread.alive

    def send(
        self, site: str, device: str, command_id: str, name: str, args: Mapping[str, Any], reply_by: UtcMs
    ) -> bool:
        """CommandSender. `args` of cards carry `raw`, the card's bits in hex, beside the contract's fields."""
        board = self._boards.get((site, device))
        if board is None:
            return False
        return self._thread.call(board.command, Command(command_id, name, dict(args)))

    def committed(self, key: tuple[str, str], receipts: Sequence[Receipt]) -> None:
        """Events of one board are in the database."""
        board = self._boards.get(key)
        if board is not None:
            self._thread.call(board.committed, receipts)

    async def _run(self) -> None:
        client = board_client()
        for entry in self._entries:
            key = (entry.site, entry.device)
            link = BoardLink(client, int(entry.options["serial"]), str(entry.options["host"]), self._timeout_s)
            board = Board(
                entry,
                link,
                self._resume.get(key, Resume()),
                self._intake,
                _Sink(self, key),
                self._clock,
                self._poll_s,
                _listener(entry),
            )
            self._boards[key] = board
        tasks = [asyncio.create_task(board.run()) for board in self._boards.values()]
        ears = {str(entry.options["listener"]) for entry in self._entries if entry.options.get("listener")}
        tasks += [asyncio.create_task(self._hear(ear)) for ear in sorted(ears)]
        await self._thread.until_stopped()
        for board in self._boards.values():
            board.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _hear(self, ear: str) -> None:
        by_serial = {int(each.options["serial"]): (each.site, each.device) for each in self._entries}

        def pushed(event: Any) -> None:
            key = by_serial.get(event.controller)
            if key is not None:
                self._boards[key].wake()

        def broken(error: BaseException) -> None:
            log.debug("uhppote: a push without meaning: %s", error)

        try:
            await board_client(ear).listen(pushed, on_error=broken)
        except OSError as error:
            log.error("uhppote: nothing is heard at %s (%s); boards are polled all the same", ear, error)  # noqa: TRY400


def _listener(entry: DeviceEntry) -> tuple[str, int] | None:
    """Where this board is to push to."""
    address, _, port = str(entry.options.get("listener") or "").partition(":")
    return (address, int(port)) if address else None
