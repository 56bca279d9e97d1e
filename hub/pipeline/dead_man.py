"""The dead man: an outside address is called as long as the auditor's proof is fresh. Its silence is the alarm.

The proof goes through the engine (a step that commits), so a hub whose audit fails, whose engine, watch or database hangs, or
that is gone, stops calling. That the address cannot be reached is a problem here, because then nobody would notice.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final

from hub.pipeline.auditor import AUDIT_EVERY_MS
from hub.pipeline.watch import Condition, Trouble
from hub.settings.model import DeadManSettings
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import SECOND_MS, UtcMs

log = logging.getLogger(__name__)

FRESH_MS: Final = 2 * AUDIT_EVERY_MS + 30 * SECOND_MS
"""A proof that is older says nothing any more: two audits have not succeeded since."""
LOOK_EVERY_S: Final = 1.0
AGAIN_AFTER_MS: Final = 30 * SECOND_MS
TROUBLE_AFTER: Final = 2  # calls in a row: one that is lost on its way worries nobody


Call = Callable[[], "str | None"]
"""Calls the address; None, or why it was not reached."""


def make_dead_man(
    settings: DeadManSettings | None, make_call: Callable[[str], Call], sites: Sequence[str], clock: Callable[[], UtcMs]
) -> DeadMan:
    """As hub.yaml says; without an address it calls nobody."""
    if settings is None:
        return DeadMan(None, 0, sites, clock)
    return DeadMan(make_call(settings.url.reveal()), settings.every_s, sites, clock)


class DeadMan:
    """A thread of its own (hub.process.Part). `call` None: there is nobody to call."""

    def __init__(self, call: Call | None, every_s: int, sites: Sequence[str], clock: Callable[[], UtcMs]) -> None:
        self._call = call
        self._every_ms = every_s * SECOND_MS
        self._sites = tuple(sites)
        self._clock = clock
        self._proved_at: UtcMs | None = None
        self._next_at: UtcMs = 0
        self._failures = 0
        self._why = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="dead-man", daemon=True)

    def start(self) -> None:
        """Begin; the first call waits for the first proof."""
        if self._call is not None:
            self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(15)

    def proved(self, at: UtcMs) -> None:
        """No deadline was lost or overdue at this moment, and the engine has written that down. Thread-safe."""
        self._proved_at = at

    def look(self) -> bool:
        """Call, where it is time and there is a proof; whether it was called."""
        now, proved_at = self._clock(), self._proved_at
        if (
            self._call is None
            or proved_at is None
            or not 0 <= now - proved_at <= FRESH_MS
            or now < self._next_at <= now + self._every_ms
        ):
            return False
        why = self._call()
        self._failures = 0 if why is None else self._failures + 1
        self._why = why or ""
        self._next_at = now + (self._every_ms if why is None else min(self._every_ms, AGAIN_AFTER_MS))
        return True

    def conditions(self) -> list[Condition]:
        """For the watch: whether the address can be reached."""
        return [
            Condition(
                trouble=Trouble.DEAD_MAN_UNREACHABLE,
                subject=Subject(site, SubjectType.SITE, site),
                wrong=self._failures >= TROUBLE_AFTER,
                detail={"why": self._why},
            )
            for site in self._sites
        ]

    def _loop(self) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            try:
                self.look()
            except Exception:  # a defect here must not end the thread: its silence would be an alarm about nothing else
                log.exception("the dead man's call failed")
