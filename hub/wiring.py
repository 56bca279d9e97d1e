"""Builds a running hub from settings: the only module that imports connectors, rules and API."""

from __future__ import annotations

import importlib.metadata
import logging
import signal
import socket
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from prometheus_client import CollectorRegistry

from connectors import notify, platforms, profiles
from connectors.access.check import check_boards
from connectors.access.check_readers import check_readers
from connectors.broker import BrokerError, EmbeddedBroker, die_with_parent, free_port, server_binary
from connectors.codecs.door_decoder import DoorDecoder
from connectors.codecs.hub_topics import reading_topic
from connectors.codecs.json_decoder import JsonDecoder
from connectors.dead_man import DeadManCall
from connectors.lines import LINES, Given, Laid, bus_profiles, decoders
from connectors.modbus.check import check_bus
from connectors.modbus.commissioning import Live, compare
from connectors.mqtt import MqttConnector
from connectors.mqtt_check import check_connection
from connectors.mqtt_settings import MqttSettings as BrokerAddress
from connectors.outlets import WayMaker
from hub.cards import controllers, identity, rotation
from hub.cards.secrecy import KeyRing
from hub.connections import Connections
from hub.dispatch import Dispatch
from hub.health import HealthBook
from hub.installation import broker_secret, link_key, utc_ms
from hub.jobs import Jobs
from hub.meters.looks import meter_looks
from hub.meters.platform import PlatformReadings
from hub.meters.reading_queries import lasts_days
from hub.metrics import HubCollector
from hub.notices.assembly import check_notifiers, make_post
from hub.notices.settled import Settled
from hub.pipeline import problems
from hub.pipeline.auditor import Auditor
from hub.pipeline.board import DeviceBoard
from hub.pipeline.canary import CanaryWatch
from hub.pipeline.core import Core
from hub.pipeline.dead_man import make_dead_man
from hub.pipeline.door import Door
from hub.pipeline.engine import Engine
from hub.pipeline.feed import FeedBoard
from hub.pipeline.inbox import Inbox
from hub.pipeline.past_problems import look_at_the_past
from hub.pipeline.publishing_assembly import check_publications, make_publisher
from hub.pipeline.rulebook import RuleBook
from hub.pipeline.settling import settle
from hub.pipeline.timers import Timers
from hub.pipeline.watch import Condition, Watch
from hub.pipeline.world import FactsBook
from hub.process import ApiServer, Hub, HubError, Part, bound
from hub.registry.estate import Estate
from hub.registry.rows import align
from hub.registry.world import EstateWorld
from hub.settings import MqttSettings, NotifierTypes, Settings
from hub.store.check import probe
from hub.store.checkpoint import Checkpoints
from hub.store.database import Store, get_meta, open_store, set_meta
from hub.tickets.load_figures import AlarmLoadCollector
from hub.tickets.site_clocks import SiteClocks
from hub.vocabulary.displays import Displayed
from hub.vocabulary.events import Subject
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import Decoder, DeviceEntry, Lane
from rules import RULES

if TYPE_CHECKING:
    from api.services import Health

log = logging.getLogger(__name__)

VERSION = importlib.metadata.version("property-hub")
SESSION_KEY: Final = "mqtt_session/"
BUSES_CHECKED_AT_ONCE: Final = 16


@cache
def _profiles() -> Mapping[str, profiles.Profile]:
    return profiles.load()


def profile_kinds() -> Mapping[str, Any]:
    """What settings need to know of each profile."""
    return {name: profile.facts() for name, profile in _profiles().items()}


def rule_limits() -> Mapping[str, type[msgspec.Struct]]:
    """A rule's name → its limits."""
    return {rule.name: rule.limits_type for rule in RULES}


def notifier_types() -> NotifierTypes:
    """What settings need to know of the ways out to people."""
    return NotifierTypes(notify.types(), notify.describe, notify.complaint, platforms.types(), platforms.describe)


def child_command(command: Sequence[str]) -> list[str]:
    """The command, so that the child is killed when the thread that starts it ends, however that happens (Linux)."""
    return die_with_parent(command, signal.SIGKILL)


