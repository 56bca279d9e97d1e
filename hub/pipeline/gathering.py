"""How long readings wait for more of them, so that a step has many of them to pay for it. Pure: the times are the caller's.

A step costs a transaction whether it stores one reading or sixty. While none is under way, an alarm finds everything free.
Readings that have stopped coming are not waited for: a broker whose window is full sends the next ones only when these are
acknowledged (Mosquitto's own limit is 20), and then whoever gathers would only slow it down.
"""

from __future__ import annotations

from typing import Final

ENOUGH: Final = 64
"""An alarm does not wait for a batch of readings, but for its longest statement and its commit: a few milliseconds."""
GATHER_S: Final = 0.02
QUIET_S: Final = 0.004  # of several hundred a second, one comes within it
FIRST_PAUSE_S: Final = 0.02
LONGEST_PAUSE_S: Final = 0.3  # whoever waits in vain all the time loses a hundredth of it


class Gathering:
    """Of one queue. Seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._most = 0
        self._most_at_s = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._pause_until_s = float("-inf")

    def left_s(self, number: int, now_s: float, *, held_up: bool) -> float:
        """So long `number` that are there wait for others at most; 0: it is time to take them.

        `held_up`: others may be on their way and have to give way to something; that they do not come says nothing then.
        """
        if number >= ENOUGH:
            return self._worth_it()
        if now_s < self._pause_until_s:
            return 0.0
        if self._since_s is None:
            self._since_s = now_s
        if number > self._most:
            self._most, self._most_at_s = number, now_s
        if now_s - self._since_s >= GATHER_S:
            return self._worth_it()
        quiet_from_s = self._most_at_s + QUIET_S
        if now_s >= quiet_from_s:
            return 0.0 if held_up else self._in_vain(now_s)
        return min(quiet_from_s, self._since_s + GATHER_S) - now_s

    def _worth_it(self) -> float:
        self._pause_s = FIRST_PAUSE_S
        return 0.0

    def _in_vain(self, now_s: float) -> float:
        self._pause_until_s = now_s + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        return 0.0

    def taken(self) -> None:
        """They are gone; the next ones gather anew."""
        self._since_s, self._most = None, 0
