"""Tickets and suppressions as the outside sees them (contract.md, HTTP API): the API's lists and the feed show the same shape."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from hub.tickets.suppression import Suppression
from hub.tickets.ticket import Ticket
from hub.vocabulary.instants import UtcMs, iso


def ticket_view(ticket: Ticket, zone: tzinfo) -> dict[str, Any]:
    """JSON-ready; times in the site's zone."""

    def moment(at: UtcMs | None) -> str | None:
        return None if at is None else iso(at, zone)

    return {
        "id": ticket.id,
        "number": ticket.number,
        "kind": ticket.kind,
        "site": ticket.subject.site,
        "subject": {
            "type": str(ticket.subject.type),
            "id": ticket.subject.id,
            "name": ticket.subject_name,
            "place": ticket.place,
        },
        "state": ticket.state,
        "active": ticket.active,
        "severity": str(ticket.severity),
        "reason": ticket.reason,
        "title": ticket.title,
        "occurred_at": moment(ticket.occurred_at),
        "opened_at": moment(ticket.opened_at),
        "updated_at": moment(ticket.updated_at),
        "ended_at": moment(ticket.ended_at),
        "count": ticket.count,
        "assignee": ticket.assignee,
        "fields": dict(ticket.fields),
        "drill": ticket.drill,
        "shelved_until": moment(ticket.shelved_until),
        "maintenance": ticket.maintenance,
        "parent": ticket.parent_id,
        "revision": ticket.revision,
    }


def suppression_view(suppression: Suppression, zone: tzinfo) -> dict[str, Any]:
    """JSON-ready; times in the site's zone."""
    subject = suppression.subject
    return {
        "id": suppression.id,
        "what": str(suppression.what),
        "site": suppression.site,
        "ticket": suppression.ticket_id,
        "subject": None if subject is None else {"type": str(subject.type), "id": subject.id},
        "kind": suppression.kind,
        "reason": suppression.reason,
        "by": suppression.by,
        "since": iso(suppression.since, zone),
        "until": iso(suppression.until, zone),
    }
