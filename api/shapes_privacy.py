"""What the API answers about personal data: full values, copies, a person's own data, erasures, the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.shapes import Instant, Shape
from hub.cards.audit import Action


class Revealed(Shape, frozen=True):
    """A holder in full; `id_number` null: none was entered, or it was before there was encryption."""

    name: str
    phone: str | None
    id_number: str | None


class FoundCards(Shape, frozen=True):
    """Ids of cards."""

    cards: Sequence[int]


class IdCopy(Shape, frozen=True):
    """A copy that is kept."""

    card: int
    media_type: str
    size_bytes: int
    at: Instant
    by: str


class Deleted(Shape, frozen=True):
    """How many were deleted."""

    deleted: int


class PersonData(Shape, frozen=True):
    """Everything that is known of a person; times in UTC epoch milliseconds, money in fen."""

    site: str
    people: Sequence[Mapping[str, Any]]
    cards: Sequence[Mapping[str, Any]]
    notices: Sequence[Mapping[str, Any]]


class KeptData(Shape, frozen=True):
    """What stays, and why."""

    what: str
    why: str


class Erasure(Shape, frozen=True):
    """What was erased, and what has to stay."""

    erased: Sequence[str]
    kept: Sequence[KeptData]


class AuditRow(Shape, frozen=True):
    """A row of the audit."""

    seq: int
    at: Instant
    by: str
    roles: Sequence[str]
    action: Action
    site: str
    subject: str
    reason: str
    detail: Mapping[str, Any]


class AuditList(Shape, frozen=True):
    """A page of the audit."""

    items: Sequence[AuditRow]
    next: str | None


ANSWERS = (Revealed, FoundCards, IdCopy, Deleted, PersonData, Erasure, AuditList)
