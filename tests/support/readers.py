"""A site with simulated card readers on Modbus, beside the hub's connector for them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from connectors import profiles
from connectors.access.readers import ReaderConnector
from connectors.codecs.reader import ReaderDecoder
from connectors.codecs.reader_profile import ReaderProfile
from hub.vocabulary.credentials import NumberProfile
from hub.vocabulary.events import Event
from hub.vocabulary.facts import AccessFacts, DeviceFacts, DeviceKind
from hub.vocabulary.ports import BusEntry, DeviceEntry
from hub.vocabulary.readers import DoorOpening, FailPolicy, HubAway
from simulators.modbus import BusServer
from simulators.readers import Device, InveoReader
from support.door_site import DoorSite, Hands
from support.loopback import LoopThread
from support.rig import SITE, Rig, device

BUS = "doors"
SOME_LOOKS = 6  # requests: a look is two of them, and the hub may write meanwhile
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


class ReaderWire(LoopThread):
    """The readers' side: a thread with one Modbus-TCP server."""

    def __init__(self, units: Mapping[int, Device]) -> None:
        super().__init__()
        self.server = BusServer("127.0.0.1", 0, "tcp", units, random.Random(1))
        self.open()

    def open(self) -> None:
        """Power on; the same port again."""
        self.call(self.server.open())

    def close(self) -> None:
        """Power off: every connection breaks."""
        self.call(self.server.close())

    def settled(self, reader: InveoReader) -> Callable[[], bool]:
        """Whether the hub has found this reader and looked at it a few times since: what is presented from then on has a time."""
        found: list[int] = []

        def looked() -> bool:
            if not found and not reader.points.coils[reader.RESET]:
                found.append(self.server.requests)
            return bool(found) and self.server.requests >= found[0] + SOME_LOOKS

        return lambda: self.do(looked)

    async def _shut(self) -> None:
        await self.server.close()


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


class ReaderSite(DoorSite):
    """Readers and relay modules on one bus. `entries`: device → its unit id and, where it is no reader, its profile."""

    wire: ReaderWire
    connector: ReaderConnector

    def __init__(self, rig: Rig, units: Mapping[int, Device], entries: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(rig, ReaderWire(units))
        self._entries = entries
        self.connect()

    def connect(self) -> None:
        """The hub's side, as after a start of the process."""
        known = [self._entry(name, **values) for name, values in self._entries.items()]
        sections = _sections()
        self.hands = Hands()
        bus = BusEntry(site=SITE, bus=BUS, url=f"modbus+tcp://127.0.0.1:{self.wire.server.port}")
        connector = ReaderConnector([bus], known, sections, self.hands, clock=lambda: self.rig.now)
        self.begin(connector, ReaderDecoder(sections, known), connector.reaches)

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

    def of(self, kind: type[Event], device: str = "gate-7") -> list[Any]:
        """What was seen of one device."""
        return super().of(kind, device)
