"""How long things are kept, per class, and the job that enforces it without ever touching what a ticket refers to.

Deleting goes in small transactions, so that alarms never wait behind it. Days per class are data; the law's floor for
rescue records is four years (TSG T5002 Art. 5(6)), access events are kept 180 days (GB 50396 §5.2.2, domain/access.md 6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, and_, exists, or_, select

from hub.store import schema
from hub.store.database import Store
from hub.vocabulary.instants import DAY_MS, UtcMs

EVENT_DAYS: Final[Mapping[str, int]] = {
    "ElevatorState": 30,
    "AccessEvent": 180,
    "DoorEvent": 180,
    "CardPresented": 180,
    "DecisionMissed": 180,
    "ElevatorAlarm": 4 * 366,
    "DeviceStatus": 90,
    "CommandResult": 90,
    "Unreachable": 90,
    "GatewayChanged": 366,
}
OTHER_EVENT_DAYS: Final = 366
READING_DAYS: Final = 90
HOUR_DAYS: Final = 2 * 366
REJECTED_DAYS: Final = 90
FEED_DAYS: Final = 30
COMMAND_DAYS: Final = 30
CLEARED_PROBLEM_DAYS: Final = 366
IDEMPOTENCY_DAYS: Final = 2
LINK_DAYS: Final = 30  # after a link is over: that it was used stands on its ticket's timeline
PUBLICATION_ATTEMPT_DAYS: Final = 30
NOTICE_DAYS: Final = 2 * 366
RESCUE_DAYS: Final = 4 * 366
"""The law's floor: who was told of a rescue, and what the lift said around it. The case and its timeline are never dropped."""
RESCUES: Final = "entrapment"
"""Kind of the tickets, and first word of the notices' texts."""
AROUND_TICKET_MS: Final = DAY_MS
"""Readings from a day before a ticket's occurrence to a day after its end stay as long as the ticket does."""

CHUNK_ROWS: Final = 2_000


def kept_windows(spans: Sequence[tuple[UtcMs, UtcMs | None]], cutoff: UtcMs) -> list[tuple[UtcMs, UtcMs]]:
    """What must stay below `cutoff`: each ticket's span (occurred, ended or None) widened by a day, overlaps joined."""
    widened = sorted(
        (start - AROUND_TICKET_MS, cutoff if end is None else min(end + AROUND_TICKET_MS, cutoff))
        for start, end in spans
    )
    joined: list[tuple[UtcMs, UtcMs]] = []
    for start, end in widened:
        if start >= cutoff:
            break
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def deletable_spans(windows: Sequence[tuple[UtcMs, UtcMs]], cutoff: UtcMs) -> list[tuple[UtcMs, UtcMs]]:
    """What may go: everything before `cutoff` outside the windows, as half-open spans [from, to)."""
    spans: list[tuple[UtcMs, UtcMs]] = []
    start = 0
    for kept_from, kept_to in windows:
        if start < kept_from:
            spans.append((start, kept_from))
        start = max(start, kept_to + 1)
    if start < cutoff:
        spans.append((start, cutoff))
    return spans


def enforce(
    store: Store, now: UtcMs, rolled_up_to: UtcMs, keep_on: Callable[[], bool] = lambda: True
) -> dict[str, int]:
    """Delete what is past its time; rows deleted per class. `rolled_up_to`: raw readings after it are not touched yet.

    `keep_on` is asked between the small transactions; False ends the job early (the hub is stopping).
    """
    return {
        "events": _drop_events(store, now, keep_on),
        "notices": _drop_notices(store, now - NOTICE_DAYS * DAY_MS, keep_on),
        "readings": _drop_readings(store, min(now - READING_DAYS * DAY_MS, rolled_up_to), keep_on),
        **{name: _drop(store, table, condition, keep_on) for name, table, condition in _plain_classes(now)},
    }


def _plain_classes(now: UtcMs) -> tuple[tuple[str, Table, ColumnElement[bool]], ...]:
    def before(days: int) -> UtcMs:
        return now - days * DAY_MS

    return (
        ("hours", schema.readings_hour, schema.readings_hour.c.start_at < before(HOUR_DAYS)),
        ("rejected", schema.rejected, schema.rejected.c.last_at < before(REJECTED_DAYS)),
        ("feed", schema.feed, schema.feed.c.at < before(FEED_DAYS)),
        ("commands", schema.commands, schema.commands.c.created_at < before(COMMAND_DAYS)),
        ("problems", schema.problems, _cleared(before(CLEARED_PROBLEM_DAYS))),
        (
            "publication_attempts",
            schema.publication_attempts,
            schema.publication_attempts.c.at < before(PUBLICATION_ATTEMPT_DAYS),
        ),
        ("links", schema.link_uses, schema.link_uses.c.expires_at < before(LINK_DAYS)),
        ("idempotency", schema.idempotency, schema.idempotency.c.created_at < before(IDEMPOTENCY_DAYS)),
        ("sessions", schema.sessions, schema.sessions.c.expires_at < now),
    )


def _cleared(before: UtcMs) -> ColumnElement[bool]:
    return and_(~schema.problems.c.active, schema.problems.c.cleared_at < before)


