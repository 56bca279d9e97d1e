"""Reading notices: who was told what, how, and what came of it. Newest first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, select

from hub.store.schema import notice_attempts, notice_merges, notice_orders, notices


class NoticeFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; None: all."""

    ticket: int | None = None
    subject: str | None = None
    state: str | None = None
    site: str | None = None
    sites: Collection[str] = ()


class NoticeView(msgspec.Struct, frozen=True):
    """A notice with its order, and the keys of further orders that it stands for."""

    notice: Row[Any]
    merged: Sequence[str]


def _rows() -> Select[Any]:
    order = notice_orders.c
    return select(
        notices,
        order.rule,
        order.key,
        order.subject_type,
        order.subject_id,
        order.audience,
        order.template,
        order.urgency,
        order.ticket_id,
        order.drill,
    ).join(notice_orders, order.id == notices.c.order_id)


def page(connection: Connection, wanted: NoticeFilter, before: int | None, limit: int) -> Sequence[NoticeView]:
    """Notices with an id below `before`. Ticket and subject also find notices that a merged order of theirs went out with."""
    statement = _rows().order_by(notices.c.id.desc()).limit(limit)
    if wanted.ticket is not None or wanted.subject is not None:
        statement = statement.where(notices.c.id.in_(_standing_for(wanted)))
    if wanted.state is not None:
        statement = statement.where(notices.c.state == wanted.state)
    if wanted.site is not None:
        statement = statement.where(notices.c.site == wanted.site)
    if wanted.sites:
        statement = statement.where(notices.c.site.in_(sorted(wanted.sites)))
    if before is not None:
        statement = statement.where(notices.c.id < before)
    return _views(connection, connection.execute(statement).all())


def _standing_for(wanted: NoticeFilter) -> Any:
    """Ids of the notices that stand for an order of this ticket and subject."""
    conditions = []
    if wanted.ticket is not None:
        conditions.append(notice_orders.c.ticket_id == wanted.ticket)
    if wanted.subject is not None:
        conditions.append(notice_orders.c.subject_id == wanted.subject)
    own = select(notices.c.id).join(notice_orders, notice_orders.c.id == notices.c.order_id).where(*conditions)
    merged = (
        select(notice_merges.c.notice_id)
        .join(notice_orders, notice_orders.c.id == notice_merges.c.order_id)
        .where(*conditions)
    )
    return own.union(merged)


def one(connection: Connection, notice_id: int) -> NoticeView | None:
    """One notice."""
    row = connection.execute(_rows().where(notices.c.id == notice_id)).one_or_none()
    return None if row is None else _views(connection, [row])[0]


def attempts(connection: Connection, notice_id: int) -> Sequence[Row[Any]]:
    """Every attempt with the provider's answer, oldest first."""
    statement = select(notice_attempts).where(notice_attempts.c.notice_id == notice_id)
    return connection.execute(statement.order_by(notice_attempts.c.id)).all()


def _views(connection: Connection, rows: Sequence[Row[Any]]) -> list[NoticeView]:
    merges = (
        select(notice_merges.c.notice_id, notice_orders.c.key)
        .join(notice_orders, notice_orders.c.id == notice_merges.c.order_id)
        .where(notice_merges.c.notice_id.in_([row.id for row in rows]))
        .order_by(notice_orders.c.id)
    )
    merged: dict[int, list[str]] = {}
    for row in connection.execute(merges):
        merged.setdefault(row.notice_id, []).append(row.key)
    return [NoticeView(row, merged.get(row.id, ())) for row in rows]
