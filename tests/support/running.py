"""A hub that runs: the real pipeline in its own thread on a real database, with the API in front, and no connectors."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC
from enum import StrEnum
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter

from api.app import create_app
from api.services import Health, Part, Services
from hub.cards.secrecy import KeyRing
from hub.pipeline.board import DeviceBoard
from hub.pipeline.core import Core
from hub.pipeline.door import Door
from hub.pipeline.engine import Engine
from hub.pipeline.feed import FeedBoard
from hub.pipeline.inbox import Inbox
from hub.pipeline.publication_keys import WebhookKeys
from hub.pipeline.publisher import Outlets, Publisher
from hub.pipeline.rulebook import RuleBook
from hub.pipeline.timers import Timers
from hub.pipeline.webhook_desk import WebhookDesk
from hub.pipeline.world import FactsBook
from hub.registry.rows import align
from hub.store import accounts
from hub.store.database import open_store
from hub.vocabulary.decisions import RaiseProblem, RaiseTicket, Severity, TicketKind
from hub.vocabulary.elevator import AlarmState, AlarmType
from hub.vocabulary.events import DeviceStatus, ElevatorAlarm, ElevatorState, Event, MeterReading, Subject
from hub.vocabulary.facts import DeviceFacts, DeviceKind, Facts, SiteFacts
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import Lane, RawMessage, WayOut
from hub.vocabulary.roles import Role
from hub.vocabulary.rule import Outcome
from hub.vocabulary.units import BalanceUnit
from support.ports import free_port
from support.rig import Passing, SmallWorld
from support.waiting import wait_until

LAKESIDE = SiteFacts(id="lakeside", name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")
HILLTOP = SiteFacts(id="hilltop", name="山顶公馆", timezone="Asia/Urumqi", locale="zh-CN")

_KINDS = {"e": DeviceKind.ELEVATOR, "m": DeviceKind.METER, "g": DeviceKind.ACCESS_CONTROLLER}


def _device(site: str, id_: str, name: str, place: str, gateway: str = "mqtt") -> DeviceFacts:
    kind = _KINDS[id_.rsplit("-", maxsplit=1)[-1][0] if id_.startswith("b") else id_[0]]
    return DeviceFacts(
        pk=0,
        site=site,
        id=id_,
        kind=kind,
        name=name,
        place=place,
        building=place.split("/", maxsplit=1)[0],
        profile="hub-json",
        gateway=gateway,
        balance_unit=BalanceUnit.CNY if kind is DeviceKind.METER else None,
    )


DEVICES = (
    _device("lakeside", "b1-e1", "1栋1号梯", "b1"),
    _device("lakeside", "b1-e2", "1栋2号梯", "b1"),
    _device("lakeside", "m-0101", "0101电表", "b1/0101", "meters-1"),
    _device("lakeside", "gate-1", "1栋门禁", "b1"),
    _device("hilltop", "b1-e1", "A座1号梯", "a"),
    _device("hilltop", "m-0301", "0301电表", "a/0301"),
)


class Why(StrEnum):
    """Reasons of the trial rule."""

    PRESSED = "pressed"
    FAULT = "fault"
    ODD = "odd"


class _Nothing(msgspec.Struct, frozen=True):
    pass


class Trial:
    """Every alarm is a ticket: `fault` an elevator_fault, the rest an entrapment; `detail` 'problem' raises a problem."""

    name = "trial"
    version = 1
    wants: tuple[type[Event], ...] = (ElevatorAlarm,)
    state_type: type[msgspec.Struct] = _Nothing
    limits_type: type[msgspec.Struct] = _Nothing

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        return event.subject()

    def migrate(self, version: int, stored: dict[str, Any]) -> msgspec.Struct | None:
        return None

    def decide(self, event: Event, state: Any, facts: Facts, now: UtcMs) -> Outcome:
        assert isinstance(event, ElevatorAlarm)
        if event.detail == "problem":
            return Outcome(
                state, [RaiseProblem(code="gateway_down", subject=event.subject(), detail={"cause": "test"})]
            )
        fault = event.type is AlarmType.FAULT
        raised = RaiseTicket(
            kind=TicketKind.ELEVATOR_FAULT if fault else TicketKind.ENTRAPMENT,
            subject=event.subject(),
            reason=Why.FAULT if fault else Why.PRESSED,
            severity=Severity.MEDIUM if fault else Severity.CRITICAL,
            occurred_at=event.occurred_at,
            fields={"floor": event.floor, "detail": event.detail},
            evidence={"type": str(event.type)},
        )
        return Outcome(state, [raised])


class RunningHub:
    """Pipeline and API. `serve()` puts it on a port; without it the app is used in process."""

    def __init__(self, database_url: str, devices: Sequence[DeviceFacts] = DEVICES) -> None:
        self.store = open_store(database_url)
        sites = [LAKESIDE, HILLTOP]
        with self.store.write() as connection:
            self.keys, _ = align(connection, sites, devices, self.now())
        known = [msgspec.structs.replace(each, pk=self.keys[(each.site, each.id)]) for each in devices]
        world = SmallWorld(sites, known, {"trial": _Nothing()})
        board, timers, self.feed = DeviceBoard(world), Timers(), FeedBoard()
        rules = RuleBook([Trial()], FactsBook(world, board.heard, self.now()))
        with self.store.read() as connection:
            for part in (board, timers, self.feed, rules):
                part.load(connection)
        self.inbox = Inbox(self.store.way)
        self.passing = Passing()
        core = Core(world, board, rules, timers, self.feed, lambda outgoing: None)
        self.engine = Engine(self.store, core, self.inbox, {"test": self.passing}, self.now)
        self.engine.start()
        self.parts = [Part("intake", ok=True), Part("canary", ok=True, id="alarm")]
        self.canary: dict[str, int | None] = {"alarm": 1_200, "telemetry": 3_400}
        self.evaluations: list[dict[str, Any]] = []
        self.metrics = CollectorRegistry()
        Counter("hub_messages", "Messages.", registry=self.metrics).inc()
        self.ways: dict[str, WayOut] = {}  # a webhook's name → its way out; none: as if it were not there
        master = WebhookKeys(bytes(32))
        self.outlets = Outlets((), lambda each, keys: self.ways.get(each.wanted.name), master)
        self.publisher = Publisher(self.store, self.feed, self.outlets, lambda site: UTC, self.now)
        self.webhooks = WebhookDesk(self.store, self.publisher, master, self.now)
        self.services = Services(
            store=self.store,
            door=Door(self.inbox, self.store, self.now),
            feed=self.feed,
            now=self.now,
            health=self.health,
            why=lambda site, device: list(self.evaluations),
            sites=sites,
            metrics_registry=self.metrics,
            version="0.1.0",
            keys=KeyRing.new(),
            webhooks=lambda: self.webhooks,
        )
        self.app: FastAPI = create_app(self.services)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._number = 0
        self.port = 0

    @staticmethod
    def now() -> UtcMs:
        """The real clock."""
        return time.time_ns() // 1_000_000

    def health(self) -> Health:
        """What the test says."""
        return Health(parts=tuple(self.parts), canary_age_ms=self.canary, last_event_at=self.now())

    def serve(self, port: int = 0) -> str:
        """Listen on a loopback port; the address."""
        self.port = port or self.port or free_port()
        config = uvicorn.Config(
            self.app, "127.0.0.1", self.port, log_level="critical", timeout_graceful_shutdown=2, lifespan="off"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        wait_until(lambda: self._server is not None and self._server.started, 10, "uvicorn did not start")
        return f"http://127.0.0.1:{self.port}"

    def stop_serving(self) -> None:
        """Take the API away; the pipeline goes on."""
        if self._server is not None and self._thread is not None:
            self.app.state.streams.close()
            self._server.should_exit = True
            self._thread.join(10)
            self._server = None

    def serve_again(self) -> None:
        """The API comes back on the same port, as after a restart."""
        self.app = create_app(self.services)
        self.serve()

    def close(self) -> None:
        """End everything."""
        self.stop_serving()
        self.engine.stop()
        self.store.close()

    # --- what happens ------------------------------------------------------------------------------------

    def offer(self, *events: Event, payload: bytes = b"ok") -> None:
        """A message that decodes to these events; the payload `bad` is rejected."""
        self._number += 1
        address = f"hub/v1/test/{self._number}"
        self.passing.events[address] = list(events)
        message = RawMessage(channel="test", address=address, payload=payload, received_at=self.now(), lane=Lane.ALARM)
        self.inbox.offer(message)

    def alarm(self, device: str = "b1-e1", site: str = "lakeside", **other: Any) -> None:
        """An elevator's alarm, as an event; a ticket follows."""
        self._number += 1
        now = self.now()
        values: dict[str, Any] = {"type": AlarmType.PASSENGER_ALARM, "state": AlarmState.ADD, "floor": "7"}
        common = {"site": site, "device": device, "source_key": str(self._number)}
        self.offer(ElevatorAlarm(**(common | values | {"occurred_at": now, "received_at": now} | other)))

    def ticket(self, device: str = "b1-e1", site: str = "lakeside", **other: Any) -> int:
        """An alarm, and the id of the ticket that came of it."""
        seq = self.feed.latest_seq
        self.alarm(device, site, **other)
        rows = wait_until(lambda: [row for row in self.feed.since(seq) or () if row.site == site])
        return int(msgspec.json.decode(rows[0].body)["id"])

    def status(self, device: str, site: str = "lakeside", *, online: bool = True) -> None:
        """A device says that it is there (or its last will that it is not)."""
        self._number += 1
        key, now = str(self._number), self.now()
        self.offer(
            DeviceStatus(site=site, device=device, source_key=key, occurred_at=now, received_at=now, online=online)
        )

    def state(self, device: str, site: str = "lakeside", **other: Any) -> None:
        """An elevator's status."""
        self._number += 1
        common = {"site": site, "device": device, "source_key": str(self._number)}
        self.offer(ElevatorState(**(common | {"occurred_at": self.now(), "received_at": self.now()} | other)))

    def reading(self, device: str, credit: int | None, site: str = "lakeside", **other: Any) -> None:
        """A meter's reading."""
        self._number += 1
        common = {"site": site, "device": device, "source_key": str(self._number), "unit": BalanceUnit.CNY}
        self.offer(
            MeterReading(**(common | {"credit": credit, "occurred_at": self.now(), "received_at": self.now()} | other))
        )

    def settled(self) -> None:
        """Wait until everything offered so far is committed."""
        self.inbox.ask(lambda step: None).result(10)

    def token(self, *roles: Role, sites: Sequence[str] = (), name: str = "") -> str:
        """A machine client's token."""
        self._number += 1
        return accounts.add_token(self.store, name or f"client-{self._number}", roles, sites, self.now())
