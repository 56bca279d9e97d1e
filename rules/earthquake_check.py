"""`earthquake_check`: a car in earthquake operation means: look at every car of the site, occupied ones first (row 13).

In that mode what a car's state suggests is a notice only, so this list is what makes somebody go and look. Only people close it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec

from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import EarthquakeStop, Event, Subject, SubjectType, TicketMoved
from hub.vocabulary.facts import DeviceKind, Facts
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.rule import Outcome
from rules.site_cluster import ClusterState, StruckCar, fields, joined

NAME: Final = "earthquake_check"


class EarthquakeReason(StrEnum):
    """Why a ticket was raised."""

    EARTHQUAKE_CHECK = "earthquake_check"


class EarthquakeLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """None: one car's seismic switch is enough."""


class EarthquakeCheck:
    """The rule, as `hub.vocabulary.rule.Rule` wants it. Its subject is the site."""

    name = NAME
    version = 1
    wants: tuple[type[Event], ...] = (EarthquakeStop, TicketMoved)
    state_type: type[msgspec.Struct] = ClusterState
    limits_type: type[msgspec.Struct] = EarthquakeLimits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """The site."""
        if isinstance(event, TicketMoved) and event.kind != TicketKind.ENTRAPMENT:
            return None
        subject = event.subject()
        return subject if subject.type is SubjectType.SITE else None

    def decide(self, event: Event, state: ClusterState, facts: Facts, now: UtcMs) -> Outcome:
        """Decide: every car that stops joins, and cars that have not reported are on the list as unknown."""
        if isinstance(event, TicketMoved):
            return Outcome(state if event.active else None)
        if not isinstance(event, EarthquakeStop):
            return Outcome(state)
        car = StruckCar(
            device=event.device,
            since=event.received_at,
            occurred_at=event.occurred_at,
            occupied=event.occupied,
            was_moving=event.was_moving,
        )
        cars = joined(state.cars, car)
        raised = RaiseTicket(
            kind=TicketKind.ENTRAPMENT,
            subject=event.subject(),
            reason=EarthquakeReason.EARTHQUAKE_CHECK,
            severity=Severity.CRITICAL,
            occurred_at=min(each.occurred_at for each in cars),
            fields=fields((*cars, *_unheard(cars, event, facts)), facts.devices),
            evidence={"reported": [each.device for each in cars]},
            count=False,
        )
        return Outcome(ClusterState(cars=cars, open=True), (raised,))

    def migrate(self, version: int, stored: dict[str, Any]) -> ClusterState | None:
        """No older version exists."""
        return None


def _unheard(cars: tuple[StruckCar, ...], event: Event, facts: Facts) -> list[StruckCar]:
    """The site's other elevators."""
    reported = {car.device for car in cars}
    return [
        StruckCar(device=device.id, since=event.received_at, occurred_at=event.occurred_at)
        for device in facts.devices.values()
        if device.kind is DeviceKind.ELEVATOR and device.id not in reported
    ]