class Finding(NamedTuple):
    """One thing that `hub check --connect` tried."""

    ok: bool
    target: str
    text: str


def check_connections(
    settings: Settings, displays: Mapping[tuple[str, str], Displayed] | None = None
) -> Iterator[Finding]:
    """Try the database, the broker and every bus with its devices; a finding as soon as it is there. Changes nothing.

    `displays`: what somebody has read on meters, (site, device); compared with what they answer.
    """
    yield Finding(*probe(settings.database))
    devices = Estate(settings, rule_limits())
    entries = devices.device_entries()
    if settings.mqtt.embedded:
        yield _embedded_finding()
    else:
        decoder = _mqtt_decoder(entries, settings.mqtt.client_id)
        wanted = decoder.subscriptions(own_sites_only=settings.mqtt.own_sites_only)
        for seen in check_connection(_address(settings.mqtt, None), [topic for topic, _ in wanted]):
            yield Finding(seen.ok, "mqtt", seen.text)
    live: dict[tuple[str, str], Live] = {}
    buses = devices.bus_entries()
    with ThreadPoolExecutor(max_workers=BUSES_CHECKED_AT_ONCE) as pool:
        found = pool.map(lambda bus: check_bus(bus, entries, bus_profiles(_sections)), buses)
        for bus, findings in zip(buses, found, strict=True):
            for each in findings:
                yield Finding(each.ok, f"{bus.site}/{each.target}", each.text)
                if each.live is not None:
                    live[bus.site, each.target] = each.live
    yield from (Finding(each.ok, "/".join(each.meter), each.text) for each in compare(displays or {}, live))
    yield from (Finding(*found) for found in check_boards(entries, _sections("uhppote")))
    yield from (Finding(*found) for found in check_readers(buses, entries, _sections("reader")))
    yield from (Finding(*found) for found in check_notifiers(settings, notify.make_sender))
    yield from (Finding(*found) for found in check_publications(settings, WayMaker))


def _embedded_finding() -> Finding:
    try:
        return Finding(True, "mqtt", f"the hub's own broker: {server_binary()}")
    except BrokerError as error:
        return Finding(False, "mqtt", str(error))


def build(settings: Settings, clock: Callable[[], UtcMs] = utc_ms) -> Hub:
    """A hub that is ready to be started; its database is open and in line with the files, its port is bound.

    Raises StoreError, HubError (port in use, broker cannot start); nothing is left behind then.
    """
    listener = bound(settings.http.host, settings.http.port)
    store: Store | None = None
    try:
        store = open_store(settings.database)
        store.claim()
        return _Assembly(settings, store, clock).hub(listener)
    except BaseException:
        listener.close()
        if store is not None:
            store.close()
        raise


