"""A drill begun by hand within a step: an entrapment with the flag, at a lift where nothing is active."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from hub.tickets import drills
from hub.tickets.lifecycle import Actor, Refused
from hub.tickets.refusals import Said
from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Subject
from hub.vocabulary.facts import DeviceKind

if TYPE_CHECKING:
    from hub.pipeline.step import Step


class DrillReason(StrEnum):
    """Reason of a drill's ticket."""

    DRILL_STARTED = "drill_started"


def start(step: Step, subject: Subject, scenario: str, actor: Actor) -> int:
    """Begin a drill at an elevator; its ticket's id. Raises Refused where a case is active there: it might be real."""
    if not actor.roles & drills.STARTERS:
        raise Refused("not_allowed", Said("drill_roles", f"A drill is not for the roles of {actor.name}."))
    device = step.devices_of(subject.site).get(subject.id)
    if device is None or device.kind is not DeviceKind.ELEVATOR:
        raise Refused(
            "invalid",
            "Some fields are wrong.",
            errors=(("device", Said("subject", f"no elevator of site {subject.site!r}")),),
        )
    if subject.id in step.desk.active_devices(TicketKind.ENTRAPMENT, subject.site):
        english = f"A case is active at {device.name}: no drill begins there."
        raise Refused("conflict", Said("drill_case", english, name=device.name))
    raised = RaiseTicket(
        kind=TicketKind.ENTRAPMENT,
        subject=subject,
        reason=DrillReason.DRILL_STARTED,
        severity=Severity.HIGH,
        occurred_at=step.now,
        fields={"scenario": scenario},
        evidence={"by": actor.name},
        drill=True,
    )
    return step.open_by_hand(raised, actor).id
