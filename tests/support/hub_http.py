"""A client of the hub's HTTP API and of its live feed, with the standard library alone.

Rule: what it knows is in the contract. One `HubHttp` per thread: it keeps one connection open.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from support.waiting import wait_until

BASE = "/api/v1"


@dataclass(frozen=True)
class Answer:
    """What the hub answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class HubHttp:
    """`url` as the hub prints it after `ready`."""

    def __init__(self, url: str, token: str | None = None, timeout: float = 10) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def close(self) -> None:
        self._connection.close()

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **query: Any
    ) -> Answer:
        """Any path of the hub; a connection that was closed meanwhile is opened again, once."""
        if query:
            path = f"{path}?{urlencode({name.rstrip('_'): value for name, value in query.items()})}"
        sent = self._headers | dict(headers or {})
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        try:
            return self._once(method, path, data, sent)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            self._connection.close()
            return self._once(method, path, data, sent)

    def _once(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            self._connection.request(method, path, data, dict(headers))
            response = self._connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        except BaseException:
            self._connection.close()
            raise

    def get(self, path: str, **query: Any) -> Any:
        """JSON of a path under the API's base."""
        answer = self.request("GET", BASE + path, **query)
        assert answer.status == 200, f"GET {path}: {answer.status} {answer.body[:500]!r}"
        return answer.json()

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("POST", BASE + path, {} if body is None else body, headers)

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Every item of a list."""
        cursor: dict[str, Any] = {}
        while True:
            page = self.get(path, **(query | cursor))
            yield from page["items"]
            if page["next"] is None:
                return
            cursor = {"cursor": page["next"]}


@dataclass(frozen=True)
class Change:
    """One frame of the live feed. `received_ns` is of time.time_ns()."""

    seq: int | None
    event: str  # `message` for the rows of the feed
    data: Any
    received_ns: int


class LiveFeed:
    """Reads `GET /feed/stream` in a thread; use as a context manager, entered when the hub has said hello."""

    def __init__(self, url: str, token: str, last_event_id: int | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.frames: list[Change] = []
        self.ended = threading.Event()
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = str(last_event_id)
        self._connection.request("GET", f"{BASE}/feed/stream", headers=headers)
        self._response = self._connection.getresponse()
        assert self._response.status == 200, self._response.read()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: any(frame.event == "hello" for frame in self.frames), 10, "the stream says no hello")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up, without a word."""
        with contextlib.suppress(OSError):
            if self._connection.sock is not None:
                self._connection.sock.shutdown(2)
        self._thread.join(5)
        self._response.close()
        self._connection.close()

    def rows(self) -> list[Change]:
        """The numbered changes so far, in the order of arrival."""
        return [frame for frame in list(self.frames) if frame.event == "message"]

    def wait_for(self, wanted: Callable[[Change], bool], timeout: float = 10) -> Change:
        """The first frame that fits."""
        found = wait_until(
            lambda: [frame for frame in list(self.frames) if wanted(frame)],
            timeout,
            lambda: f"no such change; {len(self.frames)} frames came",
        )
        return found[0]

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            for line in iter(self._response.readline, b""):
                received = time.time_ns()
                text = line.decode().rstrip("\r\n")
                if text:
                    name, _, value = text.partition(": ")
                    fields[name] = value
                elif fields:
                    self._take(fields, received)
                    fields = {}
        except (OSError, ValueError, http.client.HTTPException):
            pass  # hung up, by us or by a hub that was killed
        finally:
            self.ended.set()

    def _take(self, fields: Mapping[str, str], received: int) -> None:
        if "data" in fields:
            seq = int(fields["id"]) if "id" in fields else None
            self.frames.append(Change(seq, fields.get("event", "message"), json.loads(fields["data"]), received))
