"""What ends or holds several cards at once, or on a manager's word: moved out, staff left, works accepted, arrears, taken away.

Nothing here happens by itself: cutting off a resident's only way home is a manager's act (domain/access.md 8).
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Row, or_

from hub.cards import ledger
from hub.cards import works as renovations
from hub.cards.kinds import CardKind, Document
from hub.cards.ledger import CardState, EndReason, ObjectState
from hub.cards.works import NewWorks
from hub.pipeline import card_desk, card_doors, card_steps
from hub.pipeline.card_steps import find
from hub.pipeline.step import Step
from hub.store.schema import card_assignments
from hub.tickets.lifecycle import Refused

HOLDS: Final = frozenset({EndReason.ARREARS, EndReason.BLOCKED})
"""What a manager may suspend a card for."""


# --- people leave -----------------------------------------------------------------------------------------


def household_left(step: Step, site: str, unit: str, household: int, by: str) -> list[int]:
    """Everybody has moved out: every card of the household is over; their ids. Objects that are not back stay asked for."""
    theirs = or_(card_assignments.c.household_id == household, card_assignments.c.household_id.is_(None))
    rows = ledger.live(step.connection, card_assignments.c.site == site, card_assignments.c.unit == unit, theirs)
    return _end_all(step, rows, EndReason.MOVED_OUT, by, "")


def holder_left(step: Step, card: int, note: str, by: str, revision: int | None = None) -> list[int]:
    """This person has left their job, or this unit: all of their cards for it are over; their ids. Raises Refused.

    Whoever leaves a job keeps the card of their home, and whoever gives up one unit keeps those of the other.
    """
    row = find(step, card, revision)
    columns = card_assignments.c
    staff = row.kind == CardKind.STAFF
    same_place = columns.unit.is_(None) if row.unit is None else columns.unit == row.unit
    same_part = columns.kind == str(CardKind.STAFF) if staff else columns.kind != str(CardKind.STAFF)
    rows = ledger.live(step.connection, ledger.same_holder(row), same_place, same_part)
    return _end_all(step, rows, EndReason.STAFF_LEFT if staff else EndReason.MOVED_OUT, by, note)


def _end_all(step: Step, rows: Any, reason: EndReason, by: str, note: str) -> list[int]:
    for row in rows:
        card_steps.end(step, row, reason, by, note)
    return [row.id for row in rows]


# --- works ------------------------------------------------------------------------------------------------


def open_works(step: Step, new: NewWorks, by: str) -> int:
    """A renovation begins; its id. Raises Refused where the permit is known already."""
    if renovations.by_reference(step.connection, new.site, new.reference) is not None:
        raise Refused("conflict", "There is a renovation with this permit already.")
    if new.until is not None and new.until <= step.now:
        raise card_steps.invalid("until", "must be in the future")
    return renovations.enter(step.connection, new, by, step.now)


def find_works(step: Step, key: int, revision: int | None = None) -> Row[Any]:
    """A renovation. Raises Refused."""
    row = renovations.one(step.connection, key)
    if row is None:
        raise Refused("not_found", "There is no such renovation.")
    if revision is not None and row.revision != revision:
        raise Refused("stale", "The renovation was changed meanwhile.")
    return row


def accept_works(step: Step, key: int, by: str, revision: int | None = None) -> None:
    """The works are accepted: every pass of theirs opens no door any more and has to come back. Raises Refused."""
    row = find_works(step, key, revision)
    if row.accepted_at is not None:
        raise Refused("not_allowed", "These works were accepted already.")
    renovations.change(step.connection, key, accepted_at=step.now, accepted_by=by)
    _end_all(
        step,
        ledger.live(step.connection, card_assignments.c.works_id == key),
        EndReason.WORKS_ACCEPTED,
        by,
        row.reference,
    )


# --- a manager's acts -------------------------------------------------------------------------------------


def suspend(step: Step, card: int, reason: EndReason, note: str, by: str, revision: int | None = None) -> None:
    """A manager holds a card: off every door until it is resumed. Raises Refused."""
    row = find(step, card, revision)
    if reason not in HOLDS:
        raise card_steps.invalid("reason", f"allowed: {', '.join(sorted(HOLDS))}")
    if row.state not in card_desk.LIVE:
        raise Refused("not_allowed", f"This card is {row.state}.")
    values = {"state": str(CardState.SUSPENDED), "reason": str(reason)}
    ledger.change(step.connection, row, "suspended", by, step.now, {"reason": str(reason), "note": note}, **values)
    card_doors.withdraw(step, row)


def resume(step: Step, card: int, note: str, by: str, revision: int | None = None) -> None:
    """What was held is over: valid again, where nothing is missing. Raises Refused."""
    row = find(step, card, revision)
    if row.state != CardState.SUSPENDED or row.reason not in HOLDS:
        raise Refused("not_allowed", "Only a card that a manager holds is resumed.")
    values = {"state": str(CardState.PENDING), "reason": None}
    ledger.change(step.connection, row, "resumed", by, step.now, {"note": note}, **values)
    card_steps.activate_when_complete(step, card, by)


def take_away(step: Step, card: int, note: str, by: str, revision: int | None = None) -> None:
    """Somebody else used it and the guard keeps it: over, and the object waits for the custodian. Raises Refused."""
    row = find(step, card, revision)
    if row.state == CardState.ENDED:
        raise Refused("not_allowed", f"This card is over ({row.reason}).")
    card_steps.end(step, row, EndReason.CONFISCATED, by, note)
    ledger.set_object(step.connection, row.card_id, ObjectState.CONFISCATED)


# --- staff ------------------------------------------------------------------------------------------------


def approve(step: Step, card: int, papers: tuple[Document, ...], by: str, revision: int | None = None) -> None:
    """A signature on a staff card's application: the department head's first, then the project manager's. Raises Refused.

    `papers`: those that this person may sign; the first that is not there yet is signed.
    """
    row = find(step, card, revision)
    signed = ledger.documents_of(row)
    if row.kind != CardKind.STAFF or row.state != CardState.PENDING:
        raise Refused("not_allowed", "Only a staff card that waits for it is approved.")
    open_ = [paper for paper in papers if paper not in signed]
    if not open_:
        raise Refused("not_allowed", "This signature is there already.")
    if open_[0] is Document.MANAGER_APPROVED and Document.DEPARTMENT_HEAD_SIGNED not in signed:
        raise Refused("not_allowed", "The department head signs first.", allowed=(Document.DEPARTMENT_HEAD_SIGNED,))
    card_desk.hand_in(step, card, (str(open_[0]),), by)
