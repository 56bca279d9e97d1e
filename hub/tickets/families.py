"""Tickets that belong together, within one step: children below a roll-up, cars below the case of their whole site.

The desk calls here after it has stored a ticket; what a family needs is stored through the desk again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Row, bindparam, select

from hub.store.schema import tickets
from hub.tickets import lifecycle, mass, rollup, rows
from hub.tickets.suppression import NEVER_QUIET
from hub.tickets.ticket import Change, Ticket
from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import UtcMs

_RECENT: Final = (
    select(tickets.c.id, tickets.c.parent_id)
    .where(
        tickets.c.site == bindparam("_site"),
        tickets.c.kind == bindparam("_kind"),
        tickets.c.opened_at > bindparam("_after"),
        tickets.c.subject_type != str(SubjectType.SITE),
        ~tickets.c.drill,
    )
    .order_by(tickets.c.opened_at.desc(), tickets.c.id.desc())
    .limit(rollup.FLOOD_ABOVE + 1)
)


class Store(Protocol):
    """What a family needs of the desk."""

    def open(self, change: Change, event_key: bytes | None) -> Ticket:
        """Store a new ticket."""

    def store(self, change: Change, event_key: bytes | None) -> Ticket:
        """Store a move."""

    def named(self, subject: Subject, kind: str) -> tuple[str, str, str]:
        """Name, place and title of a ticket of this kind about this subject."""


class Families:
    """Keeps parents and children in line. Lives for one step, like the desk."""

    def __init__(self, connection: Connection, desk: Store, now: UtcMs) -> None:
        self._connection = connection
        self._desk = desk
        self._now = now

    def opened(self, ticket: Ticket) -> None:
        """A new ticket: a car's case belongs to that of its site, other tickets are gathered where their kind floods."""
        if ticket.kind == TicketKind.ENTRAPMENT:
            self._join_mass(ticket)
        if rollup.may_be_gathered(ticket) and ticket.parent_id is None:
            self._gather(ticket)

    def moved(self, ticket: Ticket) -> None:
        """A ticket was moved: what became critical leaves its roll-up, and a roll-up ends with the last below it.

        More cars may have been struck since the case of a site was opened.
        """
        if mass.is_mass(ticket) and ticket.active:
            self._join_mass(ticket)
        if ticket.parent_id is None or ticket.kind in NEVER_QUIET or rollup.may_be_gathered(ticket):
            return
        parent_id = ticket.parent_id
        if ticket.active and ticket.severity is Severity.CRITICAL:
            self._desk.store(rollup.by_itself(ticket, self._now), None)
        self._end_when_empty(parent_id)

    def demand(self, ticket: Ticket, action: str, fields: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
        """Raises Refused where the tickets below this one do not let it go on."""
        if mass.is_mass(ticket) and action in {*mass.ENDS_RESCUE, "close", "check_cars"}:
            mass.demand(action, fields, ticket, rows.below(self._connection, ticket.id), allowed)

    def _join_mass(self, ticket: Ticket) -> None:
        """Cars' cases below the case of their site: this one, or all of them where this is the site's."""
        whole: Ticket | None = ticket
        if not mass.is_mass(ticket):
            whole = rows.active_of(self._connection, ticket.kind, site_of(ticket.subject))
        if whole is None or not mass.struck(whole):
            return
        loose = rows.TICKETS.where(
            tickets.c.kind == ticket.kind,
            tickets.c.site == ticket.subject.site,
            tickets.c.subject_type == str(SubjectType.DEVICE),
            tickets.c.subject_id.in_(list(mass.struck(whole))),
            tickets.c.active,
            tickets.c.parent_id.is_(None),
            tickets.c.drill == whole.drill,
        )
        for row in self._connection.execute(loose.order_by(tickets.c.id)).all():
            case = rows.ticket_of(row, rows.reached(self._connection, row.id))
            self._desk.store(mass.below(case, whole, self._now), None)

    def _gather(self, ticket: Ticket) -> None:
        recent = self._recent(ticket)
        if len(recent) < rollup.FLOOD_ENDS_BELOW:
            return
        subject = site_of(ticket.subject)
        parent = rows.active_of(self._connection, TicketKind.ALARM_FLOOD, subject)
        if not rollup.floods(len(recent), gathering=rollup.gathers(parent, ticket.kind)):
            return
        if parent is None:
            raised = rollup.raised(ticket, self._now)
            named = self._desk.named(subject, raised.kind)
            parent = self._desk.open(lifecycle.opened(raised, rollup.BY_HUB, named, self._now), None)
        for ticket_id in (row.id for row in recent if row.parent_id is None):
            child = rows.by_id(self._connection, ticket_id)
            if child is not None and rollup.may_be_gathered(child):
                parent = self._desk.store(rollup.with_child(parent, child, self._now), None)
                self._desk.store(rollup.below(child, parent, self._now), None)

    def _recent(self, ticket: Ticket) -> list[Row[Any]]:
        """Tickets of the kind that the site opened within the window, oldest first; no more than it takes to know."""
        about = {"_site": ticket.subject.site, "_kind": ticket.kind, "_after": self._now - rollup.FLOOD_WINDOW_MS}
        return list(reversed(self._connection.execute(_RECENT, about).all()))

    def _end_when_empty(self, parent_id: int) -> None:
        if rows.active_below(self._connection, parent_id):
            return
        parent = rows.by_id(self._connection, parent_id)
        if parent is not None and parent.active and rollup.is_roll_up(parent):
            change = lifecycle.triggered(parent, rollup.over(parent, self._now), rollup.BY_HUB, self._now)
            if change is not None:
                self._desk.store(change, None)


def site_of(subject: Subject) -> Subject:
    """The subject's whole site."""
    return Subject(subject.site, SubjectType.SITE, subject.site)
