"""What of a ticket may be known outside of the company: incidents without names, and nothing about a household's money.

CAP messages and tickets on the broker follow it. A signed webhook carries the whole ticket, because whoever sets it up decides
who the receiver is (docs/webhooks.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

NO_INCIDENTS: Final = frozenset({"low_balance", "topup_missing"})
SAID: Final = ("floor", "people", "code")
"""Fields of a ticket that go out; the others may name people. Of `people` it is their number: how they are is nobody's business."""

WITHIN: Final = frozenset({"fields", "assignee"})


def is_incident(ticket: Mapping[str, Any]) -> bool:
    """Whether others may hear of this ticket at all."""
    return ticket.get("kind") not in NO_INCIDENTS


def told(ticket: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that may be known; what is not known or blank is left out."""
    fields = {**(ticket.get("fields") or {}), "people": head_count(ticket)}
    return {name: fields[name] for name in SAID if fields.get(name) is not None and str(fields[name]).strip()}


def head_count(ticket: Mapping[str, Any]) -> int | None:
    """How many were counted inside; None: nobody counted."""
    people = (ticket.get("fields") or {}).get("people")
    inside = people.get("inside") if isinstance(people, Mapping) else people
    return inside if type(inside) is int else None


def outside_view(ticket: Mapping[str, Any]) -> dict[str, Any]:
    """The ticket without what may name people."""
    return {**{name: value for name, value in ticket.items() if name not in WITHIN}, "fields": told(ticket)}
