"""One open feed stream: rows from the engine's thread to one reader, in order, without gaps, and never holding anyone up.

A reader that does not keep up is told to resynchronise and dropped; it comes back with Last-Event-ID and misses nothing.
A stream ends when the hub stops and when its sign-in was taken away (looked up at every heartbeat, LIVENESS_S).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import msgspec
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from api.auth import INPUT_STAFF, Credential, authenticate, visible
from api.health import readiness
from api.services import Services
from hub.pipeline import feed_queries
from hub.right_of_way import Claim, Hold
from hub.store.accounts import Principal
from hub.vocabulary.instants import iso

log = logging.getLogger(__name__)

LIVENESS_S: Final = 5.0
SLOW_READER_S: Final = 20.0
MAX_WAITING: Final = 2_000
PAGE: Final = 500
RETRY_MS: Final = 2_000


class Streams:
    """All open streams of this process, so that they can be ended together."""

    def __init__(self) -> None:
        self._open: set[Subscription] = set()
        self._lock = threading.Lock()
        self._closed = False

    def add(self, subscription: Subscription) -> None:
        """A stream begins."""
        with self._lock:
            self._open.add(subscription)
            closed = self._closed
        if closed:
            subscription.end()

    def remove(self, subscription: Subscription) -> None:
        """A stream is over."""
        with self._lock:
            self._open.discard(subscription)

    def close(self) -> None:
        """End every stream, now and from now on. From any thread."""
        with self._lock:
            self._closed = True
            going = list(self._open)
        for subscription in going:
            subscription.end()

    def __len__(self) -> int:
        """How many are open."""
        with self._lock:
            return len(self._open)


class Subscription:
    """Rows on their way to one reader. `push` and `end` may be called from any thread and never wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop, news: Claim, most: int = MAX_WAITING) -> None:
        self._loop = loop
        self._hold = Hold(news)
        self._most = most
        self._rows: deque[Any] = deque()
        self._wake = asyncio.Event()
        self.overflowed = False
        self.ended = False

    def push(self, rows: Sequence[Any]) -> None:
        """New rows."""
        self._hold.came()
        self._from_thread(self._take, rows)

    def told(self) -> None:
        """What `next` has given is with the reader."""
        self._hold.done()

    def close(self) -> None:
        """The reader is gone."""
        self._hold.done(over=True)

    def end(self) -> None:
        """No more rows will come: the hub stops."""
        self._from_thread(self._finish)

    def _from_thread(self, what: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody reads any more
            self._loop.call_soon_threadsafe(what, *args)

    def _take(self, rows: Sequence[Any]) -> None:
        if self.overflowed or self.ended:
            return
        if len(self._rows) + len(rows) > self._most:
            self.overflowed = True
            self._rows.clear()
        else:
            self._rows.extend(rows)
        self._wake.set()

    def _finish(self) -> None:
        self.ended = True
        self._wake.set()

    async def next(self, timeout_s: float) -> list[Any]:
        """The rows that came; empty when there were none in time, or when the stream is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), timeout_s)
        self._wake.clear()
        rows = list(self._rows)
        self._rows.clear()
        return rows


def hidden_types(principal: Principal) -> frozenset[str]:
    """Types of changes that are not for this caller's roles."""
    return frozenset() if principal.roles & INPUT_STAFF else frozenset({feed_queries.REJECTED})


def may_read(principal: Principal, row: Any) -> bool:
    """Whether this change is theirs to see: the same answer as feed_queries.page gives."""
    if row.type == feed_queries.REJECTED and not (principal.roles & INPUT_STAFF and principal.may_see(row.site)):
        return False
    return visible(principal, row.site)


def item_json(row: Any) -> str:
    """One row as the feed shows it; its body is JSON text already."""
    head = msgspec.json.encode({"seq": row.seq, "site": row.site, "at": iso(row.at), "type": row.type}).decode()
    return f'{head[:-1]},"body":{row.body}}}'


def _frame(data: str, event: str | None = None, number: int | None = None) -> str:
    lines = [f"id: {number}"] if number is not None else []
    if event is not None:
        lines.append(f"event: {event}")
    return "\n".join([*lines, f"data: {data}", "", ""])


class FeedStream:
    """What one reader is told, from number `after` on (None: from now on)."""

    def __init__(self, services: Services, principal: Principal, credential: Credential, after: int | None) -> None:
        self._services = services
        self._principal = principal
        self._credential = credential
        self._sent = after
        self._subscription = Subscription(asyncio.get_running_loop(), services.store.way.news)

    async def frames(self, streams: Streams) -> AsyncIterator[str]:
        """Text for the wire, until the stream is over."""
        unsubscribe = self._services.feed.subscribe(self._subscription.push)
        streams.add(self._subscription)
        try:
            yield f"retry: {RETRY_MS}\n\n"
            async for frame in self._catch_up():
                yield frame
            yield await self._heartbeat("hello")
            async for frame in self._follow():
                yield frame
        finally:
            unsubscribe()
            streams.remove(self._subscription)
            self._subscription.close()

    async def _catch_up(self) -> AsyncIterator[str]:
        """What the reader missed: from memory, or from the table; a resync where it is not kept any more."""
        newest = self._services.feed.latest_seq
        if self._sent is None or self._sent > newest:
            if self._sent is not None:  # a number from another time: the database was restored
                yield self._resync(newest)
            self._sent = newest
            return
        recent = self._services.feed.since(self._sent)
        if recent is not None:
            for chunk in _chunks(recent):
                yield self._rows(chunk)
            return
        if await run_in_threadpool(self._gone):
            yield self._resync(newest)
            self._sent = newest
            return
        while rows := await run_in_threadpool(self._page):
            yield self._rows(rows)

    def _gone(self) -> bool:
        assert self._sent is not None
        with self._services.store.read() as connection:
            oldest = feed_queries.oldest_seq(connection)
        return oldest is None or oldest > self._sent + 1

    def _page(self) -> list[Any]:
        assert self._sent is not None
        with self._services.store.read() as connection:
            return list(
                feed_queries.page(connection, self._sent, PAGE, self._principal.sites, hidden_types(self._principal))
            )

    async def _follow(self) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        due = loop.time() + LIVENESS_S
        while True:
            rows = await self._subscription.next(max(0.0, due - loop.time()))
            if frames := self._rows(rows):
                yield frames
            self._subscription.told()
            if self._subscription.ended:
                yield _frame("{}", "bye")
                return
            if self._subscription.overflowed:
                log.warning("a feed stream of %s did not keep up", self._principal.name)
                yield _frame(f'{{"seq":{self._sent}}}', "resync")
                return
            if loop.time() >= due:
                due = loop.time() + LIVENESS_S
                if not await self._still_signed_in():
                    yield _frame("{}", "signed_out")
                    return
                yield await self._heartbeat("heartbeat")

    def _rows(self, rows: Sequence[Any]) -> str:
        """Frames of those rows that the reader may see and has not seen."""
        assert self._sent is not None
        frames = []
        for row in rows:
            if row.seq:
                if row.seq <= self._sent:
                    continue
                self._sent = row.seq
            if may_read(self._principal, row):
                # A canary passes through without a number: it shows that the way is open, and is not kept.
                frames.append(_frame(item_json(row), None, row.seq) if row.seq else _frame(item_json(row), "canary"))
        return "".join(frames)

    def _resync(self, newest: int) -> str:
        return _frame(f'{{"seq":{newest}}}', "resync", newest)

    async def _still_signed_in(self) -> bool:
        found = await authenticate(self._services, self._credential)
        if found is None or not found.roles:
            return False
        self._principal = found
        return True

    async def _heartbeat(self, event: str) -> str:
        health = await run_in_threadpool(readiness, self._services)
        beat = {"seq": self._sent, "health": health}
        return _frame(msgspec.json.encode(beat).decode(), event, self._sent if event == "hello" else None)


def _chunks(rows: Sequence[Any]) -> list[Sequence[Any]]:
    return [rows[start : start + PAGE] for start in range(0, len(rows), PAGE)]


class EventStreamResponse(Response):
    """Sends frames as they come. A reader that takes nothing for SLOW_READER_S loses its connection."""

    media_type = "text/event-stream"

    def __init__(self, frames: AsyncIterator[str]) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pump until the frames end or the reader goes."""
        gone = asyncio.create_task(_until_gone(receive))
        pump = asyncio.create_task(self._pump(send))
        try:
            await asyncio.wait({gone, pump}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            pump.cancel()
            results = await asyncio.gather(gone, pump, return_exceptions=True)
        fault = results[1]
        if isinstance(fault, TimeoutError):
            log.warning("a feed reader took nothing for %s s and was dropped", SLOW_READER_S)
        elif isinstance(fault, Exception):
            raise fault

    async def _pump(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with contextlib.aclosing(self._frames) as frames:  # type: ignore[type-var]
            async for frame in frames:
                if frame:
                    message = {"type": "http.response.body", "body": frame.encode(), "more_body": True}
                    await asyncio.wait_for(send(message), SLOW_READER_S)
        await asyncio.wait_for(send({"type": "http.response.body", "body": b"", "more_body": False}), SLOW_READER_S)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
