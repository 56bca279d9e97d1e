"""Telling a device whose clock was set back from one that sends what it has kept. Pure.

Both send times older than what is known. What was kept comes in a burst, or faster than it happened; a clock that is
wrong goes on at the pace of time. Once a run of messages has shown that pace, arrival time takes the place of the
device's, until its clock is right again (domain/elevator.md 5 'Clock skew'; domain/meters.md 7 no. 14).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from hub.vocabulary.events import Clock, Event
from hub.vocabulary.instants import MINUTE_MS, SECOND_MS, DurationMs, UtcMs

SKEW_FROM_MS: Final[DurationMs] = MINUTE_MS
RUN_MESSAGES: Final = 3
RUN_MS: Final[DurationMs] = 2 * SECOND_MS
PACE_TOLERANCE_MS: Final[DurationMs] = 2 * SECOND_MS
LAG_TOLERANCE_MS: Final[DurationMs] = 30 * SECOND_MS


class Run(NamedTuple):
    """Messages with old times that keep the pace of time: the first, the newest, and how many."""

    first_received: UtcMs
    last_occurred: UtcMs
    last_received: UtcMs
    messages: int


def extended(run: Run | None, event: Event) -> Run:
    """The run with this message, or a new one where it does not keep the pace."""
    if run is not None:
        arrived, happened = event.received_at - run.last_received, event.occurred_at - run.last_occurred
        if happened > 0 and abs(arrived - happened) <= max(PACE_TOLERANCE_MS, arrived // 10):
            return Run(run.first_received, event.occurred_at, event.received_at, run.messages + 1)
    return Run(event.received_at, event.occurred_at, event.received_at, 1)


def shows_a_wrong_clock(run: Run) -> bool:
    """Whether the run is long enough to say so."""
    return run.messages >= RUN_MESSAGES and run.last_received - run.first_received >= RUN_MS


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
