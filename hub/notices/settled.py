"""Which orders are over, and what came of them. That it is so is written by the pipeline, in the same transaction in which
the rules hear of it: once, also after a crash (hub.pipeline.settling).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, exists, or_, select

from hub.notices import orders as order_states
from hub.notices.chain import Following, following
from hub.notices.letters import SiteNotices, Sites
from hub.notices.plan import NOBODY_REACHED, NoticeState, Outcome, outcome
from hub.notices.recipients import READ_A_LIST, Absent, Directory, Wanted, reaches
from hub.settings.notifiers import HOUSEKEEPER_LIST
from hub.store.schema import notice_merges, notice_orders, notices
from hub.vocabulary.decisions import Urgency
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import MINUTE_MS, UtcMs

SETTLED_AT_ONCE: Final = 8  # closed in one step: alarms wait for its end
RECEIPT_WITHIN_MS: Final = 30 * MINUTE_MS
"""So long a provider's receipt is waited for; without one the notice counts as sent."""

_MERGED: Final = select(notice_merges.c.notice_id).where(notice_merges.c.order_id == bindparam("_order"))
_REACHES: Final = or_(  # recipients.reaches, as a condition
    notices.c.channel != HOUSEKEEPER_LIST,
    notice_orders.c.urgency != str(Urgency.CRITICAL),
    notice_orders.c.audience.in_(sorted(map(str, READ_A_LIST))),
)
_NOTICES: Final = (
    select(notices.c.state, notices.c.channel, notices.c.outcome)
    .where(or_(notices.c.order_id == bindparam("_order"), notices.c.id.in_(_MERGED)))
    .order_by(notices.c.id)
)


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is over. `why` is told to people where nobody was reached."""

    order_id: int
    rule: str
    key: str
    subject: Subject
    audience: str
    template: str
    outcome: Outcome
    why: str = ""
    then: tuple[Following, ...] = ()
    """With nobody reached: the next roles, as long as they are empty, and at last the one that is told instead."""

    @property
    def reached_nobody(self) -> bool:
        """Whether this is an alarm."""
        return self.outcome in NOBODY_REACHED


def ended(connection: Connection, sites: Sites, busy: Sequence[int], now: UtcMs) -> list[Settled]:
    """Orders that are over and not written down as such; `busy` are being written down just now."""
    lanes = tuple((site, tuple(sorted(ways.receipts))) for site, ways in sorted(sites.items()) if ways.receipts)
    about = {"_now": now, "_sites": sorted(sites), "_busy": sorted(busy), "_sent_after": now - RECEIPT_WITHIN_MS}
    directory = Directory(connection, now)
    return [_settled(connection, directory, order, sites) for order in connection.execute(_over(lanes), about).all()]


@cache
def _over(lanes: tuple[tuple[str, tuple[str, ...]], ...]) -> Select[Any]:
    """Orders that are over, where receipts are waited for on these lanes (site, channels). Built once: it is asked in every round."""
    over = or_(
        and_(notice_orders.c.state == order_states.WAITING, notice_orders.c.expires_at <= bindparam("_now")),
        and_(notice_orders.c.state == order_states.SENDING, ~_any_notice(_under_way(lanes))),
        and_(
            notice_orders.c.state == order_states.SENDING,
            _any_notice(and_(notices.c.state == NoticeState.DELIVERED, _REACHES)),
        ),
    )
    ours = notice_orders.c.site.in_(bindparam("_sites", expanding=True))
    idle = notice_orders.c.id.not_in(bindparam("_busy", expanding=True))
    return select(notice_orders).where(over, ours, idle).order_by(notice_orders.c.id).limit(SETTLED_AT_ONCE)


def _any_notice(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Of this order, or of one that it was merged into."""
    merged = exists().where(
        notice_merges.c.order_id == notice_orders.c.id, notice_merges.c.notice_id == notices.c.id, condition
    )
    return or_(exists().where(notices.c.order_id == notice_orders.c.id, condition), merged)


def _under_way(lanes: tuple[tuple[str, tuple[str, ...]], ...]) -> ColumnElement[bool]:
    waiting = notices.c.state.in_([NoticeState.QUEUED, NoticeState.SENDING])
    if not lanes:
        return waiting
    here = [and_(notices.c.site == site, notices.c.channel.in_(channels)) for site, channels in lanes]
    awaited = and_(notices.c.state == NoticeState.SENT, notices.c.sent_at > bindparam("_sent_after"), or_(*here))
    return or_(waiting, awaited)


def _why_nobody(directory: Directory, order: Row[Any], site: SiteNotices) -> str:
    try:
        found = directory.resolve(Wanted.of(order), site)
    except ValueError as error:
        return f"the order cannot be read: {error}"
    return str(found) if isinstance(found, Absent) else "no address left"


def _handed_on(directory: Directory, order: Row[Any], site: SiteNotices) -> tuple[Following, ...]:
    """The roles after this one as far as to the first in which there is somebody: whoever is next is told at once, and not
    after a round of the post for each role that is empty.
    """
    roles: list[Following] = []
    then = following(site.chain, order.audience, order.key)
    while then is not None:
        roles.append(then)
        if not isinstance(directory.resolve(Wanted.of(order, then.audience), site), Absent):
            break
        then = following(site.chain, then.audience, then.key)
    return tuple(roles)


def _settled(connection: Connection, directory: Directory, order: Row[Any], sites: Sites) -> Settled:
    rows = connection.execute(_NOTICES, {"_order": order.id}).all()
    if order.state == order_states.WAITING:
        word, why = Outcome.EXPIRED, "not sent before it expired"
    else:
        counted = [row for row in rows if reaches(row.channel, order.urgency, order.audience)]
        word = outcome([NoticeState(row.state) for row in counted]) or Outcome.SENT
        why = "; ".join(f"{row.channel}: {row.outcome}" for row in rows if row.outcome)[:500]
    if word is Outcome.NOBODY:
        why = str(Absent.LIST_ONLY) if rows else _why_nobody(directory, order, sites[order.site])
    return Settled(
        order_id=order.id,
        rule=order.rule,
        key=order.key,
        subject=Subject(order.site, SubjectType(order.subject_type), order.subject_id),
        audience=order.audience,
        template=order.template,
        outcome=word,
        why=why,
        then=_handed_on(directory, order, sites[order.site]) if word in NOBODY_REACHED else (),
    )
