"""What others hear of a ticket: people by an order of a notice, the rules by an event. Both from the ticket as it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from hub.tickets.drills import EVALUATE, unmarked
from hub.tickets.lifecycle import Occasion, Ticket
from hub.vocabulary.decisions import Notify, TicketKind, WithdrawNotices
from hub.vocabulary.drills import DrillHeld
from hub.vocabulary.events import Event, Subject, SubjectType, TicketMoved
from hub.vocabulary.instants import UtcMs


class Over(StrEnum):
    """Why a notice is not sent any more."""

    SETTLED = "settled"


OF_A_ROUND: Final = ("technician", "round", "cars")

DESK: Final = "desk"
"""Whose orders these are, where a rule's name would stand."""


def notice_of(ticket: Ticket, occasion: Occasion) -> Notify:
    """The order. Its key makes it come once per ticket and occasion, also after a restart."""
    tell = occasion.tell
    return Notify(
        key=f"t{ticket.id}/{occasion.name}/{tell.audience}",
        subject=ticket.subject,
        audience=tell.audience,
        template=tell.template,
        params=params_of(ticket),
        urgency=tell.urgency,
        kind=TicketKind(ticket.kind),
        drill=ticket.drill,
    )


def withdrawal(ticket: Ticket, occasion: str) -> WithdrawNotices:
    """What has not left yet of an occasion is no longer true; of every occasion where it is empty."""
    return WithdrawNotices(key_prefix=f"t{ticket.id}/{occasion}", subject=ticket.subject, reason=Over.SETTLED)


def params_of(ticket: Ticket) -> dict[str, Any]:
    """Parameters of texts; what is not known is None and left out of the text."""
    people = ticket.fields.get("people")
    last_round = ticket.fields.get("last_round")
    return {
        "place": ticket.place or ticket.subject_name,
        "elevator": ticket.subject_name if ticket.place else None,
        "floor": ticket.fields.get("floor"),
        "people": people.get("inside") if isinstance(people, Mapping) else None,
        "number": ticket.number,
        "title": unmarked(ticket.title),
        **({name: last_round.get(name) for name in OF_A_ROUND} if isinstance(last_round, Mapping) else {}),
    }


def ticket_moved(ticket: Ticket, action: str, by: str, now: UtcMs) -> TicketMoved:
    """What the rules that follow the ticket's subject hear."""
    subject = ticket.subject
    return TicketMoved(
        site=subject.site,
        device=subject.id if subject.type is SubjectType.DEVICE else "",
        source_key=f"{ticket.id}/{ticket.revision}",
        occurred_at=now,
        received_at=now,
        kind=ticket.kind,
        about=subject,
        action=action,
        state=ticket.state,
        active=ticket.active,
        by=by,
    )


def heard(ticket: Ticket, action: str, by: str, now: UtcMs) -> Iterator[Event]:
    """All that the rules hear of what a person did, in order."""
    if (left := left_behind(ticket, action)) is not None:
        yield ticket_moved(left, action, by, now)
    yield ticket_moved(ticket, action, by, now)
    if action == EVALUATE:
        site, key = ticket.subject.site, f"drill/{ticket.id}"
        yield DrillHeld(
            site=site, source_key=key, occurred_at=ticket.opened_at, received_at=now, ticket=ticket.number, by=by
        )


def left_behind(ticket: Ticket, action: str) -> Ticket | None:
    """After `rebind`: the ticket as it looks from the device that it was about before, where nothing is active any more."""
    before = ticket.fields.get("rebound_from")
    if action != "rebind" or before is None:
        return None
    subject = Subject(ticket.subject.site, SubjectType.DEVICE, before)
    return msgspec.structs.replace(ticket, subject=subject, active=False)
