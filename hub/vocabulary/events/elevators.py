"""What elevators say, and what the entrapment rule concludes from it for others. Words after GB/T 24476 (hub.vocabulary.elevator).

None and `unknown` mean that nobody knows, never 'no'.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hub.vocabulary.elevator import (
    AlarmState,
    AlarmType,
    CarStatus,
    Direction,
    Doors,
    ElevatorFault,
    Power,
    ServiceMode,
    TrappedPlace,
)
from hub.vocabulary.events.base import Event, Subject, SubjectType


class ElevatorAlarm(Event, frozen=True, kw_only=True):
    """An alarm or fault came or went, in the device's own judgement."""

    type: AlarmType
    state: AlarmState
    fault: ElevatorFault | None = None  # the profile's translation of `code`
    trapped: TrappedPlace | None = None  # with type `trapped`
    code: str | None = None  # the vendor's own code, as text
    floor: str | None = None
    held_s: float | None = None  # how long the button was held, where the device says
    detail: str | None = None


class ElevatorState(Event, frozen=True, kw_only=True):
    """Real-time status, GB/T 24476 clause 9. None and `unknown` mean that nobody knows, never 'no'."""

    service_mode: ServiceMode = ServiceMode.UNKNOWN
    car_status: CarStatus = CarStatus.UNKNOWN
    direction: Direction = Direction.UNKNOWN
    door_zone: bool | None = None
    doors: tuple[Doors, ...] = (Doors.UNKNOWN,)  # one per car door
    passenger: bool | None = None
    floor: str | None = None
    power: Power = Power.UNKNOWN
    speed_mps: float | None = None
    load_percent: float | None = None
    # Conditions that the device reports as standing bits rather than as messages. None: it does not report them.
    trapped: TrappedPlace | None = None
    trapped_known: bool = False  # True: `trapped` is None because the device says that nobody is
    button: bool | None = None
    faults: tuple[ElevatorFault, ...] | None = None
    code: str | None = None  # raw fault word or code, kept as evidence


class PowerLost(Event, frozen=True, kw_only=True):
    """Derived by the entrapment rule for its site: this car lost its supply."""

    occupied: bool | None  # latched; None: unknown
    was_moving: bool

    def subject(self) -> Subject:
        """The site: outages are clustered there."""
        return Subject(self.site, SubjectType.SITE, self.site)


class PowerBack(Event, frozen=True, kw_only=True):
    """Derived by the entrapment rule for its site: this car has its supply again."""

    def subject(self) -> Subject:
        """The site, as with PowerLost."""
        return Subject(self.site, SubjectType.SITE, self.site)


class EarthquakeStop(Event, frozen=True, kw_only=True):
    """Derived by the entrapment rule for its site: this car went into earthquake operation."""

    occupied: bool | None  # latched; None: unknown
    was_moving: bool

    def subject(self) -> Subject:
        """The site: all its cars have to be looked at."""
        return Subject(self.site, SubjectType.SITE, self.site)


class InferredFault(Event, frozen=True, kw_only=True):
    """Derived by the entrapment rule: a fault that the car's state shows and no message named, here or over."""

    fault: ElevatorFault
    present: bool
    facts: dict[str, Any] = msgspec.field(default_factory=dict)  # what it was concluded from
