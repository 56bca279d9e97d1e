"""What a step's desk work says on the feed: every ticket that was touched, once, as it stands at the end; what was kept quiet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import tzinfo
from typing import Any

from hub.tickets.desk import Desk
from hub.tickets.view import suppression_view, ticket_view
from hub.vocabulary.instants import UtcMs


def announced(desk: Desk, zone: Callable[[str], tzinfo], now: UtcMs) -> Iterator[tuple[str, UtcMs, str, Any]]:
    """Site, time, type and body of each change, in order."""
    for ticket_id, ticket in desk.touched.items():
        word = "ticket_opened" if ticket_id in desk.opened_ids else "ticket_changed"
        site = ticket.subject.site
        yield site, now, word, ticket_view(ticket, zone(site))
    for word, each, ended in desk.quiet.announced:
        yield each.site, now, word, suppression_view(each, zone(each.site)) | ended
