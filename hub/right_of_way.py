"""Who goes first: threads share one interpreter, which asks nobody how urgent they are. Alarms, then whoever waits for news of
them or for an answer, then the rest.

What is urgent claims the way while it is under way; what can wait asks before each piece of its work. Rule: giving way is a
courtesy of milliseconds, and nothing is right only because of it. A claim has a credit that is used up while it is held and
comes back while it is not, so that the rest has at least half of the time, whatever comes and however often.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

ALARM_CREDIT_S: Final = 0.05  # from the connector to the commit takes a sixth of it
NEWS_CREDIT_S: Final = 0.02  # a frame takes a twentieth of it; a reader who takes nothing uses it up
QUESTION_CREDIT_S: Final = 0.05  # an answer takes a tenth of it, and those that wait for an alarm take as long as that


class Claim:
    """Held by any number at a time, from any thread. `credit_s`: for so long others wait at most."""

    def __init__(self, credit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_s = self._credit_s = credit_s
        self._clock = clock
        self._since = clock()
        self._lock = threading.Lock()
        self._free = threading.Event()
        self._free.set()
        self._held = 0
        self._told: list[Callable[[], None]] = []

    def came(self) -> None:
        """One more goes first."""
        with self._lock:
            if not self._held:
                self._settle(sign=1)
                self._free.clear()
            self._held += 1

    def done(self, number: int = 1) -> None:
        """So many of them are through."""
        told: list[Callable[[], None]] = []
        with self._lock:
            if self._held and number >= self._held:
                self._settle(sign=-1)
                self._free.set()
                told, self._told = self._told, told
            self._held = max(0, self._held - number)
        for through in told:
            through()

    def tell(self, through: Callable[[], None]) -> bool:
        """Have this called once when they are through, by whoever is the last; False, and never, where there is no one.

        For those who cannot wait as threads do. It must neither wait nor raise.
        """
        with self._lock:
            if self._held:
                self._told.append(through)
            return bool(self._held)

    def _settle(self, sign: int) -> None:
        now = self._clock()
        self._credit_s = min(self._most_s, max(0.0, self._credit_s + sign * (now - self._since)))
        self._since = now

    def left_s(self) -> float:
        """How long to wait for those that go first, at most; 0 where there is no one."""
        return 0.0 if self._free.is_set() else max(0.0, self._credit_s - (self._clock() - self._since))

    def give_way(self, at_most_s: float = float("inf")) -> None:
        """Wait until they are through, or their credit is used up."""
        left_s = min(self.left_s(), at_most_s)
        if left_s:
            self._free.wait(left_s)


class Hold:
    """One reader's part in a claim: once for all that is under way to them, and none after they have gone."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._lock = threading.Lock()
        self._held = False
        self._over = False

    def came(self) -> None:
        """There is something for them."""
        with self._lock:
            if self._held or self._over:
                return
            self._held = True
            self._claim.came()

    def done(self, *, over: bool = False) -> None:
        """They have it; `over`: or are gone."""
        with self._lock:
            self._over = self._over or over
            if self._held:
                self._held = False
                self._claim.done()


class RightOfWay:
    """Of one process."""

    def __init__(self) -> None:
        self.alarms = Claim(ALARM_CREDIT_S)  # from the connector to the commit
        self.news = Claim(NEWS_CREDIT_S)  # from the commit to the frame on the live feed
        self.questions = Claim(QUESTION_CREDIT_S)  # from a request to its answer
        self._of_thread = threading.local()

    def stand_last(self) -> None:
        """What this thread does can always wait: it gives way before every statement that it reads with."""
        self._of_thread.stands_last = True

    @property
    def stands_last(self) -> bool:
        """Whether this thread has said so."""
        return getattr(self._of_thread, "stands_last", False)

    @property
    def is_free(self) -> bool:
        """Whether there is nothing to give way to."""
        return not any(claim.left_s() for claim in (self.alarms, self.news, self.questions))

    def give_way(self) -> None:
        """Before a piece of work that can wait."""
        for claim in (self.alarms, self.news, self.questions):
            claim.give_way()
