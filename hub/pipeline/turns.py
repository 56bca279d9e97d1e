"""How long a thread computes while another one waits for the interpreter, where neither knows which is urgent.

An alarm has to be read from its socket before anything can give way to it (hub/right_of_way.py), by a thread that the interpreter
lets in only when the turn of the one that computes is over: mostly the engine's, with readings. A question is asked for several
turns. Handing over costs, which matters where readings come faster than they are stored: then turns are longer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from hub.pipeline.gathering import ENOUGH

SHORT_S: Final = 0.0005
LONG_S: Final = 0.002  # with short ones readings are stored up to a third slower; Python's own 5 ms add up
BEHIND: Final = ENOUGH
"""So many readings are left where a batch has just been taken: another whole one."""


class Turns:
    """Of one process."""

    def __init__(self, take: Callable[[float], None] = sys.setswitchinterval) -> None:
        self._take = take
        self._s = 0.0

    def follow(self, left: int) -> None:
        """So many readings were left for the next batch."""
        turn_s = LONG_S if left >= BEHIND else SHORT_S
        if turn_s != self._s:
            self._s = turn_s
            self._take(turn_s)
