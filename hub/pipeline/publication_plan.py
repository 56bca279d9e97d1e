"""How a publication goes on after an attempt: pure, `now` and chance handed in.

Order is kept: what was not taken is tried again before anything later is sent. Only what the far side refuses as such (and
keeps refusing) is put aside, so that one bad change never holds up an entrapment behind it; it stays in the log, and a person
is told. Who does not answer for days is switched off, with a problem that says what to do; the place in the feed is kept.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from hub.vocabulary.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, DurationMs, UtcMs
from hub.vocabulary.ports import GiveUp, PutAside, Refused, Retry, Sent
from hub.vocabulary.publications import PublicationState

FIRST_WAIT_MS: Final = SECOND_MS
LONGEST_WAIT_MS: Final = 5 * MINUTE_MS
LONGEST_ASKED_MS: Final = HOUR_MS
REFUSED_OFTEN: Final = 5
"""So often one change is refused as such before it is put aside: a receiver that is being updated refuses too."""
FAILING_AFTER_MS: Final = 10 * MINUTE_MS
DISABLED_AFTER_MS: Final = 3 * DAY_MS
KEY_OVERLAP_MS: Final = DAY_MS

Verdict = Sent | Retry | GiveUp | Refused | PutAside


class Outcome(StrEnum):
    """What came of an attempt: the log's word."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"
    SET_ASIDE = "set_aside"
    GONE = "gone"
    NOTHING = "nothing"  # no words for it: not an attempt
    GAP = "gap"  # the feed no longer holds what would have been next


class DisabledReason(StrEnum):
    """Why a publication is told nothing."""

    GONE = "gone"
    FAILING = "failing"
    BY_HAND = "by_hand"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a publication is, and how it stands."""

    state: PublicationState = PublicationState.ACTIVE
    cursor: int = 0
    attempts: int = 0
    next_try_at: UtcMs = 0
    failing_since: UtcMs | None = None
    last_error: str | None = None
    delivered_at: UtcMs | None = None
    disabled_reason: DisabledReason | None = None


def wait_ms(attempts: int, asked_s: float | None, chance: float) -> DurationMs:
    """Before the next attempt after so many in vain; `chance` in 0 … 1 spreads receivers over the last quarter."""
    if asked_s is not None:
        return min(max(round(asked_s * 1000), FIRST_WAIT_MS), LONGEST_ASKED_MS)
    doubled = min(FIRST_WAIT_MS * (1 << min(max(attempts - 1, 0), 20)), LONGEST_WAIT_MS)
    return round(doubled * (0.75 + chance / 4))


def after_attempt(before: Progress, seq: int, verdict: Verdict, now: UtcMs, chance: float) -> tuple[Progress, Outcome]:
    """The standing after an attempt at the change `seq`, and the word for it. `now`: when the attempt ended."""
    match verdict:
        case Sent():
            return msgspec.structs.replace(_passed(before, seq), delivered_at=now), Outcome.DELIVERED
        case PutAside():
            return _passed(before, seq), Outcome.NOTHING
        case GiveUp():
            return _disabled(before, DisabledReason.GONE, verdict.reason), Outcome.GONE
        case Refused():
            if before.attempts + 1 >= REFUSED_OFTEN:
                return msgspec.structs.replace(_passed(before, seq), last_error=verdict.reason), Outcome.SET_ASIDE
            return _again(before, verdict.reason, None, now, chance), Outcome.REFUSED
        case Retry():
            again = _again(before, verdict.reason, verdict.after_s, now, chance)
            since = again.failing_since
            if since is not None and now - since >= DISABLED_AFTER_MS:
                return _disabled(again, DisabledReason.FAILING, verdict.reason), Outcome.RETRY
            return again, Outcome.RETRY


def _passed(before: Progress, seq: int) -> Progress:
    return msgspec.structs.replace(
        before,
        cursor=max(before.cursor, seq),
        attempts=0,
        next_try_at=0,
        failing_since=None,
        last_error=None,
    )


def _again(before: Progress, reason: str, asked_s: float | None, now: UtcMs, chance: float) -> Progress:
    attempts = before.attempts + 1
    return msgspec.structs.replace(
        before,
        attempts=attempts,
        next_try_at=now + wait_ms(attempts, asked_s, chance),
        failing_since=now if before.failing_since is None else before.failing_since,
        last_error=reason,
    )


def _disabled(before: Progress, why: DisabledReason, reason: str) -> Progress:
    return msgspec.structs.replace(
        before, state=PublicationState.DISABLED, disabled_reason=why, last_error=reason, next_try_at=0
    )


def moved(before: Progress, after_seq: int) -> Progress:
    """To be told everything behind this number, again or not; as if nothing had failed so far."""
    return msgspec.structs.replace(
        before, cursor=after_seq, attempts=0, next_try_at=0, failing_since=None, last_error=None
    )


def enabled(before: Progress) -> Progress:
    """By a person: goes on where it stopped."""
    fresh = moved(before, before.cursor)
    return msgspec.structs.replace(fresh, state=PublicationState.ACTIVE, disabled_reason=None)


def disabled(before: Progress) -> Progress:
    """By a person."""
    return msgspec.structs.replace(
        before, state=PublicationState.DISABLED, disabled_reason=DisabledReason.BY_HAND, next_try_at=0
    )


def is_failing(progress: Progress, now: UtcMs) -> bool:
    """Whether it has failed for so long that a person should hear of it."""
    since = progress.failing_since
    return progress.state is PublicationState.ACTIVE and since is not None and now - since >= FAILING_AFTER_MS
