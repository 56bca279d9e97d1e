"""What happens to a card at the desk after it was entered: paid, lost, found, returned, replaced, extended.

Every route here is an edit: If-Match guards against a card that was changed meanwhile, Idempotency-Key against repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from fastapi import Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from api import shapes_cards
from api.auth import CARD_CUSTODY, ForCards, ForLosses, services_of
from api.cards import Body, CredentialIn, PaymentIn, Short, card_answer, find_card, number_of, paid_of
from api.openapi import answers
from api.requests import IdempotencyKey, IfMatch, InstantIn, RowId, Words, once, revision
from api.routing import noun_router
from api.services import Services
from hub.cards import ledger
from hub.cards.kinds import CardKind, Document
from hub.pipeline import card_desk
from hub.pipeline.card_desk import Wish
from hub.pipeline.step import Step
from hub.store.accounts import Principal

router = noun_router("cards", "/cards")


class LossIn(Body):
    """A loss report: anybody may report by telephone, the card is suspended at once."""

    reporter: Short
    verified: Literal["id_document", "phone"]
    note: Words | None = None


class SeenIn(Body):
    """The clerk has checked who it is."""

    verified: Literal["id_document"]
    note: Words | None = None


class ReturnIn(Body):
    """The holder hands it in."""

    note: Words | None = None


class DocumentsIn(Body):
    """Papers that the clerk has seen."""

    documents: Annotated[list[Document], Field(min_length=1, max_length=10)]


class ReplaceIn(Body):
    """Another card in place of a lost or defective one: only after the identity was checked."""

    verified: Literal["id_document"]
    credential: CredentialIn
    defective: bool = False
    payment: PaymentIn | None = None


class ExtendIn(Body):
    """A later last day."""

    until: InstantIn


class ReversalIn(Body):
    """A payment that was entered wrongly, and the receipt of its reversal."""

    receipt: Short
    reversal: Short


class Edit(msgspec.Struct, frozen=True):
    """One edit of one card: who, which, and what it is based on."""

    request: Request
    services: Services
    by: Principal
    card: int
    revision: int | None
    key: str | None

    def run(self, body: BaseModel, act: Callable[[Step], object]) -> Response:
        """Do it within a step; the card as it is then."""

        def write() -> Response:
            with self.services.store.read() as connection:
                find_card(connection, self.by, self.card)
            self.services.door.ask(act)
            return card_answer(self.services, self.by, self.card)

        return once(self.request, self.services, self.by, self.key, body.model_dump(mode="json"), write)


class Asked(msgspec.Struct, frozen=True):
    """An edit before it is known whose it is."""

    request: Request
    card: int
    revision: int | None
    key: str | None

    def by(self, principal: Principal) -> Edit:
        """As theirs."""
        return Edit(self.request, services_of(self.request), principal, self.card, self.revision, self.key)


def _asked(request: Request, card_id: RowId, if_match: IfMatch = None, idempotency_key: IdempotencyKey = None) -> Asked:
    return Asked(request, card_id, revision(if_match), idempotency_key)


OfOneCard = Annotated[Asked, Depends(_asked)]
"""Behind the guard of each edit, so that whoever may not is told so first."""


def _edit(principal: ForCards, asked: OfOneCard) -> Edit:
    return asked.by(principal)


def _loss_edit(principal: ForLosses, asked: OfOneCard) -> Edit:
    return asked.by(principal)


ForEdits = Annotated[Edit, Depends(_edit)]


@router.post("/{card_id}/payment", responses=answers(shapes_cards.Card))
def pay(edit: ForEdits, told: PaymentIn) -> Response:
    """Money with its receipt; the same receipt again is the same payment."""
    paid = paid_of(told)
    return edit.run(told, lambda step: card_desk.pay(step, edit.card, paid, edit.by.name, edit.revision))


@router.post("/{card_id}/payment-reversal", responses=answers(shapes_cards.Card))
def reverse(edit: ForEdits, told: ReversalIn) -> Response:
    """Take a payment off that was entered wrongly; both rows stay."""
    return edit.run(
        told,
        lambda step: card_desk.reverse(step, edit.card, told.receipt, told.reversal, edit.by.name, edit.revision),
    )


@router.post("/{card_id}/documents", responses=answers(shapes_cards.Card))
def hand_in(edit: ForEdits, told: DocumentsIn) -> Response:
    """Papers that were missing have been seen."""
    papers = tuple(map(str, told.documents))
    return edit.run(told, lambda step: card_desk.hand_in(step, edit.card, papers, edit.by.name, edit.revision))


@router.post("/{card_id}/loss", responses=answers(shapes_cards.Card))
def lose(edit: Annotated[Edit, Depends(_loss_edit)], told: LossIn) -> Response:
    """Suspend at once, and take the card off every door; the answer says what is proved and what is not."""
    report = card_desk.LossReport(reporter=told.reporter, verified=told.verified, note=told.note or "")
    return edit.run(told, lambda step: card_desk.report_loss(step, edit.card, report, edit.by.name, edit.revision))


@router.post("/{card_id}/found", responses=answers(shapes_cards.Card))
def find_again(edit: ForEdits, told: SeenIn) -> Response:
    """A lost card is back: valid again; one that is over waits for the custodian to put it into stock."""
    custodian = bool(edit.by.roles & CARD_CUSTODY)

    def act(step: Step) -> None:
        card_desk.found(step, edit.card, told.note or "", edit.by.name, edit.revision, custodian=custodian)

    return edit.run(told, act)


@router.post("/{card_id}/return", responses=answers(shapes_cards.Card))
def give_back(edit: ForEdits, told: ReturnIn) -> Response:
    """The holder hands the card in."""
    return edit.run(
        told, lambda step: card_desk.give_back(step, edit.card, told.note or "", edit.by.name, edit.revision)
    )


@router.post("/{card_id}/extend", responses=answers(shapes_cards.Card))
def extend(edit: ForEdits, told: ExtendIn) -> Response:
    """A later last day, within what the kind allows from the first issue on."""
    return edit.run(told, lambda step: card_desk.extend(step, edit.card, told.until, edit.by.name, edit.revision))


@router.post("/{card_id}/replace", status_code=201, responses=answers(shapes_cards.Card, created=True))
def replace(edit: ForEdits, told: ReplaceIn) -> Response:
    """Another card for the same holder in place of a lost one (or a defective one); the answer is the new card."""

    def write() -> Response:
        wish = _same_holder(edit, told)
        new = edit.services.door.ask(
            lambda step: card_desk.replace(step, edit.card, wish, defective=told.defective, revision=edit.revision)
        )
        return card_answer(edit.services, edit.by, new, 201)

    return once(edit.request, edit.services, edit.by, edit.key, told.model_dump(mode="json"), write)


def _same_holder(edit: Edit, told: ReplaceIn) -> Wish:
    with edit.services.store.read() as connection:
        row = find_card(connection, edit.by, edit.card)
    return Wish(
        site=next(each for each in edit.services.sites if each.id == row.site),
        kind=CardKind(row.kind),
        unit=row.unit,
        holder=ledger.holder_of(row),
        number=number_of(told.credential),
        value=told.credential.value,
        documents=ledger.documents_of(row),
        payment=None if told.payment is None else paid_of(told.payment),
        by=edit.by.name,
    )
