"""Handing notices to their senders and writing down what came of it.

Claim, send, record: the send lies outside of any transaction. A process that dies between leaves a claim behind, which is
taken up again under the same key; a claim is won by one worker only. Everything is asked anew before each attempt:
whether the order still stands, whether this person is still the one to be told, and whether it may be now.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, and_, bindparam, select

from hub.notices import orders as order_states
from hub.notices.letters import (
    SiteNotices,
    Sites,
    link_token,
    orders_of,
    text_book,
    urgency,
    worst_first,
    write_notice,
    write_text,
)
from hub.notices.plan import (
    Channel,
    NoticeState,
    NoticeTerms,
    When,
    next_try,
    notice_timing,
)
from hub.notices.planning import BY_URGENCY
from hub.notices.recipients import Directory, Recipient
from hub.notices.text_book import TextBook
from hub.notices.texts import TextError
from hub.registry.links import HIDDEN
from hub.store.schema import notice_attempts, notice_orders, notices
from hub.vocabulary.decisions import Urgency
from hub.vocabulary.instants import DAY_MS, SECOND_MS, UtcMs
from hub.vocabulary.ports import GiveUp, OutgoingNotice, Retry, Sent

log = logging.getLogger(__name__)

LOOKED_AT_ONCE: Final = 50
LEASE_MS: Final = 60 * SECOND_MS
"""Longer than any sender's time-out: a claim older than this has nobody any more."""

Lane = tuple[str, str]
"""(site, channel): a notifier."""

# Built once: asked in every round of the post.
_HURRY: Final = (
    notices.update()
    .where(
        notices.c.state == NoticeState.QUEUED,
        notices.c.next_try_at > bindparam("_now"),
        notices.c.order_id.in_(select(notice_orders.c.id).where(notice_orders.c.state == order_states.WITHDRAWN)),
    )
    .values(next_try_at=bindparam("_now"))
)
_DUE: Final = (
    select(notices)
    .join(notice_orders, notice_orders.c.id == notices.c.order_id)
    .where(
        notices.c.state.in_([NoticeState.QUEUED, NoticeState.SENDING]),
        notices.c.next_try_at <= bindparam("_now"),
        notices.c.site.in_(bindparam("_sites", expanding=True)),
    )
    .order_by(BY_URGENCY, notices.c.id)
    .limit(LOOKED_AT_ONCE)
)


_UNDER_WAY: Final = select(notices.c.id).where(notices.c.state.in_([NoticeState.QUEUED, NoticeState.SENDING])).limit(1)


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A notice that is this worker's to send now."""

    id: int
    site: str
    channel: str
    urgency: Urgency
    attempt: int
    outgoing: OutgoingNotice


class Result(msgspec.Struct, frozen=True):
    """What a sender said, and when."""

    claimed: Claimed
    verdict: Sent | Retry | GiveUp
    at: UtcMs


def release_claims(connection: Connection, sites: Sites, now: UtcMs) -> int:
    """At a start: claims of the process before are free at once (one hub per database); how many there were."""
    left = notices.update().where(notices.c.state == NoticeState.SENDING, notices.c.site.in_(sorted(sites)))
    return connection.execute(left.values(next_try_at=now)).rowcount


def any_under_way(connection: Connection) -> bool:
    """Whether there is any notice that may be due, or withdrawn; seen by a reader, as planning.any_due."""
    return connection.execute(_UNDER_WAY).first() is not None


def claim_due(
    connection: Connection, sites: Sites, under_way: Mapping[Lane, int], busy: Collection[int], room: int, now: UtcMs
) -> list[Claimed]:
    """Claim what is due, most urgent first, at most `room` per lane with what is `under_way` there.

    `busy`: notices that this worker is sending or has results of that are not written down yet.
    """
    _hurry_withdrawn(connection, now)
    book = text_book(connection, sites)
    taken = dict(under_way)
    full = [lane for lane, count in taken.items() if count >= room]
    claimed = []
    for notice in _due(connection, sites, full, busy, now):
        lane = (notice.site, notice.channel)
        if taken.get(lane, 0) >= room:
            continue
        one = _claim_alone(connection, book, notice, sites[notice.site], now)
        if one is not None:
            taken[lane] = taken.get(lane, 0) + 1
            claimed.append(one)
    return claimed


def _hurry_withdrawn(connection: Connection, now: UtcMs) -> None:
    """What is no longer true need not wait for its next attempt to be shown as withdrawn."""
    connection.execute(_HURRY, {"_now": now})


