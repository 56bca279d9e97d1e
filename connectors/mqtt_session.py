"""One of the two sessions with the broker: connects again for ever, hands messages to the intake, acknowledges when told.

A message leaves here in one way only: into the intake. What the intake cannot take now waits here and is offered again;
nothing is acknowledged but by `acknowledge`, which the pipeline calls after its commit.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final
from typing import Protocol as Shape

import msgspec

from connectors.mqtt_link import Link
from connectors.mqtt_publish import Arrival
from connectors.mqtt_retry import Cause, LinkEnd, RetryPolicy
from connectors.mqtt_settings import Endpoint, MqttSettings
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import Intake, Lane, RawMessage, Receipt

log = logging.getLogger(__name__)

ASK_AGAIN_S: Final = 60.0
"""After this time, filters that the broker has refused are asked for again."""


class SessionOwner(Shape):
    """Who is told what becomes of the session."""

    def lane_up(self, lane: Lane, session_lost: bool) -> None:
        """Connected and subscribed. `session_lost`: the broker has forgotten what it kept for us."""

    def lane_down(self, lane: Lane, cause: Cause, detail: str) -> None:
        """No connection. Comes with every failed attempt."""

    def lane_refused(self, lane: Lane, filters: Sequence[str]) -> None:
        """Connected, but these filters are not granted."""


class LaneState(msgspec.Struct, frozen=True, kw_only=True):
    """What health shows of one session."""

    lane: str
    client_id: str
    connected: bool
    protocol: str
    epoch: int
    cause: str  # the last word: `connected`, or why not
    unacked: int
    oldest_unacked_s: float
    received: int
    acknowledged: int
    stale_acks: int  # receipts of an earlier connection, dropped
    repeated: int  # came again while still being worked on
    elsewhere: int  # alarms that the wide filter of the telemetry session brought a second time
    deferred: int  # the intake could not take them yet
    publish_refused: int
    thread_alive: bool
    silent_s: float  # since the network thread last showed that it lives


class Session:
    """One lane. `belongs_elsewhere(topic)`: the other session delivers this message; it is acknowledged and left to it."""

    def __init__(
        self,
        settings: MqttSettings,
        where: Endpoint,
        lane: Lane,
        filters: Sequence[str],
        intake: Intake,
        owner: SessionOwner,
        clock: Callable[[], UtcMs],
        belongs_elsewhere: Callable[[str], bool] | None = None,
        expect_session: bool = False,
    ) -> None:
        self.lane = lane
        self.client_id = settings.lane_client_id(lane)
        self._settings = settings
        self._where = where
        self._filters = tuple(filters)
        self._intake = intake
        self._owner = owner
        self._clock = clock
        self._belongs_elsewhere = belongs_elsewhere
        self._expect_session = expect_session
        self.unwanted: tuple[
            str, ...
        ] = ()  # filters of an earlier run that the broker may keep for us, and that are ended
        self._policy = RetryPolicy(settings.protocol, settings.longest_wait_s)
        self._link: Link | None = None
        self._epoch = 0
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._deferred: deque[RawMessage] = deque()
        self._session_lost = False
        self._ask_again_at = float("inf")
        self._last_turn = time.monotonic()
        self._cause = Cause.STOPPED
        self._received = self._acknowledged = self._stale = self._repeated = self._elsewhere = self._publish_refused = 0

    # --- from any thread --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; again after `thread_alive` became False."""
        self._last_turn = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{self.client_id}", daemon=True)
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Returns at once; see `join`."""
        self._stopping.set()
        link = self._link
        if link is not None:
            link.close()

    def join(self, timeout_s: float) -> bool:
        """Whether the network thread has ended within the time."""
        if self._thread is not None:
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        return True

    def acknowledge(self, receipts: Sequence[Receipt]) -> None:
        """AckSink: these are safe. Receipts of an older epoch are dropped. Never raises."""
        try:
            link = self._link
            current = [receipt.packet_id for receipt in receipts if link is not None and receipt.epoch == link.epoch]
            told = link.acknowledge(current) if link is not None and current else 0
            self._acknowledged += told
            self._stale += len(receipts) - told
        except Exception:
            log.exception("mqtt: acknowledging failed; the broker will deliver again")

    def publish(self, topic: str, payload: bytes) -> bool:
        """False where there is no connection now."""
        link = self._link
        return link is not None and link.publish(topic, payload)

    @property
    def connection_number(self) -> int | None:
        """The epoch; None where there is no connection now."""
        link = self._link
        return link.epoch if link is not None and link.up else None

    def publish_confirmed(self, topic: str, payload: bytes, timeout_s: float) -> bool:
        """A retained message that the broker has taken; False where it has not, or not in time."""
        link = self._link
        return link is not None and link.publish_confirmed(topic, payload, timeout_s)

    @property
    def connected(self) -> bool:
        """Connected; whether messages really come is the canary's business."""
        link = self._link
        return link is not None and link.up

    @property
    def thread_alive(self) -> bool:
        """Whether the network thread lives (or has been told to end)."""
        return self._stopping.is_set() or (self._thread is not None and self._thread.is_alive())

    def state(self) -> LaneState:
        """For health; each number by itself, not one moment's picture."""
        link = self._link
        return LaneState(
            lane=self.lane.name.lower(),
            client_id=self.client_id,
            connected=self.connected,
            protocol=(link.version if link is not None else self._policy.protocol).value,
            epoch=self._epoch,
            cause=self._cause.value,
            unacked=len(link.unacked) if link is not None else 0,
            oldest_unacked_s=link.oldest_unacked_s() if link is not None else 0.0,
            received=self._received,
            acknowledged=self._acknowledged,
            stale_acks=self._stale,
            repeated=self._repeated,
            elsewhere=self._elsewhere,
            deferred=len(self._deferred),
            publish_refused=self._publish_refused,
            thread_alive=self.thread_alive,
            silent_s=time.monotonic() - self._last_turn,
        )

    # --- the network thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            link = self._new_link()
            end = link.run()
            self._link = None
            if self._stopping.is_set():
                break
            self._wait_after(end)
        self._cause = Cause.STOPPED

    def _new_link(self) -> Link:
        self._epoch += 1
        # The broker delivers again what has a receipt of an earlier connection; the rest (QoS 0) is only here.
        self._deferred = deque(message for message in self._deferred if message.receipt is None)
        link = Link(
            self._settings, self._where, self.client_id, self._policy.protocol, self._filters, self._epoch, self
        )
        link.unwanted = self.unwanted
        self._link = link
        if self._stopping.is_set():
            link.close()
        return link

    def _wait_after(self, end: LinkEnd) -> None:
        self._last_turn = time.monotonic()
        then = self._policy.after(end, random.random())  # noqa: S311 - spreads reconnects, guards nothing
        self._cause = then.cause
        if then.wait_s > 0 or end.connected:
            self._owner.lane_down(self.lane, then.cause, end.detail)
        until = time.monotonic() + then.wait_s
        while not self._stopping.wait(min(1.0, max(0.0, until - time.monotonic()))) and time.monotonic() < until:
            self._last_turn = time.monotonic()

    # --- LinkOwner, in the network thread ---------------------------------------------------------------------

    def on_up(self, link: Link, session_present: bool) -> None:
        """A session that should have been there and is not: what waited in it is lost."""
        self._session_lost = self._expect_session and not session_present
        self._expect_session = True

    def on_subscribed(self, link: Link, refused: Sequence[str]) -> None:
        """Only now do messages come."""
        self._cause = Cause.SUBSCRIPTION_REFUSED if refused else Cause.CONNECTED
        self._ask_again_at = time.monotonic() + ASK_AGAIN_S if refused else float("inf")
        self._owner.lane_up(self.lane, self._session_lost)
        self._session_lost = False
        if refused:
            self._owner.lane_refused(self.lane, refused)

    def on_turn(self, link: Link) -> None:
        """Show that the thread lives; offer again what the intake could not take."""
        self._last_turn = time.monotonic()
        if self._deferred:
            self._offer_deferred()
        if self._last_turn > self._ask_again_at:
            self._ask_again_at = self._last_turn + ASK_AGAIN_S
            link.resubscribe(self._filters)

    def on_publish_refused(self, link: Link, reason: str) -> None:
        """Permissions at the broker are wrong; the canary or the command will be missed as well."""
        self._publish_refused += 1
        log.warning("mqtt: the broker refuses a message of the hub: %s", reason)

    def on_arrival(self, link: Link, arrival: Arrival) -> None:
        """Into the intake, whatever it is. Cannot raise (domain/reliability.md P4)."""
        try:
            self._take(link, arrival)
        except Exception:
            # Not acknowledged, so the broker keeps it; a new connection brings it again.
            log.exception("mqtt: a message could not be taken; connecting again to get it once more")
            link.close(Cause.THREAD_FAILED)

    def _take(self, link: Link, arrival: Arrival) -> None:
        packet_id = arrival.packet_id
        topic = _text_of(arrival.topic)
        if arrival.qos and packet_id in link.unacked:
            # Some brokers deliver again on the same connection while the first copy is still being worked on.
            self._repeated += 1
            return
        self._received += 1
        receipt = None
        if arrival.qos:
            link.note_arrival(packet_id)
            receipt = Receipt(link.epoch, packet_id, arrival.qos)
        if self._belongs_elsewhere is not None and self._belongs_elsewhere(topic):
            self._elsewhere += 1
            if receipt is not None:
                link.acknowledge((packet_id,))
            return
        raw = RawMessage(
            channel="mqtt",
            address=topic,
            payload=arrival.payload,
            received_at=self._clock(),
            lane=self.lane,
            retained=arrival.retained,
            sink=self,
            receipt=receipt,
        )
        if self._deferred or not self._offer(raw):
            self._deferred.append(raw)

    def _offer(self, raw: RawMessage) -> bool:
        """The intake never raises; if it does, the message waits here and stays unacknowledged."""
        try:
            self._intake.offer(raw)
        except Exception:
            log.exception("mqtt: the intake failed; message on %s waits", raw.address)
            return False
        return True

    def _offer_deferred(self) -> None:
        while self._deferred and self._offer(self._deferred[0]):
            self._deferred.popleft()


def _text_of(topic: bytes) -> str:
    """As every store takes it; a topic that is no UTF-8 keeps what can be read of it."""
    return topic.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
