"""Reading tickets: pages, one with everything that happened to it, and who has taken notice. Nothing here writes.

Newest first; the cursor is the id of the last ticket seen, so that new tickets never shift a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, bindparam, select

from hub.store.prepared import Prepared
from hub.store.schema import ticket_clocks, ticket_milestones, ticket_timeline, tickets
from hub.tickets.rows import BY_ID, TICKETS

ACKNOWLEDGED = "acknowledged"
REOPENED = "reopened"

# Built once: putting a statement together costs as much as running it.
_NEWEST_FIRST = TICKETS.order_by(tickets.c.id.desc())
_PHASES: Mapping[str, ColumnElement[bool]] = {"active": tickets.c.active, "closed": ~tickets.c.active}
_CONDITIONS: Mapping[str, ColumnElement[bool]] = {
    "kind": tickets.c.kind == bindparam("kind"),
    "subject": tickets.c.subject_id == bindparam("subject"),
    "drill": tickets.c.drill == bindparam("drill"),
    "parent": tickets.c.parent_id == bindparam("parent"),
    "site": tickets.c.site == bindparam("site"),
    "sites": tickets.c.site.in_(bindparam("sites", expanding=True)),
    "before": tickets.c.id < bindparam("before"),
    "state": tickets.c.state == bindparam("state"),
    **_PHASES,
}


class TicketFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tickets. `state` is `active`, `closed` (all that are not active) or one state; no `sites` means all sites."""

    kind: str | None = None
    state: str | None = None
    subject: str | None = None
    site: str | None = None
    parent: int | None = None
    drill: bool | None = None
    sites: frozenset[str] = frozenset()


class TicketHistory(msgspec.Struct, frozen=True):
    """A ticket with its timeline (oldest first), milestones and clocks."""

    ticket: Row[Any]
    timeline: Sequence[Row[Any]]
    milestones: Sequence[Row[Any]]
    clocks: Sequence[Row[Any]]


def page(connection: Connection, wanted: TicketFilter, before: int | None, limit: int) -> Sequence[Row[Any]]:
    """Tickets with an id below `before`, newest first."""
    phase = wanted.state if wanted.state in _PHASES else None
    asked: dict[str, Any] = {
        "kind": wanted.kind,
        "subject": wanted.subject,
        "drill": wanted.drill,
        "parent": wanted.parent,
        "site": wanted.site,
        "sites": sorted(wanted.sites) or None,
        "before": before,
        "state": wanted.state if phase is None else None,
    }
    about = {name: value for name, value in asked.items() if value is not None}
    conditions = frozenset(about) if phase is None else frozenset({phase, *about})
    return _page(conditions).all(connection, {**about, "limit": limit})


@cache
def _page(conditions: frozenset[str]) -> Prepared:
    """The question under these conditions: a console asks the same again and again."""
    return Prepared(_NEWEST_FIRST.where(*(_CONDITIONS[name] for name in sorted(conditions))).limit(bindparam("limit")))


def one(connection: Connection, ticket_id: int) -> Row[Any] | None:
    """The ticket's row."""
    row: Row[Any] | None = BY_ID.one_or_none(connection, {"_id": ticket_id})
    return row


def history(connection: Connection, ticket_id: int) -> TicketHistory | None:
    """The ticket with all that happened to it."""
    row = one(connection, ticket_id)
    if row is None:
        return None
    timeline = select(ticket_timeline).where(ticket_timeline.c.ticket_id == ticket_id)
    milestones = select(ticket_milestones).where(ticket_milestones.c.ticket_id == ticket_id)
    clocks = select(ticket_clocks).where(ticket_clocks.c.ticket_id == ticket_id)
    return TicketHistory(
        row,
        connection.execute(timeline.order_by(ticket_timeline.c.id)).all(),
        connection.execute(milestones.order_by(ticket_milestones.c.id)).all(),
        connection.execute(clocks.order_by(ticket_clocks.c.due_at, ticket_clocks.c.name)).all(),
    )


def is_acknowledged(reached: Sequence[str]) -> bool:
    """Whether somebody has taken notice, and has not reopened it since."""
    last = [name for name in reached if name in {ACKNOWLEDGED, REOPENED}][-1:]
    return last == [ACKNOWLEDGED]