def _due(
    connection: Connection, sites: Sites, full: Collection[Lane], busy: Collection[int], now: UtcMs
) -> Sequence[Row[Any]]:
    statement = _DUE
    for site, channel in full:
        statement = statement.where(~and_(notices.c.site == site, notices.c.channel == channel))
    if busy:
        statement = statement.where(notices.c.id.not_in(sorted(busy)))
    return connection.execute(statement, {"_now": now, "_sites": sorted(sites)}).all()


def _claim_alone(
    connection: Connection, book: TextBook, notice: Row[Any], site: SiteNotices, now: UtcMs
) -> Claimed | None:
    """One broken notice must not hold up the others."""
    try:
        with connection.begin_nested():
            return _claim(connection, book, notice, site, now)
    except (ValueError, LookupError, TypeError) as error:
        log.exception("notice %d cannot be sent", notice.id)
        _end(connection, notice, NoticeState.FAILED, f"defect: {type(error).__name__}")
        return None


def _claim(connection: Connection, book: TextBook, notice: Row[Any], site: SiteNotices, now: UtcMs) -> Claimed | None:
    """One notice; None where it is not to be sent now, with the reason in its row."""
    standing = [o for o in orders_of(connection, notice.id, notice.order_id) if o.state != order_states.WITHDRAWN]
    if not standing:
        _end(connection, notice, NoticeState.WITHDRAWN, "withdrawn before it was sent")
        return None
    mine, recipient = _still_for(connection, notice, standing, site, now)
    if recipient is None:
        _end(connection, notice, NoticeState.WITHDRAWN, "recipient_changed")
        return None
    if Channel(notice.channel, notice.address) not in recipient.channels:
        _end(connection, notice, NoticeState.FAILED, "channel_changed")
        write_notice(connection, book, recipient, mine, now)
        return None
    timing = notice_timing(_terms(connection, notice, mine, now), site.policy, site.zone, now)
    if timing.when is When.NEVER:
        _end(connection, notice, NoticeState.EXPIRED, str(timing.why))
        return None
    if timing.when is When.LATER:
        waits = notices.update().where(notices.c.id == notice.id)
        connection.execute(waits.values(state=NoticeState.QUEUED, next_try_at=timing.at, outcome=str(timing.why)))
        return None
    return _take(connection, book, notice, mine, recipient, site, now)


def _end(connection: Connection, notice: Row[Any], state: NoticeState, why: str) -> None:
    ended = notices.update().where(notices.c.id == notice.id)
    connection.execute(ended.values(state=str(state), next_try_at=None, outcome=why))


def _still_for(
    connection: Connection, notice: Row[Any], standing: Iterable[Row[Any]], site: SiteNotices, now: UtcMs
) -> tuple[list[Row[Any]], Recipient | None]:
    """The orders for which this person is still the one to be told, worst first, and the person as of now."""
    mine, recipient = [], None
    directory = Directory(connection, now)
    for order in standing:
        found = directory.still_meant(order, notice.person_id, site)
        if found is not None:
            mine.append(order)
            recipient = found
    return worst_first(mine), recipient


def _terms(connection: Connection, notice: Row[Any], mine: Sequence[Row[Any]], now: UtcMs) -> NoticeTerms:
    attempts = (
        select(notice_attempts.c.at)
        .join(notices, notices.c.id == notice_attempts.c.notice_id)
        .where(
            notices.c.channel == notice.channel,
            notices.c.address == notice.address,
            notice_attempts.c.at > now - DAY_MS,
        )
    )
    under_way = select(notices.c.id).where(
        notices.c.channel == notice.channel,
        notices.c.address == notice.address,
        notices.c.state == NoticeState.SENDING,
        notices.c.id != notice.id,
    )
    history = [*connection.execute(attempts).scalars(), *(now for _ in connection.execute(under_way))]
    return NoticeTerms(
        urgency=urgency(mine[0]), expires_at=max(order.expires_at for order in mine), history=tuple(history)
    )


