"""Deadlines are rows: what falls due while the hub is down fires after the start, oldest first, once.

The rows are mirrored in memory to know the next one; a step changes the mirror only after its commit.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from hub.store.bulk import Upsert
from hub.store.schema import timers
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import UtcMs

_UPSERT = Upsert(
    timers,
    ("rule", "site", "subject_type", "subject_id", "key"),
    ("rule", "site", "subject_type", "subject_id", "key", "due_at", "set_at"),
)

_FORGET = timers.delete().where(
    timers.c.rule == bindparam("_rule"),
    timers.c.site == bindparam("_site"),
    timers.c.subject_type == bindparam("_subject_type"),
    timers.c.subject_id == bindparam("_subject_id"),
    timers.c.key == bindparam("_key"),
)


class TimerKey(NamedTuple):
    """Whose deadline: at most one per rule, subject and key."""

    rule: str
    subject: Subject
    key: str


class Timers:
    """All deadlines of this process."""

    def __init__(self) -> None:
        self._due: dict[TimerKey, UtcMs] = {}
        self._heap: list[tuple[UtcMs, TimerKey]] = []

    def load(self, connection: Connection) -> None:
        """Take up what was set before the start."""
        for row in connection.execute(select(timers)):
            subject = Subject(row.site, SubjectType(row.subject_type), row.subject_id)
            self._set(TimerKey(row.rule, subject, row.key), row.due_at)

    def next_due(self) -> UtcMs | None:
        """When the next one falls due."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # replaced or cancelled meanwhile
        return self._heap[0][0] if self._heap else None

    def fallen_due(self, now: UtcMs, limit: int) -> list[tuple[UtcMs, TimerKey]]:
        """Up to `limit` deadlines at or before `now`, oldest first; they stay until `apply` forgets them."""
        found: list[tuple[UtcMs, TimerKey]] = []
        while len(found) < limit and (due := self.next_due()) is not None and due <= now:
            found.append(heapq.heappop(self._heap))
        for entry in found:
            heapq.heappush(self._heap, entry)
        return found

    def write(self, connection: Connection, changes: dict[TimerKey, UtcMs | None], now: UtcMs) -> None:
        """Store changes (None: forget) within the step."""
        rows = [(*_row_key(key), due, now) for key, due in changes.items() if due is not None]
        _UPSERT.run(connection, rows)
        for key, due in changes.items():
            if due is None and key in self._due:
                rule, site, subject_type, subject_id, name = _row_key(key)
                about = {"_rule": rule, "_site": site, "_subject_type": subject_type, "_subject_id": subject_id}
                connection.execute(_FORGET, about | {"_key": name})

    def apply(self, changes: dict[TimerKey, UtcMs | None]) -> None:
        """The step was committed."""
        for key, due in changes.items():
            if due is None:
                self._due.pop(key, None)
            else:
                self._set(key, due)

    def _set(self, key: TimerKey, due: UtcMs) -> None:
        self._due[key] = due
        heapq.heappush(self._heap, (due, key))


def _row_key(key: TimerKey) -> tuple[str, str, str, str, str]:
    return key.rule, key.subject.site, str(key.subject.type), key.subject.id, key.key
