"""Reading devices: who they are, what they said last, and how far that can be believed.

Quality is never guessed upwards: never heard of, or behind a gateway that is down, is `unknown`; heard too long ago or
not reachable is `stale`; only the rest is `good`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, select

from hub.store.schema import device_state, devices, problems, tickets
from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.events import SubjectType
from hub.vocabulary.instants import HOUR_MS, UtcMs

DEFAULT_STALE_AFTER_MS = HOUR_MS


GATEWAY_NOT_WORKING: Final = ("gateway_down", "canary_missing")


class Quality(StrEnum):
    """How far what is known of a device can be believed."""

    GOOD = "good"
    STALE = "stale"
    UNKNOWN = "unknown"


def quality(
    heard_at: UtcMs | None, reachable: bool | None, gateway_down: bool, silent: bool, stale_after_ms: int, now: UtcMs
) -> Quality:
    """The quality of a device that was heard at `heard_at`; `silent`: its silence is a ticket already."""
    if heard_at is None or gateway_down:
        return Quality.UNKNOWN
    if reachable is False or silent or now - heard_at > stale_after_ms:
        return Quality.STALE
    return Quality.GOOD


def _devices() -> Select[Any]:
    return select(
        devices,
        device_state.c.heard_at,
        device_state.c.reachable,
        device_state.c.latest_at,
        device_state.c.latest_json,
    ).join_from(devices, device_state, device_state.c.device_pk == devices.c.pk, isouter=True)


def page(
    connection: Connection,
    kind: str | None,
    site: str | None,
    sites: Collection[str],
    after: int | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Devices that are in use, in the order in which they were registered, after primary key `after`."""
    statement = _devices().where(devices.c.retired_at.is_(None)).order_by(devices.c.pk).limit(limit)
    if kind is not None:
        statement = statement.where(devices.c.kind == kind)
    if site is not None:
        statement = statement.where(devices.c.site == site)
    if sites:
        statement = statement.where(devices.c.site.in_(sorted(sites)))
    if after is not None:
        statement = statement.where(devices.c.pk > after)
    return connection.execute(statement).all()


def named(
    connection: Connection, device_id: str, site: str | None, sites: Collection[str], kind: str | None = None
) -> Sequence[Row[Any]]:
    """Devices of this id, one per site that has it; a retired one only where no other is left."""
    statement = _devices().where(devices.c.id == device_id).order_by(devices.c.site)
    if site is not None:
        statement = statement.where(devices.c.site == site)
    if sites:
        statement = statement.where(devices.c.site.in_(sorted(sites)))
    if kind is not None:
        statement = statement.where(devices.c.kind == kind)
    found = connection.execute(statement).all()
    return [row for row in found if row.retired_at is None] or found


def gateways_down(connection: Connection) -> frozenset[tuple[str, str]]:
    """`(site, gateway)` of those that do not work now; other problems about a gateway say nothing of its devices."""
    statement = select(problems.c.site, problems.c.subject_id).where(
        problems.c.active,
        problems.c.subject_type == str(SubjectType.GATEWAY),
        problems.c.code.in_(GATEWAY_NOT_WORKING),
    )
    return frozenset((row.site, row.subject_id) for row in connection.execute(statement))


def silent_devices(connection: Connection) -> frozenset[tuple[str, str]]:
    """`(site, device)` of those whose silence is an active ticket."""
    statement = select(tickets.c.site, tickets.c.subject_id).where(
        tickets.c.active,
        tickets.c.kind == str(TicketKind.DEVICE_SILENT),
        tickets.c.subject_type == str(SubjectType.DEVICE),
    )
    return frozenset((row.site, row.subject_id) for row in connection.execute(statement))


def problem_codes(connection: Connection, sites: Collection[str]) -> Mapping[tuple[str, str], list[str]]:
    """`(site, device)` → codes of its active problems."""
    statement = select(problems.c.site, problems.c.subject_id, problems.c.code).where(
        problems.c.active, problems.c.subject_type == str(SubjectType.DEVICE)
    )
    if sites:
        statement = statement.where(problems.c.site.in_(sorted(sites)))
    found: dict[tuple[str, str], list[str]] = {}
    for row in connection.execute(statement.order_by(problems.c.id)):
        found.setdefault((row.site, row.subject_id), []).append(row.code)
    return found
