"""The rules of cars that stand where they should not, told a story; what came of it is asked with short words."""

from __future__ import annotations

from typing import Any, Final

from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.elevator import ServiceMode
from hub.vocabulary.events import Event
from rules.elevator_fault import ElevatorFaultRule
from rules.entrapment.rule import Entrapment
from support.timeline import Ticket, Timeline

ENTRAPMENT: Final = TicketKind.ENTRAPMENT
OFF: Final = {"door_zone": False}
INSPECTION: Final = {"service_mode": ServiceMode.INSPECTION}


def story(*events: Event, **options: Any) -> Timeline:
    """These happened, in this order."""
    return Timeline(Entrapment(), ElevatorFaultRule(), **options).push(*events)


def entrapments(timeline: Timeline) -> list[Ticket]:
    """Every case of it."""
    return [ticket for ticket in timeline.tickets if ticket.kind is ENTRAPMENT]


def entrapment(timeline: Timeline) -> Ticket:
    """The only case."""
    return timeline.one(ENTRAPMENT)


def none_of(timeline: Timeline) -> bool:
    """Whether there is no case."""
    return not entrapments(timeline)
