"""When a notice may be sent, to whom next, and what came of it: functions of values, `now` included.

Every answer carries its reason as one word. Quiet hours and rates hold back `routine`, rates (doubled) `urgent` too, and
nothing ever holds back `critical`. Holidays are not quiet hours: people are at home then and can buy electricity.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

import msgspec

from hub.settings.model import NoticePolicy, QuietHours
from hub.vocabulary.decisions import Urgency
from hub.vocabulary.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UtcMs


class When(StrEnum):
    """What is to be done with an order or a notice at this moment."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"


class Why(StrEnum):
    """Reason of a timing."""

    DUE = "due"
    QUIET_HOURS = "quiet_hours"
    MERGE_WINDOW = "merge_window"
    RATE_HOUR = "rate_hour"
    RATE_DAY = "rate_day"
    EXPIRED = "expired"


class Timing(msgspec.Struct, frozen=True):
    """`at` is when to look again; only with LATER."""

    when: When
    why: Why
    at: UtcMs = 0


class NoticeState(StrEnum):
    """Life of one notice: a recipient, a channel."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Outcome(StrEnum):
    """What came of an order (hub.vocabulary.events.NoticeSettled)."""

    DELIVERED = "delivered"
    SENT = "sent"
    UNDELIVERED = "undelivered"
    NOBODY = "nobody"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


UNDER_WAY: Final = frozenset({NoticeState.QUEUED, NoticeState.SENDING})
NOBODY_REACHED: Final = frozenset({Outcome.UNDELIVERED, Outcome.NOBODY, Outcome.EXPIRED})

BACK_OFF_S: Final[Mapping[Urgency, tuple[int, ...]]] = {
    Urgency.ROUTINE: (30, 60, 300, 900, 1_800, 3_600),
    Urgency.URGENT: (5, 15, 60, 180),
    Urgency.CRITICAL: (2, 5, 10),
}
"""Waits between the attempts on one channel; after the last one the next channel's turn has come."""

RATE_SHARE: Final[Mapping[Urgency, int]] = {Urgency.ROUTINE: 1, Urgency.URGENT: 2}
MERGE_SHARE: Final[Mapping[Urgency, float]] = {Urgency.ROUTINE: 1.0, Urgency.URGENT: 0.1}
URGENCY_RANK: Final[Mapping[Urgency, int]] = {Urgency.CRITICAL: 0, Urgency.URGENT: 1, Urgency.ROUTINE: 2}


# --- quiet hours ------------------------------------------------------------------------------------------


def is_quiet(at: UtcMs, zone: tzinfo, quiet: QuietHours) -> bool:
    """Whether the clock on the wall of this zone shows a quiet hour; the end is not quiet any more."""
    if quiet.start == quiet.end:
        return False
    local = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
    minute = local.hour * 60 + local.minute
    if quiet.start < quiet.end:
        return quiet.start <= minute < quiet.end
    return minute >= quiet.start or minute < quiet.end


def quiet_until(at: UtcMs, zone: tzinfo, quiet: QuietHours) -> UtcMs | None:
    """When the quiet hour that `at` lies in is over; None: it lies in none.

    Both nights of daylight saving are right: an end that the clock jumps over is where the clock lands, and one that
    comes twice ends both of its quiet hours.
    """
    if not is_quiet(at, zone, quiet):
        return None
    today = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone).date()
    ends = sorted(
        _instant(today + timedelta(days=days), quiet.end, fold, zone) for days in (0, 1, 2) for fold in (0, 1)
    )
    end = next(end for end in ends if end > at and not is_quiet(end, zone, quiet))
    while end - MINUTE_MS > at and not is_quiet(end - MINUTE_MS, zone, quiet):  # the clock has jumped over the end
        end -= MINUTE_MS
    return end


