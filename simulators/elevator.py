"""The physics of one elevator car: motion between landings, doors, people, power, the alarm button.

The model keeps what a format must never contradict: people enter and leave only through fully open doors at a landing, and a
car moves only with shut doors, mains power and no fault that holds it. Every wire format shows the same car.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

FLOOR_PITCH_M = 3.0
RATED_SPEED_MPS = 1.6
ACCELERATION_MPS2 = 0.9
DOOR_ZONE_M = 0.15
DOOR_TRAVEL_S = 2.0
DWELL_S = 4.0
BOARDING_S = 1.0
CRAWL_MPS = 0.1
STUCK_CLEARANCE_M = 0.6
MAX_STEP_S = 0.1


class Doors(StrEnum):
    """Where the car doors are; the words are the contract's."""

    CLOSED = "closed"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    UNKNOWN = "unknown"


class ServiceMode:
    """Service modes of GB/T 24476 that the simulator can enter."""

    STOPPED = 0
    NORMAL = 1
    INSPECTION = 2
    FIREFIGHTER = 4
    EMERGENCY_POWER = 5


class RefusedError(Exception):
    """Something that a real car would not let happen, such as boarding through shut doors."""


@dataclass(frozen=True)
class Trip:
    """People who ride from one landing to another (indexes into the car's floors)."""

    origin: int
    destination: int
    people: int


