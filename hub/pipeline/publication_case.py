"""The case behind a change, for ways out that report to a city: milestones as they stand, and what this change was.

A change of the feed and the lines of the timeline that caused it carry the same time: both are the step's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import tzinfo
from typing import Any

import msgspec
from sqlalchemy import Row

from hub.store.database import Store
from hub.tickets import queries
from hub.vocabulary.instants import UtcMs, iso
from hub.vocabulary.ports import PublicChange
from hub.vocabulary.publications import TICKET_TYPES


def with_case(store: Store, zone: Callable[[str], tzinfo], change: PublicChange) -> PublicChange:
    """A ticket's change with `case`: `milestones` [{name, at, by}] and `words`: what happened in it."""
    if change.type not in TICKET_TYPES:
        return change
    with store.read() as connection:
        found = queries.history(connection, int(change.body["id"]))
    if found is None:
        return change
    own = zone(change.site)
    milestones = [{"name": row.name, "at": iso(row.at, own), "by": row.by} for row in found.milestones]
    words = list(dict.fromkeys(word for row in found.timeline for word in _words(row, change.at)))
    return msgspec.structs.replace(change, case={"milestones": milestones, "words": words})


def _words(row: Row[Any], at: UtcMs) -> Iterator[str]:
    """`raised`, `repeat`; the action or trigger by its name; `clock_…` for a clock, which may be called like an action; and
    `state_…` where the state became another.
    """
    if row.recorded_at != at:
        return
    if row.entry in {"raised", "repeat"}:
        yield row.entry
    elif row.entry in {"action", "signal"}:
        yield row.name
    else:
        yield f"{row.entry}_{row.name}"
    if row.state_to != row.state_from:
        yield f"state_{row.state_to}"
