"""What the API answers about top-ups and the lives of meters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from api.shapes import Balance, Instant, Shape
from hub.meters.lives import Entry
from hub.vocabulary.events import TopUpProof, TopUpState


class Money(Shape, frozen=True):
    """Money as decimal text with its currency."""

    amount: str
    currency: Literal["CNY"]


class TopUp(Shape, frozen=True):
    """A top-up and how far it has come; `proof` says how it was seen on the meter (null: it was not yet)."""

    id: int
    site: str
    meter: str
    reference: str
    amount: Money
    state: TopUpState
    paid_at: Instant
    updated_at: Instant
    confirmed_at: Instant | None
    proof: TopUpProof | None


class TopUpList(Shape, frozen=True):
    """A page of top-ups."""

    items: Sequence[TopUp]
    next: str | None


class MeterLife(Shape, frozen=True):
    """One entry in a meter's life, as somebody wrote it down; what is not known is null."""

    id: int
    entry: Entry
    at: Instant
    serial: str | None
    end_energy: Balance | None
    begin_energy: Balance | None
    balance: Balance | None
    by: str
    note: str


class CounterBreak(Shape, frozen=True):
    """Two readings between which the energy counter went back or jumped, and nobody wrote down why."""

    step: Literal["reset", "rolled_over", "jumped"]
    before_at: Instant
    at: Instant
    before: Balance
    after: Balance


class MeterLives(Shape, frozen=True):
    """Everything that happened to a meter, newest first."""

    site: str
    meter: str
    installed_serial: str | None
    items: Sequence[MeterLife]
    counter_breaks: Sequence[CounterBreak]


class ReadingTaken(Shape, frozen=True):
    """A pushed reading is stored; `id` is its sender's."""

    site: str
    meter: str
    id: str


ANSWERS = (TopUp, TopUpList, MeterLives, ReadingTaken)
