"""Points in time as the hub keeps them: UTC epoch milliseconds, turned into text only at the edges.

Nothing here reads a clock; `now` is always handed in.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Final, TypeAlias

UtcMs: TypeAlias = int
"""UTC, milliseconds since 1970-01-01T00:00:00Z."""

DurationMs: TypeAlias = int
"""A length of time in milliseconds."""

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

EARLIEST_MS: Final[UtcMs] = 1_577_836_800_000
"""2020-01-01: a device that reports an earlier time has not set its clock (1970, 2000-01-01)."""

LATEST_MS: Final[UtcMs] = 4_102_444_800_000
"""2100-01-01: beyond this a number is not a time of ours (milliseconds taken for seconds …)."""


def iso(at: UtcMs, zone: tzinfo = UTC) -> str:
    """ISO 8601 with offset and milliseconds, in `zone`."""
    return datetime.fromtimestamp(at / 1000, zone).isoformat(timespec="milliseconds")


def parse_iso(text: str, naive_zone: tzinfo | None = None) -> UtcMs:
    """Read ISO 8601; a time without offset is taken in `naive_zone`.

    Raises ValueError (with the text) when it is no time, or has no offset and no zone was given.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"not an ISO 8601 time: {text[:40]!r}") from None
    if moment.tzinfo is None:
        if naive_zone is None:
            raise ValueError(f"time without offset: {text[:40]!r}")
        moment = moment.replace(tzinfo=naive_zone)
    try:
        return round(moment.timestamp() * 1000)
    except (OverflowError, OSError):
        raise ValueError(f"time out of range: {text[:40]!r}") from None
