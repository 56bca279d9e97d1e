"""Suppressions as rows: those that run now, beginning one, ending one. Every row says who, why, from when and until when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from hub.store.prepared import Prepared
from hub.store.schema import suppressions, tickets
from hub.tickets.suppression import EndReason, Suppressed, Suppression
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import UtcMs

RULE = "suppression"
"""Whose deadlines these are, where a rule's name would stand; the key is the row's id."""

_WITH_TICKET = select(
    suppressions, tickets.c.number.label("ticket_number"), tickets.c.subject_name, tickets.c.kind.label("of_kind")
).join(tickets, tickets.c.id == suppressions.c.ticket_id, isouter=True)
_RUNNING = Prepared(select(suppressions).where(suppressions.c.ended_at.is_(None)).order_by(suppressions.c.id))


def suppression_of(row: Row[Any]) -> Suppression:
    """A row as a value."""
    subject = None
    if row.subject_type is not None:
        subject = Subject(row.site, SubjectType(row.subject_type), row.subject_id)
    return Suppression(
        id=row.id,
        site=row.site,
        what=Suppressed(row.what),
        ticket_id=row.ticket_id,
        subject=subject,
        kind=row.kind,
        reason=row.reason,
        by=row.by,
        since=row.since,
        until=row.until,
    )


def running(connection: Connection) -> list[Suppression]:
    """Those that have not ended, oldest first."""
    return [suppression_of(row) for row in _RUNNING.all(connection)]


def begin(connection: Connection, new: Suppression) -> Suppression:
    """Write it down; with its id."""
    subject = new.subject
    key = connection.execute(
        suppressions.insert().values(
            site=new.site,
            what=str(new.what),
            ticket_id=new.ticket_id,
            subject_type=None if subject is None else str(subject.type),
            subject_id=None if subject is None else subject.id,
            kind=new.kind,
            reason=new.reason,
            by=new.by,
            since=new.since,
            until=new.until,
        )
    ).inserted_primary_key
    assert key is not None
    return Suppression(**{name: getattr(new, name) for name in Suppression.__struct_fields__} | {"id": key[0]})


def end(connection: Connection, suppression: int, why: EndReason, by: str, now: UtcMs) -> bool:
    """End it; False where it is over already."""
    still = suppressions.update().where(suppressions.c.id == suppression, suppressions.c.ended_at.is_(None))
    return connection.execute(still.values(ended_at=now, ended_by=by, end_reason=str(why))).rowcount > 0


def page(
    connection: Connection,
    *,
    sites: Sequence[str] = (),
    what: Suppressed | None = None,
    ended: bool = False,
    before: int | None = None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Rows with number, name and kind of a shelved ticket, newest first; no `sites`: of all."""
    over = suppressions.c.ended_at.is_not(None)
    statement = _WITH_TICKET.where(over if ended else ~over)
    if sites:
        statement = statement.where(suppressions.c.site.in_(sites))
    if what is not None:
        statement = statement.where(suppressions.c.what == str(what))
    if before is not None:
        statement = statement.where(suppressions.c.id < before)
    return connection.execute(statement.order_by(suppressions.c.id.desc()).limit(limit)).all()


def one(connection: Connection, suppression: int) -> Row[Any] | None:
    """Its row, as in a page, ended or not."""
    return connection.execute(_WITH_TICKET.where(suppressions.c.id == suppression)).one_or_none()
