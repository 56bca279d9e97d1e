"""What alarm load is counted from: signals on tickets' timelines, tickets that do not move, and who sits where.

Nothing here writes. An operator's position is what its users of the control room watch: two users of the same sites share one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection, case, func, select

from hub.store.schema import suppressions, ticket_timeline, tickets, users
from hub.tickets.alarm_load import LIMITS, Raising
from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.roles import Role


class StaleTicket(msgspec.Struct, frozen=True, kw_only=True):
    """An active ticket that has not moved."""

    id: int
    number: str
    site: str
    kind: str
    name: str
    severity: str
    updated_at: UtcMs


_COUNTED = (~tickets.c.drill, tickets.c.kind != str(TicketKind.ALARM_FLOOD))


def raisings(connection: Connection, sites: Collection[str], since: UtcMs, until: UtcMs) -> list[Raising]:
    """Signals that were recorded in this time, in order; times are those of the hub's clock."""
    line = ticket_timeline.c
    statement = (
        select(
            line.recorded_at,
            line.entry,
            tickets.c.site,
            tickets.c.kind,
            tickets.c.subject_id,
            tickets.c.subject_name,
            tickets.c.severity,
        )
        .join_from(ticket_timeline, tickets, tickets.c.id == line.ticket_id)
        .where(line.recorded_at >= since, line.recorded_at < until, line.entry.in_(["raised", "repeat"]))
        .where(tickets.c.site.in_(sorted(sites)), *_COUNTED)
        .order_by(line.recorded_at, line.id)
    )
    return [
        Raising(
            at=row.recorded_at,
            site=row.site,
            kind=row.kind,
            subject=row.subject_id,
            name=row.subject_name,
            severity=Severity(row.severity),
            new=row.entry == "raised",
        )
        for row in connection.execute(statement)
    ]


def stale(connection: Connection, sites: Collection[str], now: UtcMs) -> list[StaleTicket]:
    """Active tickets of these sites that have not moved for a day, the longest first."""
    statement = (
        select(tickets)
        .where(tickets.c.active, tickets.c.updated_at < now - LIMITS.stale_after_ms)
        .where(tickets.c.site.in_(sorted(sites)), *_COUNTED)
        .order_by(tickets.c.updated_at, tickets.c.id)
    )
    return [
        StaleTicket(
            id=row.id,
            number=row.number,
            site=row.site,
            kind=row.kind,
            name=row.subject_name,
            severity=row.severity,
            updated_at=row.updated_at,
        )
        for row in connection.execute(statement)
    ]


def positions(connection: Connection, sites: Sequence[str]) -> list[tuple[str, ...]]:
    """The sets of sites that users of the control room watch, each once; no sites of their own: all of them."""
    found: set[tuple[str, ...]] = set()
    for row in connection.execute(select(users.c.roles, users.c.sites).where(users.c.disabled_at.is_(None))):
        if Role.CONTROL_ROOM in row.roles.split():
            mine = row.sites.split() or sites
            found.add(tuple(site for site in sites if site in mine))
    return sorted(watched for watched in found if watched)


def suppressed_now(connection: Connection) -> dict[tuple[str, str], int]:
    """How many run, by site and what."""
    counted = select(suppressions.c.site, suppressions.c.what, func.count().label("times"))
    running = counted.where(suppressions.c.ended_at.is_(None)).group_by(suppressions.c.site, suppressions.c.what)
    return {(row.site, row.what): row.times for row in connection.execute(running)}


def active_now(connection: Connection) -> dict[str, tuple[int, int]]:
    """Active tickets by site, and how many of them are critical; drills apart."""
    critical = func.sum(case((tickets.c.severity == str(Severity.CRITICAL), 1), else_=0)).label("critical")
    counted = select(tickets.c.site, func.count().label("times"), critical).where(tickets.c.active, *_COUNTED)
    return {row.site: (row.times, int(row.critical)) for row in connection.execute(counted.group_by(tickets.c.site))}