class _Assembly:
    """Puts the parts of one hub together; used once."""

    def __init__(self, settings: Settings, store: Store, clock: Callable[[], UtcMs]) -> None:
        self.settings, self.store, self.clock = settings, store, clock
        self.keys = _key_ring(settings)
        rotation.tell_missing(store, self.keys)
        self.estate = Estate(settings, rule_limits())
        self.devices = self.estate.device_entries()
        self.inbox = Inbox(store.way)
        self.feed = FeedBoard()
        self.world = self._aligned_world()
        self.json = _mqtt_decoder(self.devices, settings.mqtt.client_id)
        self.broker = _broker(settings)
        self.mqtt = self._mqtt()
        self.laid = self._laid()
        self.link_key = link_key(settings.data_dir)
        self.post = make_post(settings, notify.make_sender, store, self._settle, clock, self.link_key, lasts_days)
        self.ways = WayMaker(settings.mqtt.client_id, settings.publishing, self.mqtt, clock)
        self.publisher, self.webhooks = make_publisher(settings, store, self.feed, self.ways, clock)
        self.core = self._core()
        self.engine = self._engine()
        self.canary = CanaryWatch(self.feed, self._send_canary, clock)
        lines = [each.line for each in self.laid]
        self.connections = Connections(list(self.estate.sites), self.mqtt, lines, self.broker, self.canary.missing)
        self.dead_man = make_dead_man(settings.dead_man, DeadManCall, list(self.estate.sites), clock)
        self.auditor = Auditor(store, self.inbox, list(self.estate.sites), clock, self.dead_man.proved)
        self.health = HealthBook(self.engine, self.canary, self.connections.lines)

    def hub(self, listener: socket.socket) -> Hub:
        """The whole."""
        door = Door(self.inbox, self.store, self.clock)
        registry = CollectorRegistry()
        registry.register(HubCollector(self.engine, self.inbox, self.canary, self.connections.buses, self._metrics))
        registry.register(AlarmLoadCollector(self.store, list(self.estate.sites), self.clock))
        from api.app import create_app  # a second of imports that no other command needs
        from api.services import Services

        app = create_app(
            Services(
                store=self.store,
                door=door,
                feed=self.feed,
                now=self.clock,
                health=self._api_health,
                why=self.core.rules.why,
                buses=self.connections.buses,
                sites=self.world.sites(),
                metrics_registry=registry,
                version=VERSION,
                receipt=self.post.receipt,
                push=PlatformReadings(self.json, self.inbox, reading_topic, self.clock).take,
                webhooks=lambda: self.webhooks,
                cap=self.ways.cap,
                knows_unit=self.estate.knows_unit,
                link_key=self.link_key,
                hooks=self.settings.hooks,
                cookie_secure=self.settings.http.public_url.startswith("https:"),
                card_capacity=self.estate.card_capacity,
                lift_card=self.estate.lift_card,
                keys=self.keys,
            )
        )
        attend = [each.attend for each in self.laid]
        looks = [*meter_looks(self.store, self.inbox, self.world, profile_kinds(), attend, self.clock)]
        looks.append(look_at_the_past(self.store, self.inbox, self.clock))
        watch = Watch(self.inbox, self.canary, self._conditions, self.clock, self._active_problems)
        parts: list[Part] = [self.engine, self.post, *([self.broker] if self.broker else [])]
        parts += [self.mqtt, *(each.line for each in self.laid), watch, self.publisher, self.dead_man]
        return Hub(
            store=self.store,
            api=ApiServer(app, listener, app.state.streams.close),
            parts=[*parts, Jobs(self.store, self.world, self.clock, self.keys.chain, looks), Checkpoints(self.store)],
            ready=self.health.ready,
        )

    def _metrics(self) -> Mapping[str, float]:
        return {**self.connections.metrics(), **self.post.figures(), **self.publisher.figures()}

    # --- parts ------------------------------------------------------------------------------------------

    def _aligned_world(self) -> EstateWorld:
        unnumbered = self.estate.facts(defaultdict(int))
        with self.store.write() as connection:
            keys, changes = align(connection, self.estate.sites.values(), unnumbered.values(), self.clock())
        for word, names in (("added", changes.added), ("retired", changes.retired), ("returned", changes.returned)):
            if names:
                log.info("registry: %d devices %s", len(names), word)
        return EstateWorld(self.estate, keys)

    def _core(self) -> Core:
        board, timers = DeviceBoard(self.world), Timers()
        rules = RuleBook(RULES, FactsBook(self.world, board.heard, self.clock()))
        with self.store.read() as connection:
            board.load(connection)
            timers.load(connection)
            self.feed.load(connection)
            for failure in rules.load(connection):
                log.error("rule %s: %s", failure.rule, failure.error)
        clocks = {site.id: site.clocks for site in self.settings.sites}
        return Core(self.world, board, rules, timers, self.feed, self._dispatch(), self.post.wake, SiteClocks(clocks))

    def _engine(self) -> Engine:
        by_channel: dict[str, Decoder] = {"mqtt": self.json, **decoders(_sections, self.devices)}
        return Engine(self.store, self.core, self.inbox, by_channel, self.clock, lambda: self.mqtt.connected)

    def _mqtt(self) -> MqttConnector:
        with self.store.read() as connection:
            self._had_session = get_meta(connection, self._session_key) is not None
        return MqttConnector(
            _address(self.settings.mqtt, self.broker),
            self.inbox,
            self.json.subscriptions(own_sites_only=self.settings.mqtt.own_sites_only),
            list(self.estate.sites),
            self.json.lane_of,
            dict.fromkeys(Lane, self._had_session),
            self.clock,
            self.json.subscriptions(),
        )

    def _laid(self) -> list[Laid]:
        with self.store.read() as connection:
            rows = controllers.everywhere(connection)
        resumes = {(row.site, row.device): (row.epoch, row.last_index, row.serial) for row in rows}
        buses = self.estate.bus_entries()
        given = Given(buses, self.devices, _sections, self.mqtt, resumes, self.inbox, self.clock)
        return [lay(given) for lay in LINES]

    def _dispatch(self) -> Dispatch:
        senders = {key: sender for each in self.laid for key, sender in each.senders.items()}
        return Dispatch(self.mqtt, senders, self.estate.numbers_of)

    @property
    def _session_key(self) -> str:
        return SESSION_KEY + self.settings.mqtt.client_id

    # --- what parts ask of each other -------------------------------------------------------------------

    def _settle(self, over: Sequence[Settled]) -> Future[int]:
        return self.inbox.errand(partial(settle, settled=over))

    def _send_canary(self, number: int) -> None:
        self.mqtt.publish_canary(number)

    def _api_health(self) -> Health:
        lines = self.health.lines()
        from api.services import Health, Part

        return Health(
            parts=tuple(Part(line.name, line.ok, line.id, line.why, line.required) for line in lines),
            canary_age_ms={state.lane: state.age_ms for state in self.canary.states()},
            oldest_unacked_ms=self.connections.oldest_unacked_ms(),
            last_event_at=self.engine.progress.last_commit_at or None,
        )

    def _active_problems(self) -> list[tuple[str, Subject]]:
        with self.store.read() as connection:
            return problems.active(connection)

    def _conditions(self) -> list[Condition]:
        """What the watch looks at, every second."""
        if self.mqtt.connected and not self._had_session:
            self._had_session = True
            self.inbox.errand(lambda step: set_meta(step.connection, self._session_key, "established"))
        return [*self.connections.conditions(), *self.auditor.conditions(), *self.publisher.conditions()]


