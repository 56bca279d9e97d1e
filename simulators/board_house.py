"""All simulated door boards of some site files, at the UDP addresses that the files give them, with ordinary passes.

The address must be one of this machine's (loopback, as a rule): a simulator never answers for a board on a real network.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from simulators.boards import Board, BoardServer
from simulators.site import Device, Site
from simulators.stopping import stop_at_signals, ticks

PROFILE = "uhppote"
DEFAULT_PORT = 60000
TICK_S = 0.2
PASS_EVERY_S = 40.0


class BoardError(Exception):
    """Nothing to simulate, or not at this address; the text names the device."""


class BoardHouse:
    """`only`: device ids; None: all of them."""

    def __init__(
        self, sites: Sequence[Site], only: Collection[str] | None, rng: random.Random, *, traffic: bool, speed: float
    ) -> None:
        self.boards: dict[str, Board] = {}
        self._at: dict[tuple[str, int], list[Board]] = {}
        self._rng, self._traffic, self._speed = rng, traffic, speed
        for site in sites:
            for device in site.devices:
                if device.profile == PROFILE and (only is None or device.id in only):
                    self._add(device, ZoneInfo(site.timezone))
        if not self.boards:
            raise BoardError(f"the site files hold no device of profile {PROFILE} to simulate")

    def _add(self, device: Device, zone: ZoneInfo) -> None:
        if device.serial is None or not device.host:
            raise BoardError(f"{device.id}: serial and host are needed")
        host, _, port = device.host.partition(":")
        board = Board(device.serial, local_now=lambda: datetime.now(zone).replace(tzinfo=None))
        self.boards[device.id] = board
        self._at.setdefault((host, int(port or DEFAULT_PORT)), []).append(board)

    async def run(self, alive: Callable[[], bool], ready: Callable[[int], None]) -> None:
        """Until Ctrl-C, SIGTERM, or until nobody is `alive` for whom it runs. Raises BoardError."""
        stop = stop_at_signals()
        servers = [(BoardServer(boards), host, port) for (host, port), boards in self._at.items()]
        try:
            for server, host, port in servers:
                try:
                    await server.start(host, port)
                except OSError as error:
                    raise BoardError(f"no board can answer at {host}:{port}: {error}") from error
            ready(len(self.boards))
            async for _ in ticks(TICK_S, stop, alive):
                self._live(TICK_S * self._speed)
        finally:
            for server, _, _ in servers:
                server.stop()

    def _live(self, seconds: float) -> None:
        """Somebody passes now and then, with a card that the board knows."""
        for board in self.boards.values() if self._traffic else ():
            cards = [each for each in board.slots if each is not None]
            if cards and self._rng.random() < seconds / PASS_EVERY_S:
                board.swipe(self._rng.choice(cards).number, door=self._rng.choice([1, 2]))
