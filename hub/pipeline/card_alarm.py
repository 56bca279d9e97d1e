"""The security task of a lost card whose doors are not all proved: a ticket for the guards, until every controller has proved it.

Runs inside steps. Only lost cards: a card that has merely expired at a sleeping controller is the problem alone, or a night of
bulk expiry would send the guards everywhere (domain/access.md 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from hub.cards import ledger
from hub.cards.ledger import ObjectState
from hub.vocabulary.decisions import (
    Audience,
    ClearProblem,
    MoveTicket,
    Notify,
    RaiseTicket,
    Severity,
    TicketKind,
    Urgency,
    WithdrawNotices,
)
from hub.vocabulary.events import Subject
from hub.vocabulary.instants import UtcMs

if TYPE_CHECKING:
    from hub.pipeline.step import Step


CARDS: Final = "cards"
"""Whose order it is, where a rule's name would stand."""


class DoorTask(StrEnum):
    """Why a guard is sent to doors, and why no more."""

    REVOCATION_UNCONFIRMED = "revocation_unconfirmed"
    REVOCATION_CONFIRMED = "revocation_confirmed"


def guard(step: Step, card: Subject, since: UtcMs, detail: Mapping[str, Any]) -> None:
    """A lost card may still open the doors of `detail`: somebody has to stand there."""
    row = ledger.one(step.connection, int(card.id))
    if row is None or row.object_state != ObjectState.LOST:
        return
    step.raise_ticket(
        RaiseTicket(
            kind=TicketKind.DOOR_ALARM,
            subject=card,
            reason=DoorTask.REVOCATION_UNCONFIRMED,
            severity=Severity.HIGH,
            occurred_at=since,
            fields={"door": detail["doors"], **detail},
            evidence=dict(detail),
        )
    )
    notify = Notify(
        key=f"unproved/{since}",
        subject=card,
        audience=Audience.SECURITY,
        template="card_doors_unproved",
        params={"doors": detail["doors"], "unit": detail.get("unit") or None},
        urgency=Urgency.URGENT,
        kind=TicketKind.DOOR_ALARM,
    )
    step.carry_out([notify], CARDS, card)


def stand_down(step: Step, card: Subject) -> None:
    """Every controller has proved it, or the card is valid again: problem and task are over."""
    step.clear_problem(ClearProblem(code=str(DoorTask.REVOCATION_UNCONFIRMED), subject=card))
    step.move_ticket(
        MoveTicket(
            kind=TicketKind.DOOR_ALARM,
            subject=card,
            trigger="recovered",
            reason=DoorTask.REVOCATION_CONFIRMED,
            occurred_at=step.now,
        )
    )
    over = WithdrawNotices(key_prefix="unproved/", subject=card, reason=DoorTask.REVOCATION_CONFIRMED)
    step.carry_out([over], CARDS, card)
