"""Kinds of cards as data: what each needs, what it costs, how long it lasts, and which are counted as a household's.

Pure. The amounts are this company's house rules (domain/procedures.md 3), each with its basis and the day from which it
holds: another project replaces the data, never the code. Money in fen.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

import msgspec

from hub.vocabulary.instants import UtcMs


class CardKind(StrEnum):
    """Contract, 'Cards'."""

    OWNER = "owner"
    TENANT = "tenant"
    STAFF = "staff"
    WORKER_PASS = "worker_pass"  # noqa: S105  no password
    TEMPORARY_PASS = "temporary_pass"  # noqa: S105
    PARKING = "parking"


class Document(StrEnum):
    """Papers that a clerk has seen."""

    ID_DOCUMENT = "id_document"
    RENOVATION_PERMIT = "renovation_permit"
    DEPARTMENT_HEAD_SIGNED = "department_head_signed"
    MANAGER_APPROVED = "manager_approved"
    VEHICLE_REGISTERED = "vehicle_registered"


PAYMENT: Final = "payment"
"""What is missing while money is due."""


class Span(msgspec.Struct, frozen=True):
    """How long a card lasts at most; its last day counts to 24:00 at the site."""

    months: int = 0
    days: int = 0

    def last_day(self, first: date) -> date:
        """Days: the day of issue is the first. Months: the same day of the month, or the last one where there is none."""
        if self.days:
            return first + timedelta(days=self.days - 1)
        years, month = divmod(first.month - 1 + self.months, 12)
        year = first.year + years
        return date(year, month + 1, min(first.day, calendar.monthrange(year, month + 1)[1]))

    def end(self, start: UtcMs, zone: tzinfo) -> UtcMs:
        """The midnight after the last day, in UTC milliseconds."""
        last = self.last_day(datetime.fromtimestamp(start / 1000, zone).date())
        return midnight_after(last, zone)


def midnight_after(day: date, zone: tzinfo) -> UtcMs:
    """24:00 of a day at the site."""
    return int(datetime.combine(day + timedelta(days=1), time(), zone).timestamp() * 1000)


class KindSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One kind. `fee_fen` None: the project's own price list says, the clerk enters what was paid."""

    documents: tuple[Document, ...] = ()
    fee_fen: int | None = 0
    deposit_fen: int = 0
    span: Span | None = None  # None: as long as the person lives or works there
    household: bool = False  # counted on the household's free cards
    needs_unit: bool = True


KINDS: Final[Mapping[CardKind, KindSpec]] = {
    CardKind.OWNER: KindSpec(household=True),
    CardKind.TENANT: KindSpec(household=True),
    CardKind.STAFF: KindSpec(documents=(Document.DEPARTMENT_HEAD_SIGNED, Document.MANAGER_APPROVED), needs_unit=False),
    CardKind.WORKER_PASS: KindSpec(
        documents=(Document.RENOVATION_PERMIT, Document.ID_DOCUMENT),
        fee_fen=500,
        deposit_fen=5000,
        span=Span(months=3),
    ),
    CardKind.TEMPORARY_PASS: KindSpec(documents=(Document.ID_DOCUMENT,), span=Span(days=3)),
    CardKind.PARKING: KindSpec(documents=(Document.VEHICLE_REGISTERED,), fee_fen=None, span=Span(months=1)),
}


class HouseRules(msgspec.Struct, frozen=True, kw_only=True):
    """A project's rules for households' cards, with their basis and the day from which they hold."""

    free_cards: int = 3
    further_card_fen: int = 5000
    replacement_fen: int = 5000
    basis: str = "业主卡管理规定"
    valid_from: date = date(2020, 1, 1)


HOUSE_RULES: Final = HouseRules()


def missing(
    kind: CardKind, documents: frozenset[str], due_fen: int | None, paid_fen: int, *, has_id_number: bool
) -> tuple[str, ...]:
    """What stands between a card and its activation, in the order in which a clerk asks for it."""
    seen = documents | ({Document.ID_DOCUMENT} if has_id_number else set())
    papers = [str(document) for document in KINDS[kind].documents if document not in seen]
    unpaid = paid_fen <= 0 if due_fen is None else paid_fen < due_fen
    return (*papers, PAYMENT) if unpaid else tuple(papers)
