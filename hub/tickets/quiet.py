"""What is kept quiet, within one step: looks up what runs now, keeps the rows of shelves, and says which notice is held back.

Lives for one step, like the desk. What runs is read once and only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection

from hub.tickets import suppression_rows
from hub.tickets.suppression import (
    EndReason,
    Standing,
    Suppressed,
    Suppression,
    explained_by_maintenance,
    held_back,
)
from hub.tickets.ticket import Ticket
from hub.vocabulary.decisions import Notify, RaiseTicket, Severity
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.facts import DeviceFacts
from hub.vocabulary.instants import UtcMs


class Deadline(msgspec.Struct, frozen=True):
    """When a suppression ends (None: it is over, forget the deadline)."""

    suppression: int
    site: str
    due_at: UtcMs | None


class Quiet:
    """`deadlines` and `announced` (word of the feed, what, how it ended) are the step's to carry out."""

    def __init__(self, connection: Connection, device: Callable[[str, str], DeviceFacts | None], now: UtcMs) -> None:
        self._connection = connection
        self._device = device
        self._now = now
        self._known: list[Suppression] | None = None
        self.deadlines: list[Deadline] = []
        self.announced: list[tuple[str, Suppression, dict[str, str]]] = []

    @property
    def running(self) -> list[Suppression]:
        """Those that have not ended."""
        if self._known is None:
            self._known = suppression_rows.running(self._connection)
        return self._known

    def standing(self, ticket: Ticket) -> Standing:
        """What decides whether the ticket may be kept quiet."""
        return Standing(
            kind=ticket.kind,
            subject=ticket.subject,
            building=self._building(ticket.subject),
            severity=ticket.severity,
            shelved_until=ticket.shelved_until,
            maintenance=ticket.maintenance,
            acknowledged="acknowledged" in ticket.milestones,
        )

    def explains(self, raised: RaiseTicket) -> bool:
        """Whether maintenance explains what is raised now."""
        building = self._building(raised.subject)
        return explained_by_maintenance(
            raised.kind, raised.fields, raised.subject, building, self.running, self._now
        )  # fmt: skip

    def still_explained(self, ticket: Ticket) -> bool:
        """Whether maintenance that still runs covers the ticket."""
        building = self._building(ticket.subject)
        return any(
            each.what is Suppressed.MAINTENANCE and each.covers(ticket.subject, building, ticket.kind, self._now)
            for each in self.running
        )

    def holds(self, notify: Notify, ticket: Ticket | None) -> Suppressed | None:
        """Why a notice is not sent; None: it is sent."""
        about = Standing(
            kind="" if notify.kind is None else notify.kind,
            subject=notify.subject,
            building=self._building(notify.subject),
            severity=Severity.LOW,
        )
        return held_back(
            notify.audience, None if ticket is None else self.standing(ticket), about, self.running, self._now
        )

    # --- beginning and ending ---------------------------------------------------------------------------

    def begin(self, new: Suppression) -> Suppression:
        """Write it down, set its deadline, say so on the feed."""
        begun = suppression_rows.begin(self._connection, new)
        self._known = [*self.running, begun] if self._known is not None else None
        self.deadlines.append(Deadline(begun.id, begun.site, begun.until))
        self.announced.append(("suppression_started", begun, {}))
        return begun

    def end(self, suppression: Suppression, why: EndReason, by: str) -> None:
        """It is over: by a person, by its deadline, or because what it kept quiet must not be quiet any more."""
        if not suppression_rows.end(self._connection, suppression.id, why, by, self._now):
            return
        if self._known is not None:
            self._known = [each for each in self._known if each.id != suppression.id]
        self.deadlines.append(Deadline(suppression.id, suppression.site, None))
        self.announced.append(("suppression_ended", suppression, {"ended_by": by, "end_reason": str(why)}))

    def shelf_of(self, ticket_id: int) -> Suppression | None:
        """The shelf that the ticket is on."""
        return next((each for each in self.running if each.ticket_id == ticket_id), None)

    def _building(self, subject: Subject) -> str:
        if subject.type is SubjectType.BUILDING:
            return subject.id
        device = self._device(subject.site, subject.id) if subject.type is SubjectType.DEVICE else None
        return "" if device is None else device.building
