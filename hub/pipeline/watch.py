"""The watch: sends canaries, looks every second whether what the hub depends on works, and says so where people look.

A condition that is wrong becomes a problem, and where alarms may be missed a ticket `intake_problem` too; when it is
right again both end. What is told once is not told again until it changes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import partial
from typing import Any, Final

import msgspec

from hub.pipeline.canary import CanaryWatch
from hub.pipeline.inbox import Inbox
from hub.pipeline.step import Step
from hub.vocabulary.decisions import ClearProblem, MoveTicket, RaiseProblem, RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Subject
from hub.vocabulary.instants import UtcMs

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


class Trouble(StrEnum):
    """What can be wrong with the hub's own intake: problem codes, and reasons of tickets."""

    CANARY_MISSING = "canary_missing"
    SUBSCRIPTION_REFUSED = "subscription_refused"
    BROKER_DAMAGED = "broker_damaged"
    BROKER_STORE_FULL = "broker_store_full"
    BROKER_RESTARTED = "broker_restarted"
    FIELDS_UNSUPPORTED = "fields_unsupported"
    DEADLINE_OVERDUE = "deadline_overdue"
    DEAD_MAN_UNREACHABLE = "dead_man_unreachable"
    PUBLICATION_FAILING = "publication_failing"
    PUBLICATION_DISABLED = "publication_disabled"
    PUBLICATION_SET_ASIDE = "publication_set_aside"
    PUBLICATION_GAP = "publication_gap"


AT_RISK: Final = frozenset({Trouble.CANARY_MISSING, Trouble.SUBSCRIPTION_REFUSED})
"""With these alarms may be missed: people have to act, so they are a ticket too."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    trouble: Trouble
    subject: Subject
    wrong: bool
    detail: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def alarms_at_risk(self) -> bool:
        """See AT_RISK."""
        return self.trouble in AT_RISK


class Watch:
    """A thread of its own (hub.process.Part)."""

    def __init__(
        self,
        inbox: Inbox,
        canary: CanaryWatch,
        conditions: Callable[[], Sequence[Condition]],
        clock: Callable[[], UtcMs],
        told_before: Callable[[], Iterable[tuple[str, Subject]]] = tuple,
    ) -> None:
        self._inbox = inbox
        self._canary = canary
        self._conditions = conditions
        self._clock = clock
        self._told_before = told_before  # problems that an earlier process has left active
        self._told: dict[tuple[Trouble, Subject], bool] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to look; what an earlier process found wrong is ended when it is right now."""
        self._told = {(Trouble(code), subject): True for code, subject in self._told_before() if code in set(Trouble)}
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(5)
        self._canary.close()

    def _loop(self) -> None:
        sent_at: UtcMs = 0
        pause_s = 0.0
        while not self._over.wait(pause_s):
            now, every_ms = self._clock(), self._canary.every_ms
            pause_s = min(LOOK_EVERY_S, every_ms / 1000)
            try:
                if now - sent_at >= every_ms or now < sent_at:
                    sent_at = now
                    self._canary.send()
                self.look()
            except Exception:  # the watch itself must not fall asleep
                log.exception("the watch failed")

    def look(self) -> None:
        """Tell what has changed since the last look."""
        for condition in self._conditions():
            key = (condition.trouble, condition.subject)
            if self._told.get(key, False) != condition.wrong:
                self._told[key] = condition.wrong
                self._inbox.errand(partial(tell, condition=condition, last=not self._at_risk(condition.subject)))

    def _at_risk(self, subject: Subject) -> bool:
        """Whether alarms may still be missed: the ticket is one for all that endangers them."""
        return any(self._told.get((trouble, subject), False) for trouble in AT_RISK)


def tell(step: Step, condition: Condition, *, last: bool = True) -> None:
    """Write down that a condition is wrong, or right again. `last`: nothing else endangers alarms any more."""
    code, subject = str(condition.trouble), condition.subject
    if condition.wrong:
        step.raise_problem(
            RaiseProblem(code=code, subject=subject, severity=Severity.HIGH, detail=dict(condition.detail))
        )
        if condition.alarms_at_risk:
            step.raise_ticket(
                RaiseTicket(
                    kind=TicketKind.INTAKE_PROBLEM,
                    subject=subject,
                    reason=condition.trouble,
                    severity=Severity.CRITICAL,
                    occurred_at=step.now,
                    fields=dict(condition.detail),
                    evidence=dict(condition.detail),
                )
            )
        return
    step.clear_problem(ClearProblem(code=code, subject=subject))
    if condition.alarms_at_risk and last:
        step.move_ticket(
            MoveTicket(
                kind=TicketKind.INTAKE_PROBLEM,
                subject=subject,
                trigger="recovered",
                reason=condition.trouble,
                occurred_at=step.now,
            )
        )
