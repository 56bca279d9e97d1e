"""One connection to the broker, from CONNECT to its end, with its own paho client and in the caller's thread.

A new connection gets a new client: packet ids start again at 1 with each session, so an acknowledgement that comes too
late must find nobody to talk to (domain/reliability.md P7). paho's own loop thread is not used, because any exception
ends it silently (P4, P9); here it ends the connection, with a cause.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, Final
from typing import Protocol as Shape

from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from connectors.mqtt_client import EagerClient
from connectors.mqtt_publish import Arrival
from connectors.mqtt_retry import Cause, LinkEnd
from connectors.mqtt_settings import Endpoint, MqttSettings, Protocol
from connectors.prompt_tcp import acknowledge_at_once, send_at_once

log = logging.getLogger(__name__)

LOOK_UP_S: Final = 0.5
"""Longest sleep in the network loop; also how often it shows that it lives."""

READS_AT_ONCE: Final = 64
MAX_PUBLISH_BYTES: Final = 256 * 1024
REMEMBERED_REFUSALS: Final = 100
SESSION_TAKEN_OVER: Final = 0x8E
UNSUPPORTED_PROTOCOL: Final = 0x84
NOT_AUTHORISED: Final = frozenset({0x86, 0x87, 0x8C})
"""Bad user name or password; not authorised; bad authentication method (MQTT 5, 3.2.2.2). paho maps 3.1.1's to these."""


class LinkOwner(Shape):
    """Who is told what happens on the connection, in the network thread."""

    def on_up(self, link: Link, session_present: bool) -> None:
        """CONNACK came; the subscriptions are on their way."""

    def on_subscribed(self, link: Link, refused: Sequence[str]) -> None:
        """SUBACK came; `refused` are the filters that the broker does not grant."""

    def on_arrival(self, link: Link, arrival: Arrival) -> None:
        """A message came. Must not raise."""

    def on_turn(self, link: Link) -> None:
        """The network loop turns: at least every LOOK_UP_S."""

    def on_publish_refused(self, link: Link, reason: str) -> None:
        """The broker does not take what we have published (MQTT 5 only)."""


