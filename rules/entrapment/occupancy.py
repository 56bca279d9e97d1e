"""The occupancy latch: whether somebody is in the car, as far as doors and sensors can tell.

People cannot come or go through shut doors. So a sensor that flickers while the doors are shut can only ever add somebody,
and only a door fully open at a landing takes somebody away (domain/elevator.md 0 no. 7, 3.2). Nobody knows is UNKNOWN, never EMPTY.
Of a car with two doors one open door is enough to leave by (a through car never opens both at once), but the other must be known.
"""

from __future__ import annotations

from enum import StrEnum

from rules.entrapment.car import Car, DoorsSeen


class Occupancy(StrEnum):
    """What is latched."""

    EMPTY = "empty"
    OCCUPIED = "occupied"
    UNKNOWN = "unknown"

    @property
    def answer(self) -> bool | None:
        """As yes, no or nobody knows."""
        return None if self is Occupancy.UNKNOWN else self is Occupancy.OCCUPIED


def latch(held: Occupancy, before: Car | None, car: Car) -> Occupancy:
    """Occupancy after this state. `before` is the state before it, None at first sight."""
    if car.person:
        return Occupancy.OCCUPIED
    if car.passable:
        return _through_open_doors(held, car)
    if before is None:
        return Occupancy.UNKNOWN if car.person is None else Occupancy.EMPTY
    if before.passable:
        return _at_close(held, car)
    if _may_have_opened(before, car) and held is Occupancy.OCCUPIED:
        return Occupancy.UNKNOWN
    return held


def _through_open_doors(held: Occupancy, car: Car) -> Occupancy:
    if not car.doors_known:
        return held
    if car.open_at_landing and car.person is False:
        return Occupancy.EMPTY
    return Occupancy.UNKNOWN


def _at_close(held: Occupancy, car: Car) -> Occupancy:
    """Doors begin to close on a sensor that sees nobody: seen a moment ago is not 'gone'."""
    if car.person is False and held is Occupancy.EMPTY:
        return Occupancy.EMPTY
    return Occupancy.UNKNOWN


def _may_have_opened(before: Car, car: Car) -> bool:
    """A door that nobody could see at a landing is shut now."""
    return before.doors is DoorsSeen.UNKNOWN and before.zone is True and car.doors is DoorsSeen.SHUT