def _mqtt_decoder(devices: Sequence[DeviceEntry], client_id: str) -> DoorDecoder:
    return DoorDecoder(_sections("doors"), devices, JsonDecoder(_sections("mqtt"), devices, client_id))


def _sections(name: str) -> dict[str, Any]:
    """Profile id → its section for one transport, of those that have it."""
    return {key: section for key, profile in _profiles().items() if (section := getattr(profile, name)) is not None}


def _broker(settings: Settings) -> EmbeddedBroker | None:
    """The hub's own broker; its password stays in a file beside its store, so that devices keep theirs."""
    if not settings.mqtt.embedded:
        return None
    mqtt = settings.mqtt
    password = mqtt.password.reveal() if mqtt.password is not None else broker_secret(settings.data_dir)
    return _OwnBroker(settings.data_dir, mqtt.port or free_port(), mqtt.username or "hub", password)


class _OwnBroker(EmbeddedBroker):
    """The embedded broker as a part of the hub: what keeps it from starting keeps the hub from starting."""

    def start(self) -> str:
        try:
            return super().start()
        except BrokerError as error:
            raise HubError(str(error)) from error


def _key_ring(settings: Settings) -> KeyRing:
    try:
        return identity.load_ring(settings.keys, settings.data_dir)
    except (OSError, ValueError) as error:
        file = identity.key_file(settings.keys, settings.data_dir)
        raise HubError(
            f"The keys of personal data, {file or 'in a variable'}, cannot be used ({error}): put your copy back; "
            "without one, delete the file, and identity numbers entered so far cannot be read any more."
        ) from error


def _address(mqtt: MqttSettings, broker: EmbeddedBroker | None) -> BrokerAddress:
    if broker is not None:
        return BrokerAddress(
            url=broker.url, client_id=mqtt.client_id, username=broker.username, password=broker.password
        )
    return BrokerAddress(
        url=mqtt.url,
        client_id=mqtt.client_id,
        username=mqtt.username or None,
        password=mqtt.password.reveal() if mqtt.password else None,
        ca=str(mqtt.ca) if mqtt.ca else None,
        cert=str(mqtt.cert) if mqtt.cert else None,
        key=str(mqtt.key) if mqtt.key else None,
    )
