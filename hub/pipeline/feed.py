"""The feed: every public change in one order without gaps.

Numbers come from the row `feed_head`, which stays locked until commit: whoever sees number 8 has seen 7, on PostgreSQL
too, where plain sequences become visible out of order. After the commit the board hands the rows to listeners.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Connection, bindparam, select

from hub.store.bulk import Insert
from hub.store.prepared import Prepared
from hub.store.schema import feed, feed_head
from hub.vocabulary.instants import UtcMs

RING_SIZE = 2_000
_INSERT = Insert(feed, ("seq", "site", "at", "type", "body_json"))
_BUMP = Prepared(
    feed_head.update()
    .where(feed_head.c.id == 1)
    .values(seq=feed_head.c.seq + bindparam("_count"))
    .returning(feed_head.c.seq)
)

log = logging.getLogger(__name__)


class FeedRow(msgspec.Struct, frozen=True):
    """One change; `body` is JSON text. Rows of type `canary` have seq 0: they pass through, but are not kept."""

    seq: int
    site: str
    at: UtcMs
    type: str
    body: str


Listener: TypeAlias = Callable[[Sequence[FeedRow]], None]


def append(connection: Connection, changes: Sequence[tuple[str, UtcMs, str, Any]]) -> list[FeedRow]:
    """Number and store `(site, at, type, body)`; part of the caller's transaction."""
    if not changes:
        return []
    last = _BUMP.scalar_one(connection, {"_count": len(changes)})
    first = last - len(changes) + 1
    rows = [
        FeedRow(first + i, site, at, kind, msgspec.json.encode(body).decode())
        for i, (site, at, kind, body) in enumerate(changes)
    ]
    _INSERT.run(connection, [(row.seq, row.site, row.at, row.type, row.body) for row in rows])
    return rows


class FeedBoard:
    """Committed rows for those who listen in this process; the newest stay at hand."""

    def __init__(self) -> None:
        self._ring: deque[FeedRow] = deque(maxlen=RING_SIZE)
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self.latest_seq = 0

    def load(self, connection: Connection) -> None:
        """Where the feed stood before the start."""
        self.latest_seq = connection.execute(select(feed_head.c.seq)).scalar_one()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with new rows, in the engine's thread, after each commit; returns how to stop it."""
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return unsubscribe

    def since(self, seq: int) -> list[FeedRow] | None:
        """Rows after `seq`; None where the table has to be read because they are no longer at hand."""
        with self._lock:
            if seq >= self.latest_seq:
                return []
            if not self._ring or self._ring[0].seq > seq + 1:
                return None
            return [row for row in self._ring if row.seq > seq]

    def publish(self, rows: Sequence[FeedRow]) -> None:
        """Committed rows, in order."""
        if not rows:
            return
        with self._lock:
            kept = [row for row in rows if row.seq]
            self._ring.extend(kept)
            if kept:
                self.latest_seq = kept[-1].seq
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(rows)
            except Exception:  # a listener's trouble is its own; the pipeline goes on
                log.exception("feed listener failed")
