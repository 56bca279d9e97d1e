"""What the desks for cards and for deposits share within a step: finding, paying, activating, ending a card.

Everything that can be refused is refused before anything is written: a refusal must not spoil the others' step.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Row

from hub.cards import deposits, ledger
from hub.cards.deposits import DepositAct, NewEntry
from hub.cards.ledger import CardState, EndReason
from hub.pipeline import card_doors
from hub.pipeline.step import Step
from hub.tickets.lifecycle import Refused
from hub.vocabulary.card_rules import CardRules, rules_on


class Paid(msgspec.Struct, frozen=True):
    """Money at the desk."""

    receipt: str
    amount_fen: int


def find(step: Step, card: int, revision: int | None = None) -> Row[Any]:
    """The card. Raises Refused: there is none, or it was changed meanwhile."""
    row = ledger.one(step.connection, card)
    if row is None:
        raise Refused("not_found", "There is no such card.")
    if revision is not None and row.revision != revision:
        raise Refused("stale", "The card was changed meanwhile.")
    return row


def today(step: Step, site: str) -> date:
    """The day at the site."""
    return datetime.fromtimestamp(step.now / 1000, ZoneInfo(step.site(site).timezone)).date()


def rules_of(step: Step, site: str) -> CardRules:
    """The project's rules for cards that hold today."""
    return rules_on(step.site(site).card_rules, today(step, site))


def paid(step: Step, card: int) -> int:
    """What was paid for a card, in fen."""
    return ledger.paid(step.connection, [card])[card]


def invalid(field: str, what: str) -> Refused:
    """One field is wrong."""
    return Refused("invalid", "Some fields are wrong.", errors=((field, what),))


def check_payment(step: Step, site: str, told: Paid, due_fen: int | None, paid_fen: int, card: int | None) -> None:
    """Raises Refused for a receipt that is another payment's, and for more than is due."""
    known = ledger.payment(step.connection, site, told.receipt)
    if known is not None:
        if known.assignment_id == card and known.amount_fen == told.amount_fen:
            return
        raise Refused("conflict", "This receipt is known for another payment.")
    if due_fen is not None and paid_fen + told.amount_fen > due_fen:
        raise invalid("amount", "more than is due")


def take_money(step: Step, row: Row[Any], told: Paid, by: str) -> None:
    """Write a payment down, and its deposit part in the deposit ledger."""
    deposit = 0
    if row.deposit_fen:
        held = deposits.balance(deposits.about(step.connection, [row.id])).received_fen
        deposit = deposits.deposit_part(told.amount_fen, row.fee_fen - (paid(step, row.id) - held))
    ledger.add_payment(step.connection, row, told.receipt, told.amount_fen, by, step.now)
    if deposit:
        line = deposits.line_of(step.connection, row.id)
        entry = NewEntry(
            line=line,
            about=row.id,
            site=row.site,
            entry=DepositAct.RECEIVED,
            amount_fen=deposit,
            document=told.receipt,
            party=row.holder_name,
        )
        deposits.add(step.connection, entry, by, step.now)
    data = {"receipt": told.receipt, "amount_fen": told.amount_fen}
    ledger.change(step.connection, row, "paid", by, step.now, data)


def activate_when_complete(step: Step, card: int, by: str) -> None:
    """A pending card that lacks nothing is valid from now on."""
    row = find(step, card)
    if row.state != CardState.PENDING or ledger.missing_of(row, paid(step, card)):
        return
    ledger.change(step.connection, row, "activated", by, step.now, {}, state=str(CardState.ACTIVE))
    card_doors.activate(step, row)


def end(step: Step, row: Row[Any], reason: EndReason, by: str, note: str = "") -> None:
    """The assignment is over: off every door."""
    values = {"state": str(CardState.ENDED), "reason": str(reason)}
    ledger.change(step.connection, row, str(reason), by, step.now, {"note": note}, **values)
    card_doors.withdraw(step, row)
