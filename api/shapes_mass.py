"""The cars of a whole site's case, as the API answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Literal

import msgspec

from api.shapes import Instant, Shape
from hub.tickets import mass
from hub.vocabulary.instants import iso


class Car(Shape, frozen=True):
    """One car. `occupancy` is as latched, or as people have said since; `settled`: a person has accounted for it."""

    device: str
    name: str
    place: str
    rank: int
    occupancy: Literal["occupied", "unknown", "empty"]
    was_moving: bool
    since: Instant
    back: bool
    technician: str | None
    round: int | None
    checked_by: str | None
    ticket: int | None
    ticket_number: str | None
    ticket_state: str | None
    settled: bool
    proposed_technician: str | None = None
    proposed_round: int | None = None


class CarList(Shape, frozen=True):
    """All cars of the case."""

    items: Sequence[Car]
    next: str | None = None


def car_list(cars: Sequence[mass.Car], plan: Mapping[str, tuple[str, int]], zone: tzinfo) -> CarList:
    """In the order given."""
    return CarList(items=[_car(each, plan, zone) for each in cars])


def _car(car: mass.Car, plan: Mapping[str, tuple[str, int]], zone: tzinfo) -> Car:
    technician, number = plan.get(car.device, (None, None))
    values = msgspec.structs.asdict(car) | {"since": iso(car.since, zone)}
    return Car(**values, proposed_technician=technician, proposed_round=number)


ANSWERS = (CarList,)
