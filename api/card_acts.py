"""Acts on a card that are a certain person's: a manager holds and resumes, the custodian puts into stock, heads sign.

The roles stand beside each act; the desk as a whole ends the cards of somebody who has left.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from fastapi import Depends
from fastapi.responses import Response

from api import shapes_cards
from api.auth import ForApprovals, ForCustody, ForHolds
from api.card_life import Edit, ForEdits, OfOneCard, ReturnIn
from api.cards import Body
from api.openapi import answers
from api.requests import Words
from api.routing import noun_router
from hub.cards.kinds import Document
from hub.cards.ledger import EndReason
from hub.pipeline import card_desk, card_ends
from hub.vocabulary.roles import Role

router = noun_router("cards", "/cards")


class Hold(StrEnum):
    """What a manager may hold a card for."""

    ARREARS = "arrears"
    BLOCKED = "blocked"


SIGNATURES: Final = {
    Role.DEPARTMENT_MANAGER: Document.DEPARTMENT_HEAD_SIGNED,
    Role.MANAGER: Document.MANAGER_APPROVED,
}
"""Whose signature is which paper of a staff card's application; nobody signs for another."""


class SuspendIn(Body):
    """Why the card is held, in a word and in words: it may be a resident's only way home."""

    reason: Hold
    note: Words


class NothingIn(Body):
    """Nothing to say."""


def _hold_edit(principal: ForHolds, asked: OfOneCard) -> Edit:
    return asked.by(principal)


def _custody_edit(principal: ForCustody, asked: OfOneCard) -> Edit:
    return asked.by(principal)


def _approval_edit(principal: ForApprovals, asked: OfOneCard) -> Edit:
    return asked.by(principal)


@router.post("/{card_id}/suspend", responses=answers(shapes_cards.Card))
def suspend(edit: Annotated[Edit, Depends(_hold_edit)], told: SuspendIn) -> Response:
    """A manager holds a card: off every door until it is resumed. Never done by the hub itself."""
    reason = EndReason(told.reason)
    return edit.run(
        told, lambda step: card_ends.suspend(step, edit.card, reason, told.note, edit.by.name, edit.revision)
    )


@router.post("/{card_id}/resume", responses=answers(shapes_cards.Card))
def resume(edit: Annotated[Edit, Depends(_hold_edit)], told: ReturnIn) -> Response:
    """What it was held for is over."""
    return edit.run(told, lambda step: card_ends.resume(step, edit.card, told.note or "", edit.by.name, edit.revision))


@router.post("/{card_id}/approval", responses=answers(shapes_cards.Card))
def approve(edit: Annotated[Edit, Depends(_approval_edit)], told: NothingIn) -> Response:
    """Sign a staff card's application: the department head first, then the project manager; each only for themselves."""
    papers = tuple(paper for role, paper in SIGNATURES.items() if role in edit.by.roles)
    return edit.run(told, lambda step: card_ends.approve(step, edit.card, papers, edit.by.name, edit.revision))


@router.post("/{card_id}/left", responses=answers(shapes_cards.Card))
def holder_left(edit: ForEdits, told: ReturnIn) -> Response:
    """The holder has left: this and all of their other cards at the site open no door any more."""
    return edit.run(
        told, lambda step: card_ends.holder_left(step, edit.card, told.note or "", edit.by.name, edit.revision)
    )


@router.post("/{card_id}/take-away", responses=answers(shapes_cards.Card))
def take_away(edit: ForEdits, told: ReturnIn) -> Response:
    """Somebody else used it: over, and the object waits for the custodian."""
    return edit.run(
        told, lambda step: card_ends.take_away(step, edit.card, told.note or "", edit.by.name, edit.revision)
    )


@router.post("/{card_id}/destroy", responses=answers(shapes_cards.Card))
def destroy(edit: Annotated[Edit, Depends(_custody_edit)], told: NothingIn) -> Response:
    """The custodian destroys a card that is over and back, or damaged: its number is never issued again."""
    return edit.run(told, lambda step: card_desk.destroy(step, edit.card, edit.by.name, edit.revision))


@router.post("/{card_id}/stock", responses=answers(shapes_cards.Card))
def stock(edit: Annotated[Edit, Depends(_custody_edit)], told: NothingIn) -> Response:
    """The custodian puts a card that was found after its end, or taken away, into stock."""
    return edit.run(told, lambda step: card_desk.stock(step, edit.card, edit.by.name, edit.revision))
