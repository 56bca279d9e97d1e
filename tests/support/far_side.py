"""The far side of notices: a provider on loopback that a test tells what to answer, and that fails it on a notice nobody
expected. `/gateway/{channel}` speaks like an SMS gateway, `/chat/{channel}/{address}` takes what Apprise's json:// sends.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from support.waiting import wait_until

HANG, DROP, ACCEPT_THEN_DROP, ENDLESS = "hang", "drop", "accept_then_drop", "endless"


@dataclass(frozen=True)
class Arrived:
    """A notice that the far side has taken."""

    channel: str
    to: str
    title: str
    body: str
    key: str


class FarSide:
    """`script(channel, …)` sets what the next requests get (a status, or HANG, DROP …); afterwards 200 again."""

    def __init__(self) -> None:
        self._arrived: list[Arrived] = []
        self.requests: list[Arrived] = []
        self.raw: list[tuple[str, dict[str, str], bytes]] = []
        self._scripts: dict[str, deque[Any]] = defaultdict(deque)
        self.always: dict[str, Any] = {}
        self.release = threading.Event()
        self.lock = threading.Lock()
        self.reply: dict[str, Any] = {"code": "OK", "id": "receipt-1"}
        self.retry_after: str | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def script(self, channel: str, *answers: Any) -> None:
        """What the next requests on this channel get."""
        self._scripts[channel].extend(answers)

    def url(self, channel: str) -> str:
        """Of the channel's gateway."""
        return f"http://127.0.0.1:{self.port}/gateway/{channel}"

    def apprise_url(self, channel: str) -> str:
        """For Apprise."""
        return f"json://127.0.0.1:{self.port}/chat/{channel}/{{address}}"

    def expect(self, channel: str, *texts: str, to: str | None = None, timeout: float = 10) -> Arrived:
        """Wait for a notice on this channel that holds all texts; it is no surprise any more."""

        def found() -> Arrived | None:
            with self.lock:
                for each in self._arrived:
                    said = each.title + "\n" + each.body
                    if each.channel == channel and all(t in said for t in texts) and to in (None, each.to):
                        self._arrived.remove(each)
                        return each
            return None

        arrived = wait_until(found, timeout, lambda: f"{channel} {texts} among {self._arrived}")
        assert arrived is not None
        return arrived

    def nothing_else(self) -> None:
        """Whatever arrived was expected."""
        with self.lock:
            unexpected = list(self._arrived)
        assert unexpected == [], f"unexpected notices: {unexpected}"

    def answer_for(self, channel: str) -> Any:
        with self.lock:
            return self._scripts[channel].popleft() if self._scripts[channel] else self.always.get(channel, 200)

    def note(self, arrived: Arrived, *, taken: bool) -> None:
        with self.lock:
            self.requests.append(arrived)
            if taken:
                self._arrived.append(arrived)

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        far_side = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                announced = int(self.headers.get("Content-Length") or 0)
                payload = self.rfile.read(announced)
                if len(payload) < announced:  # whoever sent it was killed on the way: nothing has arrived
                    self.close_connection = True
                    return
                far_side.raw.append((self.path, dict(self.headers), payload))
                _, channel, *rest = self.path.strip("/").split("/")
                body = json.loads(payload or b"{}")
                arrived = Arrived(
                    channel,
                    body.get("to", rest[0] if rest else ""),
                    body.get("title", ""),
                    body.get("message", body.get("text", "")),
                    body.get("key", ""),
                )
                answer = far_side.answer_for(channel)
                far_side.note(arrived, taken=answer in (200, ACCEPT_THEN_DROP))
                self._answer(answer)

            def _answer(self, answer: Any) -> None:
                if answer == HANG:
                    far_side.release.wait(30)
                    return
                if answer in (DROP, ACCEPT_THEN_DROP):
                    self.close_connection = True
                    return
                if answer == ENDLESS:
                    self._endless()
                    return
                reply = far_side.reply if answer == 200 else {"code": "BUSY" if answer == 202 else "NO"}
                out = json.dumps(reply).encode()
                self.send_response(200 if answer == 202 else answer)
                if far_side.retry_after is not None:
                    self.send_header("Retry-After", far_side.retry_after)
                if answer in (301, 302, 307):
                    self.send_header("Location", far_side.url("elsewhere"))
                self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

            def _endless(self) -> None:
                self.send_response(200)
                self.end_headers()
                try:
                    while not far_side.release.is_set():
                        self.wfile.write(b"x" * 4096)
                except OSError:
                    return

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        return Handler


@pytest.fixture
def far_side() -> Iterator[FarSide]:
    """A provider; at the end of the test nothing unexpected may have arrived."""
    side = FarSide()
    try:
        yield side
        side.nothing_else()
    finally:
        side.close()