def _take(
    connection: Connection,
    book: TextBook,
    notice: Row[Any],
    mine: list[Row[Any]],
    recipient: Recipient,
    site: SiteNotices,
    now: UtcMs,
) -> Claimed | None:
    mine = [order for order in mine if order.expires_at > now]
    token = link_token(site.links, mine, notice.person_id, notice.created_at)
    try:
        rendered, sent = (write_text(book, mine, recipient.locale, each) for each in (HIDDEN, token))
    except TextError as error:
        _end(connection, notice, NoticeState.FAILED, f"text: {error}")
        return None
    won = notices.update().where(
        notices.c.id == notice.id, notices.c.state == notice.state, notices.c.attempts == notice.attempts
    )
    values = {
        "state": str(NoticeState.SENDING),
        "attempts": notice.attempts + 1,
        "next_try_at": now + LEASE_MS,
        "recipient": recipient.name,
        "title": rendered.title,
        "body": rendered.body,
    }
    if connection.execute(won.values(values)).rowcount == 0:
        return None
    outgoing = OutgoingNotice(
        key=key_of(notice.id, notice.created_at),
        address=notice.address,
        title=sent.title,
        body=sent.body,
        template=mine[0].template,
        params=sent.params,
    )
    return Claimed(
        id=notice.id,
        site=notice.site,
        channel=notice.channel,
        urgency=urgency(mine[0]),
        attempt=notice.attempts + 1,
        outgoing=outgoing,
    )


def key_of(notice_id: int, created_at: UtcMs) -> str:
    """The same for every attempt, and never again for another notice, also after a restored backup."""
    return f"hub-{notice_id}-{created_at:x}"


def record(connection: Connection, sites: Sites, results: Iterable[Result]) -> None:
    """Write down what the senders said; a channel that has failed for good is followed by the person's next."""
    book = text_book(connection, sites)
    for result in results:
        _record_one(connection, book, sites, result)


def _record_one(connection: Connection, book: TextBook, sites: Sites, result: Result) -> None:
    claimed, verdict = result.claimed, result.verdict
    answer = verdict.answer if isinstance(verdict, Sent) else verdict.reason
    connection.execute(
        notice_attempts.insert().values(
            notice_id=claimed.id,
            at=result.at,
            ok=isinstance(verdict, Sent),
            retry=isinstance(verdict, Retry),
            answer=answer[:300],
        )
    )
    values: dict[str, Any] = {"outcome": answer[:300], "next_try_at": None}
    if isinstance(verdict, Sent):
        values |= {"state": str(NoticeState.SENT), "sent_at": result.at, "provider_id": verdict.provider_id}
    else:
        after_s = verdict.after_s if isinstance(verdict, Retry) else None
        retry_at = (
            next_try(claimed.urgency, claimed.attempt, after_s, result.at) if isinstance(verdict, Retry) else None
        )
        state = NoticeState.FAILED if retry_at is None else NoticeState.QUEUED
        values |= {"state": str(state), "next_try_at": retry_at}
    ours = notices.update().where(notices.c.id == claimed.id, notices.c.state == NoticeState.SENDING)
    if connection.execute(ours.values(values)).rowcount and values["state"] == NoticeState.FAILED:
        fall_over(connection, book, sites, claimed.id, result.at)


def fall_over(connection: Connection, book: TextBook, sites: Sites, notice_id: int, now: UtcMs) -> bool:
    """After a channel has failed for good: the person's next one. False where there is none, or no need any more."""
    notice = connection.execute(select(notices).where(notices.c.id == notice_id)).one()
    standing = [
        order
        for order in orders_of(connection, notice.id, notice.order_id)
        if order.state != order_states.WITHDRAWN and order.expires_at > now
    ]
    mine, recipient = _still_for(connection, notice, standing, sites[notice.site], now)
    return recipient is not None and write_notice(connection, book, recipient, mine, now)


def receive(connection: Connection, sites: Sites, lane: Lane, provider_id: str, detail: str | None, now: UtcMs) -> bool:
    """A provider's receipt: `detail` None says delivered, else why not. False where no such notice was sent.

    Said twice, it is the same; a delivered notice stays delivered.
    """
    statement = select(notices).where(
        notices.c.site == lane[0], notices.c.channel == lane[1], notices.c.provider_id == provider_id
    )
    notice = connection.execute(statement.order_by(notices.c.id.desc()).limit(1)).one_or_none()
    if notice is None:
        return False
    if notice.state != NoticeState.SENT:
        return True
    mine = notices.update().where(notices.c.id == notice.id)
    if detail is None:
        connection.execute(mine.values(state=str(NoticeState.DELIVERED), delivered_at=now))
        return True
    connection.execute(mine.values(state=str(NoticeState.FAILED), outcome=f"receipt: {detail}"[:300]))
    fall_over(connection, text_book(connection, sites), sites, notice.id, now)
    return True
