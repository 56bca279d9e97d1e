"""What the car's state alone says: the rows of the decision table that are inferred, as data.

The table is read from top to bottom and at most one situation holds at a time. A row that the customer's elevator people
want otherwise is changed here and in tests/rules/entrapment/test_decision_table.py, nowhere else.
Source: domain/elevator.md 3.2 B, C, E and 3.3 rows 1 to 5, 10, 11.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from hub.vocabulary.decisions import Severity
from hub.vocabulary.elevator import ElevatorFault
from hub.vocabulary.instants import UtcMs
from rules.entrapment.car import Car, DoorsSeen, Motion
from rules.entrapment.limits import EntrapmentLimits, ms
from rules.entrapment.occupancy import Occupancy
from rules.entrapment.reasons import Reason, SeverityReason, Source

EXPLAINING_FAULTS: Final = frozenset(
    {
        ElevatorFault.SAFETY_CIRCUIT,
        ElevatorFault.DOOR_OPEN,
        ElevatorFault.STOPPED_OUTSIDE_ZONE,
        ElevatorFault.RESTART_PROTECTION,
    }
)
"""Codes 1, 3, 4, 8: why doors at a landing would not open (domain/elevator.md 3.2 C)."""

DANGEROUS_FAULTS: Final = frozenset(
    {
        ElevatorFault.UNINTENDED_MOVEMENT,
        ElevatorFault.TOP_OVERRUN,
        ElevatorFault.BOTTOM_OVERRUN,
        ElevatorFault.MOVING_DOOR_OPEN,
        ElevatorFault.DOOR_OPEN_OUTSIDE_ZONE,
    }
)
"""With one of these any entrapment is P1 (domain/elevator.md 3.3 'Severity')."""


class Group(StrEnum):
    """Situations between which a car passes without the clock starting anew."""

    OFF_LEVEL = "off_level"
    LEVEL = "level"
    POWER = "power"
    FALL_RISK = "fall_risk"


class Situation(StrEnum):
    """Rows of the table."""

    DOOR_OPEN_OUTSIDE = "door_open_outside"  # row 10
    POWER_OCCUPIED = "power_occupied"  # row 11
    POWER_UNKNOWN = "power_unknown"
    OFF_LEVEL_OCCUPIED = "off_level_occupied"  # row 1
    OFF_LEVEL_UNKNOWN = "off_level_unknown"  # row 2
    OFF_LEVEL_EMPTY = "off_level_empty"  # row 3
    LEVEL_FAULT = "level_fault"  # row 4
    LEVEL_LONG = "level_long"  # row 5


class Row(msgspec.Struct, frozen=True):
    """What a situation means once it has lasted."""

    group: Group
    reason: Reason
    severity: Severity
    severity_reason: SeverityReason
    source: Source = Source.INFERRED
    any_mode: bool = False  # holds in inspection too


ROWS: Final = {
    Situation.DOOR_OPEN_OUTSIDE: Row(
        Group.FALL_RISK, Reason.DOOR_OPEN_OUTSIDE_ZONE, Severity.CRITICAL, SeverityReason.P1_FALL_RISK, any_mode=True
    ),
    Situation.POWER_OCCUPIED: Row(
        Group.POWER, Reason.POWER_LOST_AFTER_GRACE, Severity.HIGH, SeverityReason.ROW_11_POWER, Source.POWER
    ),
    Situation.POWER_UNKNOWN: Row(
        Group.POWER, Reason.POWER_LOST_AFTER_GRACE, Severity.MEDIUM, SeverityReason.ROW_11_POWER, Source.POWER
    ),
    Situation.OFF_LEVEL_OCCUPIED: Row(
        Group.OFF_LEVEL, Reason.STILL_OFF_LEVEL_OCCUPIED, Severity.HIGH, SeverityReason.ROW_1_OFF_LEVEL
    ),
    Situation.OFF_LEVEL_UNKNOWN: Row(
        Group.OFF_LEVEL, Reason.STILL_OFF_LEVEL_UNKNOWN, Severity.HIGH, SeverityReason.ROW_1_OFF_LEVEL
    ),
    Situation.OFF_LEVEL_EMPTY: Row(
        Group.OFF_LEVEL, Reason.STOPPED_OFF_LEVEL_EMPTY, Severity.HIGH, SeverityReason.ROW_1_OFF_LEVEL
    ),
    Situation.LEVEL_FAULT: Row(Group.LEVEL, Reason.LEVEL_DOORS_SHUT_FAULT, Severity.MEDIUM, SeverityReason.ROW_4_LEVEL),
    Situation.LEVEL_LONG: Row(Group.LEVEL, Reason.LEVEL_DOORS_SHUT_LONG, Severity.MEDIUM, SeverityReason.ROW_4_LEVEL),
}


class Outage(msgspec.Struct, frozen=True, gc=False):
    """The supply is gone: since when (arrival), and whether the car ran then or shortly before.

    `relieved`: its doors have opened at a landing since; who is in it now is judged by the other rows.
    """

    since: UtcMs
    was_moving: bool
    relieved: bool = False


def situation(car: Car | None, occupancy: Occupancy, *, explained: bool, outage: Outage | None) -> Situation | None:
    """The row that holds now; None where all is well as far as the state shows. `explained`: a fault says why doors stay shut."""
    if car is None:
        return None
    if car.doors is DoorsSeen.OPEN and car.zone is False and car.motion is not Motion.MOVING:
        return Situation.DOOR_OPEN_OUTSIDE
    if car.doors is DoorsSeen.OPEN:
        return None
    if outage is not None and not outage.relieved and (powerless := _without_power(car, occupancy, outage)):
        return powerless
    if car.motion is Motion.MOVING:
        return None
    if car.zone is False:
        return _OFF_LEVEL[occupancy]
    if occupancy is not Occupancy.OCCUPIED:
        return None
    return Situation.LEVEL_FAULT if explained or car.opening else Situation.LEVEL_LONG


_OFF_LEVEL: Final = {
    Occupancy.OCCUPIED: Situation.OFF_LEVEL_OCCUPIED,
    Occupancy.UNKNOWN: Situation.OFF_LEVEL_UNKNOWN,
    Occupancy.EMPTY: Situation.OFF_LEVEL_EMPTY,
}


def _without_power(car: Car, occupancy: Occupancy, outage: Outage) -> Situation | None:
    """Without mains a car that reports motion creeps on its battery: it is not out of trouble until doors open."""
    if occupancy is Occupancy.OCCUPIED:
        return Situation.POWER_OCCUPIED
    uneasy = outage.was_moving or car.zone is False
    return Situation.POWER_UNKNOWN if occupancy is Occupancy.UNKNOWN and uneasy else None


def due_at(held: Situation, since: UtcMs, car: Car, outage: Outage | None, limits: EntrapmentLimits) -> UtcMs:
    """When a situation that holds since `since` (arrival) is to be acted on."""
    group = ROWS[held].group
    if group is Group.POWER:
        begun = since if outage is None else outage.since
        return begun + ms(limits.ard_grace_s)
    wait_s = max(_wait_s(held, limits), limits.still_s)
    if group is not Group.FALL_RISK and car.motion is Motion.UNKNOWN:
        wait_s = max(wait_s, limits.unknown_motion_s)
    return since + ms(wait_s)


def _wait_s(held: Situation, limits: EntrapmentLimits) -> float:
    if held is Situation.DOOR_OPEN_OUTSIDE:
        return limits.still_s
    if held is Situation.OFF_LEVEL_EMPTY:
        return limits.fault_s
    if held is Situation.LEVEL_FAULT:
        return limits.level_s
    if held is Situation.LEVEL_LONG:
        return limits.level_s * limits.level_unproven_factor
    return limits.off_level_s