class Link:
    """Create it, call `run` once in a thread of its own; `acknowledge`, `publish` and `close` from any thread."""

    def __init__(
        self,
        settings: MqttSettings,
        where: Endpoint,
        client_id: str,
        version: Protocol,
        filters: Sequence[str],
        epoch: int,
        owner: LinkOwner,
        *,
        keep: bool = True,
    ) -> None:
        self.epoch = epoch
        self.version = version
        self.up = False
        self.unacked: dict[int, float] = {}  # packet id → when it came (monotonic seconds), oldest first
        self._safe: set[int] = set()  # of these: stored, but the broker is not told yet, because an older one is not
        self._acking = threading.Lock()
        self._settings = settings
        self._where = where
        self._filters = tuple(filters)
        self.unwanted: tuple[str, ...] = ()  # filters that the kept session may still have, and that are ended
        self._owner = owner
        self._keep = keep  # the session, at the broker
        self._refused: deque[int] = deque(maxlen=REMEMBERED_REFUSALS)  # packet ids of what the broker did not take
        self._end: LinkEnd | None = None
        self._up_at = 0.0
        self._closing = threading.Event()
        self._closing_cause = Cause.STOPPED
        self._wake_r, self._wake_w = socket.socketpair()
        self._wake_r.setblocking(False)
        self._wake_w.setblocking(False)
        self._woken = False
        self._client = self._make_client(client_id)

    # --- from any thread --------------------------------------------------------------------------------------

    def acknowledge(self, packet_ids: Sequence[int]) -> int:
        """These are safe: tell the broker. The number of those that were not known to be safe before. Never raises.

        PUBACKs leave in the order in which the messages came (MQTT 3.1.1 4.6 and MQTT 5 4.6; rumqttd hangs up otherwise): what
        came later waits for what is still being worked on.
        """
        with self._acking:
            fresh = {packet_id for packet_id in packet_ids if packet_id in self.unacked} - self._safe
            self._safe |= fresh
            ready = list(takewhile(self._safe.__contains__, self.unacked))
            for packet_id in ready:
                del self.unacked[packet_id]
            self._safe.difference_update(ready)
            if ready:
                self._client.acknowledge(ready)
        self.wake()
        return len(fresh)

    def note_arrival(self, packet_id: int) -> None:
        """A message with QoS 1 came; called in the network thread, in the order of arrival."""
        with self._acking:
            self.unacked[packet_id] = time.monotonic()

    def acknowledge_one(self, packet_id: int, qos: int) -> None:
        """For a message that nothing was noted of."""
        if qos:
            self._client.ack(packet_id, qos)
            self.wake()

    def publish(self, topic: str, payload: bytes) -> bool:
        """Hand a message over to the network thread, QoS 1; False where the connection is not up or will not take it."""
        if not self.up or len(payload) > MAX_PUBLISH_BYTES:
            return False
        try:
            taken = self._client.publish(topic, payload, qos=1)
        except (ValueError, TypeError, RuntimeError) as error:
            log.warning("mqtt: cannot publish to %s: %s", topic, error)
            return False
        self.wake()
        return taken.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def publish_confirmed(self, topic: str, payload: bytes, timeout_s: float) -> bool:
        """Hand over a retained message, QoS 1, and wait for the broker's word; False where it does not come or is no."""
        if not self.up or len(payload) > MAX_PUBLISH_BYTES:
            return False
        try:
            handed = self._client.publish(topic, payload, qos=1, retain=True)
            self.wake()
            handed.wait_for_publish(timeout_s)
            confirmed = handed.is_published()
        except (ValueError, TypeError, RuntimeError) as error:
            log.warning("mqtt: cannot publish to %s: %s", topic, error)
            return False
        return confirmed and handed.mid not in self._refused

    def resubscribe(self, filters: Sequence[str]) -> None:
        """Ask again for filters that were refused."""
        self._filters = tuple(filters)
        self._subscribe()
        self.wake()

    def close(self, cause: Cause = Cause.STOPPED) -> None:
        """Ask for an orderly end; `run` returns soon after with this cause."""
        self._closing_cause = cause
        self._closing.set()
        self.wake()

    def wake(self) -> None:
        """Let the network loop look up now; whoever comes before it has looked up needs no second call."""
        if self._woken:
            return
        self._woken = True
        with contextlib.suppress(OSError):  # full: it looks up anyway; closed: there is nothing to look at any more
            self._wake_w.send(b"\0")

    def oldest_unacked_s(self) -> float:
        """Age of the oldest message that is not acknowledged; 0 where there is none."""
        try:
            return time.monotonic() - next(iter(self.unacked.values()))
        except (StopIteration, RuntimeError):  # empty, or changed by another thread just now
            return 0.0

    # --- the network thread -----------------------------------------------------------------------------------

    def run(self) -> LinkEnd:
        """Connect and stay until the end. Never raises."""
        try:
            self._client.connect(
                self._where.host,
                self._where.port,
                self._settings.keepalive_s,
                **self._connect_options(),
            )
            self._turn_until_end()
        except Exception as error:
            self._finish(_cause_of(error), f"{type(error).__name__}: {error}")
            if _cause_of(error) is Cause.THREAD_FAILED:
                log.exception("mqtt: network loop failed")
        finally:
            self._release()
        return self._end or LinkEnd(Cause.CONNECTION_LOST)

    def _turn_until_end(self) -> None:
        deadline = time.monotonic() + self._settings.connect_timeout_s
        with selectors.DefaultSelector() as selector:
            sock: Any = self._client.socket()
            if sock is None:
                self._finish(Cause.CONNECTION_LOST, "closed at once")
                return
            send_at_once(sock)
            selector.register(self._wake_r, selectors.EVENT_READ)
            selector.register(sock, selectors.EVENT_READ)
            while self._end is None and self._client.socket() is not None:
                self._turn(selector, sock)
                self._expect_answer_by(deadline)
                if self._closing.is_set():
                    self._say_goodbye(selector, sock)
        self._finish(Cause.CONNECTION_LOST, "closed by the broker")

    def _expect_answer_by(self, deadline: float) -> None:
        if not self._up_at and time.monotonic() > deadline:
            self._finish(Cause.NO_ANSWER, f"no CONNACK within {self._settings.connect_timeout_s:g} s")

    def _turn(self, selector: selectors.BaseSelector, sock: Any) -> None:
        """One look at the socket: read, write, keep alive."""
        wants = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._client.want_write() else 0)
        selector.modify(sock, wants)
        pending = self._client.ahead > 0 or (isinstance(sock, ssl.SSLSocket) and sock.pending() > 0)
        for key, events in selector.select(0 if pending else LOOK_UP_S):
            if key.fileobj is self._wake_r:
                _drain(self._wake_r)
                self._woken = False  # before it is looked at what there is to do
            elif events & selectors.EVENT_READ:
                pending = True
        if pending:
            self._read()
            if self._client.socket() is not None:
                acknowledge_at_once(sock)
        if self._client.want_write():
            self._client.loop_write()
        self._client.loop_misc()
        self._owner.on_turn(self)

    def _read(self) -> None:
        """Several packets for one look: paho reads one at a time."""
        for _ in range(READS_AT_ONCE):
            before = self._seen
            if self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS or self._seen == before:
                return

    def _say_goodbye(self, selector: selectors.BaseSelector, sock: Any) -> None:
        self._finish(self._closing_cause, "asked to close")
        self._client.disconnect()
        deadline = time.monotonic() + LOOK_UP_S
        while self._client.socket() is not None and self._client.want_write() and time.monotonic() < deadline:
            selector.modify(sock, selectors.EVENT_WRITE)
            selector.select(0.05)
            self._client.loop_write()

    def _finish(self, cause: Cause, detail: str) -> None:
        """The first cause counts: what follows are its consequences."""
        if self._end is None:
            lived = time.monotonic() - self._up_at if self._up_at else 0.0
            if not self._up_at and cause is Cause.CONNECTION_LOST:
                cause = Cause.CLOSED_AT_ONCE  # what brokers do that do not know the version
            self._end = LinkEnd(cause, detail, bool(self._up_at), lived)
        self.up = False

    def _release(self) -> None:
        self.up = False
        sock = self._client.socket()
        if sock is not None:
            sock.close()
        self._wake_r.close()
        self._wake_w.close()

    # --- the paho client and its callbacks --------------------------------------------------------------------

    def _make_client(self, client_id: str) -> EagerClient:
        v5 = self.version is Protocol.V5
        options: dict[str, Any] = {} if v5 else {"clean_session": not self._keep}
        client = EagerClient(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
            on_arrival=self._on_arrival,
            **options,
        )
        client.connect_timeout = self._settings.connect_timeout_s
        self._seen = 0
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_socket_register_write = self._on_wants_write
        if self._settings.username is not None:
            client.username_pw_set(self._settings.username, self._settings.password)
        return client

    def _connect_options(self) -> dict[str, Any]:
        if self._where.tls:
            context = ssl.create_default_context(cafile=self._settings.ca)
            context.sslsocket_class = _ClosingSslSocket
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self._settings.cert and self._settings.key:
                context.load_cert_chain(self._settings.cert, self._settings.key)
            self._client.tls_set_context(context)
        if self.version is not Protocol.V5:
            return {}
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._settings.session_expiry_s if self._keep else 0
        properties.ReceiveMaximum = self._settings.receive_maximum
        return {"clean_start": not self._keep, "properties": properties}

    def _subscribe(self) -> None:
        if self.version is Protocol.V5:
            only_if_new = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            self._client.subscribe([(name, only_if_new) for name in self._filters])
        else:
            self._client.subscribe([(name, 1) for name in self._filters])

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: ReasonCode, _props: Any) -> None:
        if reason.is_failure:
            self._finish(_cause_of_refusal(reason.value), str(reason))
            return
        self._up_at = time.monotonic()
        self.up = True
        if self.unwanted:
            self._client.unsubscribe(list(self.unwanted))
        self._subscribe()
        self._owner.on_up(self, bool(flags.session_present))

    def _on_disconnect(self, _client: Any, _data: Any, flags: Any, reason: ReasonCode, _props: Any) -> None:
        if flags.is_disconnect_packet_from_server and reason.value == SESSION_TAKEN_OVER:
            self._finish(Cause.CLIENT_ID_TAKEN, str(reason))
        elif str(reason) == "Keep alive timeout":
            self._finish(Cause.NO_ANSWER, str(reason))
        else:
            self._finish(Cause.CONNECTION_LOST, str(reason))

    def _on_arrival(self, arrival: Arrival) -> None:
        self._seen += 1
        self._owner.on_arrival(self, arrival)

    def _on_subscribe(self, _client: Any, _data: Any, _mid: int, reasons: Sequence[ReasonCode], _props: Any) -> None:
        refused = [name for name, reason in zip(self._filters, reasons, strict=False) if reason.is_failure]
        self._owner.on_subscribed(self, refused)

    def _on_publish(self, _client: Any, _data: Any, mid: int, reason: ReasonCode, _props: Any) -> None:
        if reason.is_failure:
            self._refused.append(mid)
            self._owner.on_publish_refused(self, str(reason))

    def _on_wants_write(self, _client: Any, _data: Any, _sock: Any) -> None:
        self.wake()


class _ClosingSslSocket(ssl.SSLSocket):
    """paho forgets the socket of a handshake that failed; this one closes itself."""

    def do_handshake(self, block: bool = False) -> None:
        """As in the standard library."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _drain(wake: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):  # somebody else has emptied it
        wake.recv(4096)


def _cause_of(error: Exception) -> Cause:
    """Which word fits an exception of connect or of the loop."""
    if isinstance(error, ssl.SSLError | ssl.CertificateError | FileNotFoundError | PermissionError | IsADirectoryError):
        return Cause.TLS_FAILED
    if isinstance(error, socket.gaierror):
        return Cause.UNKNOWN_HOST
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return Cause.CONNECTION_LOST
    return Cause.UNREACHABLE if isinstance(error, OSError) else Cause.THREAD_FAILED


def _cause_of_refusal(code: int) -> Cause:
    if code == UNSUPPORTED_PROTOCOL:
        return Cause.PROTOCOL
    return Cause.NOT_AUTHORISED if code in NOT_AUTHORISED else Cause.REFUSED
