"""A site with simulated doors, the hub's connector and a pipeline that the test moves: no broker, no whole hub.

What the connector hands in is taken as the pipeline takes it: decided, its commands sent, and only then acknowledged.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from hub.dispatch import Dispatch
from hub.vocabulary.credentials import NumberProfile
from hub.vocabulary.events import Event
from hub.vocabulary.ports import CommandSender, Decoder, RawMessage
from hub.vocabulary.rejected import Rejected
from support.loopback import LoopThread
from support.rig import Rig
from support.waiting import wait_until

T = TypeVar("T")


class Connector(CommandSender, Protocol):
    """The hub's side of the wire."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Hands:
    """What a connector hands in, kept for the test."""

    def __init__(self) -> None:
        self.queue: queue.Queue[RawMessage | Event] = queue.Queue()

    def offer(self, message: RawMessage) -> None:
        self.queue.put(message)

    def report(self, event: Event) -> None:
        self.queue.put(event)


class DoorSite:
    """Doors, connector and rig; `settle` moves what one says to the other until a condition holds.

    `deaf`: the hub's pipeline stands still.
    """

    def __init__(self, rig: Rig, wire: LoopThread) -> None:
        self.rig, self.wire = rig, wire
        self.hands = Hands()  # a new pair for each connector: what was not taken from it is lost with its process
        self.seen: list[Event] = []
        self.deaf = False

    def numbers_of(self, site: str, name: str) -> NumberProfile | None:
        known = self.rig.world.device(site, name)
        return None if known is None else known.numbers

    def begin(self, connector: Connector, decoder: Decoder, reaches: Iterable[tuple[str, str]]) -> None:
        """The hub's side, as after a start of the process. `reaches`: (site, device) of all that the connector speaks with."""
        self.connector, self.decoder = connector, decoder
        connector.start()
        self.dispatch = Dispatch(connector, dict.fromkeys(reaches, connector), self.numbers_of)

    def stop(self) -> None:
        self.connector.stop()
        self.wire.stop()

    def pump(self) -> bool:
        """One step as the pipeline would: the next that was said, and the commands that are to be sent. False: nothing was."""
        if self.deaf:
            return False
        item = self.hands.queue.get_nowait() if self.hands.queue.qsize() else None
        if isinstance(item, RawMessage):
            self._take(item)
        elif item is not None:
            self.seen.append(item)
            self.rig.take(item)
        self._send()  # also what people have asked for
        return item is not None

    def _take(self, message: RawMessage) -> None:
        decoded = self.decoder.decode(message)
        assert not isinstance(decoded, Rejected), decoded
        self.seen += decoded
        self.rig.take(*decoded)
        assert message.sink is not None
        assert message.receipt is not None
        self._send()
        message.sink.acknowledge([message.receipt])

    def _send(self) -> None:
        sent, self.rig.sent[:] = list(self.rig.sent), []
        self.dispatch(sent)

    def settle(self, condition: Callable[[], T], timeout: float = 8.0) -> T:
        """Pump until it holds."""

        def moved() -> T:
            while True:
                more, found = self.pump(), condition()
                if found or not more:
                    return found

        return wait_until(moved, timeout, lambda: f"seen: {self.seen[-8:]}")

    def of(self, kind: type[Event], device: str) -> list[Any]:
        """What was seen of one device."""
        return [each for each in self.seen if type(each) is kind and each.device == device]
