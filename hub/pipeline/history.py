"""What happened, kept: events with their body, readings as compact rows; seen twice, it happened once.

The key of an event is a digest of site, device, kind and the source's own id; the table's unique index has the last word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, bindparam, select

from hub.store.bulk import Insert
from hub.store.prepared import Prepared
from hub.store.schema import events
from hub.vocabulary.events import Event
from hub.vocabulary.facts import DeviceFacts
from hub.vocabulary.instants import UtcMs

_COLUMNS = ("site", "device_pk", "kind", "key", "occurred_at", "received_at", "decided_at", "late", "body_json")
_INSERT = Insert(events, _COLUMNS)
_KNOWN = Prepared(select(events.c.key).where(events.c.key.in_(bindparam("_keys", expanding=True))))
_encode = msgspec.json.Encoder().encode


def event_key(event: Event) -> bytes:
    """Identity of an event, 16 bytes."""
    text = f"{event.site}\0{event.device}\0{type(event).__name__}\0{event.source_key}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def known_keys(connection: Connection, keys: Sequence[bytes]) -> set[bytes]:
    """Which of these are stored already."""
    if not keys:
        return set()
    return {bytes(row.key) for row in _KNOWN.all(connection, {"_keys": keys})}


class EventLog:
    """Collects the rows of one step and writes them at its end."""

    def __init__(self, now: UtcMs) -> None:
        self._now = now
        self._rows: list[tuple[object, ...]] = []

    def add(self, event: Event, device: DeviceFacts | None, key: bytes) -> None:
        """Keep this event."""
        self._rows.append(
            (
                event.site,
                None if device is None else device.pk,
                type(event).__name__,
                key,
                event.occurred_at,
                event.received_at,
                self._now,
                event.late,
                _encode(event).decode(),
            )
        )

    def write(self, connection: Connection) -> None:
        """One statement for all."""
        _INSERT.run(connection, self._rows)
