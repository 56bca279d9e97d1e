"""What a clock does when: pure functions of the clock's data, when it started, and the deadline that fell due.

A clock has one deadline at a time (a row); which of its moments that is, is told by its distance from the start. So no
moment is fired twice or out of order, however often the hub dies between. All in UTC: no night has two lengths here.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from hub.tickets.kind import ClockSpec, Escalation
from hub.vocabulary.instants import SECOND_MS, UtcMs


class Moment(StrEnum):
    """What a deadline of a clock is; the timeline's reason."""

    WARNING = "warning"
    BREACHED = "breached"
    PAGED_AGAIN = "paged_again"


class Fallen(msgspec.Struct, frozen=True):
    """A deadline that fell due, and what is to be done."""

    moment: Moment
    escalation: Escalation


_NOTHING = Escalation()


def offsets_s(spec: ClockSpec) -> tuple[int, ...]:
    """All moments of a clock, in seconds from its start, in order."""
    again = (spec.within_s + spec.every_s * number for number in range(1, spec.times + 1))
    return (*sorted(spec.warnings), spec.within_s, *again)


def first_due(spec: ClockSpec, started_at: UtcMs) -> UtcMs:
    """When the clock's first moment is."""
    return started_at + min(spec.warnings, default=spec.within_s) * SECOND_MS


def fallen(spec: ClockSpec, started_at: UtcMs, due_at: UtcMs) -> Fallen:
    """What fell due at `due_at`. A time that is no moment of the clock (its data have changed) is the one before it."""
    elapsed_s = (due_at - started_at) // SECOND_MS
    if elapsed_s > spec.within_s:
        return Fallen(Moment.PAGED_AGAIN, spec.otherwise)
    if elapsed_s == spec.within_s:
        return Fallen(Moment.BREACHED, spec.otherwise)
    passed = [at_s for at_s in sorted(spec.warnings) if at_s <= elapsed_s]
    return Fallen(Moment.WARNING, spec.warnings[passed[-1]] if passed else _NOTHING)


def next_due(spec: ClockSpec, started_at: UtcMs, due_at: UtcMs, now: UtcMs) -> UtcMs | None:
    """The clock's next deadline after the one at `due_at`; None: it has done all it can.

    Of several pages-again that were missed while the hub was down only the last is made up for.
    """
    later = [at for offset_s in offsets_s(spec) if (at := started_at + offset_s * SECOND_MS) > due_at]
    breach_at = started_at + spec.within_s * SECOND_MS
    while len(later) > 1 and later[0] > breach_at and later[1] <= now:
        later = later[1:]
    return later[0] if later else None
