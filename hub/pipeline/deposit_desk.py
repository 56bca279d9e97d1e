"""What the desk does with deposits within a step: pay back, keep for a reason, take a mistake back; each on a document.

Money goes back when the pass is back and, for a renovation, when its works are accepted and none of its passes is missing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from hub.cards import copies, deposits, ledger
from hub.cards import works as renovations
from hub.cards.deposits import DepositAct, NewEntry, Penalty
from hub.cards.ledger import CardState, EndReason, ObjectState
from hub.pipeline import card_steps
from hub.pipeline.card_steps import find, invalid
from hub.pipeline.step import Step
from hub.tickets.lifecycle import Refused


def refund(step: Step, card: int, party: str | None, by: str, revision: int | None = None) -> int:
    """Pay back what is held for this pass; the row of the refund document. `party` None: to the holder.

    Raises Refused, naming what stands in the way.
    """
    row = find(step, card, revision)
    line = deposits.line_of(step.connection, card)
    held = deposits.balance(deposits.rows_of(step.connection, line)).held_fen
    if held <= 0:
        raise Refused("not_allowed", "No deposit is held for this pass.")
    _demand_all_back(step, row)
    return _enter(step, row, line, DepositAct.REFUNDED, held, party or row.holder_name, None, "", by)


def forfeit(
    step: Step, card: int, reason: Penalty, amount_fen: int | None, note: str, by: str, revision: int | None = None
) -> int:
    """Keep a part of the deposit for a reason; the row of the penalty document. Raises Refused.

    `amount_fen` None: what the project's rules say for a lost pass. Never more than is held; a lost pass without a
    deposit gets its document with nothing on it.
    """
    row = find(step, card, revision)
    line = deposits.line_of(step.connection, card)
    rows = deposits.rows_of(step.connection, line)
    held = deposits.balance(rows).held_fen
    if reason is Penalty.LOST_PASS:
        _demand_lost(step, row, rows)
        if amount_fen is None:
            amount_fen = min(card_steps.rules_of(step, row.site).lost_pass_fen, held)
    elif amount_fen is None:
        raise invalid("amount", "say how much")
    if amount_fen > held:
        raise invalid("amount", f"more than is held ({held / 100:.2f})")
    if reason is Penalty.LOST_PASS:
        if row.state != CardState.ENDED:
            card_steps.end(step, row, EndReason.LOST, by, note)
        ledger.set_object(step.connection, row.card_id, ObjectState.LOST)
    return _enter(step, row, line, DepositAct.FORFEITED, amount_fen, row.holder_name, reason, note, by)


def take_back(step: Step, card: int, entry: int, note: str, by: str, revision: int | None = None) -> int:
    """A refund or a penalty was a mistake: a second row takes it off; that row. Raises Refused."""
    row = find(step, card, revision)
    line = deposits.line_of(step.connection, card)
    wrong = deposits.entry_of(step.connection, line, entry)
    if wrong is None:
        raise Refused("not_found", "There is no such entry of this pass.")
    if wrong.entry == DepositAct.RECEIVED:
        raise Refused("not_allowed", "What was received is taken back with its payment.", allowed=("payment-reversal",))
    standing = deposits.standing(deposits.rows_of(step.connection, line), DepositAct(wrong.entry))
    if wrong.id not in {each.id for each in standing}:
        raise Refused("conflict", "This entry was taken back already.")
    added = deposits.take_back(step.connection, wrong, f"{wrong.document}-R", note, by, step.now)
    data = {"document": wrong.document, "amount_fen": wrong.amount_fen}
    ledger.change(step.connection, row, f"{wrong.entry}_taken_back", by, step.now, data)
    return added


def _demand_all_back(step: Step, row: Row[Any]) -> None:
    if row.works_id is None:
        members = renovations.line_members(step.connection, deposits.line_of(step.connection, row.id))
        missing = renovations.unsettled(step.connection, members)
    else:
        works = renovations.one(step.connection, row.works_id)
        missing = renovations.outstanding(step.connection, row.works_id)
        if works is None or works.accepted_at is None:
            raise Refused("not_allowed", "The works are not accepted yet.", ("accept",), errors=_named(missing))
    if missing:
        raise Refused("not_allowed", "Passes are not back yet.", ("return", "penalty"), errors=_named(missing))


def _named(rows: Any) -> tuple[tuple[str, str], ...]:
    """Which passes, by card and number; names are not for an error."""
    return tuple((f"cards/{row.id}", f"{row.kind} {row.value}: {row.object_state}") for row in rows)


def _demand_lost(step: Step, row: Row[Any], rows: Any) -> None:
    if row.state != CardState.ENDED and row.object_state != ObjectState.LOST:
        raise Refused("not_allowed", "It has to be reported lost first, so that it opens no door.", allowed=("loss",))
    if renovations.handed_back(step.connection, row):
        raise Refused("not_allowed", "This pass was handed back.")
    penalties = deposits.standing(rows, DepositAct.FORFEITED)
    if any(each.about_id == row.id and each.reason == Penalty.LOST_PASS for each in penalties):
        raise Refused("conflict", "There is a penalty for this lost pass already.")


def _enter(
    step: Step,
    row: Row[Any],
    line: int,
    entry: DepositAct,
    amount_fen: int,
    party: str,
    reason: Penalty | None,
    note: str,
    by: str,
) -> int:
    year = card_steps.today(step, row.site).year
    new = NewEntry(
        line=line,
        about=row.id,
        site=row.site,
        entry=entry,
        amount_fen=amount_fen,
        document=deposits.next_document(step.connection, row.site, entry, year),
        party=party,
        reason=reason,
        note=note,
    )
    added = deposits.add(step.connection, new, by, step.now)
    data = {"document": new.document, "amount_fen": amount_fen, "reason": reason}
    ledger.change(step.connection, row, str(entry), by, step.now, data)
    members = [each.id for each in renovations.line_members(step.connection, line)]
    copies.delete_settled(step.connection, members, step.now)
    return added
