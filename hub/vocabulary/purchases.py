"""What a changed purchase count of a prepaid meter means: a purchase, or another account.

The count is compared modulo its size, because it wraps; a count that falls otherwise is a new account and never a
purchase (domain/meters.md 7 no. 10).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

BCD_COUNTS: Final = 10_000
"""DL/T 645 keeps the count in two BCD bytes: 0 to 9999 (domain/meters.md 3.2)."""

WORD_COUNTS: Final = 65_536
"""Modbus profiles read it as u16 (domain/meters.md 1.1, 1.2)."""

STEP_MAX: Final = 100
"""More purchases than this between two readings of one meter are not believed to be purchases."""


class CountChange(StrEnum):
    """What a purchase count says in comparison with the one before."""

    SAME = "same"
    PURCHASE = "purchase"
    ACCOUNT_RESET = "account_reset"


def judge_count(before: int | None, after: int | None) -> CountChange:
    """What happened between two counts; None (not reported, nothing known yet) says nothing: `same`."""
    if before is None or after is None or before == after:
        return CountChange.SAME
    return CountChange.PURCHASE if purchases_between(before, after) else CountChange.ACCOUNT_RESET


def purchases_between(before: int, after: int) -> int:
    """How many purchases lie between two counts; 0 where the change is none that purchases make."""
    if 0 < after - before <= STEP_MAX:
        return after - before
    wrapped = [after + size - before for size in (BCD_COUNTS, WORD_COUNTS) if after < before < size]
    return next((step for step in wrapped if step <= STEP_MAX), 0)
