"""When one kind floods at a site, its tickets are gathered below one: pure decisions, with the flood's limits as data.

What a maintainer must keep: the gathered tickets stay as they are, with clocks and history; a critical ticket and an entrapment
are never gathered, and what becomes critical leaves at once. Limits: ISA-18.2 and EEMUA 191 count a flood from more than ten
alarms in ten minutes until fewer than five (domain/elevator.md 1.4).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from hub.tickets.suppression import NEVER_QUIET
from hub.tickets.ticket import Change, Entry, Ticket
from hub.vocabulary.decisions import SEVERITY_RANK, MoveTicket, RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import MINUTE_MS, UtcMs

FLOOD_WINDOW_MS: Final = 10 * MINUTE_MS
FLOOD_ABOVE: Final = 10
FLOOD_ENDS_BELOW: Final = 5
NEVER_GATHERED: Final = NEVER_QUIET | {TicketKind.INTAKE_PROBLEM, TicketKind.ALARM_FLOOD}
"""The hub's own trouble is about its gateways and the site: few, and each needs somebody."""
BY_HUB: Final = "hub"


class RollUp(StrEnum):
    """Why a roll-up was raised, got a ticket, or is over."""

    ROLLED_UP = "rolled_up"
    BECAME_CRITICAL = "became_critical"
    ALL_OVER = "all_over"


def may_be_gathered(ticket: Ticket) -> bool:
    """Whether the ticket may be listed below a roll-up instead of by itself."""
    return (
        ticket.active
        and ticket.kind not in NEVER_GATHERED
        and ticket.severity is not Severity.CRITICAL
        and ticket.subject.type is not SubjectType.SITE
        and not ticket.drill
    )


def floods(opened_in_window: int, *, gathering: bool) -> bool:
    """Whether the kind floods, given how many tickets it opened at the site within the window, this one included."""
    return opened_in_window > FLOOD_ABOVE or (gathering and opened_in_window >= FLOOD_ENDS_BELOW)


def raised(first: Ticket, now: UtcMs) -> RaiseTicket:
    """The roll-up itself: about the site, so that the database knows at most one, whichever kinds flood."""
    return RaiseTicket(
        kind=TicketKind.ALARM_FLOOD,
        subject=Subject(first.subject.site, SubjectType.SITE, first.subject.site),
        reason=RollUp.ROLLED_UP,
        severity=first.severity,
        occurred_at=now,
        fields={"gathered": 0, "kinds": {}},
    )


def is_roll_up(ticket: Ticket) -> bool:
    """Whether the ticket gathers others."""
    return ticket.kind == TicketKind.ALARM_FLOOD


def gathers(parent: Ticket | None, kind: str) -> bool:
    """Whether tickets of this kind are being gathered already."""
    return parent is not None and kind in _kinds(parent)


def _kinds(parent: Ticket) -> dict[str, int]:
    found = parent.fields.get("kinds")
    return found if isinstance(found, dict) else {}


def with_child(parent: Ticket, child: Ticket, now: UtcMs) -> Change:
    """The roll-up has one more below it; as severe as the worst of them."""
    worse = SEVERITY_RANK[child.severity] < SEVERITY_RANK[parent.severity]
    kinds = _kinds(parent)
    kinds = {**kinds, child.kind: kinds.get(child.kind, 0) + 1}
    after = msgspec.structs.replace(
        parent,
        severity=child.severity if worse else parent.severity,
        fields={**parent.fields, "gathered": sum(kinds.values()), "kinds": kinds},
        updated_at=now,
        revision=parent.revision + 1,
    )
    return Change(ticket=after, entry=_line(after, RollUp.ROLLED_UP, {"ticket": child.number}, now))


def below(child: Ticket, parent: Ticket, now: UtcMs) -> Change:
    """The ticket is listed below the roll-up from now on."""
    after = msgspec.structs.replace(child, parent_id=parent.id, updated_at=now, revision=child.revision + 1)
    return Change(ticket=after, entry=_line(after, RollUp.ROLLED_UP, {"roll_up": parent.number}, now))


def by_itself(child: Ticket, now: UtcMs) -> Change:
    """What has become critical is listed by itself again."""
    after = msgspec.structs.replace(child, parent_id=None, updated_at=now, revision=child.revision + 1)
    return Change(ticket=after, entry=_line(after, RollUp.BECAME_CRITICAL, {}, now))


def over(parent: Ticket, now: UtcMs) -> MoveTicket:
    """Nothing below it is active any more."""
    why, about = RollUp.ALL_OVER, parent.subject
    return MoveTicket(kind=TicketKind.ALARM_FLOOD, subject=about, trigger="recovered", reason=why, occurred_at=now)


def _line(ticket: Ticket, reason: RollUp, data: dict[str, str], now: UtcMs) -> Entry:
    return Entry(
        entry="quiet",
        name=RollUp.ROLLED_UP,
        reason=reason,
        by=BY_HUB,
        occurred_at=now,
        state_from=ticket.state,
        state_to=ticket.state,
        data=data,
    )
