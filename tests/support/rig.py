"""A pipeline on a real database with a clock that the test moves: no threads, no broker, one step at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from hub.pipeline.board import DeviceBoard
from hub.pipeline.core import Core
from hub.pipeline.engine import Engine
from hub.pipeline.feed import FeedBoard, FeedRow
from hub.pipeline.inbox import Inbox
from hub.pipeline.rulebook import RuleBook
from hub.pipeline.timers import Timers
from hub.pipeline.world import FactsBook
from hub.registry.rows import align
from hub.store.database import Store
from hub.vocabulary.events import Event
from hub.vocabulary.facts import DeviceFacts, DeviceKind, SiteFacts
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import Lane, RawMessage, Receipt
from hub.vocabulary.rejected import Rejected, RejectReason
from hub.vocabulary.rule import Rule
from hub.vocabulary.units import BalanceUnit
from support.waiting import wait_until

START: UtcMs = 1_780_000_000_000
SITE = "lakeside"


def device(id_: str, kind: DeviceKind = DeviceKind.ELEVATOR, **other: Any) -> DeviceFacts:
    """A device of the test estate."""
    values: dict[str, Any] = {
        "pk": 0,
        "site": SITE,
        "id": id_,
        "kind": kind,
        "name": id_.upper(),
        "place": "b1",
        "building": "b1",
        "profile": "hub-json",
        "gateway": "mqtt",
        "balance_unit": BalanceUnit.CNY if kind is DeviceKind.METER else None,
    }
    return DeviceFacts(**(values | other))


class SmallWorld:
    """The registry of a few sites."""

    def __init__(
        self, sites: Sequence[SiteFacts], devices: Sequence[DeviceFacts], limits: Mapping[str, msgspec.Struct]
    ) -> None:
        self._sites = {site.id: site for site in sites}
        self._devices: dict[str, dict[str, DeviceFacts]] = {site.id: {} for site in sites}
        for each in devices:
            self._devices[each.site][each.id] = each
        self._limits = limits

    def site(self, site: str) -> SiteFacts | None:
        return self._sites.get(site)

    def sites(self) -> list[SiteFacts]:
        return list(self._sites.values())

    def device(self, site: str, device_id: str) -> DeviceFacts | None:
        return self._devices.get(site, {}).get(device_id)

    def devices_of(self, site: str) -> Mapping[str, DeviceFacts]:
        return self._devices[site]

    def limits(self, rule: str, site: str, device_id: str | None) -> msgspec.Struct:
        return self._limits[rule]


class Passing:
    """A decoder that takes events out of a table by address; the payload `bad` is rejected, `defect` raises."""

    def __init__(self) -> None:
        self.events: dict[str, list[Event]] = {}

    def decode(self, message: RawMessage) -> Sequence[Event] | Rejected:
        if message.payload == b"bad":
            return Rejected(reason=RejectReason.NOT_JSON, detail="not JSON", site=SITE)
        if message.payload == b"defect":
            raise ZeroDivisionError("a codec's own mistake")
        return self.events[message.address]


class Sink:
    """Remembers what was acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []

    def acknowledge(self, receipts: Sequence[Receipt]) -> None:
        self.acknowledged += [receipt.packet_id for receipt in receipts]


class Rig:
    """Everything that a step needs, on `store`, as after a start of the process."""

    def __init__(
        self,
        store: Store,
        rules: Sequence[Rule],
        devices: Sequence[DeviceFacts],
        limits: Mapping[str, msgspec.Struct] | None = None,
        now: UtcMs = START,
        sites: Sequence[SiteFacts] = (),
    ) -> None:
        self.now = now
        self.store = store
        sites = sites or [SiteFacts(id=SITE, name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")]
        with store.write() as connection:
            keys, self.alignment = align(connection, sites, devices, now)
        known = [msgspec.structs.replace(each, pk=keys[(each.site, each.id)]) for each in devices]
        self.world = SmallWorld(sites, known, {rule.name: rule.limits_type() for rule in rules} | dict(limits or {}))
        board, timers, feed = DeviceBoard(self.world), Timers(), FeedBoard()
        self.rules = RuleBook(rules, FactsBook(self.world, board.heard, now))
        with store.read() as connection:
            for part in (board, timers, feed, self.rules):
                part.load(connection)
        self.sent: list[Any] = []
        self.core = Core(self.world, board, self.rules, timers, feed, self.sent.extend)
        self.inbox = Inbox(store.way)
        self.passing = Passing()
        self.sink = Sink()
        self.engine = Engine(store, self.core, self.inbox, {"test": self.passing}, lambda: self.now)
        self.engine._settled = True
        self.fed: list[FeedRow] = []
        feed.subscribe(self.fed.extend)
        self._packet = 0

    def message(self, *events: Event, payload: bytes = b"ok", lane: Lane = Lane.ALARM) -> RawMessage:
        """A message that decodes to these events."""
        self._packet += 1
        address = f"topic/{self._packet}"
        self.passing.events[address] = list(events)
        return RawMessage(
            channel="test",
            address=address,
            payload=payload,
            received_at=self.now,
            lane=lane,
            sink=self.sink,
            receipt=Receipt(1, self._packet, 1),
        )

    def take(self, *items: Any) -> None:
        """One step with these messages, or with these events in a message each."""
        self.engine.step([self.message(item) if isinstance(item, Event) else item for item in items])

    def advance(self, ms: int, tick_ms: int = 1_000) -> None:
        """Let time pass, with a step every `tick_ms` for what falls due."""
        until = self.now + ms
        while self.now < until:
            self.now = min(self.now + tick_ms, until)
            self.engine.step([])

    def run_until(self, condition: Callable[[], object]) -> None:
        """Let the engine run in its own thread until so much has happened."""
        self.engine.start()
        try:
            wait_until(condition, 10, lambda: f"acknowledged: {self.sink.acknowledged}")
        finally:
            self.engine.stop()

    def ask(self, run: Callable[[Any], Any]) -> Any:
        """A person's wish, answered within one step."""
        answer = self.inbox.ask(run)
        self.engine.step(self.inbox.take(10))
        return answer.result(0)
