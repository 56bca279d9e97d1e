"""One evaluation: the state as it becomes, and the decisions as they are taken, in order.

Lives for one call of `decide` and is never stored. Every ticket of the rule is raised, moved and cleared here, so that
one incident per lift, merged sources and 'release pending, never closed' hold for every signal alike.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from hub.vocabulary.decisions import (
    SEVERITY_RANK,
    Decision,
    MoveTicket,
    RaiseTicket,
    SetTimer,
    Severity,
    TicketKind,
    Verdict,
)
from hub.vocabulary.elevator import ServiceMode
from hub.vocabulary.events import Event
from hub.vocabulary.facts import Facts
from hub.vocabulary.instants import UtcMs
from rules.entrapment.car import Car
from rules.entrapment.limits import EntrapmentLimits, ms
from rules.entrapment.occupancy import Occupancy
from rules.entrapment.reasons import Move, Reason, SeverityReason, Source, Why
from rules.entrapment.situation import DANGEROUS_FAULTS
from rules.entrapment.state import EntrapmentState, Incident

GATES = {
    ServiceMode.INSPECTION: Why.INSPECTION_GATES_INFERRED,
    ServiceMode.FIREFIGHTER: Why.FIRE_GATES_INFERRED,
    ServiceMode.FIRE_RECALL: Why.FIRE_GATES_INFERRED,
    ServiceMode.EARTHQUAKE: Why.EARTHQUAKE_GATES_INFERRED,
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A signal that is to be told: what it is, how bad, and the facts that led to it."""

    reason: Reason
    severity: Severity
    severity_reason: SeverityReason
    source: Source
    occurred_at: UtcMs | None = None  # None: when the event did
    fields: dict[str, Any] = {}
    evidence: dict[str, Any] = {}
    counts: bool = True  # False: the same occurrence seen better, never a repeat


class Step:
    """`at` is when the event arrived: durations are counted from it (devices' clocks are wrong)."""

    def __init__(self, event: Event, state: EntrapmentState, facts: Facts) -> None:
        self.event = event
        self.state = state
        self.facts = facts
        self.limits: EntrapmentLimits = facts.limits
        self.subject = event.subject()
        self.at: UtcMs = event.received_at
        self.decisions: list[Decision] = []

    # --- remembering and saying ---------------------------------------------------------------------------

    def set(self, **changes: Any) -> None:
        self.state = msgspec.structs.replace(self.state, **changes)

    def add(self, decision: Decision) -> None:
        self.decisions.append(decision)

    def timer(self, key: str, due_at: UtcMs) -> None:
        self.add(SetTimer(key=key, due_at=due_at))

    def why_not(self, reason: Why, **facts: Any) -> None:
        self.add(Verdict(reason=reason, facts=facts))

    # --- the car as known now -----------------------------------------------------------------------------

    @property
    def car(self) -> Car:
        """The car; everything unknown where no state was ever seen."""
        return self.state.car or Car()

    @property
    def occupancy(self) -> Occupancy:
        """The latch, but 'empty' only from a sensor that is not known to be faulty."""
        distrusted = self.state.occupancy is Occupancy.EMPTY and "sensor" in self.state.standing_faults
        return Occupancy.UNKNOWN if distrusted else self.state.occupancy

    @property
    def gate(self) -> Why | None:
        """Why inferred signals are notices only now; None in normal service."""
        return GATES.get(self.car.mode)

    def was_moving(self, at: UtcMs) -> bool:
        """Whether the car was under way at `at` or shortly before."""
        if self.car.under_way:
            return True
        stopped_at = self.state.stopped_at
        return stopped_at is not None and at - stopped_at <= ms(self.limits.moving_before_s)

    # --- the ticket ---------------------------------------------------------------------------------------

    def suspect(self, finding: Finding) -> None:
        """Open the lift's incident, or tell the open one: the second signal of a source is a repeat, the first of another source is not."""
        incident = self.state.incident
        before = incident or Incident()
        repeated = finding.source in before.sources
        severity, severity_reason = self._severity(finding)
        worse = before.severity is None or SEVERITY_RANK[severity] < SEVERITY_RANK[before.severity]
        after = Incident(
            severity=severity if worse else before.severity,
            sources=before.sources if repeated else (*before.sources, finding.source),
            presses=before.presses + (finding.source is Source.BUTTON),
        )
        fields = self._car_fields() | finding.fields
        fields["sources"] = [source.value for source in after.sources]
        if worse:
            fields["severity_reason"] = severity_reason.value
        if after.presses:
            fields["presses"] = after.presses
        if incident is None and self._soon_after_last():
            fields["repeat_of_recent"] = True
        self.add(
            RaiseTicket(
                kind=TicketKind.ENTRAPMENT,
                subject=self.subject,
                reason=finding.reason,
                severity=severity,
                occurred_at=self.event.occurred_at if finding.occurred_at is None else finding.occurred_at,
                fields=fields,
                evidence=self.car_evidence() | finding.evidence,
                count=finding.counts and (incident is None or repeated),
            )
        )
        self.set(incident=after)

    def move(self, trigger: str, reason: StrEnum, **fields: Any) -> None:
        """Report on the active ticket; nothing where the rule knows of none."""
        if self.state.incident is None:
            return
        self.add(
            MoveTicket(
                kind=TicketKind.ENTRAPMENT,
                subject=self.subject,
                trigger=trigger,
                reason=reason,
                occurred_at=self.event.occurred_at,
                fields=fields,
                evidence=self.car_evidence(),
            )
        )

    def sensors_clear(self, reason: Move) -> None:
        """Release pending: a sensor that goes quiet is not the end, somebody has to say that nobody is inside."""
        incident = self.state.incident
        if incident is None or incident.cleared:
            return
        self.move("sensor_clear", reason)
        self.set(incident=msgspec.structs.replace(incident, cleared=True))

    def _severity(self, finding: Finding) -> tuple[Severity, SeverityReason]:
        if finding.severity is not Severity.CRITICAL and DANGEROUS_FAULTS & self.state.standing_faults:
            return Severity.CRITICAL, SeverityReason.P1_DANGEROUS_FAULT
        return finding.severity, finding.severity_reason

    def _soon_after_last(self) -> bool:
        closed_at = self.state.closed_at
        return closed_at is not None and self.at - closed_at < ms(self.limits.reopen_s)

    # --- facts as words -----------------------------------------------------------------------------------

    def _car_fields(self) -> dict[str, Any]:
        car = self.car
        fields: dict[str, Any] = {
            "floor": car.floor,
            "mode": car.mode.value,
            "doors": car.doors.value,
            "door_zone": car.zone,
            "power": car.power.value,
            "occupancy": self.occupancy.value,
            "occupancy_unknown": self.occupancy is Occupancy.UNKNOWN,
        }
        if self.event.late:
            fields["late"] = True
        if self.state.silence is not None:
            fields["telemetry"] = "lost"
        return fields

    def car_evidence(self) -> dict[str, Any]:
        """What is known of the car, for timeline and verdicts."""
        known: dict[str, Any] = msgspec.to_builtins(self.car)
        return {"car": known, "occupancy": self.occupancy.value, "faults": sorted(self.state.standing_faults)}
