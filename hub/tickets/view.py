"""A ticket as the outside sees it (contract.md, HTTP API): the API's lists and the feed show the same shape."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from hub.tickets.lifecycle import Ticket
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
        "revision": ticket.revision,
    }
