"""A site with simulated card readers on Modbus, the hub's connector and a pipeline that the test moves: no broker, no whole hub."""

from __future__ import annotations

import asyncio
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from connectors import profiles
from connectors.access.readers import ReaderConnector
from connectors.codecs.reader import ReaderDecoder
from connectors.codecs.reader_profile import ReaderProfile
from hub.dispatch import Dispatch
from hub.vocabulary.credentials import NumberProfile
from hub.vocabulary.events import Event
from hub.vocabulary.facts import AccessFacts, DeviceFacts, DeviceKind
from hub.vocabulary.ports import BusEntry, DeviceEntry, RawMessage
from hub.vocabulary.readers import DoorOpening, FailPolicy, HubAway
from hub.vocabulary.rejected import Rejected
from simulators.modbus import BusServer
from simulators.readers import Device
from support.boards import Hands
from support.rig import SITE, Rig, device

BUS = "doors"
SECURE = DoorOpening(
    fail_policy=FailPolicy.FAIL_SECURE,
    hub_away=HubAway.STAYS_LOCKED,
    decide_within_ms=2_000,
    open_ms=300,
    allowed_by=("王强", "李梅"),
)
READER = AccessFacts(hub_decides=True, relays=2)


@cache
def _sections() -> dict[str, ReaderProfile]:
    return {key: each.reader for key, each in profiles.load().items() if each.reader is not None}


class Wire:
    """The readers' side: a thread with one Modbus-TCP server."""

    def __init__(self, units: Mapping[int, Device]) -> None:
        self._loop = asyncio.new_event_loop()
        self.server = BusServer("127.0.0.1", 0, "tcp", units, random.Random(1))
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.open()

    def open(self) -> None:
        """Power on; the same port again."""
        asyncio.run_coroutine_threadsafe(self.server.open(), self._loop).result(5)

    def close(self) -> None:
        """Power off: every connection breaks."""
        asyncio.run_coroutine_threadsafe(self.server.close(), self._loop).result(5)

    def do(self, act: Callable[[], Any]) -> Any:
        """Something that happens at a reader, in the readers' own thread."""

        async def acting() -> Any:
            return act()

        return asyncio.run_coroutine_threadsafe(acting(), self._loop).result(5)

    def stop(self) -> None:
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


def reader_facts(
    name: str, door: str, numbers: NumberProfile, opening: DoorOpening = SECURE, profile: str = "inveo-rfid-ind"
) -> DeviceFacts:
    """A reader as the registry has it."""
    return device(
        name,
        DeviceKind.ACCESS_CONTROLLER,
        doors=(door,),
        profile=profile,
        gateway=BUS,
        access=READER,
        numbers=numbers,
        openings=((door, opening),),
    )


class ReaderSite:
    """Readers, connector and rig; `settle` moves what one says to the other until a condition holds."""

    def __init__(self, rig: Rig, units: Mapping[int, Device], entries: Mapping[str, Mapping[str, Any]]) -> None:
        """`entries`: device → its unit id and, where it is no reader, its profile."""
        self.rig, self.units = rig, units
        self.wire = Wire(units)
        self.entries = entries
        self.hands = Hands()
        self.seen: list[Event] = []
        self.deaf = False  # the hub's pipeline stands still
        self.sent: list[Any] = []
        self.connect()

    def connect(self) -> None:
        """The hub's side, as after a start of the process."""
        known = [self._entry(name, **values) for name, values in self.entries.items()]
        sections = _sections()
        self.hands = Hands()
        self.decoder = ReaderDecoder(sections, known)
        bus = BusEntry(site=SITE, bus=BUS, url=f"modbus+tcp://127.0.0.1:{self.wire.server.port}")
        self.connector = ReaderConnector([bus], known, sections, self.hands, clock=lambda: self.rig.now)
        self.connector.start()
        senders = dict.fromkeys(self.connector.reaches, self.connector)
        self.dispatch = Dispatch(self.connector, senders, self._numbers_of)

    def _numbers_of(self, site: str, name: str) -> NumberProfile | None:
        known = self.rig.world.device(site, name)
        return None if known is None else known.numbers

    def _entry(self, name: str, unit_id: int, profile: str = "", **options: Any) -> DeviceEntry:
        facts = self.rig.world.device(SITE, name)
        assert facts is not None
        extra: dict[str, Any] = {"fast_ms": 20, "timeout_ms": 300, **options}
        if facts.openings:
            assert facts.numbers is not None
            extra |= {"openings": dict(facts.openings), "doors": dict.fromkeys(facts.doors, 1)}
            extra |= {"card_format": facts.numbers.format}
        return DeviceEntry(
            site=SITE,
            device=name,
            kind="access_controller",
            profile=profile or facts.profile,
            timezone="Asia/Shanghai",
            bus=BUS,
            unit_id=unit_id,
            options=extra,
        )

    def stop(self) -> None:
        self.connector.stop()
        self.wire.stop()

    def pump(self) -> None:
        """Everything that was said so far, one step each, as the pipeline would; then the commands that it caused."""
        if self.deaf:
            time.sleep(0.01)
            return
        while True:
            try:
                item = self.hands.queue.get(timeout=0.005)
            except queue.Empty:
                break
            if isinstance(item, RawMessage):
                decoded = self.decoder.decode(item)
                assert not isinstance(decoded, Rejected), decoded
                self.seen += decoded
                self.rig.take(*decoded)
                assert item.sink is not None
                assert item.receipt is not None
                self._send()
                item.sink.acknowledge([item.receipt])
            else:
                self.seen.append(item)
                self.rig.take(item)
                self._send()

    def _send(self) -> None:
        sent, self.rig.sent[:] = list(self.rig.sent), []
        self.sent += sent
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

    def of(self, kind: type[Event], name: str = "gate-7") -> list[Any]:
        """What was seen of one reader."""
        return [each for each in self.seen if type(each) is kind and each.device == name]
