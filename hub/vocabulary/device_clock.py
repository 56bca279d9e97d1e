"""Whether a device's own time can be believed.

Devices' clocks are wrong: 1970, 2000-01-01, hours ahead. Arrival time takes their place and theirs is kept beside it
(domain/elevator.md 5 'Clock skew, no zone, future time'; domain/meters.md 7 no. 14). An old but possible time is
believed: a device that was offline sends what it has kept, and the pipeline marks that as late.
"""

from __future__ import annotations

from typing import Final

from hub.vocabulary.events import Clock
from hub.vocabulary.instants import EARLIEST_MS, MINUTE_MS, UtcMs

FUTURE_TOLERANCE_MS: Final = MINUTE_MS
"""A device may be this far ahead before its time is put aside."""


def believe(device_at: UtcMs | None, received_at: UtcMs) -> tuple[UtcMs, Clock, UtcMs | None]:
    """`(occurred_at, clock, device_at to keep)` for a message of `device_at` that arrived at `received_at`."""
    if device_at is None:
        return received_at, Clock.ARRIVAL, None
    if device_at < EARLIEST_MS or device_at > received_at + FUTURE_TOLERANCE_MS:
        return received_at, Clock.SKEWED, device_at
    return device_at, Clock.DEVICE, None
