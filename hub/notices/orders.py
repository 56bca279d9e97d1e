"""Ordering notices: a row written in the same transaction as what it is about; who is told is found out when it is sent.

The key is unique per (rule, subject): a rule that decides the same thing again after a restart orders nothing new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from hub.store.bulk import InsertNew
from hub.store.schema import notice_orders, tickets
from hub.vocabulary.decisions import Notify, Urgency, WithdrawNotices
from hub.vocabulary.events import Subject
from hub.vocabulary.instants import DAY_MS, HOUR_MS, UtcMs

WAITING: Final = "waiting"
SENDING: Final = "sending"
WITHDRAWN: Final = "withdrawn"

EXPIRES_AFTER: Final[Mapping[Urgency, int]] = {
    Urgency.ROUTINE: 3 * DAY_MS,
    Urgency.URGENT: DAY_MS,
    Urgency.CRITICAL: 12 * HOUR_MS,
}

_COLUMNS = (
    "rule",
    "site",
    "subject_type",
    "subject_id",
    "key",
    "audience",
    "template",
    "params_json",
    "urgency",
    "merge",
    "ticket_id",
    "drill",
    "created_at",
    "not_before",
    "expires_at",
    "state",
)
_INSERT = InsertNew(notice_orders, _COLUMNS)


def order(connection: Connection, notify: Notify, rule: str, now: UtcMs) -> bool:
    """Write the order down; False where the same was ordered before."""
    subject = notify.subject
    row = (
        rule,
        subject.site,
        str(subject.type),
        subject.id,
        notify.key,
        str(notify.audience),
        notify.template,
        msgspec.json.encode(notify.params).decode(),
        str(notify.urgency),
        notify.merge,
        _active_ticket(connection, notify),
        notify.drill,
        now,
        now,
        notify.expires_at or now + EXPIRES_AFTER[notify.urgency],
        WAITING,
    )
    return _INSERT.run(connection, [row]) > 0


def hand_on(connection: Connection, order_id: int, audience: str, key: str, now: UtcMs) -> bool:
    """The same order to somebody else; False where that was done before."""
    given = connection.execute(select(notice_orders).where(notice_orders.c.id == order_id)).one()
    changed = {
        "audience": audience,
        "key": key,
        "merge": None,
        "created_at": now,
        "not_before": now,
        "expires_at": now + EXPIRES_AFTER[Urgency(given.urgency)],
        "state": WAITING,
    }
    row = tuple(changed.get(name, getattr(given, name)) for name in _COLUMNS)
    return _INSERT.run(connection, [row]) > 0


def withdraw(connection: Connection, decision: WithdrawNotices, rule: str, now: UtcMs) -> int:
    """Orders that are not settled are no longer to be sent; how many.

    Of one whose sending has begun, what has not left yet is held back: every attempt asks whether its order still stands.
    """
    statement = notice_orders.update().where(
        *_about(rule, decision.subject),
        notice_orders.c.key.startswith(decision.key_prefix, autoescape=True),
        notice_orders.c.state.in_([WAITING, SENDING]),
    )
    return connection.execute(statement.values(state=WITHDRAWN, settled_at=now)).rowcount


def carry_out(connection: Connection, decisions: Sequence[Notify | WithdrawNotices], rule: str, now: UtcMs) -> int:
    """Order and withdraw, one after the other; how many orders are new."""
    new = 0
    for decision in decisions:
        if isinstance(decision, Notify):
            new += order(connection, decision, rule, now)
        else:
            withdraw(connection, decision, rule, now)
    return new


def _about(rule: str, subject: Subject) -> tuple[Any, ...]:
    return (
        notice_orders.c.rule == rule,
        notice_orders.c.site == subject.site,
        notice_orders.c.subject_type == str(subject.type),
        notice_orders.c.subject_id == subject.id,
    )


def _active_ticket(connection: Connection, notify: Notify) -> int | None:
    if notify.kind is None:
        return None
    statement = select(tickets.c.id).where(
        tickets.c.kind == str(notify.kind),
        tickets.c.site == notify.subject.site,
        tickets.c.subject_type == str(notify.subject.type),
        tickets.c.subject_id == notify.subject.id,
        tickets.c.active,
    )
    found: int | None = connection.execute(statement).scalar_one_or_none()
    return found
