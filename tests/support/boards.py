"""A site with simulated UHPPOTE boards, beside the hub's connector for them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from connectors import profiles
from connectors.access.board import Resume
from connectors.access.uhppote import UhppoteConnector
from connectors.codecs.uhppote import UhppoteDecoder
from hub.vocabulary.events import Event
from hub.vocabulary.ports import DeviceEntry
from simulators.boards import Board, BoardServer
from support.door_site import DoorSite, Hands
from support.loopback import LoopThread
from support.rig import SITE, Rig

SERIALS = {"gate-1": 405419896, "gate-2": 303986753}
DOORS = {"gate-1": {"main": 1, "back": 2}, "gate-2": {"garage": 1}}
ZONE = ZoneInfo("Asia/Shanghai")


class BoardWire(LoopThread):
    """The boards' side: a thread with their socket."""

    def __init__(self, boards: list[Board], host: str = "127.0.0.1") -> None:
        super().__init__()
        self._server = BoardServer(boards)
        self.port = self.call(self._server.start(host))

    async def _shut(self) -> None:
        self._server.stop()


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


class BoardSite(DoorSite):
    """Two boards."""

    wire: BoardWire

    def __init__(self, rig: Rig) -> None:
        self.boards = {name: Board(serial, local_now=self.local_now) for name, serial in SERIALS.items()}
        super().__init__(rig, BoardWire(list(self.boards.values())))
        self.connect({})

    def local_now(self) -> datetime:
        return datetime.fromtimestamp(self.rig.now / 1000, UTC).astimezone(ZONE).replace(tzinfo=None)

    def connect(self, resume: dict[tuple[str, str], Resume], listener: str | None = None, poll_s: float = 0.02) -> None:
        """The hub's side, as after a start of the process."""
        sections = {"uhppote": profiles.load()["uhppote"].uhppote}
        known = entries(self.wire.port, listener=listener)
        self.hands = Hands()
        decoder = UhppoteDecoder({key: each for key, each in sections.items() if each is not None}, known)
        connector = UhppoteConnector(
            known, sections, resume, self.hands, clock=lambda: self.rig.now, poll_s=poll_s, timeout_s=0.2
        )
        self.begin(connector, decoder, [(SITE, name) for name in SERIALS])

    def of(self, kind: type[Event], device: str = "gate-1") -> list[Any]:
        """What was seen of one board."""
        return super().of(kind, device)