@dataclass
class Car:
    """State of one car; heights in metres above the lowest landing, `speed_mps` signed, up positive."""

    floors: tuple[str, ...]
    height_m: float = FLOOR_PITCH_M
    speed_mps: float = 0.0
    doors: Doors = Doors.CLOSED
    people: int = 0
    service_mode: int = ServiceMode.NORMAL
    mains: bool = True
    stuck: bool = False
    stick_pending: bool = False
    doors_blocked: bool = False
    door_open_failed: bool = False
    button_left_s: float = 0.0
    trip: Trip | None = None
    trips: deque[Trip] = field(default_factory=deque)
    target: int | None = None
    runs: int = 0
    door_openings: int = 0
    floors_travelled: int = 0
    in_door_state_s: float = 60.0
    fetched: bool = False

    # --- what anybody can see -------------------------------------------------------------------------------------

    @property
    def nearest(self) -> int:
        """Index of the landing that is nearest."""
        return min(max(round(self.height_m / FLOOR_PITCH_M), 0), len(self.floors) - 1)

    @property
    def door_zone(self) -> bool:
        """Whether the car stands or passes within the unlocking zone of a landing."""
        return abs(self.height_m - self.nearest * FLOOR_PITCH_M) <= DOOR_ZONE_M

    @property
    def moving(self) -> bool:
        """Whether the car is in motion."""
        return self.speed_mps != 0.0

    @property
    def button(self) -> bool:
        """Whether somebody holds the alarm button now."""
        return self.button_left_s > 0

    # --- what people and the world do to it -----------------------------------------------------------------------

    def floor_index(self, label: str) -> int:
        """The landing with this label; RefusedError when the building has no such floor."""
        if label not in self.floors:
            raise RefusedError(f"no floor {label}: {', '.join(self.floors)}")
        return self.floors.index(label)

    def ride(self, trip: Trip) -> None:
        """Queue people who want to ride."""
        self.trips.append(trip)

    def board(self, people: int) -> None:
        """Let people in."""
        self._through_doors()
        self.people += people

    def alight(self, people: int) -> None:
        """Let people out."""
        self._through_doors()
        self.people = max(self.people - people, 0)

    def _through_doors(self) -> None:
        if self.doors is not Doors.OPEN or not self.door_zone:
            raise RefusedError("people pass only through open doors at a landing")
        self.in_door_state_s = min(self.in_door_state_s, DWELL_S / 2)  # the light curtain keeps the doors open

    def stick(self) -> None:
        """Hold the car between two landings: now when it is there, else on its next way."""
        self.stick_pending = True

    def free(self) -> None:
        """Remove every fault that holds the car; it then runs to its target, or creeps to the nearest landing."""
        self.stick_pending = self.stuck = self.doors_blocked = self.door_open_failed = False
        if self.target is None and not self.moving:
            self.target = self.nearest
        if self.door_zone and self.people and self.mains and self.doors is Doors.CLOSED:
            self._set_doors(Doors.OPENING)

    def cut_power(self) -> None:
        """Mains gone: the brake falls in and the doors stay where they are."""
        self.mains = False
        self.speed_mps = 0.0

    def restore_power(self) -> None:
        """Mains back: the car goes on with what it did."""
        self.mains = True

    def automatic_rescue(self) -> None:
        """The battery device brings the car to the nearest landing and opens the doors (mains are still gone)."""
        self.height_m, self.target, self.stuck = self.nearest * FLOOR_PITCH_M, None, False
        self._set_doors(Doors.OPEN)

    def press_button(self, seconds: float) -> None:
        """Somebody in the car holds the alarm button."""
        self.button_left_s = seconds

    # --- time -----------------------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass, in steps short enough for the physics."""
        while seconds > 1e-9:
            step = min(seconds, MAX_STEP_S)
            self._step(step)
            seconds -= step

    def _step(self, dt: float) -> None:
        self.in_door_state_s += dt
        self.button_left_s = max(self.button_left_s - dt, 0.0)
        if self.service_mode == ServiceMode.NORMAL:
            self._serve()
        if self.mains:
            self._move_doors()
            self._move_car(dt)

    def _serve(self) -> None:
        """Take the next riders, let them in at the origin and out at the destination."""
        if self.trip is None and self.trips and not self.stuck:
            self.trip, self.fetched = self.trips.popleft(), False
            self._call(self.trip.origin)
        if self.trip is None or self.doors is not Doors.OPEN or self.in_door_state_s < BOARDING_S or not self.door_zone:
            return
        if not self.fetched and self.nearest == self.trip.origin:
            self.board(self.trip.people)
            self.fetched, self.target = True, self.trip.destination
        elif self.fetched and self.nearest == self.trip.destination:
            self.alight(self.trip.people)
            self.trip = None
        elif self.fetched and self.people and self.target is None:
            self.alight(self.people)  # freed at another landing: everybody gets out here
            self.trip = None

    def _call(self, floor: int) -> None:
        if floor == self.nearest and self.door_zone and not self.moving:
            if self.doors in (Doors.CLOSED, Doors.CLOSING):
                self._set_doors(Doors.OPENING)
            self.target = None
        else:
            self.target = floor

    def _move_doors(self) -> None:
        done = self.in_door_state_s >= DOOR_TRAVEL_S
        if self.doors is Doors.OPENING and done:
            self._set_doors(Doors.OPEN)
            self.door_openings += 1
        elif self.doors is Doors.CLOSING and done:
            self._set_doors(Doors.CLOSED)
        elif self.doors is Doors.OPEN and self.in_door_state_s >= DWELL_S and self.service_mode == ServiceMode.NORMAL:
            self._set_doors(Doors.CLOSING)

    def _move_car(self, dt: float) -> None:
        if self.target is None or self.doors is not Doors.CLOSED or self.stuck:
            self.speed_mps = 0.0
            return
        if not self.moving:
            self.runs += 1
        gap = self.target * FLOOR_PITCH_M - self.height_m
        braking_mps = (2 * ACCELERATION_MPS2 * abs(gap)) ** 0.5
        pace = max(min(abs(self.speed_mps) + ACCELERATION_MPS2 * dt, RATED_SPEED_MPS, braking_mps), CRAWL_MPS)
        if abs(gap) <= pace * dt:
            self._arrive(self.target)
            return
        passed = self.nearest
        self.speed_mps = pace if gap > 0 else -pace
        self.height_m += self.speed_mps * dt
        self.floors_travelled += abs(self.nearest - passed)
        if self.stick_pending and abs(self.height_m - self.nearest * FLOOR_PITCH_M) >= STUCK_CLEARANCE_M:
            self.stick_pending, self.stuck, self.speed_mps = False, True, 0.0

    def _arrive(self, floor: int) -> None:
        self.height_m, self.speed_mps, self.target = floor * FLOOR_PITCH_M, 0.0, None
        if self.doors_blocked:
            self.door_open_failed = True
        else:
            self._set_doors(Doors.OPENING)

    def _set_doors(self, doors: Doors) -> None:
        self.doors, self.in_door_state_s = doors, 0.0


class Traffic:
    """Ordinary life: now and then one to four people want to ride somewhere."""

    def __init__(self, rng: random.Random, mean_pause_s: float = 45.0) -> None:
        self._rng, self._mean_pause_s = rng, mean_pause_s
        self._pause_s = rng.expovariate(1 / mean_pause_s)

    def advance(self, car: Car, seconds: float) -> None:
        """Count down to the next riders and queue them when the car is idle and healthy."""
        self._pause_s -= seconds
        idle = car.trip is None and not car.trips and not car.stuck and car.mains
        if self._pause_s > 0 or not idle or car.service_mode != ServiceMode.NORMAL:
            return
        origin, destination = self._rng.sample(range(len(car.floors)), 2)
        car.ride(Trip(origin, destination, self._rng.choice((1, 1, 1, 2, 2, 3, 4))))
        self._pause_s = self._rng.expovariate(1 / self._mean_pause_s)
