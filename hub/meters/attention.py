"""For which meters somebody waits: a top-up is on its way, or the credit is low enough to be looked at more often.

Told to the lines that can read them sooner (domain/meters.md 5.5). Nothing depends on it but how soon: what is not told, or
told twice, is read in its turn all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import Connection, select

from hub.store.database import Store
from hub.store.schema import devices, tickets, topups
from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.events import SubjectType, TopUpState
from hub.vocabulary.instants import DAY_MS, UtcMs

Meters: TypeAlias = Collection[tuple[str, str]]
"""(site, device)."""

AWAITED_MS: Final = DAY_MS
"""A top-up that is older is a ticket, and somebody's work; the meter is read in its turn."""

NEWEST: Final = 5_000
"""Top-ups of the last day are among so many of the newest: they are found without an index of their own."""

LOW_FROM_LEVEL: Final = 2

_ON_ITS_WAY: Final = [str(state) for state in (TopUpState.PAID, TopUpState.BOOKED, TopUpState.ISSUED)]
_NEWEST: Final = select(topups).order_by(topups.c.id.desc()).limit(NEWEST).subquery()
_AWAITED: Final = select(devices.c.site, devices.c.id).join_from(_NEWEST, devices, _NEWEST.c.device_pk == devices.c.pk)
_LOW: Final = select(tickets.c.site, tickets.c.subject_id, tickets.c.fields_json).where(
    tickets.c.kind == str(TicketKind.LOW_BALANCE),
    tickets.c.subject_type == str(SubjectType.DEVICE),
    tickets.c.active,
)


def waited_for(connection: Connection, now: UtcMs) -> frozenset[tuple[str, str]]:
    """The meters for whose next reading somebody waits."""
    awaited = _AWAITED.where(_NEWEST.c.state.in_(_ON_ITS_WAY), _NEWEST.c.paid_at > now - AWAITED_MS)
    found = {(row.site, row.id) for row in connection.execute(awaited)}
    low = ((row.site, row.subject_id) for row in connection.execute(_LOW) if _level(row.fields_json) >= LOW_FROM_LEVEL)
    return frozenset(found.union(low))


def _level(fields_json: str) -> int:
    level: Any = msgspec.json.decode(fields_json).get("level")
    return level if isinstance(level, int) else 0  # raised by hand, a ticket has none


class Attention:
    """Looks every few seconds (hub.jobs), and says it again as long as anybody waits."""

    def __init__(self, store: Store, lines: Sequence[Callable[[Meters], None]], clock: Callable[[], UtcMs]) -> None:
        self._store = store
        self._lines = lines
        self._clock = clock
        self._waiting = False

    def look(self) -> None:
        """Raises what the database raises."""
        with self._store.read() as connection:
            now_wanted = waited_for(connection, self._clock())
        if now_wanted or self._waiting:
            for attend in self._lines:
                attend(now_wanted)
        self._waiting = bool(now_wanted)
