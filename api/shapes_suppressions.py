"""What is kept quiet, as the API answers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.shapes import Instant, Shape, Subject
from hub.tickets.suppression import EndReason, Suppressed
from hub.vocabulary.decisions import Severity, TicketKind


class Suppression(Shape, frozen=True):
    """A shelf (of one ticket), a silence or maintenance. `ended_at` is null while it runs."""

    id: int
    what: Suppressed
    site: str
    ticket: int | None
    ticket_number: str | None
    subject: Subject | None
    subject_name: str | None
    kind: TicketKind | None
    reason: str
    by: str
    since: Instant
    until: Instant
    ended_at: Instant | None
    ended_by: str | None
    end_reason: EndReason | None


class SuppressionList(Shape, frozen=True):
    """A page, newest first."""

    items: Sequence[Suppression]
    next: str | None


class SuppressionLimits(Shape, frozen=True):
    """Longest times in minutes. A severity that is not under `shelf` is never shelved; `never` are kinds never kept quiet."""

    shelf: Mapping[Severity, int]
    silence: int
    maintenance: int
    never: Sequence[TicketKind]


ANSWERS = (SuppressionList, Suppression, SuppressionLimits)
