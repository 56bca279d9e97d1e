"""How long readings wait for more of them, so that a step has many of them to pay for it. Pure: the times are the caller's.

A step costs a transaction whether it stores one reading or sixty. While none is under way, an alarm finds everything free.
A broker whose window is full sends the next ones only when these are acknowledged, and then whoever gathers only slows it down.
That they have stopped coming says little: on a busy machine any stream has gaps. That they stop at the same number as the time
before says that this is the window, and from then on so many are taken at once.
"""

from __future__ import annotations

from typing import Final

ENOUGH: Final = 64
"""An alarm does not wait for a batch of readings, but for its longest statement and its commit: a few milliseconds."""
GATHER_S: Final = 0.02
QUIET_S: Final = 0.004  # of several hundred a second, one comes within it
BELIEVED_FOR: Final = 100
"""So many batches; then it is seen anew where they stop. Whoever waits for it loses a hundredth."""


class Gathering:
    """Of one queue. Seconds of a clock that never goes back. `enough` are taken at once, however short they have waited."""

    def __init__(self) -> None:
        self.enough = ENOUGH
        self._since_s: float | None = None
        self._most = 0
        self._most_at_s = 0.0
        self._stopped_at: int | None = None  # the number at which they stopped coming the last time
        self._believed_for = 0

    def left_s(self, number: int, now_s: float, *, held_up: bool) -> float:
        """So long `number` that are there wait for others at most; 0: it is time to take them.

        `held_up`: others may be on their way and have to give way to something; that they do not come says nothing then.
        """
        if self.enough < number:  # more came than the window that was believed in
            self.enough, self._stopped_at = ENOUGH, None
        if number >= self.enough:
            return 0.0
        if self._since_s is None:
            self._since_s = now_s
        if number > self._most:
            self._most, self._most_at_s = number, now_s
        until_s = min(self._most_at_s + QUIET_S, self._since_s + GATHER_S)
        if now_s < until_s:
            return until_s - now_s
        if not held_up and now_s >= self._most_at_s + QUIET_S:
            self._they_stopped(number)
        return 0.0

    def _they_stopped(self, number: int) -> None:
        if number == self._stopped_at:
            self.enough, self._believed_for = number, BELIEVED_FOR
        self._stopped_at = number

    def taken(self) -> None:
        """They are gone; the next ones gather anew."""
        self._since_s, self._most = None, 0
        if self._believed_for:
            self._believed_for -= 1
            if not self._believed_for:
                self.enough = ENOUGH
