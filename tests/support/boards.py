"""A site with simulated UHPPOTE boards, the hub's connector and a pipeline that the test moves: no broker, no whole hub."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors import profiles
from connectors.access.board import Resume
from connectors.access.uhppote import UhppoteConnector
from connectors.codecs.uhppote import UhppoteDecoder
from hub.dispatch import Dispatch
from hub.vocabulary.credentials import NumberProfile
from hub.vocabulary.events import Event
from hub.vocabulary.ports import DeviceEntry, RawMessage
from hub.vocabulary.rejected import Rejected
from simulators.boards import Board, BoardServer
from support.rig import SITE, Rig

SERIALS = {"gate-1": 405419896, "gate-2": 303986753}
DOORS = {"gate-1": {"main": 1, "back": 2}, "gate-2": {"garage": 1}}
ZONE = ZoneInfo("Asia/Shanghai")


class Loopback:
    """The boards' side of the wire: a thread with their sockets."""

    def __init__(self, boards: list[Board], host: str = "127.0.0.1") -> None:
        self.boards = {board.serial: board for board in boards}
        self._host = host
        self.port = 0
        self._server = BoardServer(boards)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._server.start(self._host), self._loop).result(5)

    def do(self, act: Callable[[], Any]) -> Any:
        """Something that happens at a board, in the boards' own thread."""

        async def acting() -> Any:
            return act()

        return asyncio.run_coroutine_threadsafe(acting(), self._loop).result(5)

    def stop(self) -> None:
        self.do(self._server.stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


class Hands:
    """What a connector hands in, kept for the test."""

    def __init__(self) -> None:
        self.queue: queue.Queue[RawMessage | Event] = queue.Queue()

    def offer(self, message: RawMessage) -> None:
        self.queue.put(message)

    def report(self, event: Event) -> None:
        self.queue.put(event)


def entries(
    port: int, serials: dict[str, int] = SERIALS, card_format: str = "wiegand26", listener: str | None = None
) -> list[DeviceEntry]:
    """The boards as the site file has them."""
    return [
        DeviceEntry(
            site=SITE,
            device=name,
            kind="access_controller",
            profile="uhppote",
            timezone="Asia/Shanghai",
            options={
                "serial": serial,
                "host": f"127.0.0.1:{port}",
                "card_format": card_format,
                "doors": DOORS[name],
                "listener": listener,
            },
        )
        for name, serial in serials.items()
    ]


class BoardSite:
    """Boards, connector and rig; `settle` moves what one says to the other until a condition holds."""

    def __init__(self, rig: Rig, resume: dict[tuple[str, str], Resume] | None = None) -> None:
        self.rig = rig
        self.boards = {name: Board(serial, local_now=self.local_now) for name, serial in SERIALS.items()}
        self.wire = Loopback(list(self.boards.values()))
        self.wire.start()
        self.hands = Hands()
        self.seen: list[Event] = []
        self.connect(resume or {})

    def local_now(self) -> datetime:
        return datetime.fromtimestamp(self.rig.now / 1000, UTC).astimezone(ZONE).replace(tzinfo=None)

    def connect(self, resume: dict[tuple[str, str], Resume], listener: str | None = None, poll_s: float = 0.02) -> None:
        """The hub's side, as after a start of the process."""
        sections = {"uhppote": profiles.load()["uhppote"].uhppote}
        known = entries(self.wire.port, listener=listener)
        self.decoder = UhppoteDecoder({key: each for key, each in sections.items() if each is not None}, known)
        self.connector = UhppoteConnector(
            known, sections, resume, self.hands, clock=lambda: self.rig.now, poll_s=poll_s, timeout_s=0.2
        )
        self.connector.start()
        senders = {(SITE, name): self.connector for name in SERIALS}
        self.dispatch = Dispatch(self.connector, senders, self.numbers_of)

    def numbers_of(self, site: str, name: str) -> NumberProfile | None:
        known = self.rig.world.device(site, name)
        return None if known is None else known.numbers

    def stop(self) -> None:
        self.connector.stop()
        self.wire.stop()

    def pump(self) -> None:
        """Everything that was said so far, one step each, as the pipeline would; then the commands that it caused."""
        while True:
            try:
                item = self.hands.queue.get(timeout=0.01)
            except queue.Empty:
                break
            if isinstance(item, RawMessage):
                decoded = self.decoder.decode(item)
                assert not isinstance(decoded, Rejected), decoded
                self.seen += decoded
                self.rig.take(*decoded)
                assert item.sink is not None
                assert item.receipt is not None
                item.sink.acknowledge([item.receipt])
            else:
                self.seen.append(item)
                self.rig.take(item)
        sent, self.rig.sent[:] = list(self.rig.sent), []
        self.dispatch(sent)

    def settle(self, condition: Callable[[], Any], timeout: float = 8.0) -> Any:
        """Pump until it holds."""
        deadline = time.monotonic() + timeout
        while True:
            self.pump()
            found = condition()
            if found:
                return found
            assert time.monotonic() < deadline, f"not within {timeout:g} s; seen: {self.seen[-8:]}"

    def of(self, kind: type[Event], device: str = "gate-1") -> list[Any]:
        """What was seen of one board."""
        return [each for each in self.seen if type(each) is kind and each.device == device]
