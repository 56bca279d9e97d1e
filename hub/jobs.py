"""Work by the calendar: roll-ups every hour, retention every night, and looks every few seconds at what nobody reports.
Deadlines are not here: they are rows.

APScheduler 3 only as a ticker, with a grace without end, because its default of one second drops runs (libraries.md 1.5).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from apscheduler.schedulers.background import BackgroundScheduler

from hub.cards import forgetting
from hub.cards.audit import Chain
from hub.cards.forgetting import AccessProof
from hub.meters.rollup_job import roll_up
from hub.pipeline.world import World
from hub.store import retention
from hub.store.database import Store
from hub.vocabulary.instants import HOUR_MS, UtcMs

log = logging.getLogger(__name__)

ROLL_UP_MINUTE = 4
RETENTION_HOUR = 3
LOOK_EVERY_S = 10


class Jobs:
    """A part of the process (hub.process.Part)."""

    def __init__(
        self,
        store: Store,
        world: World,
        clock: Callable[[], UtcMs],
        chain: Chain,
        looks: Sequence[Callable[[], None]] = (),
    ) -> None:
        self._looks = [_Look(each) for each in looks]
        self._store = store
        self._chain = chain
        self._world = world
        self._clock = clock
        self._over = threading.Event()
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler = BackgroundScheduler(timezone="UTC", job_defaults=defaults)

    def start(self) -> None:
        """Begin; roll-ups that were missed while the hub was down are made at once."""
        self._scheduler.add_job(self.roll_up, "cron", minute=ROLL_UP_MINUTE, id="roll_up")
        self._scheduler.add_job(self.enforce_retention, "cron", hour=RETENTION_HOUR, minute=30, id="retention")
        self._scheduler.add_job(self.roll_up, id="roll_up_at_start")
        for number, look in enumerate(self._looks):
            self._scheduler.add_job(look, "interval", seconds=LOOK_EVERY_S, id=f"look_{number}")
        self._scheduler.start()

    def stop(self) -> None:
        """End; a job under way ends at its next small transaction."""
        self._over.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def roll_up(self) -> UtcMs:
        """Hours and days that are complete; up to when."""
        return roll_up(self._store, self._world, self._clock(), self._keep_on)

    def enforce_retention(self) -> dict[str, int]:
        """Delete what is past its time, never beyond what has been rolled up."""
        rolled_up_to = self.roll_up()
        gone = retention.enforce(self._store, self._clock(), rolled_up_to - HOUR_MS, self._keep_on)
        log.info("retention: %s", gone)
        self.prove_privacy(gone["events"])
        return gone

    def prove_privacy(self, events_gone: int) -> AccessProof:
        """Personal data that is past its time goes, and the audit says what went and that nothing is left."""
        proof = forgetting.enforce(self._store, self._chain, self._clock(), events_gone)
        if proof.left:
            log.error("%d door events are older than %d days and still there", proof.left, forgetting.ACCESS_DAYS)
        log.info("personal data: %s", proof)
        return proof

    def _keep_on(self) -> bool:
        return not self._over.is_set()


class _Look:
    """Tells its trouble once, not every few seconds; the next look goes on."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._troubled = False

    def __call__(self) -> None:
        try:
            self._look()
        except Exception:
            if not self._troubled:
                log.exception("a look failed; it is tried again every %d s", LOOK_EVERY_S)
            self._troubled = True
        else:
            self._troubled = False
