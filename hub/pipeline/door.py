"""The door for people and machine clients: what they ask for goes the same way as everything else, and is answered
after the commit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as AnswerTimeout
from enum import StrEnum
from typing import Any, Final, TypeVar

from hub.pipeline import rejects
from hub.pipeline.inbox import Inbox
from hub.pipeline.step import Step
from hub.store.database import Store
from hub.tickets.kinds import KINDS
from hub.tickets.lifecycle import Actor, Refused
from hub.tickets.refusals import Said
from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.instants import UtcMs

__all__ = ["Actor", "ByHand", "Door", "Refused"]

log = logging.getLogger(__name__)

T = TypeVar("T")
ANSWER_WITHIN_S = 10.0
KEPT_BY_THE_HUB = frozenset({"evaluation", "rounds", "last_round", "checked", "gathered", "kinds"})
"""Fields that come from actions alone: who raises a ticket cannot sign a drill's evaluation on the way."""


ABOUT: Final[Mapping[TicketKind, DeviceKind]] = {
    TicketKind.ENTRAPMENT: DeviceKind.ELEVATOR,
    TicketKind.ELEVATOR_FAULT: DeviceKind.ELEVATOR,
    TicketKind.LOW_BALANCE: DeviceKind.METER,
    TicketKind.TOPUP_MISSING: DeviceKind.METER,
    TicketKind.LOST_CARD_USED: DeviceKind.ACCESS_CONTROLLER,
    TicketKind.DOOR_ALARM: DeviceKind.ACCESS_CONTROLLER,
}
"""The devices that a kind can be about: nobody is trapped in a meter, and a rescue on the wrong one alarms the wrong people."""


class ByHand(StrEnum):
    """Reason of tickets that people raise."""

    RAISED_BY_HAND = "raised_by_hand"


class Door:
    """Thread-safe; every call waits for the commit. Raises Refused for what cannot be done."""

    def __init__(self, inbox: Inbox, store: Store, clock: Callable[[], UtcMs]) -> None:
        self._inbox = inbox
        self._store = store
        self._clock = clock

    def act(
        self,
        ticket_id: int,
        action: str,
        fields: Mapping[str, Any],
        by: Actor,
        if_match: int | None = None,
        timeout_s: float = ANSWER_WITHIN_S,
    ) -> None:
        """An action on a ticket."""
        self._ask(lambda step: step.act(ticket_id, action, dict(fields), by, if_match), timeout_s)

    def open_ticket(
        self,
        kind: str,
        subject: Subject,
        fields: Mapping[str, Any],
        severity: Severity | None,
        by: Actor,
        title: str | None = None,
        occurred_at: UtcMs | None = None,
        *,
        drill: bool = False,
    ) -> int:
        """Raise a ticket by hand; the id of the new one, or of the active one that it was counted on."""
        known = KINDS.get(kind)
        if known is None:
            raise Refused("invalid", "Some fields are wrong.", errors=(("kind", f"allowed: {', '.join(KINDS)}"),))
        if kept := sorted(KEPT_BY_THE_HUB.intersection(fields)):
            errors = tuple((f"fields.{name}", "is kept by the hub") for name in kept)
            raise Refused("invalid", "Some fields are wrong.", errors=errors)

        def open_it(step: Step) -> int:
            self._check_subject(step, TicketKind(kind), subject)
            raised = RaiseTicket(
                kind=TicketKind(kind),
                subject=subject,
                reason=ByHand.RAISED_BY_HAND,
                severity=severity or known.severity,
                occurred_at=step.now if occurred_at is None else occurred_at,
                fields={**fields, **({"subject_line": title} if title else {})},
                evidence={"by": by.name},
                drill=drill,
            )
            return step.open_by_hand(raised, by).id

        return self._ask(open_it, ANSWER_WITHIN_S)

    def replay(self, rejected_id: int, by: Actor) -> str:
        """Send rejected input through again; `accepted`, or the reason why it was rejected once more. The log says who did."""
        with self._store.read() as connection:
            message = rejects.fetch(connection, rejected_id)
        if message is None:
            raise Refused("not_found", f"There is no rejected input {rejected_id}.")
        self._inbox.offer(message)
        # A task is taken after the messages of its batch, so that the outcome is known when it runs.
        outcome = self._ask(lambda step: step.replay_outcome(rejected_id), ANSWER_WITHIN_S)
        log.info("rejected input %d was sent through again by %s: %s", rejected_id, by.name, outcome)
        return outcome

    def ask(self, run: Callable[[Step], T]) -> T:
        """Have something done within a step, answered after its commit. Raises Refused."""
        return self._ask(run, ANSWER_WITHIN_S)

    @staticmethod
    def _check_subject(step: Step, kind: TicketKind, subject: Subject) -> None:
        problem = None
        if not step.knows(subject):
            problem = f"no {subject.type} {subject.id!r} in site {subject.site!r}"
        elif subject.type is SubjectType.DEVICE and (wanted := ABOUT.get(kind)) is not None:
            found = step.devices_of(subject.site)[subject.id].kind
            problem = None if found is wanted else f"{subject.id!r} is of kind {found}; {kind} is about kind {wanted}"
        if problem is not None:
            raise Refused("invalid", "Some fields are wrong.", errors=(("subject", problem),))

    def _ask(self, run: Callable[[Step], T], timeout_s: float) -> T:
        answer: Future[T] = self._inbox.ask(run)
        try:
            return answer.result(timeout_s)
        except AnswerTimeout:
            answer.cancel()
            late = Said("in_time", "The hub did not answer in time; nothing was changed.")
            raise Refused("unavailable", late) from None
