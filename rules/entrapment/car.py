"""The car as its last state message showed it, in the words that decisions need.

A door that is not closed is not thereby open, and what a device does not say is unknown: neither 'still' nor 'no'.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from hub.vocabulary.elevator import CarStatus, Direction, Doors, Power, ServiceMode
from hub.vocabulary.events import ElevatorState

STANDSTILL_MPS: Final = 0.05
"""Slower is still (domain/elevator.md 3.2)."""

GATED_MODES: Final = frozenset(
    {ServiceMode.INSPECTION, ServiceMode.FIREFIGHTER, ServiceMode.FIRE_RECALL, ServiceMode.EARTHQUAKE}
)
"""Here somebody else has the car in hand: what is only inferred becomes a notice. The alarm button never does."""


class Motion(StrEnum):
    """Whether the car runs."""

    STILL = "still"
    MOVING = "moving"
    UNKNOWN = "unknown"


class DoorsSeen(StrEnum):
    """All car doors together."""

    OPEN = "open"  # at least one is fully open
    SHUT = "shut"  # every one is closed
    AJAR = "ajar"  # none open, none unknown, at least one in between: still traps
    UNKNOWN = "unknown"


class Car(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One car at one instant."""

    mode: ServiceMode = ServiceMode.UNKNOWN
    motion: Motion = Motion.UNKNOWN
    zone: bool | None = None
    doors: DoorsSeen = DoorsSeen.UNKNOWN
    doors_known: bool = False  # every door says where it is: one open door of two does not speak for the other
    opening: bool = False  # a door was told to open and has not arrived
    person: bool | None = None
    floor: str | None = None
    power: Power = Power.UNKNOWN

    @property
    def gated(self) -> bool:
        return self.mode in GATED_MODES

    @property
    def open_at_landing(self) -> bool:
        """People can walk out: a door fully open, the car in the zone and not under way."""
        return self.doors is DoorsSeen.OPEN and self.zone is True and self.motion is not Motion.MOVING

    @property
    def under_way(self) -> bool:
        """It runs, or is between floors and nobody can say that it does not."""
        return self.motion is Motion.MOVING or (self.motion is Motion.UNKNOWN and self.zone is False)

    @property
    def passable(self) -> bool:
        """People may have come or gone: as `open_at_landing`, or nobody knows where the car stands."""
        return self.doors is DoorsSeen.OPEN and self.zone is not False and self.motion is not Motion.MOVING


def seen(event: ElevatorState, load_percent: float) -> Car:
    """The car as this state shows it; from `load_percent` on, the load is a person."""
    return Car(
        mode=event.service_mode,
        motion=_motion(event),
        zone=event.door_zone,
        doors=_doors(event.doors),
        doors_known=Doors.UNKNOWN not in event.doors and bool(event.doors),
        opening=Doors.OPENING in event.doors,
        person=_person(event, load_percent),
        floor=event.floor,
        power=event.power,
    )


def _motion(event: ElevatorState) -> Motion:
    """A direction alone is no motion: some monitors keep that of the last run while the car stands between floors."""
    fast = None if event.speed_mps is None else abs(event.speed_mps) >= STANDSTILL_MPS
    if event.car_status is CarStatus.RUN or fast:
        return Motion.MOVING
    if event.car_status is CarStatus.STOP or fast is False:
        return Motion.STILL
    return Motion.STILL if event.direction is Direction.NONE else Motion.UNKNOWN


def _doors(doors: tuple[Doors, ...]) -> DoorsSeen:
    if Doors.OPEN in doors:
        return DoorsSeen.OPEN
    if not doors or Doors.UNKNOWN in doors:
        return DoorsSeen.UNKNOWN
    return DoorsSeen.SHUT if set(doors) == {Doors.CLOSED} else DoorsSeen.AJAR


def _person(event: ElevatorState, load_percent: float) -> bool | None:
    """A light load proves nothing; only the presence sensor can say 'nobody'."""
    if event.load_percent is not None and event.load_percent >= load_percent:
        return True
    return event.passenger
