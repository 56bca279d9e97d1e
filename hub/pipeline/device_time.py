"""Telling a device whose clock was set back from one that sends what it has kept. Pure.

Both send times older than what is known. A clock that is wrong is behind by the same amount all the time, and tells no
message of the present on time. What was kept is behind by less and less as it comes, or comes in disorder, or between
messages of the present. Once a run of messages has shown a lag that stays, arrival time takes the place of the device's,
until its clock is right again (domain/elevator.md 5 'Clock skew'; domain/meters.md 7 no. 14).

What nobody can tell apart: everything kept comes alone, at the pace at which it happened.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from hub.vocabulary.events import Clock, Event
from hub.vocabulary.instants import MINUTE_MS, SECOND_MS, DurationMs, UtcMs

SKEW_FROM_MS: Final[DurationMs] = MINUTE_MS
RUN_MESSAGES: Final = 3
RUN_MS: Final[DurationMs] = 2 * SECOND_MS
JITTER_MS: Final[DurationMs] = 2 * SECOND_MS
LAG_TOLERANCE_MS: Final[DurationMs] = 30 * SECOND_MS


class Run(NamedTuple):
    """Late messages of one device that are behind by about the same amount, in any order. Times of arrival."""

    first_at: UtcMs
    last_at: UtcMs
    least_lag: DurationMs
    most_lag: DurationMs
    messages: int

    @property
    def length(self) -> DurationMs:
        """From the first to arrive to the last."""
        return self.last_at - self.first_at

    @property
    def swing(self) -> DurationMs:
        """By how much the lags differ."""
        return self.most_lag - self.least_lag


def after(run: Run | None, event: Event, *, late: bool) -> Run | None:
    """The run after this message of the device; None: nothing speaks against its clock.

    `late`: something newer of the same kind is known. What carries no time of the device's own leaves the run as it is,
    and so does what a broker has retained: how late that comes says nothing.
    """
    if event.clock is not Clock.DEVICE:
        return run
    lag = lag_of(event)
    if lag < SKEW_FROM_MS:
        return None
    return _extended(run, event.received_at, lag) if late and event.live else run


def _extended(run: Run | None, at: UtcMs, lag: DurationMs) -> Run:
    if run is not None:
        longer = Run(
            min(run.first_at, at),
            max(run.last_at, at),
            min(run.least_lag, lag),
            max(run.most_lag, lag),
            run.messages + 1,
        )
        if longer.swing <= max(JITTER_MS, min(longer.length // 10, LAG_TOLERANCE_MS)):
            return longer
    return Run(at, at, lag, lag, 1)


def shows_a_wrong_clock(run: Run) -> bool:
    """Whether the run says so: long enough, and its lag steady enough for its length. Jitter needs a longer one."""
    return run.messages >= RUN_MESSAGES and run.length >= RUN_MS and run.swing <= min(run.length // 5, LAG_TOLERANCE_MS)


def lag_of(event: Event) -> DurationMs:
    """How far the device's time is behind arrival."""
    return event.received_at - event.occurred_at


def keeps(lag: DurationMs, event: Event) -> bool:
    """Whether the device's clock is still wrong by this much."""
    return abs(lag_of(event) - lag) <= LAG_TOLERANCE_MS


def at_arrival(event: Event) -> Event:
    """The event at its arrival time, the device's own kept beside it."""
    return msgspec.structs.replace(
        event, occurred_at=event.received_at, device_at=event.occurred_at, clock=Clock.SKEWED, late=False
    )
