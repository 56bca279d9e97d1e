"""`mass_power_cut`: several cars of a site lose their supply at once: one incident with the cars ranked by who may be inside.

EN 81-28 leaves area-wide power failure to the operator; this is the operator's plan (domain/elevator.md 1.1, 5 'Estate outage').
What a maintainer must keep: the cars' own incidents go on beside it, and only people close it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec

from hub.vocabulary.decisions import Decision, MoveTicket, RaiseTicket, Severity, TicketKind, Verdict
from hub.vocabulary.events import Event, PowerBack, PowerLost, Subject, SubjectType, TicketMoved
from hub.vocabulary.facts import Facts
from hub.vocabulary.instants import SECOND_MS, UtcMs
from hub.vocabulary.rule import Outcome
from rules.site_cluster import ClusterState, StruckCar, fields, joined, within

NAME: Final = "mass_power_cut"


class MassPowerCutReason(StrEnum):
    """Why a ticket was raised or got a line, and why not."""

    MASS_POWER_CUT = "mass_power_cut"
    CAR_POWER_BACK = "car_power_back"
    ALL_POWER_BACK = "all_power_back"
    TOO_FEW_CARS = "too_few_cars"


class MassPowerCutLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`min_cars` cars within `window_s` are an outage of the site (domain/elevator.md 5: 'group by site in 2 min')."""

    window_s: Annotated[float, msgspec.Meta(gt=0, le=3_600)] = 120
    min_cars: Annotated[int, msgspec.Meta(ge=2, le=100)] = 3


class MassPowerCut:
    """The rule, as `hub.vocabulary.rule.Rule` wants it. Its subject is the site."""

    name = NAME
    version = 1
    wants: tuple[type[Event], ...] = (PowerLost, PowerBack, TicketMoved)
    state_type: type[msgspec.Struct] = ClusterState
    limits_type: type[msgspec.Struct] = MassPowerCutLimits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """The site."""
        if isinstance(event, TicketMoved) and event.kind != TicketKind.ENTRAPMENT:
            return None
        subject = event.subject()
        return subject if subject.type is SubjectType.SITE else None

    def decide(self, event: Event, state: ClusterState, facts: Facts, now: UtcMs) -> Outcome:
        """Decide; `now` is not used: cars are clustered by when their news arrived."""
        match event:
            case PowerLost():
                return _lost(event, state, facts)
            case PowerBack():
                return _back(event, state, facts)
            case TicketMoved(active=False):
                return Outcome(None)  # closed by people: the next outage is a new one
            case _:
                return Outcome(state)

    def migrate(self, version: int, stored: dict[str, Any]) -> ClusterState | None:
        """No older version exists."""
        return None


def _lost(event: PowerLost, state: ClusterState, facts: Facts) -> Outcome:
    limits: MassPowerCutLimits = facts.limits
    if state.open and any(car.device == event.device and not car.back for car in state.cars):
        return Outcome(state)
    car = StruckCar(
        device=event.device,
        since=event.received_at,
        occurred_at=event.occurred_at,
        occupied=event.occupied,
        was_moving=event.was_moving,
    )
    cars = joined(state.cars, car)
    if not state.open:
        cars = within(cars, event.received_at, round(limits.window_s * SECOND_MS))
    if len(cars) < limits.min_cars:
        why = Verdict(reason=MassPowerCutReason.TOO_FEW_CARS, facts={"cars": [each.device for each in cars]})
        return Outcome(ClusterState(cars=cars), (why,))
    return Outcome(ClusterState(cars=cars, open=True), (_raise(event, cars, facts),))


def _raise(event: Event, cars: tuple[StruckCar, ...], facts: Facts) -> Decision:
    return RaiseTicket(
        kind=TicketKind.ENTRAPMENT,
        subject=event.subject(),
        reason=MassPowerCutReason.MASS_POWER_CUT,
        severity=Severity.CRITICAL,
        occurred_at=min(car.occurred_at for car in cars),
        fields=fields(cars, facts.devices),
        evidence={"cars": [car.device for car in cars], "joined": event.device},
        count=False,
    )


def _back(event: PowerBack, state: ClusterState, facts: Facts) -> Outcome:
    out = next((car for car in state.cars if car.device == event.device and not car.back), None)
    if out is None:
        return Outcome(state)
    if not state.open:  # back before it became an outage of the site: it was this car's own trouble
        remaining = tuple(car for car in state.cars if car is not out)
        return Outcome(ClusterState(cars=remaining) if remaining else None)
    cars = tuple(msgspec.structs.replace(car, back=True) if car is out else car for car in state.cars)
    all_back = all(car.back for car in cars)
    note = MoveTicket(
        kind=TicketKind.ENTRAPMENT,
        subject=event.subject(),
        trigger="power_back" if all_back else "note",
        reason=MassPowerCutReason.ALL_POWER_BACK if all_back else MassPowerCutReason.CAR_POWER_BACK,
        occurred_at=event.occurred_at,
        fields=fields(cars, facts.devices),
        evidence={"car": event.device},
    )
    return Outcome(ClusterState(cars=cars, open=True), (note,))
