"""The record of a case: everything that happened, in one order, with who, why, and what came of each notice. Nothing here writes.

Nothing is left out because it led to nothing: alarms that no rule used and notices that failed are lines as well. What a
ticket refers to stays as long as the ticket, and rescues' notices four years and more (hub.store.retention).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, select

from hub.store.schema import case_reports, devices, events, tickets
from hub.tickets import forms, queries
from hub.tickets.forms import Version
from hub.tickets.kinds import KINDS
from hub.tickets.queries import TicketHistory
from hub.tickets.record_lines import Line, LineKind, Point
from hub.tickets.record_notices import notice_lines, told_points
from hub.vocabulary.events import SubjectType
from hub.vocabulary.instants import MINUTE_MS, UtcMs, iso

AROUND_MS: Final = 10 * MINUTE_MS
"""Alarms of the lift from so long before the case to so long after its end are in its record."""
MAX_SIGNALS: Final = 1_000
ENDED: Final = "ended"
"""Of a clock: the case was over before it was met or ran out."""
SIGNAL_KINDS: Final = ("ElevatorAlarm", "DeviceStatus")


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
    "supervisor_told",
    "manager_told",
    "voice_contact",
    "confirmed",
    "guard_sent",
    "guard_arrived",
    "firm_told",
    "firm_answered",
    "technician_arrived",
    "power_isolated",
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
    told = notice_lines(connection, row)
    course = [
        *_signals(connection, history, now),  # what was said comes before what was made of it
        *_from_timeline(history),
        *told,
        *(_from_version(version) for version, _ in versions(connection, ticket_id)),
    ]
    return Record(
        ticket=row,
        fields=msgspec.json.decode(row.fields_json),
        points=_points(history, told_points(told)),
        clocks=_clocks(history),
        course=tuple(sorted(course, key=lambda line: line.at)),  # stable: what was written at once keeps its order
    )


def _points(history: TicketHistory, told: Iterable[Point]) -> tuple[Point, ...]:
    """The first time of each milestone, but the last release; those that a record must name also where they are missing."""
    reached = {point.name: point for point in (*told, *_isolated(history))}
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


def _isolated(history: TicketHistory) -> list[Point]:
    """The first loss of power after a technician has come: rescuers isolate the main switch first."""
    came = min((item.at for item in history.milestones if item.name == "technician_arrived"), default=None)
    lost = (entry for entry in history.timeline if entry.entry == "signal" and entry.name == "power_lost")
    after = [entry for entry in lost if came is not None and entry.recorded_at >= came]
    return [Point(name="power_isolated", at=after[0].occurred_at, by=after[0].by)] if after else []


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


def record_view(record: Record, zone: tzinfo, lift: Mapping[str, str]) -> dict[str, Any]:
    """JSON-ready; times in the site's zone; `lift` are the papers of the elevator. A signed form keeps it as it was then."""
    row = record.ticket

    def moment(at: UtcMs | None) -> str | None:
        return None if at is None else iso(at, zone)

    return {
        "number": row.number,
        "kind": row.kind,
        "site": row.site,
        "subject": {"type": row.subject_type, "id": row.subject_id, "name": row.subject_name, "place": row.place},
        "lift": dict(lift),
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


_MOMENTS: Final = frozenset(
    {"at", "due_at", "sent_at", "delivered_at", "answered_at", "occurred_at", "received_at", "device_at"}
)


def _with_moments(value: Any, zone: tzinfo) -> Any:
    """Times inside a line's data, as text like all others."""
    if isinstance(value, dict):
        return {
            key: iso(item, zone) if key in _MOMENTS and isinstance(item, int) else _with_moments(item, zone)
            for key, item in value.items()
        }
    return [_with_moments(item, zone) for item in value] if isinstance(value, list) else value