def _instant(day: date, minute: int, fold: int, zone: tzinfo) -> UtcMs:
    """A time of the wall's clock; one that is jumped over comes out as the moment of the jump or after it."""
    wall = datetime.combine(day, time(minute // 60 % 24, minute % 60, fold=fold), zone)
    return round(wall.timestamp() * 1000)


# --- an order ---------------------------------------------------------------------------------------------


class OrderTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What decides when an order is looked at."""

    urgency: Urgency
    created_at: UtcMs
    expires_at: UtcMs
    merges: bool


def order_timing(order: OrderTerms, policy: NoticePolicy, zone: tzinfo, now: UtcMs) -> Timing:
    """Whether an order's recipients are to be told now."""
    if now >= order.expires_at:
        return Timing(When.NEVER, Why.EXPIRED)
    quiet = _quiet_timing(order.urgency, order.expires_at, policy, zone, now)
    if quiet is not None:
        return quiet
    share = MERGE_SHARE.get(order.urgency, 0)
    gathered_at = order.created_at + round(policy.merge_window_s * share) * SECOND_MS
    if order.merges and now < gathered_at:
        return Timing(When.LATER, Why.MERGE_WINDOW, min(gathered_at, order.expires_at))
    return Timing(When.NOW, Why.DUE)


def _quiet_timing(urgency: Urgency, expires_at: UtcMs, policy: NoticePolicy, zone: tzinfo, now: UtcMs) -> Timing | None:
    if urgency is not Urgency.ROUTINE:
        return None
    until = quiet_until(now, zone, policy.quiet)
    return None if until is None else Timing(When.LATER, Why.QUIET_HOURS, min(until, expires_at))


# --- a notice ---------------------------------------------------------------------------------------------


class NoticeTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What decides when a notice is handed to its sender. `history`: when this address was written to within a day."""

    urgency: Urgency
    expires_at: UtcMs
    history: Sequence[UtcMs] = ()


def notice_timing(notice: NoticeTerms, policy: NoticePolicy, zone: tzinfo, now: UtcMs) -> Timing:
    """Whether a notice that is due may go to its address now. A repeat at night waits like a first attempt."""
    if now >= notice.expires_at:
        return Timing(When.NEVER, Why.EXPIRED)
    quiet = _quiet_timing(notice.urgency, notice.expires_at, policy, zone, now)
    if quiet is not None:
        return quiet
    share = RATE_SHARE.get(notice.urgency)
    if share is None:
        return Timing(When.NOW, Why.DUE)
    for limit, span, why in (
        (policy.per_day * share, DAY_MS, Why.RATE_DAY),
        (policy.per_hour * share, HOUR_MS, Why.RATE_HOUR),
    ):
        within = sorted(at for at in notice.history if at > now - span)
        if len(within) >= limit:
            return Timing(When.LATER, why, min(within[len(within) - limit] + span, notice.expires_at))
    return Timing(When.NOW, Why.DUE)


def next_try(urgency: Urgency, attempts: int, after_s: float | None, now: UtcMs) -> UtcMs | None:
    """When to try again after so many attempts; None: this channel has had its chances. Never sooner than the provider says."""
    waits = BACK_OFF_S[urgency]
    if attempts > len(waits):
        return None
    wait_s = max(waits[attempts - 1], after_s or 0)
    return now + round(wait_s * SECOND_MS)


# --- recipients -------------------------------------------------------------------------------------------


class Channel(msgspec.Struct, frozen=True):
    """A way to a person that the person has agreed to and the site has a notifier for."""

    channel: str
    address: str


def first_channel(channels: Sequence[Channel], taken: Collection[Channel]) -> Channel | None:
    """The best-ranked channel that nobody of this order has been written to; `channels` are in order of rank."""
    return next((channel for channel in channels if channel not in taken), None)


# --- the end ----------------------------------------------------------------------------------------------


def outcome(states: Sequence[NoticeState]) -> Outcome | None:
    """What came of an order whose notices are in these states; None: it is not over.

    Over it is when somebody has surely got it, or when nothing is under way any more.
    """
    if NoticeState.DELIVERED in states:
        return Outcome.DELIVERED
    if not UNDER_WAY.isdisjoint(states):
        return None
    for state, word in (
        (NoticeState.SENT, Outcome.SENT),
        (NoticeState.FAILED, Outcome.UNDELIVERED),
        (NoticeState.EXPIRED, Outcome.EXPIRED),
        (NoticeState.WITHDRAWN, Outcome.WITHDRAWN),
    ):
        if state in states:
            return word
    return Outcome.NOBODY
