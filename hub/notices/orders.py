"""Ordering notices: a row written in the same transaction as what it is about; who is told is found out when it is sent.

The key is unique per (rule, subject): a rule that decides the same thing again after a restart orders nothing new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, bindparam, select

from hub.notices.chain import Following
from hub.notices.plan import Outcome
from hub.store.bulk import InsertNew
from hub.store.prepared import Prepared
from hub.store.schema import notice_orders, tickets
from hub.vocabulary.decisions import Notify, TicketKind, Urgency, WithdrawNotices
from hub.vocabulary.events import Subject
from hub.vocabulary.instants import DAY_MS, HOUR_MS, UtcMs

WAITING: Final = "waiting"
SENDING: Final = "sending"
WITHDRAWN: Final = "withdrawn"

ESCAPE: Final = "/"

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
    "settled_at",
)
_INSERT = InsertNew(notice_orders, _COLUMNS)
# Built once: an alarm orders and withdraws several while others wait.
_UNSETTLED: Final = (
    notice_orders.c.rule == bindparam("_rule"),
    notice_orders.c.site == bindparam("_site"),
    notice_orders.c.subject_type == bindparam("_subject_type"),
    notice_orders.c.subject_id == bindparam("_subject_id"),
    notice_orders.c.state.in_([WAITING, SENDING]),
)
_WITHDRAW: Final = (
    notice_orders.update()
    .where(*_UNSETTLED, notice_orders.c.key.like(bindparam("_pattern"), escape=ESCAPE))
    .values(state=WITHDRAWN, settled_at=bindparam("_now"))
)
_GIVEN: Final = select(notice_orders).where(notice_orders.c.id == bindparam("_id"))
_ACTIVE_TICKET: Final = Prepared(
    select(tickets.c.id).where(
        tickets.c.kind == bindparam("_kind"),
        tickets.c.site == bindparam("_site"),
        tickets.c.subject_type == bindparam("_subject_type"),
        tickets.c.subject_id == bindparam("_subject_id"),
        tickets.c.active,
    )
)


def order(connection: Connection, notify: Notify, rule: str, now: UtcMs) -> bool:
    """Write the order down; False where the same was ordered before."""
    return _order_all(connection, [notify], rule, now) > 0


def _order_all(connection: Connection, wanted: Iterable[Notify], rule: str, now: UtcMs) -> int:
    """How many are new. A ticket is looked up once for all that are told of it, and all are written at once."""
    found: dict[tuple[TicketKind | None, Subject], int | None] = {}
    rows = []
    for notify in wanted:
        about = (notify.kind, notify.subject)
        if about not in found:
            found[about] = _active_ticket(connection, notify)
        rows.append(_row(notify, found[about], rule, now))
    return _INSERT.run(connection, rows)


def _row(notify: Notify, ticket_id: int | None, rule: str, now: UtcMs) -> tuple[object, ...]:
    subject = notify.subject
    return (
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
        ticket_id,
        notify.drill,
        now,
        now,
        notify.expires_at or now + EXPIRES_AFTER[notify.urgency],
        WAITING,
        None,
    )


def hand_on(connection: Connection, order_id: int, roles: Sequence[Following], now: UtcMs) -> bool:
    """The same order to the last of these roles, and for the record to those before, who are nobody; False where that was
    done before.
    """
    given = connection.execute(_GIVEN, {"_id": order_id}).one()
    lasts_ms = EXPIRES_AFTER[Urgency(given.urgency)]
    again = {"merge": None, "created_at": now, "not_before": now, "expires_at": now + lasts_ms}
    rows = []
    for role in roles:
        then = (WAITING, None) if role is roles[-1] else (str(Outcome.NOBODY), now)
        own = again | {"audience": role.audience, "key": role.key, "state": then[0], "settled_at": then[1]}
        rows.append(tuple(own[name] if name in own else getattr(given, name) for name in _COLUMNS))
    return _INSERT.run(connection, rows) > 0


def withdraw(connection: Connection, decision: WithdrawNotices, rule: str, now: UtcMs) -> int:
    """Orders that are not settled are no longer to be sent; how many.

    Of one whose sending has begun, what has not left yet is held back: every attempt asks whether its order still stands.
    """
    about = {**_about(decision.subject), "_rule": rule, "_now": now, "_pattern": _beginning_with(decision.key_prefix)}
    return connection.execute(_WITHDRAW, about).rowcount


def carry_out(connection: Connection, decisions: Sequence[Notify | WithdrawNotices], rule: str, now: UtcMs) -> int:
    """Order and withdraw, one after the other; how many orders are new."""
    new = 0
    together: list[Notify] = []
    for decision in decisions:
        if isinstance(decision, Notify):
            together.append(decision)
            continue
        new += _order_all(connection, together, rule, now)
        together.clear()
        withdraw(connection, decision, rule, now)
    return new + _order_all(connection, together, rule, now)


def _about(subject: Subject) -> dict[str, str]:
    return {"_site": subject.site, "_subject_type": str(subject.type), "_subject_id": subject.id}


def _beginning_with(prefix: str) -> str:
    for special in (ESCAPE, "%", "_"):
        prefix = prefix.replace(special, ESCAPE + special)
    return f"{prefix}%"


def _active_ticket(connection: Connection, notify: Notify) -> int | None:
    if notify.kind is None:
        return None
    about = {**_about(notify.subject), "_kind": str(notify.kind)}
    found: int | None = _ACTIVE_TICKET.scalar_one_or_none(connection, about)
    return found
