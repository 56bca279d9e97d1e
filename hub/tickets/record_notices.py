"""The notices of a case as lines of its record: who was told what, on which channel, every attempt, the receipt, and the answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Connection, Row, or_, select

from hub.store.schema import link_uses, notice_attempts, notice_merges, notice_orders, notices
from hub.tickets.record_lines import Line, LineKind, Point
from hub.tickets.telling import DESK
from hub.vocabulary.decisions import Audience
from hub.vocabulary.instants import UtcMs

FIRST_REPORT: Final = {
    str(Audience.DUTY_SUPERVISOR): "supervisor_told",
    str(Audience.DEPARTMENT_MANAGER): "manager_told",
}
"""The two who are told at once (procedures.md 1.1), and the point in time at which the first of them has it."""
ARRIVED: Final = frozenset({"sent", "delivered"})


def told_points(lines: Iterable[Line]) -> list[Point]:
    """When supervisor and manager first had the report of the case, as far as receipts say."""
    found: dict[str, Point] = {}
    for line in lines:
        name = FIRST_REPORT.get(line.data.get("audience", ""))
        if name is None or line.name != "entrapment_opened" or line.data.get("receipt") not in ARRIVED:
            continue
        at = line.data["delivered_at"] or line.data["sent_at"]
        if at is not None and (name not in found or at < (found[name].at or at)):
            found[name] = Point(name=name, at=at, by=line.data["recipient"])
    return list(found.values())


def notice_lines(connection: Connection, ticket: Row[Any]) -> list[Line]:
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
    answered = _answered(connection, ticket.id)
    nobody: list[Row[Any] | None] = [None]
    return [_line(order, notice, tries, answered) for order in orders for notice in sent.get(order.id) or nobody]


def _answered(connection: Connection, ticket_id: int) -> dict[int, UtcMs]:
    """Person → when they first followed the link in a notice of this ticket."""
    uses = link_uses.c
    statement = select(uses.person_id, uses.used_at).where(uses.ticket_id == ticket_id).order_by(uses.used_at.desc())
    return {row.person_id: row.used_at for row in connection.execute(statement)}


def _line(
    order: Row[Any],
    notice: Row[Any] | None,
    tries: dict[int, list[dict[str, Any]]],
    answered: dict[int, UtcMs],
) -> Line:
    data: dict[str, Any] = {"audience": order.audience, "order": order.state}
    if notice is not None:
        data |= {
            "recipient": notice.recipient,
            "channel": notice.channel,
            "receipt": notice.state,
            "outcome": notice.outcome,
            "sent_at": notice.sent_at,
            "delivered_at": notice.delivered_at,
            "answered_at": answered.get(notice.person_id),
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
