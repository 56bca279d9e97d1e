"""The broker connection: two sessions, so that alarms never wait behind readings, and what both together are worth.

Both clients keep persistent sessions under fixed ids and acknowledge only when the pipeline says so. What the socket
says is not health: `publish_canary` sends a message of our own through the broker on each of the two ways.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from connectors.codecs.hub_topics import canary_topic, command_topic
from connectors.mqtt_retry import Cause
from connectors.mqtt_session import LaneState, Session
from connectors.mqtt_settings import MqttSettings, endpoint
from hub.vocabulary.events import GatewayChanged
from hub.vocabulary.instants import UtcMs, iso
from hub.vocabulary.ports import Intake, Lane

log = logging.getLogger(__name__)

GATEWAY: Final = "mqtt"
"""Name of the broker connection among a site's gateways."""

WATCH_EVERY_S: Final = 1.0
STALLED_AFTER_S: Final = 30.0
STOP_WITHIN_S: Final = 2.0


class MqttState(msgspec.Struct, frozen=True, kw_only=True):
    """For health: `connected` when both sessions are."""

    connected: bool
    lanes: tuple[LaneState, ...]


def wall_clock() -> UtcMs:
    """Now."""
    return time.time_ns() // 1_000_000


class MqttConnector:
    """Implements CommandSender. `subscriptions` as JsonDecoder.subscriptions() gives them, `lane_of` its method.

    `sites` are told of the gateway's ups and downs. `expect_session[lane]`: the broker has had this session before (from
    an earlier run), so its absence means possible loss already on the first connection.
    """

    def __init__(
        self,
        settings: MqttSettings,
        intake: Intake,
        subscriptions: Sequence[tuple[str, Lane]],
        sites: Sequence[str],
        lane_of: Callable[[str], Lane] | None = None,
        expect_session: Mapping[Lane, bool] | None = None,
        clock: Callable[[], UtcMs] = wall_clock,
        earlier: Sequence[tuple[str, Lane]] = (),
    ) -> None:
        """Raises ValueError where the settings contradict themselves.

        `earlier`: subscriptions that a session may still have from a run with other settings; what is not wanted now is ended.
        """
        where = endpoint(settings)
        self._settings = settings
        self._intake = intake
        self._sites = tuple(sites)
        self._clock = clock
        self._guard = threading.Lock()
        self._lanes_up = dict.fromkeys(Lane, False)
        self._said: tuple[bool, Cause] | None = None  # what was last reported
        self._stopping = threading.Event()
        self._watch: threading.Thread | None = None
        self._stalled: set[Lane] = set()
        expected = expect_session or {}
        self._sessions = {
            lane: Session(
                settings,
                where,
                lane,
                [topic for topic, session in subscriptions if session is lane],
                intake,
                self,
                clock,
                (lambda topic: lane_of(topic) is Lane.ALARM) if lane is Lane.TELEMETRY and lane_of else None,
                expected.get(lane, False),
            )
            for lane in Lane
        }
        for topic, lane in sorted(set(earlier) - set(subscriptions)):
            self._sessions[lane].unwanted += (topic,)

    # --- life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect in the background; returns at once, also when there is no broker."""
        for session in self._sessions.values():
            session.start()
        self._watch = threading.Thread(target=self._watch_threads, name="mqtt-watch", daemon=True)
        self._watch.start()

    def stop(self) -> None:
        """Disconnect in good order, keeping both sessions at the broker. Within STOP_WITHIN_S."""
        self._stopping.set()
        for session in self._sessions.values():
            session.ask_to_stop()
        deadline = time.monotonic() + STOP_WITHIN_S
        for session in self._sessions.values():
            if not session.join(max(0.0, deadline - time.monotonic())):
                log.warning("mqtt: session %s is still connecting; left behind", session.client_id)
        if self._watch is not None:
            self._watch.join(STOP_WITHIN_S)

    @property
    def connected(self) -> bool:
        """Both sessions are connected."""
        return all(session.connected for session in self._sessions.values())

    def state(self) -> MqttState:
        """For health and metrics."""
        lanes = tuple(session.state() for session in self._sessions.values())
        return MqttState(connected=self.connected, lanes=lanes)

    # --- ways out ---------------------------------------------------------------------------------------------

    def publish(self, topic: str, payload: bytes) -> bool:
        """QoS 1 through the alarm session; False where there is no connection now. Never raises."""
        return self._sessions[Lane.ALARM].publish(topic, payload)

    @property
    def connection_number(self) -> int | None:
        """TopicPublisher: of the alarm session, as everything that leaves the hub on purpose."""
        return self._sessions[Lane.ALARM].connection_number

    def publish_state(self, topic: str, payload: bytes, timeout_s: float) -> bool:
        """TopicPublisher."""
        return self._sessions[Lane.ALARM].publish_confirmed(topic, payload, timeout_s)

    def publish_canary(self, number: int) -> bool:
        """A message to ourselves on each of the two ways; False where one of them cannot be sent."""
        payload = msgspec.json.encode({"number": number, "sent_at": self._clock()})
        sent = [
            session.publish(canary_topic(self._settings.client_id, lane), payload)
            for lane, session in self._sessions.items()
        ]
        return all(sent)

    def send(
        self, site: str, device: str, command_id: str, name: str, args: Mapping[str, Any], reply_by: UtcMs
    ) -> bool:
        """CommandSender, profile hub-json: `hub/v1/{site}/{device}/command`."""
        command = {
            "id": command_id,
            "at": iso(self._clock()),
            "name": name,
            "args": dict(args),
            "reply_by": iso(reply_by),
        }
        try:
            payload = msgspec.json.encode(command)
        except (TypeError, ValueError, OverflowError):
            log.exception("mqtt: command %s to %s/%s cannot be written as JSON", name, site, device)
            return False
        return self.publish(command_topic(site, device), payload)

    # --- SessionOwner, in the network threads -----------------------------------------------------------------

    def lane_up(self, lane: Lane, session_lost: bool) -> None:
        """Up is said once both are; a lost session is said in any case."""
        with self._guard:
            self._lanes_up[lane] = True
            if all(self._lanes_up.values()):
                self._say(up=True, cause=Cause.CONNECTED)
        if session_lost:
            log.warning(
                "mqtt: the broker has lost session %s; messages may be lost", self._settings.lane_client_id(lane)
            )
            self._report(up=True, cause=Cause.SESSION_LOST)

    def lane_down(self, lane: Lane, cause: Cause, detail: str) -> None:
        """Said once, and again only when the cause becomes another."""
        with self._guard:
            self._lanes_up[lane] = False
            self._say(up=False, cause=cause, detail=detail)

    def lane_refused(self, lane: Lane, filters: Sequence[str]) -> None:
        """Connected, but some messages will not come. `state` says so as long as it lasts."""
        log.error(
            "mqtt: the broker does not grant %s; its permissions for the hub's user are wrong", ", ".join(filters)
        )

    def _say(self, *, up: bool, cause: Cause, detail: str = "") -> None:
        """Report a change. A second cause while down is news only when it is a person's job to see to it."""
        if self._said is not None and self._said[0] == up and (up or cause in {self._said[1], *_PASSING}):
            return
        self._said = (up, cause)
        if up:
            log.info("mqtt: connected to %s", self._settings.url)
        else:
            log.warning("mqtt: no connection to %s: %s (%s)", self._settings.url, cause, detail)
        self._report(up=up, cause=cause)

    def _report(self, *, up: bool, cause: Cause) -> None:
        now = self._clock()
        for site in self._sites:
            try:
                self._intake.report(
                    GatewayChanged(site=site, gateway=GATEWAY, up=up, cause=cause, occurred_at=now, received_at=now)
                )
            except Exception:
                log.exception("mqtt: the intake does not take a report")

    # --- watchdog ---------------------------------------------------------------------------------------------

    def _watch_threads(self) -> None:
        while not self._stopping.wait(WATCH_EVERY_S):
            for lane, session in self._sessions.items():
                self.look_after(lane, session)

    def look_after(self, lane: Lane, session: Session) -> None:
        """A dead network thread is replaced; one that hangs is reported, because two at a time would be worse."""
        if not session.thread_alive:
            log.critical("mqtt: network thread of %s died; starting a new one", session.client_id)
            self.lane_down(lane, Cause.THREAD_DIED, "replaced")
            session.start()
        elif session.state().silent_s > STALLED_AFTER_S:
            if lane not in self._stalled:
                self._stalled.add(lane)
                self.lane_down(lane, Cause.STALLED, f"network thread silent for more than {STALLED_AFTER_S:g} s")
        elif lane in self._stalled:
            self._stalled.discard(lane)
            if session.connected:
                self.lane_up(lane, session_lost=False)


_PASSING: Final = frozenset({Cause.CONNECTION_LOST, Cause.UNREACHABLE, Cause.NO_ANSWER, Cause.CLOSED_AT_ONCE})
"""Causes that follow each other while a broker is away; one report is enough for all of them."""
