"""A thread that works the database off in rounds: woken by news, outliving trouble, telling each trouble once.

Whoever goes rounds keeps nothing in memory that is not in the database, so that a round that failed is simply gone again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from hub.right_of_way import RightOfWay
from hub.store.database import explain

log = logging.getLogger(__name__)

BREATH_S: Final = 0.05  # between two rounds: alarms go first at the database, and work gathers meanwhile
AFTER_TROUBLE_S: Final = 2.0


class Rounds:
    """Goes `cycle` again and again, which returns whether there is more to do at once; else the next is after `wait_s`
    seconds, or with the next news. `what` is what people miss while it does not work (`notices`).
    """

    def __init__(
        self,
        name: str,
        what: str,
        cycle: Callable[[], bool],
        wait_s: Callable[[], float],
        last_words: Callable[[], None],
        way: RightOfWay,
    ) -> None:
        self._what = what
        self._way = way
        self._cycle = cycle
        self._wait_s = wait_s
        self._last_words = last_words
        self._news = threading.Event()
        self._over = threading.Event()
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._go, name=name, daemon=True)

    @property
    def over(self) -> bool:
        """Whether it is to end. Thread-safe."""
        return self._over.is_set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new. Thread-safe."""
        self._news.set()

    def stop(self, within_s: float) -> None:
        """End after the round under way and the last words; waits so long for them. Nothing where it never began."""
        self._over.set()
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join(within_s)

    def attempt(self, work: Callable[[], object]) -> bool:
        """Whether it could be done; why not is in the log, once until another trouble comes or a round succeeds."""
        try:
            work()
        except Exception as error:  # noqa: BLE001  told by _say; the work goes on when the database is back
            self._say(error)
            return False
        return True

    def listen(self, seconds: float) -> None:
        """Wait for news, so long at most; for last words."""
        self._news.wait(seconds)
        self._news.clear()

    def _go(self) -> None:
        self._way.stand_last()
        while not self._over.is_set():
            self._news.wait(self._round())
            self._over.wait(BREATH_S)
        self._last_words()

    def _round(self) -> float:
        """How long to wait for the next."""
        try:
            self._news.clear()
            self._way.give_way()
            wait_s = 0.0 if self._cycle() else self._wait_s()
        except Exception as error:  # noqa: BLE001  told by _say
            self._say(error)
            return AFTER_TROUBLE_S
        self._trouble = None
        return wait_s

    def _say(self, error: Exception) -> None:
        sentence = explain(error)
        if sentence != self._trouble:
            log.error("%s wait: %s", self._what, sentence, exc_info=error)
            self._trouble = sentence
