"""The record of a case: everything that happened, in one order, with who, why, and what came of each notice. Nothing here writes.

Nothing is left out because it led to nothing: alarms that no rule used and notices that failed are lines as well. What a
ticket refers to stays as long as the ticket, and rescues' notices four years and more (hub.store.retention).
"""

from __future__ import annotations

from datetime import tzinfo
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, or_, select

from hub.store.schema import (
    case_reports,
    devices,
    events,
    notice_attempts,
    notice_merges,
    notice_orders,
    notices,
    tickets,
)
from hub.tickets import forms, queries
from hub.tickets.forms import Version
from hub.tickets.kinds import KINDS
from hub.tickets.queries import TicketHistory
from hub.tickets.telling import DESK
from hub.vocabulary.events import SubjectType
from hub.vocabulary.instants import MINUTE_MS, UtcMs, iso

AROUND_MS: Final = 10 * MINUTE_MS
"""Alarms of the lift from so long before the case to so long after its end are in its record."""
MAX_SIGNALS: Final = 1_000
ENDED: Final = "ended"
"""Of a clock: the case was over before it was met or ran out."""
SIGNAL_KINDS: Final = ("ElevatorAlarm", "DeviceStatus")


class LineKind(StrEnum):
    """What a line of the course is."""

    SIGNAL = "signal"  # what a device said
    DECISION = "decision"  # what a rule made of it, with its reason
    ACTION = "action"  # what a person did
    CLOCK = "clock"  # a deadline that fell due
    NOTICE = "notice"  # what was sent to whom, and what came of it
    REPORT = "report"  # a form was saved or signed


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the course. `at` is when the hub wrote it down, `occurred_at` when it happened at its source."""

    at: UtcMs
    occurred_at: UtcMs
    kind: LineKind
    name: str
    reason: str = ""
    by: str = ""
    state_from: str | None = None
    state_to: str | None = None
    data: dict[str, Any] = {}


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One of the record's times; `at` None: it did not happen, or nobody wrote it down."""

    name: str
    at: UtcMs | None
    by: str = ""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A case. `course` is in the order of `at`; `clocks` are (name, started, due, what became of it)."""

    ticket: Row[Any]
    fields: dict[str, Any]
    points: tuple[Point, ...]
    clocks: tuple[tuple[str, UtcMs, UtcMs, str], ...]
    course: tuple[Line, ...]


TIMES: Final = (
    "opened",
    "acknowledged",
    "voice_contact",
    "confirmed",
    "guard_sent",
    "guard_arrived",
    "firm_told",
    "firm_answered",
    "technician_arrived",
    "fire_called",
    "released",
    "welfare",
    "report",
    "back_in_service",
    "closed",
)
"""The times that a record of an entrapment has to name, done or not (elevator.md 4.3), in their usual order."""


def record_of(connection: Connection, ticket_id: int, now: UtcMs) -> Record | None:
    """The whole record of a ticket as it stands; None where there is no such ticket."""
    history = queries.history(connection, ticket_id)
    if history is None:
        return None
    row = history.ticket
    course = [
        *_signals(connection, history, now),  # what was said comes before what was made of it
        *_from_timeline(history),
        *_from_notices(connection, row),
        *(_from_version(version) for version, _ in versions(connection, ticket_id)),
    ]
    return Record(
        ticket=row,
        fields=msgspec.json.decode(row.fields_json),
        points=_points(history),
        clocks=_clocks(history),
        course=tuple(sorted(course, key=lambda line: line.at)),  # stable: what was written at once keeps its order
    )


def _points(history: TicketHistory) -> tuple[Point, ...]:
    """The first time of each milestone, but the last release; those that a record must name also where they are missing."""
    reached: dict[str, Point] = {}
    for item in history.milestones:
        if item.name not in reached or item.name in {"released", "closed"}:
            reached[item.name] = Point(name=item.name, at=item.at, by=item.by)
    named = [*TIMES, *(name for name in reached if name not in TIMES)]
    missing = [name for name in named if name not in reached]
    found = [Point(name="occurred", at=history.ticket.occurred_at), *reached.values()]
    return (
        *sorted(found, key=lambda point: point.at or 0),
        *(Point(name=name, at=None) for name in missing),
    )


def _clocks(history: TicketHistory) -> tuple[tuple[str, UtcMs, UtcMs, str], ...]:
    """What became of each clock: one that ended because the case did is not one that was met."""
    reached = {item.name for item in history.milestones}
    specs = KINDS[history.ticket.kind].clocks

    def result(clock: Row[Any]) -> str:
        met = clock.name not in specs or specs[clock.name].stop in reached
        return ENDED if clock.state == "met" and not met else str(clock.state)

    return tuple((clock.name, clock.started_at, clock.due_at, result(clock)) for clock in history.clocks)


def _from_timeline(history: TicketHistory) -> list[Line]:
    kinds = {"action": LineKind.ACTION, "clock": LineKind.CLOCK}
    return [
        Line(
            at=entry.recorded_at,
            occurred_at=entry.occurred_at,
            kind=kinds.get(entry.entry, LineKind.DECISION),
            name=entry.name,
            reason=entry.reason,
            by=entry.by,
            state_from=entry.state_from,
            state_to=entry.state_to,
            data=msgspec.json.decode(entry.data_json),
        )
        for entry in history.timeline
    ]


def _signals(connection: Connection, history: TicketHistory, now: UtcMs) -> list[Line]:
    """What the lift said around the case. Decisions name the signal that caused them: that one is `used`."""
    row = history.ticket
    if row.subject_type != SubjectType.DEVICE:
        return []
    device = select(devices.c.pk).where(devices.c.site == row.site, devices.c.id == row.subject_id).scalar_subquery()
    until = now if row.ended_at is None else row.ended_at + AROUND_MS
    statement = (
        select(events)
        .where(
            events.c.device_pk == device,
            events.c.kind.in_(SIGNAL_KINDS),
            events.c.occurred_at.between(row.occurred_at - AROUND_MS, until),
        )
        .order_by(events.c.occurred_at, events.c.seq)
        .limit(MAX_SIGNALS)
    )
    used = {bytes(entry.event_key) for entry in history.timeline if entry.event_key is not None}
    return [
        Line(
            at=event.decided_at,
            occurred_at=event.occurred_at,
            kind=LineKind.SIGNAL,
            name=event.kind,
            data={**msgspec.json.decode(event.body_json), "used": bytes(event.key) in used},
        )
        for event in connection.execute(statement)
    ]


def _from_notices(connection: Connection, ticket: Row[Any]) -> list[Line]:
    """Every order, also one that reached nobody; one line per recipient and channel. No addresses: names are enough here."""
    orders = connection.execute(
        select(notice_orders)
        .where(
            or_(
                notice_orders.c.ticket_id == ticket.id,
                (notice_orders.c.rule == DESK) & notice_orders.c.key.startswith(f"t{ticket.id}/", autoescape=True),
            )
        )
        .order_by(notice_orders.c.id)
    ).all()
    ids = [order.id for order in orders]
    sent: dict[int, list[Row[Any]]] = {}
    for notice in connection.execute(select(notices).where(notices.c.order_id.in_(ids)).order_by(notices.c.id)):
        sent.setdefault(notice.order_id, []).append(notice)
    merged = (
        select(notice_merges.c.order_id.label("of_order"), notices)
        .join(notices, notices.c.id == notice_merges.c.notice_id)
        .where(notice_merges.c.order_id.in_(ids))
    )
    for notice in connection.execute(merged):
        sent.setdefault(notice.of_order, []).append(notice)
    tries: dict[int, list[dict[str, Any]]] = {}
    mine = [notice.id for each in sent.values() for notice in each]
    attempts = select(notice_attempts).where(notice_attempts.c.notice_id.in_(mine)).order_by(notice_attempts.c.id)
    for attempt in connection.execute(attempts):
        tries.setdefault(attempt.notice_id, []).append(
            {"at": attempt.at, "ok": bool(attempt.ok), "answer": attempt.answer}
        )
    nobody: list[Row[Any] | None] = [None]
    return [_notice_line(order, notice, tries) for order in orders for notice in sent.get(order.id) or nobody]


def _notice_line(order: Row[Any], notice: Row[Any] | None, tries: dict[int, list[dict[str, Any]]]) -> Line:
    data: dict[str, Any] = {"audience": order.audience, "order": order.state}
    if notice is not None:
        data |= {
            "recipient": notice.recipient,
            "channel": notice.channel,
            "receipt": notice.state,
            "outcome": notice.outcome,
            "sent_at": notice.sent_at,
            "delivered_at": notice.delivered_at,
            "attempts": tries.get(notice.id, []),
        }
    return Line(
        at=order.created_at,
        occurred_at=order.created_at,
        kind=LineKind.NOTICE,
        name=order.template,
        reason=order.key.partition("/")[2] if order.rule == DESK else order.key,
        by=order.rule,
        data=data,
    )


# --- versions of forms ------------------------------------------------------------------------------------


def versions(connection: Connection, ticket_id: int, form: str | None = None) -> list[tuple[Version, str]]:
    """Every saved version with the digest that was kept, oldest first; of one form, or of all."""
    table = case_reports.c
    statement = select(case_reports).where(table.ticket_id == ticket_id).order_by(table.id)
    if form is not None:
        statement = statement.where(table.form == form)
    return [(_version(row), row.digest) for row in connection.execute(statement)]


def _version(row: Row[Any]) -> Version:
    return Version(
        ticket_id=row.ticket_id,
        form=row.form,
        version=row.version,
        signed=bool(row.signed),
        at=row.at,
        by=row.by,
        signatory=row.signatory,
        fields=msgspec.json.decode(row.fields_json),
        record=None if row.record_json is None else msgspec.json.decode(row.record_json),
    )


def _from_version(version: Version) -> Line:
    return Line(
        at=version.at,
        occurred_at=version.at,
        kind=LineKind.REPORT,
        name=version.form,
        reason="signed" if version.signed else "saved",
        by=version.by,
        data={"version": version.version, "signatory": version.signatory},
    )


def known_of_lift(connection: Connection, site: str, lift: str) -> dict[str, str]:
    """What the newest signed form about this lift says of the lift itself."""
    statement = (
        select(case_reports.c.fields_json)
        .join(tickets, tickets.c.id == case_reports.c.ticket_id)
        .where(tickets.c.site == site, tickets.c.subject_id == lift, case_reports.c.signed)
        .order_by(case_reports.c.id.desc())
        .limit(10)
    )
    known: dict[str, str] = {}
    for text in connection.execute(statement).scalars():
        for name, value in msgspec.json.decode(text).items():
            if name in forms.LIFT_FIELDS:
                known.setdefault(name, value)
    return known


# --- as the outside sees it -------------------------------------------------------------------------------


def record_view(record: Record, zone: tzinfo) -> dict[str, Any]:
    """JSON-ready; times in the site's zone. A signed form keeps it as it was then."""
    row = record.ticket

    def moment(at: UtcMs | None) -> str | None:
        return None if at is None else iso(at, zone)

    return {
        "number": row.number,
        "kind": row.kind,
        "site": row.site,
        "subject": {"type": row.subject_type, "id": row.subject_id, "name": row.subject_name, "place": row.place},
        "state": row.state,
        "severity": row.severity,
        "reason": row.reason,
        "title": row.title,
        "drill": bool(row.drill),
        "count": row.times,
        "occurred_at": moment(row.occurred_at),
        "ended_at": moment(row.ended_at),
        "fields": record.fields,
        "times": [{"name": point.name, "at": moment(point.at), "by": point.by} for point in record.points],
        "clocks": [
            {"name": name, "started_at": moment(started), "due_at": moment(due), "state": state}
            for name, started, due, state in record.clocks
        ],
        "course": [
            {
                "at": moment(line.at),
                "occurred_at": moment(line.occurred_at),
                "kind": str(line.kind),
                "name": line.name,
                "reason": line.reason,
                "by": line.by,
                "state_from": line.state_from,
                "state_to": line.state_to,
                "data": _with_moments(line.data, zone),
            }
            for line in record.course
        ],
    }


_MOMENTS: Final = frozenset({"at", "due_at", "sent_at", "delivered_at", "occurred_at", "received_at", "device_at"})


def _with_moments(value: Any, zone: tzinfo) -> Any:
    """Times inside a line's data, as text like all others."""
    if isinstance(value, dict):
        return {
            key: iso(item, zone) if key in _MOMENTS and isinstance(item, int) else _with_moments(item, zone)
            for key, item in value.items()
        }
    return [_with_moments(item, zone) for item in value] if isinstance(value, list) else value
