"""What people do at the desk with cards, done within a step: row, money, history and doors in one transaction.

Everything that can be refused is refused before anything is written. The step is the lock: two clerks who both issue a
household's third card come one after the other.
"""

from __future__ import annotations

from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Row

from hub.cards import collisions, copies, deposits, ledger, numbers
from hub.cards import works as renovations
from hub.cards.kinds import CardKind, span_of
from hub.cards.ledger import CardState, EndReason, ObjectState
from hub.cards.numbers import Number
from hub.pipeline import card_alarm, card_doors, card_steps
from hub.pipeline.card_issue import Wish, issue, replace, within_permit
from hub.pipeline.card_steps import Paid, find, invalid
from hub.pipeline.step import Step
from hub.tickets.lifecycle import Refused
from hub.vocabulary.events import CardFound, CardLost, CardNumber, Subject, SubjectType
from hub.vocabulary.instants import UtcMs

__all__ = ["LossReport", "Paid", "Wish", "issue", "names_of", "replace"]

HERE: Final = frozenset(
    {ObjectState.RETURNED, ObjectState.IN_STOCK, ObjectState.FOUND, ObjectState.CONFISCATED, ObjectState.DAMAGED}
)
"""The company has the thing itself."""
LIVE: Final = frozenset({CardState.PENDING, CardState.ACTIVE})


class LossReport(msgspec.Struct, frozen=True, kw_only=True):
    """Who says so, and how the clerk knows who it is: `id_document` or `phone`."""

    reporter: str
    verified: str
    note: str = ""


def pay(step: Step, card: int, paid: Paid, by: str, revision: int | None = None) -> None:
    """Money for a card; the same receipt again is the same payment. Raises Refused."""
    row = find(step, card, revision)
    card_steps.check_payment(step, row.site, paid, ledger.due_fen(row), card_steps.paid(step, card), card)
    if ledger.payment(step.connection, row.site, paid.receipt) is None:
        card_steps.take_money(step, row, paid, by)
        card_steps.activate_when_complete(step, card, by)


def reverse(step: Step, card: int, receipt: str, by_receipt: str, by: str, revision: int | None = None) -> None:
    """A payment was entered wrongly: a second row takes it off, nothing is edited. Raises Refused."""
    row = find(step, card, revision)
    wrong = ledger.payment(step.connection, row.site, receipt)
    if wrong is None or wrong.assignment_id != card or wrong.amount_fen < 0:
        raise Refused("not_found", "There is no such payment of this card.")
    if row.state != CardState.PENDING:
        raise Refused("not_allowed", "Only a pending card's payment can be reversed.")
    if ledger.payment(step.connection, row.site, by_receipt) is not None:
        raise Refused("conflict", "This receipt is known already.")
    ledger.add_payment(step.connection, row, by_receipt, -wrong.amount_fen, by, step.now, reverses=wrong.id)
    held = deposits.received_for(step.connection, card, receipt)
    if held is not None:
        deposits.take_back(step.connection, held, by_receipt, "", by, step.now)
    ledger.change(step.connection, row, "payment_reversed", by, step.now, {"receipt": receipt})


def hand_in(step: Step, card: int, documents: tuple[str, ...], by: str, revision: int | None = None) -> None:
    """The clerk has seen these papers. Raises Refused."""
    row = find(step, card, revision)
    papers = msgspec.json.encode(sorted({*ledger.documents_of(row), *documents})).decode()
    ledger.change(step.connection, row, "documents", by, step.now, {"documents": documents}, documents_json=papers)
    card_steps.activate_when_complete(step, card, by)


def report_loss(step: Step, card: int, report: LossReport, by: str, revision: int | None = None) -> None:
    """Suspend at once and take the card off every door; anybody may report. A second report changes nothing more."""
    row = find(step, card, revision)
    if row.state == CardState.ENDED:
        raise Refused("not_allowed", f"This card is over ({row.reason}).")
    ledger.add_loss(step.connection, card, report.reporter, report.verified, report.note, by, step.now)
    data = {"reporter": report.reporter, "verified": report.verified}
    if row.state == CardState.SUSPENDED and row.reason == EndReason.LOST:
        ledger.note(step.connection, card, "loss_reported_again", row.state, by, step.now, data)
        return
    values = {"state": str(CardState.SUSPENDED), "reason": str(EndReason.LOST)}
    ledger.change(step.connection, row, "lost", by, step.now, data, **values)
    ledger.set_object(step.connection, row.card_id, ObjectState.LOST)
    card_doors.withdraw(step, row)
    step.happen(
        CardLost(
            site=row.site,
            source_key=f"{card}/{row.revision + 1}",
            occurred_at=step.now,
            received_at=step.now,
            card=card,
            told=CardNumber(row.format, row.value),
            numbers=names_of(step, row),
            unit=row.unit,
            near=tuple(sorted(numbers.search_keys(Number(row.format, row.raw_hex, row.bits)))),
        )
    )


