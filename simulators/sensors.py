"""What the sensors of a car report: the car itself seen through a presence detector that flickers, sticks or is missing.

The truth stays in the Car; a Reading may be wrong or unknown, and formats encode only Readings.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import StrEnum

from simulators.elevator import Car, Doors


class Presence(StrEnum):
    """How the presence detector behaves: `steady` (filtered), `flicker` (a raw infrared detector), `stuck_empty`, `unknown`."""

    STEADY = "steady"
    FLICKER = "flicker"
    STUCK_EMPTY = "stuck_empty"
    UNKNOWN = "unknown"


class Fault(StrEnum):
    """Conditions that on-board devices detect, before any maker's code number."""

    TRAPPED_LEVEL = "trapped_level"
    TRAPPED_OFF_LEVEL = "trapped_off_level"
    STOPPED_OUTSIDE_ZONE = "stopped_outside_zone"
    DOOR_OPEN_FAILED = "door_open_failed"
    DOOR_OPEN_OUTSIDE_ZONE = "door_open_outside_zone"
    POWER_LOST = "power_lost"
    ALARM_BUTTON = "alarm_button"


@dataclass(frozen=True)
class Reading:
    """One consistent look at the car; `passenger` and `door_zone` are None when not known; `floor` is a label,
    `floor_number` the same as a signed number (B1 is -1).
    """

    service_mode: int
    moving: bool
    direction: int
    door_zone: bool | None
    doors: Doors
    passenger: bool | None
    floor: str
    floor_number: int
    speed_mps: float
    mains: bool
    button: bool
    runs: int = 0
    door_openings: int = 0
    floors_travelled: int = 0
    faults: frozenset[Fault] = frozenset()

    def with_faults(self, faults: frozenset[Fault]) -> Reading:
        """The same look with the faults that the on-board device holds active."""
        return replace(self, faults=faults)


class Sensors:
    """The sensors of one car; the infrared detector changes its mind every one to three seconds while people are inside."""

    def __init__(self, rng: random.Random, presence: Presence = Presence.STEADY) -> None:
        self.presence = presence
        self._rng = rng
        self._infrared = False
        self._infrared_left_s = 0.0

    def advance(self, car: Car, seconds: float) -> None:
        """Let the infrared detector flicker."""
        self._infrared_left_s -= seconds
        if not car.people:
            self._infrared, self._infrared_left_s = False, 0.0
        elif self._infrared_left_s <= 0:
            self._infrared = not self._infrared
            self._infrared_left_s = self._rng.uniform(1.0, 3.0)

    def infrared(self) -> bool:
        """The raw detector, as a car-top device reads it."""
        return self._infrared

    def passenger(self, car: Car) -> bool | None:
        """What the device reports as 'somebody is inside'."""
        match self.presence:
            case Presence.STEADY:
                return car.people > 0
            case Presence.FLICKER:
                return self._infrared
            case Presence.STUCK_EMPTY:
                return False
            case Presence.UNKNOWN:
                return None

    def read(self, car: Car) -> Reading:
        """One look at the car."""
        floor = car.floors[car.nearest]
        return Reading(
            service_mode=car.service_mode,
            moving=car.moving,
            direction=0 if not car.moving else (1 if car.speed_mps > 0 else 2),
            door_zone=car.door_zone,
            doors=car.doors,
            passenger=self.passenger(car),
            floor=floor,
            floor_number=int(floor) if floor.isdigit() else -int(floor[1:] or 1),
            speed_mps=abs(car.speed_mps),
            mains=car.mains,
            button=car.button,
            runs=car.runs,
            door_openings=car.door_openings,
            floors_travelled=car.floors_travelled,
        )
