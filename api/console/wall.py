"""What the alarm wall shows when it is first drawn: every active ticket, worst first, longest waiting first.

The ES module draws the same rows again and keeps them live; both use the catalogue and the same template.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec

from api import shapes
from api.console.catalogue import catalogue, fill, text, ticket_title
from api.services import Services
from api.tickets import ticket_page
from hub.store.accounts import Principal
from hub.tickets.queries import TicketFilter
from hub.tickets.suppression import NEVER_QUIET
from hub.vocabulary.decisions import SEVERITY_RANK, Severity
from hub.vocabulary.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UtcMs, parse_iso

PAGE = 500
SCRIPT_TEXTS = (
    "ui.",
    "unit.",
    "severity.",
    "state.",
    "action.",
    "ticket.",
    "reason.",
    "problem.",
    "health.",
    "lane.",
    "title.",
    "role.",
)


def active_tickets(services: Services, principal: Principal) -> list[shapes.Ticket]:
    """All of them, in the wall's order."""
    found: list[shapes.Ticket] = []
    cursor: int | None = None
    with services.store.read() as connection:
        while True:
            wanted = TicketFilter(state="active", sites=principal.sites)
            page = ticket_page(services, connection, principal, wanted, cursor, PAGE)
            found += page.items
            if page.next is None:
                break
            cursor = int(page.next)
    return sorted(found, key=lambda ticket: (SEVERITY_RANK[Severity(ticket.severity)], parse_iso(ticket.occurred_at)))


def age_text(language: str, age_ms: int) -> str:
    """An age in its two largest units: `2 h 05 min`."""
    age = max(0, age_ms)
    steps = (("d", DAY_MS), ("h", HOUR_MS), ("min", MINUTE_MS), ("s", SECOND_MS))
    for (word, size), (next_word, next_size) in pairwise(steps):
        if age >= size:
            rest = age % size // next_size
            first = f"{age // size} {text(language, f'unit.{word}')}"
            return f"{first} {rest:02d} {text(language, f'unit.{next_word}')}" if word != "d" or rest else first
    return f"{age // SECOND_MS} {text(language, 'unit.s')}"


def row(language: str, ticket: shapes.Ticket, sites: Mapping[str, str], now: UtcMs) -> dict[str, Any]:
    """One ticket as the template wants it."""
    fields = msgspec.json.decode(msgspec.json.encode(ticket.fields))
    values = {**fields, "name": ticket.subject.name, "place": ticket.subject.place}
    occurred = parse_iso(ticket.occurred_at)
    return {
        "id": ticket.id,
        "severity": str(ticket.severity),
        "severity_text": text(language, f"severity.{ticket.severity}"),
        "title": ticket_title(language, ticket.kind, ticket.reason, values),
        "kind": text(language, f"ticket.{ticket.kind}"),
        "subject": ticket.subject.name or ticket.subject.id,
        "place": _place(language, ticket, fields, sites),
        "number": ticket.number,
        "state": text(language, f"state.{ticket.state}"),
        "acknowledged": ticket.acknowledged,
        "drill": ticket.drill,
        "quiet": text(language, "ui.maintenance") if ticket.maintenance else "",
        "count": fill(text(language, "ui.repeat"), {"count": ticket.count}) if ticket.count > 1 else "",
        "since": datetime.fromisoformat(ticket.occurred_at).strftime("%m-%d %H:%M:%S"),
        "since_iso": ticket.occurred_at,
        "age": age_text(language, now - occurred),
        "assignee": ticket.assignee or "",
        "may_acknowledge": "acknowledge" in ticket.actions and not ticket.acknowledged,
    }


def shown(ticket: shapes.Ticket, active: Collection[int], now: UtcMs) -> bool:
    """Whether the ticket has a row of its own: what is on the shelf, or below one of the `active`, is listed elsewhere."""
    grave = ticket.severity == Severity.CRITICAL or ticket.kind in NEVER_QUIET
    shelved = ticket.shelved_until is not None and parse_iso(ticket.shelved_until) > now
    return grave or not (shelved or ticket.parent in active)


def _place(language: str, ticket: shapes.Ticket, fields: Mapping[str, Any], sites: Mapping[str, str]) -> str:
    """Site, place, and for a lift the floor that it has stopped at: what the technician is told first."""
    floor = fields.get("floor")
    stopped = fill(text(language, "ui.floor"), {"floor": floor}) if floor else ""
    parts = (sites.get(ticket.site, ticket.site), ticket.subject.place, stopped)
    return " · ".join(part for part in parts if part)


def script_texts(language: str) -> dict[str, str]:
    """The texts that the ES module needs."""
    return {key: value for key, value in catalogue(language).items() if key.startswith(SCRIPT_TEXTS)}


def grouped(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Rows by severity, worst first; every severity is there."""
    return [(str(level), [each for each in rows if each["severity"] == level]) for level in SEVERITY_RANK]