def found(step: Step, card: int, note: str, by: str, revision: int | None = None, *, custodian: bool = False) -> None:
    """A lost card is back: valid again, or, where it is over, an object that the custodian puts into stock. Raises Refused."""
    row = find(step, card, revision)
    if row.object_state != ObjectState.LOST or renovations.handed_back(step.connection, row):
        raise Refused("not_allowed", "This card is not lost.")
    ledger.settle_losses(step.connection, card, step.now)
    if row.state == CardState.ENDED:
        ledger.note(step.connection, card, "found_after_its_end", row.state, by, step.now, {"note": note})
        ledger.set_object(step.connection, row.card_id, ObjectState.IN_STOCK if custodian else ObjectState.FOUND)
    else:
        _valid_again(step, row, note, by)
    step.happen(
        CardFound(
            site=row.site,
            source_key=f"{card}/{row.revision + 1}",
            occurred_at=step.now,
            received_at=step.now,
            card=card,
        )
    )


def _valid_again(step: Step, row: Row[Any], note: str, by: str) -> None:
    """As it was before the loss: what a manager had suspended stays so."""
    ledger.set_object(step.connection, row.card_id, ObjectState.ASSIGNED)
    held_for = ledger.suspended_for(step.connection, row.id)
    if held_for is not None:
        ledger.change(step.connection, row, "found", by, step.now, {"note": note}, reason=held_for)
        return
    complete = not ledger.missing_of(row, card_steps.paid(step, row.id), as_if_pending=True)
    state = CardState.ACTIVE if complete else CardState.PENDING
    ledger.change(step.connection, row, "found", by, step.now, {"note": note}, state=str(state), reason=None)
    if complete:
        card_doors.activate(step, row)
        card_alarm.stand_down(step, Subject(row.site, SubjectType.CARD, str(row.id)))


def stock(step: Step, card: int, by: str, revision: int | None = None) -> None:
    """The custodian puts an object that was found or taken away into stock: its number may be issued again. Raises Refused."""
    row = find(step, card, revision)
    if row.object_state not in {ObjectState.FOUND, ObjectState.CONFISCATED}:
        raise Refused("not_allowed", "Only a card that was found or taken away is put into stock.")
    ledger.set_object(step.connection, row.card_id, ObjectState.IN_STOCK)
    ledger.note(step.connection, card, "put_into_stock", row.state, by, step.now, {})


def destroy(step: Step, card: int, by: str, revision: int | None = None) -> None:
    """The custodian destroys a card that the company has: its number is never issued again. Raises Refused."""
    row = find(step, card, revision)
    if row.state != CardState.ENDED or row.object_state not in HERE:
        raise Refused("not_allowed", "Only a card that is over and back is destroyed.", allowed=("return",))
    ledger.set_object(step.connection, row.card_id, ObjectState.DESTROYED)
    ledger.note(step.connection, card, "destroyed", row.state, by, step.now, {})


def give_back(step: Step, card: int, note: str, by: str, revision: int | None = None) -> None:
    """The holder hands the card in: off every door. It gives no free card back. Raises Refused."""
    row = find(step, card, revision)
    if row.object_state != ObjectState.ASSIGNED or renovations.handed_back(step.connection, row):
        raise Refused("not_allowed", "This card is not with its holder.", allowed=("found",))
    if row.state != CardState.ENDED:
        card_steps.end(step, row, EndReason.RETURNED, by, note)
    else:  # its days were over before it came back
        ledger.note(step.connection, card, "returned", row.state, by, step.now, {"note": note})
    ledger.set_object(step.connection, row.card_id, ObjectState.RETURNED)
    copies.delete_settled(step.connection, [card], step.now)


def extend(step: Step, card: int, until: UtcMs, by: str, revision: int | None = None) -> None:
    """A later last day, never beyond what the kind allows from the first issue on. Raises Refused."""
    row = find(step, card, revision)
    if row.state not in LIVE:
        raise Refused("not_allowed", f"This card is {row.state}.")
    if row.valid_until is None:
        raise Refused("not_allowed", "This kind of card has no last day.")
    permit = None if row.works_id is None else renovations.one(step.connection, row.works_id)
    if permit is not None and permit.accepted_at is not None:
        raise Refused("not_allowed", "The works were accepted: the pass has to come back.", allowed=("return",))
    if not row.valid_until < until <= within_permit(step, row.works_id, _latest(step, row)):
        raise invalid("until", "must be after the last day so far, and within what this kind and its permit allow")
    ledger.change(step.connection, row, "extended", by, step.now, {"until": until}, valid_until=until)
    if row.state == CardState.ACTIVE:
        card_doors.tell_again(step, row)


# --- small ------------------------------------------------------------------------------------------------


def _latest(step: Step, row: Row[Any]) -> UtcMs:
    """A pass's days count from its first issue; a parking card is renewed from its last day on."""
    kind = CardKind(row.kind)
    span = span_of(kind, card_steps.rules_of(step, row.site))
    until: UtcMs = row.valid_until
    if span is None:
        return until
    zone = ZoneInfo(step.site(row.site).timezone)
    return span.end(until - 1 if kind is CardKind.PARKING else row.first_issued_at, zone)


def names_of(step: Step, row: Row[Any]) -> tuple[CardNumber, ...]:
    """Every text that a reader of this format would mean this card by, what controllers were told, and what readers with
    a profile of their own make of it.
    """
    number = Number(row.format, row.raw_hex, row.bits)
    readers = [device.numbers for device in step.devices_of(row.site).values() if device.numbers is not None]
    found = collisions.names_of(number, row.value, readers)
    return tuple(sorted(found, key=lambda each: (each.format, each.value)))