def _drop_events(store: Store, now: UtcMs, keep_on: Callable[[], bool]) -> int:
    events = schema.events
    per_kind = [
        and_(events.c.kind == kind, events.c.received_at < now - days * DAY_MS) for kind, days in EVENT_DAYS.items()
    ]
    others = and_(events.c.kind.not_in(list(EVENT_DAYS)), events.c.received_at < now - OTHER_EVENT_DAYS * DAY_MS)
    referred = exists().where(schema.ticket_timeline.c.event_key == events.c.key)
    past = and_(or_(*per_kind, others), ~referred)
    rescues = _rescue_windows(store, now)
    elsewhere = or_(events.c.device_pk.is_(None), events.c.device_pk.not_in(sorted(rescues)))
    total = _drop(store, events, and_(past, elsewhere), keep_on)
    for pk, windows in rescues.items():
        around = or_(*(events.c.occurred_at.between(start, end) for start, end in windows))
        total += _drop(store, events, and_(past, events.c.device_pk == pk, ~around), keep_on)
    return total


def _rescue_windows(store: Store, now: UtcMs) -> dict[int, list[tuple[UtcMs, UtcMs]]]:
    """Device → when it had an entrapment, within the time that rescues are kept."""
    spans: dict[int, list[tuple[UtcMs, UtcMs | None]]] = {}
    statement = (
        select(schema.devices.c.pk, schema.tickets.c.occurred_at, schema.tickets.c.ended_at)
        .join(
            schema.tickets,
            and_(schema.tickets.c.site == schema.devices.c.site, schema.tickets.c.subject_id == schema.devices.c.id),
        )
        .where(
            schema.tickets.c.kind == RESCUES,
            schema.tickets.c.subject_type == "device",
            schema.tickets.c.occurred_at >= now - RESCUE_DAYS * DAY_MS,
        )
    )
    with store.read() as connection:
        for pk, occurred_at, ended_at in connection.execute(statement):
            spans.setdefault(pk, []).append((occurred_at, ended_at))
    return {pk: kept_windows(each, now) for pk, each in spans.items()}


def _drop_notices(store: Store, before: UtcMs, keep_on: Callable[[], bool]) -> int:
    """Who was told what: orders that are settled for long, and what hangs on them first. Those of rescues stay longer."""
    orders, tickets = schema.notice_orders.c, schema.tickets.c
    rescued = exists().where(tickets.id == orders.ticket_id, tickets.kind == RESCUES)
    of_rescue = or_(orders.template.startswith(RESCUES, autoescape=True), rescued)
    lasting = before - (RESCUE_DAYS - NOTICE_DAYS) * DAY_MS
    past = and_(orders.settled_at < before, or_(~of_rescue, orders.settled_at < lasting))
    old_orders = select(orders.id).where(past)
    old_notices = select(schema.notices.c.id).where(schema.notices.c.order_id.in_(old_orders))
    return sum(
        _drop(store, table, condition, keep_on)
        for table, condition in (
            (schema.notice_attempts, schema.notice_attempts.c.notice_id.in_(old_notices)),
            (schema.notice_merges, schema.notice_merges.c.order_id.in_(old_orders)),
            (schema.notice_merges, schema.notice_merges.c.notice_id.in_(old_notices)),
            (schema.notices, schema.notices.c.order_id.in_(old_orders)),
            (schema.notice_orders, past),
        )
    )


def _drop(store: Store, table: Table, condition: ColumnElement[bool], keep_on: Callable[[], bool]) -> int:
    """Delete by primary key, a chunk per transaction."""
    columns = list(table.primary_key.columns)
    total = 0
    while keep_on():
        with store.read() as connection:
            keys = connection.execute(select(*columns).where(condition).limit(CHUNK_ROWS)).all()
        if not keys:
            break
        with store.write() as connection:
            for key in _grouped(columns, keys):
                total += connection.execute(table.delete().where(key)).rowcount
    return total


def _grouped(columns: Sequence[Any], keys: Sequence[Any]) -> list[ColumnElement[bool]]:
    if len(columns) == 1:
        return [columns[0].in_([key[0] for key in keys])]
    return [and_(*(column == value for column, value in zip(columns, key, strict=True))) for key in keys]


def _drop_readings(store: Store, cutoff: UtcMs, keep_on: Callable[[], bool]) -> int:
    """Meter by meter: their readings lie together."""
    total = 0
    with store.read() as connection:
        meters = connection.execute(
            select(schema.devices.c.pk, schema.devices.c.site, schema.devices.c.id).where(
                schema.devices.c.kind == "meter"
            )
        ).all()
    for pk, site, device in meters:
        if not keep_on():
            break
        with store.write() as connection:
            spans = connection.execute(
                select(schema.tickets.c.occurred_at, schema.tickets.c.ended_at).where(
                    schema.tickets.c.site == site,
                    schema.tickets.c.subject_type == "device",
                    schema.tickets.c.subject_id == device,
                )
            ).all()
            windows = kept_windows([(row[0], row[1]) for row in spans], cutoff)
            for start, end in deletable_spans(windows, cutoff):
                readings = schema.readings
                gone = readings.delete().where(readings.c.device_pk == pk, readings.c.at >= start, readings.c.at < end)
                total += connection.execute(gone).rowcount
    return total
