"""Turning orders that are due into notices: recipients are resolved, orders with one merge key go to each as one text.

Rule: one short transaction per call, so that alarms never wait behind notices.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, case, or_, select

from hub.notices import orders as order_states
from hub.notices.letters import Sites, text_book, urgency, worst_first, write_notice
from hub.notices.plan import URGENCY_RANK, OrderTerms, When, order_timing
from hub.notices.recipients import Directory, Recipient, Wanted
from hub.notices.text_book import TextBook
from hub.store.schema import notice_orders
from hub.vocabulary.instants import UtcMs

log = logging.getLogger(__name__)

ORDERS_AT_ONCE: Final = 5  # a transaction of a few milliseconds: the engine may be waiting for its place
MATES_AT_ONCE: Final = 50

BY_URGENCY: Final = case(
    {str(word): rank for word, rank in URGENCY_RANK.items()}, value=notice_orders.c.urgency, else_=9
)
_DUE: Final = (
    select(notice_orders)
    .where(
        notice_orders.c.state == order_states.WAITING,
        notice_orders.c.not_before <= bindparam("_now"),
        notice_orders.c.expires_at > bindparam("_now"),
        notice_orders.c.site.in_(bindparam("_sites", expanding=True)),
    )
    .order_by(BY_URGENCY, notice_orders.c.id)
    .limit(ORDERS_AT_ONCE)
)
_BEGIN: Final = (
    notice_orders.update()
    .where(notice_orders.c.id == bindparam("_id"), notice_orders.c.state == order_states.WAITING)
    .values(state=order_states.SENDING)
)


def any_due(connection: Connection, sites: Sites, now: UtcMs) -> bool:
    """Whether there is anything to plan: seen by a reader, so that nobody waits for a transaction in which nothing happens."""
    return connection.execute(_DUE, {"_now": now, "_sites": sorted(sites)}).first() is not None


def plan_due(connection: Connection, sites: Sites, now: UtcMs) -> int:
    """Look at the orders that are due; how many were looked at. Expired ones are left for `settled`."""
    due = connection.execute(_DUE, {"_now": now, "_sites": sorted(sites)}).all()
    ready = [order for order in due if _is_ready(connection, order, sites, now)]
    book, directory = text_book(connection, sites), Directory(connection, now)
    for group in _groups([*ready, *_mates(connection, ready, now)]):
        try:
            with connection.begin_nested():
                _address(connection, book, directory, group, sites, now)
        except (ValueError, LookupError, TypeError):  # one broken order must not hold up the others
            log.exception("notices: orders %s cannot be addressed", [order.id for order in group])
            _begin(connection, group)  # without a notice: nobody is reached, and that is told
    return len(due)


def _begin(connection: Connection, group: Iterable[Row[Any]]) -> list[Row[Any]]:
    """Those of the group that are ours to send from now on; the others were withdrawn or taken meanwhile."""
    return [order for order in group if connection.execute(_BEGIN, {"_id": order.id}).rowcount]


def _is_ready(connection: Connection, order: Row[Any], sites: Sites, now: UtcMs) -> bool:
    site = sites[order.site]
    terms = OrderTerms(
        urgency=urgency(order),
        created_at=order.created_at,
        expires_at=order.expires_at,
        merges=order.merge is not None,
    )
    timing = order_timing(terms, site.policy, site.zone, now)
    if timing.when is When.LATER:
        postponed = notice_orders.update().where(notice_orders.c.id == order.id)
        connection.execute(postponed.values(not_before=timing.at))
    return timing.when is When.NOW


def _mates(connection: Connection, ready: Sequence[Row[Any]], now: UtcMs) -> list[Row[Any]]:
    """Younger orders with the same merge key go along: one more sentence disturbs nobody a second time."""
    keys = {(order.site, order.audience, order.merge) for order in ready if order.merge is not None}
    if not keys:
        return []
    alike = or_(
        *(
            (notice_orders.c.site == site) & (notice_orders.c.audience == audience) & (notice_orders.c.merge == merge)
            for site, audience, merge in sorted(keys)
        )
    )
    waiting = (notice_orders.c.state == order_states.WAITING) & (notice_orders.c.expires_at > now)
    known = {order.id for order in ready}
    statement = select(notice_orders).where(alike, waiting).order_by(notice_orders.c.id).limit(MATES_AT_ONCE)
    return [order for order in connection.execute(statement) if order.id not in known]


def _groups(orders: Iterable[Row[Any]]) -> list[list[Row[Any]]]:
    """Orders that may share a text; one without a merge key stands alone."""
    found: dict[tuple[Any, ...], list[Row[Any]]] = {}
    for order in orders:
        key = (order.site, order.audience, order.merge) if order.merge is not None else (order.id,)
        found.setdefault(key, []).append(order)
    return list(found.values())


def _address(
    connection: Connection, book: TextBook, directory: Directory, group: list[Row[Any]], sites: Sites, now: UtcMs
) -> None:
    """Write the notices of a group: one per recipient, to the best channel."""
    mine: dict[tuple[int | None, str], tuple[Recipient, list[Row[Any]]]] = {}
    for order in _begin(connection, group):
        found = directory.resolve(Wanted.of(order), sites[order.site])
        for recipient in found if isinstance(found, tuple) else ():
            key = (recipient.person_id, "" if recipient.person_id else recipient.channels[0].address)
            mine.setdefault(key, (recipient, []))[1].append(order)
    for recipient, orders in mine.values():
        write_notice(connection, book, recipient, worst_first(orders), now)
