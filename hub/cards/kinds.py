"""Kinds of cards as data: what each needs, what it costs, how long it lasts, and which are counted as a household's.

Pure. Amounts and days come from the project's rules (hub.vocabulary.card_rules): another project replaces the data, never
the code. Money in fen.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

import msgspec

from hub.vocabulary.card_rules import CardRules
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
    GUARDIAN_CONSENT = "guardian_consent"


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
    """One kind. What it costs and how long it lasts stands in the project's rules (`fee_of`, `span_of`)."""

    documents: tuple[Document, ...] = ()
    household: bool = False  # counted on the household's free cards
    needs_unit: bool = True
    returned: bool = False  # a pass: asked back when its days are over


KINDS: Final[Mapping[CardKind, KindSpec]] = {
    CardKind.OWNER: KindSpec(household=True),
    CardKind.TENANT: KindSpec(household=True),
    CardKind.STAFF: KindSpec(documents=(Document.DEPARTMENT_HEAD_SIGNED, Document.MANAGER_APPROVED), needs_unit=False),
    CardKind.WORKER_PASS: KindSpec(documents=(Document.RENOVATION_PERMIT, Document.ID_DOCUMENT), returned=True),
    CardKind.TEMPORARY_PASS: KindSpec(documents=(Document.ID_DOCUMENT,), returned=True),
    CardKind.PARKING: KindSpec(documents=(Document.VEHICLE_REGISTERED,)),
}


def span_of(kind: CardKind, rules: CardRules) -> Span | None:
    """How long a card of this kind lasts under these rules; None: as long as the person lives or works there."""
    match kind:
        case CardKind.WORKER_PASS:
            return Span(months=rules.pass_months)
        case CardKind.TEMPORARY_PASS:
            return Span(days=rules.temporary_pass_days)
        case CardKind.PARKING:
            return Span(months=rules.parking_months)
        case CardKind.OWNER | CardKind.TENANT | CardKind.STAFF:
            return None


def fee_of(kind: CardKind, rules: CardRules) -> tuple[int | None, int]:
    """(fee, deposit) in fen of a card that is no household's; fee None: the project's own price list says."""
    if kind is CardKind.WORKER_PASS:
        return rules.pass_fee_fen, rules.pass_deposit_fen
    return (None if kind is CardKind.PARKING else 0), 0


def missing(
    kind: CardKind,
    documents: frozenset[str],
    due_fen: int | None,
    paid_fen: int,
    *,
    has_id_number: bool,
    minor: bool = False,
) -> tuple[str, ...]:
    """What stands between a card and its activation, in the order in which a clerk asks for it.

    A holder under 14 needs a guardian's consent (PIPL art. 28, 31; domain/access.md 6, 8).
    """
    seen = documents | ({Document.ID_DOCUMENT} if has_id_number else set())
    needed = (*KINDS[kind].documents, *((Document.GUARDIAN_CONSENT,) if minor else ()))
    papers = [str(document) for document in needed if document not in seen]
    unpaid = paid_fen <= 0 if due_fen is None else paid_fen < due_fen
    return (*papers, PAYMENT) if unpaid else tuple(papers)
