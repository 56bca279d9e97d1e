"""What the API answers about deposits and renovations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.shapes import Instant, Shape
from api.shapes_meters import Money
from hub.cards.deposits import DepositAct, Penalty
from hub.cards.kinds import CardKind
from hub.cards.ledger import CardState


class DepositEntry(Shape, frozen=True):
    """A row of the deposit ledger. A negative amount takes the row `reverses` back; `party`: who paid or was paid."""

    id: int
    card: int
    entry: DepositAct
    amount: Money
    document: str
    party: str | None
    reason: Penalty | None
    note: str
    reverses: int | None
    at: Instant
    by: str


class OutstandingPass(Shape, frozen=True):
    """A pass that is neither back nor penalised; until then no deposit of its works is paid back."""

    card: int
    kind: CardKind
    number: str | None
    state: CardState
    object: str


class Deposit(Shape, frozen=True):
    """The deposit of a pass and of those it replaces. received = held + refunded + forfeited, always."""

    card: int
    received: Money
    held: Money
    refunded: Money
    forfeited: Money
    entries: Sequence[DepositEntry]
    blocked_by: Sequence[OutstandingPass]


class Works(Shape, frozen=True):
    """A renovation with its passes' numbers, what is not back, and what is held for all of them."""

    id: int
    site: str
    unit: str
    reference: str
    contractor: str
    until: Instant | None
    opened_at: Instant
    opened_by: str
    accepted_at: Instant | None
    accepted_by: str | None
    passes: Sequence[int]
    outstanding: Sequence[OutstandingPass]
    held: Money


class WorksList(Shape, frozen=True):
    """A page of renovations."""

    items: Sequence[Works]
    next: str | None


class RegisterSheet(Shape, frozen=True):
    """A register: `columns` key → heading in the site's language; every cell is text."""

    title: str
    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, str]]


ANSWERS = (Deposit, Works, WorksList, RegisterSheet)
