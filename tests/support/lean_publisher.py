"""A publisher on a bare socket (MQTT 3.1.1, QoS 1) that knows of every message whether the broker has acknowledged it.

Rule: it must never be what a measurement measures; so packets are built before the clock runs, and sent in chunks. It
comes back after a broken connection and sends again what was not acknowledged.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from support.brokers import TestBroker
from support.mqtt_wire import variable_length
from support.waiting import wait_until

Message: TypeAlias = tuple[str, bytes]
CHUNK = 64
SILENCE_S = 30.0


class PublisherError(Exception):
    """The broker refused us, or said nothing for too long."""


class LeanPublisher:
    """One connection. `acked[i]` is 1 once the broker has acknowledged message i; `sent_ns[i]`: when it first left."""

    def __init__(
        self, broker: TestBroker, client_id: str = "lean", *, window: int = 800, port: int | None = None
    ) -> None:
        assert broker.tls is None, "this publisher speaks no TLS"
        self._broker = broker
        self._port = port if port is not None else getattr(broker, "port_311", broker.port)
        self._client_id = client_id
        self._window = window
        self._heads: list[bytes] = []
        self._tails: list[bytes] = []
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._index_of: dict[int, int] = {}  # packet id → message, for what is under way
        self._again: list[int] = []
        self._next_id = 1
        self._next = 0
        self.acked = bytearray()
        self.sent_ns: list[int] = []
        self.reconnects = 0

    def add(self, messages: Sequence[Message]) -> None:
        """More messages, in order."""
        for topic, payload in messages:
            name = topic.encode()
            length = 2 + len(name) + 2 + len(payload)
            self._heads.append(b"\x32" + variable_length(length) + struct.pack(">H", len(name)) + name)
            self._tails.append(payload)
        self.acked.extend(bytes(len(messages)))
        self.sent_ns.extend([0] * len(messages))

    @property
    def sent(self) -> int:
        """How many have left at least once."""
        return self._next

    @property
    def unacked(self) -> int:
        return len(self.acked) - sum(self.acked)

    def connect(self) -> None:
        """Raises PublisherError (refused) or OSError (not there)."""
        sock = socket.create_connection((self._broker.host, self._port), timeout=10)
        try:
            self._greet(sock)
        except BaseException:
            sock.close()
            raise
        self._socket = sock
        self._buffer = b""

    def _greet(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        parts = [self._client_id, self._broker.username, self._broker.password]
        body = b"\x00\x04MQTT\x04\xc2\x00\x00" + b"".join(
            struct.pack(">H", len(p.encode())) + p.encode() for p in parts
        )
        sock.sendall(b"\x10" + variable_length(len(body)) + body)
        answer = sock.recv(4)
        if len(answer) < 4:
            raise ConnectionResetError("no CONNACK")
        if answer[3] != 0:
            raise PublisherError(f"refused: CONNACK {answer[3]}")

    def close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendall(b"\xe0\x00")
            self._socket.close()
            self._socket = None

    def run(self, rate: float | None = None, stop: Callable[[], bool] = lambda: False) -> None:
        """Send what was added, at `rate` messages/s or as fast as the window allows, until all is acknowledged.

        `stop` ends it early, with what is unacknowledged left so. Raises PublisherError after SILENCE_S without progress.
        """
        started, first = time.perf_counter(), self._next
        quiet_since = time.monotonic()
        while not stop() and (self._next < len(self._heads) or self._index_of or self._again):
            try:
                if self._socket is None:
                    self._reconnect(stop)
                    continue
                due = len(self._heads)
                if rate is not None:
                    due = min(due, first + int((time.perf_counter() - started) * rate))
                wrote = self._write(due)
                if self._read(0.0 if wrote else _pause(rate)) or wrote or (rate is not None and not self._index_of):
                    quiet_since = time.monotonic()
            except OSError:
                self._lost()
            if time.monotonic() - quiet_since > SILENCE_S:
                raise PublisherError(f"no acknowledgement for {SILENCE_S:g} s; {len(self._index_of)} are under way")

    def _reconnect(self, stop: Callable[[], bool]) -> None:
        try:
            wait_until(lambda: stop() or self._connected_again(), SILENCE_S)
        except AssertionError as error:
            raise PublisherError(f"no broker for {SILENCE_S:g} s") from error

    def _connected_again(self) -> bool:
        try:
            self.connect()
        except OSError:
            return False
        self.reconnects += 1
        return True

    def _lost(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._again = sorted({*self._again, *self._index_of.values()})
        self._index_of.clear()

    def _write(self, due: int) -> bool:
        """One chunk at most, those that have to go again first."""
        assert self._socket is not None
        room = min(CHUNK, self._window - len(self._index_of))
        if room <= 0:
            return False
        again, self._again = self._again[:room], self._again[room:]
        fresh = range(self._next, min(due, self._next + room - len(again)))
        if not again and not fresh:
            return False
        now = time.time_ns()
        parts: list[bytes] = []
        for index in (*again, *fresh):
            packet_id = self._take_id()
            self._index_of[packet_id] = index
            head = self._heads[index]
            if self.sent_ns[index]:
                head = b"\x3a" + head[1:]
            else:
                self.sent_ns[index] = now
            parts += (head, packet_id.to_bytes(2, "big"), self._tails[index])
        self._next += len(fresh)
        self._socket.sendall(b"".join(parts))
        return True

    def _take_id(self) -> int:
        while self._next_id in self._index_of:
            self._next_id = self._next_id % 65_535 + 1
        taken = self._next_id
        self._next_id = taken % 65_535 + 1
        return taken

    def _read(self, wait_s: float) -> bool:
        assert self._socket is not None
        if not select.select([self._socket], [], [], wait_s)[0]:
            return False
        data = self._socket.recv(65_536)
        if not data:
            raise ConnectionResetError("closed by the broker")
        buffer = self._buffer + data
        whole = len(buffer) - len(buffer) % 4
        for at in range(0, whole, 4):
            if buffer[at] != 0x40:
                raise PublisherError(f"not a PUBACK: {buffer[at : at + 4]!r}")
            index = self._index_of.pop(buffer[at + 2] << 8 | buffer[at + 3], None)
            if index is not None:
                self.acked[index] = 1
        self._buffer = buffer[whole:]
        return True


def _pause(rate: float | None) -> float:
    return 0.002 if rate is not None else 0.05
