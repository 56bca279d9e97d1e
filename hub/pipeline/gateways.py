"""What follows when a gateway (a bus, or the broker connection) goes, comes back, or has lost something. Pure.

Its devices are unknown from then on, not silent; an open entrapment behind it stays open and says that it is blind now.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Final

from hub.vocabulary.decisions import (
    ClearProblem,
    Decision,
    MoveTicket,
    RaiseProblem,
    SendCommand,
    Severity,
    TicketKind,
)
from hub.vocabulary.events import GatewayChanged, Subject, SubjectType
from hub.vocabulary.facts import DeviceFacts

SESSION_LOST: Final = "session_lost"


class GatewayReason(StrEnum):
    """Why a line stands on the timeline of a rescue."""

    GATEWAY_DOWN = "gateway_down"
    GATEWAY_BACK = "gateway_back"


def follow(event: GatewayChanged, devices: Iterable[DeviceFacts], trapped: Collection[str]) -> list[Decision]:
    """Decisions on a gateway's change. `trapped`: devices of the site with an open entrapment."""
    subject = event.subject()
    behind = [device for device in devices if device.gateway == event.gateway]
    if event.cause == SESSION_LOST:
        lost = RaiseProblem(code="possible_loss", subject=subject, severity=Severity.HIGH, detail=_detail(event))
        return [lost, *(_ask(device) for device in behind)]
    first: Decision = ClearProblem(code="gateway_down", subject=subject)
    if not event.up:
        first = RaiseProblem(code="gateway_down", subject=subject, severity=Severity.HIGH, detail=_detail(event))
    reason = GatewayReason.GATEWAY_BACK if event.up else GatewayReason.GATEWAY_DOWN
    moves = [
        MoveTicket(
            kind=TicketKind.ENTRAPMENT,
            subject=Subject(device.site, SubjectType.DEVICE, device.id),
            trigger="telemetry_back" if event.up else "telemetry_lost",
            reason=reason,
            occurred_at=event.occurred_at,
            evidence={"gateway": event.gateway, "cause": event.cause},
        )
        for device in behind
        if device.id in trapped
    ]
    return [first, *moves]


def _detail(event: GatewayChanged) -> dict[str, str]:
    return {"gateway": event.gateway, "cause": event.cause}


def _ask(device: DeviceFacts) -> SendCommand:
    """After a possible loss: say how you are, all of you."""
    return SendCommand(subject=Subject(device.site, SubjectType.DEVICE, device.id), name="report_state")
