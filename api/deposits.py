"""Deposits over HTTP: what is held for a pass, paying it back, keeping it for a reason, taking a mistake back.

Answers are the whole ledger of the pass, so that the clerk sees the sums after every step; documents are printed from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import Field
from sqlalchemy import Connection, Row

from api import shapes_desk
from api.audited import record, sees_people
from api.auth import ForMoney, services_of
from api.card_life import Edit, ForEdits
from api.cards import Body, Short, find_card, money
from api.openapi import answers
from api.requests import MAX_ID, Json, RowId, Words, once
from api.routing import noun_router
from api.services import Services
from api.topups import Amount, MoneyIn
from hub.cards import deposits, works
from hub.cards.audit import Action
from hub.cards.deposits import DepositAct, Penalty
from hub.cards.kinds import CardKind
from hub.cards.ledger import CardState
from hub.cards.visibility import Field as Seen
from hub.cards.visibility import shown, sight
from hub.pipeline import deposit_desk
from hub.pipeline.step import Step
from hub.store.accounts import Principal
from hub.vocabulary.instants import iso
from hub.vocabulary.units import BalanceUnit, to_credit

router = noun_router("cards", "/cards")


class RefundIn(Body):
    """The deposit goes back. `party` left out: to the holder."""

    party: Short | None = None


class PenaltyIn(Body):
    """A part of the deposit is kept. `amount` left out: what the project's rules say for a lost pass."""

    reason: Penalty
    amount: MoneyIn | Amount | None = None
    note: Words | None = None


class TakeBackIn(Body):
    """A refund or penalty that was a mistake."""

    entry: Annotated[int, Field(ge=1, le=MAX_ID)]
    note: Words


def outstanding_shape(principal: Principal, row: Row[Any]) -> shapes_desk.OutstandingPass:
    """A pass that is missing, as far as the caller may know it."""
    return shapes_desk.OutstandingPass(
        card=row.id,
        kind=CardKind(row.kind),
        number=shown(row.value, Seen.CREDENTIAL, sight(principal.roles, Seen.CREDENTIAL)),
        state=CardState(row.state),
        object=row.object_state,
    )


def blocking(connection: Connection, row: Row[Any]) -> Sequence[Row[Any]]:
    """What stands in the way of a refund for this pass."""
    if row.works_id is not None:
        return works.outstanding(connection, row.works_id)
    line = deposits.line_of(connection, row.id)
    return works.unsettled(connection, works.line_members(connection, line))


def _entry(services: Services, principal: Principal, row: Row[Any]) -> shapes_desk.DepositEntry:
    return shapes_desk.DepositEntry(
        id=row.id,
        card=row.about_id,
        entry=DepositAct(row.entry),
        amount=money(row.amount_fen),
        document=row.document,
        party=shown(row.party, Seen.NAME, sight(principal.roles, Seen.NAME)),
        reason=None if row.reason is None else Penalty(row.reason),
        note=row.note,
        reverses=row.reverses_id,
        at=iso(row.at, services.zone(row.site)),
        by=row.by,
    )


def _answer(services: Services, principal: Principal, card_id: int, status: int = 200) -> Response:
    with services.store.read() as connection:
        row = find_card(connection, principal, card_id)
        rows = deposits.rows_of(connection, deposits.line_of(connection, card_id))
        missing = blocking(connection, row)
    sums = deposits.balance(rows)
    shape = shapes_desk.Deposit(
        card=card_id,
        received=money(sums.received_fen),
        held=money(sums.held_fen),
        refunded=money(sums.refunded_fen),
        forfeited=money(sums.forfeited_fen),
        entries=[_entry(services, principal, each) for each in rows],
        blocked_by=[outstanding_shape(principal, each) for each in missing],
    )
    return Json(msgspec.json.encode(shape), status)


@router.get("/{card_id}/deposit", responses=answers(shapes_desk.Deposit))
def show_deposit(request: Request, principal: ForMoney, card_id: RowId) -> Response:
    """What was received, is held, was paid back, was kept; and what stands in the way of a refund."""
    services = services_of(request)
    if sees_people(principal):
        with services.store.read() as connection:
            row = find_card(connection, principal, card_id)
        record(services, principal, Action.READ, f"cards/{card_id}", site=row.site, detail={"what": "deposit"})
    return _answer(services, principal, card_id)


def _run(edit: Edit, body: Body, act: Callable[[Step], object]) -> Response:
    def write() -> Response:
        with edit.services.store.read() as connection:
            find_card(connection, edit.by, edit.card)
        edit.services.door.ask(act)
        return _answer(edit.services, edit.by, edit.card)

    return once(edit.request, edit.services, edit.by, edit.key, body.model_dump(mode="json"), write)


@router.post("/{card_id}/deposit/refund", responses=answers(shapes_desk.Deposit))
def refund(edit: ForEdits, told: RefundIn) -> Response:
    """Pay back all that is held. 409 with the list of what is missing while a pass is out or the works are not accepted."""

    def act(step: Step) -> object:
        return deposit_desk.refund(step, edit.card, told.party, edit.by.name, edit.revision)

    return _run(edit, told, act)


@router.post("/{card_id}/penalty", responses=answers(shapes_desk.Deposit))
def keep(edit: ForEdits, told: PenaltyIn) -> Response:
    """Keep a part of the deposit for a reason, on a numbered document."""
    amount = None
    if told.amount is not None:
        amount = to_credit(told.amount if isinstance(told.amount, str) else told.amount.amount, BalanceUnit.CNY)

    def act(step: Step) -> object:
        return deposit_desk.forfeit(step, edit.card, told.reason, amount, told.note or "", edit.by.name, edit.revision)

    return _run(edit, told, act)


@router.post("/{card_id}/deposit/reversal", responses=answers(shapes_desk.Deposit))
def take_back(edit: ForEdits, told: TakeBackIn) -> Response:
    """A refund or a penalty was a mistake: a second row takes it off, both stay."""

    def act(step: Step) -> object:
        return deposit_desk.take_back(step, edit.card, told.entry, told.note, edit.by.name, edit.revision)

    return _run(edit, told, act)
