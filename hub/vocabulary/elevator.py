"""Elevator words after GB/T 24476 (real-time status and message codes) and EN 81-28.

Vendors' numbers never appear here or in a rule: profiles map them to these words.
Source: domain/elevator.md 2.1, 2.2.
"""

from __future__ import annotations

from enum import StrEnum


class ServiceMode(StrEnum):
    """GB/T 24476 Service_Mode 0–7; `unknown` where the device does not say."""

    STOPPED = "stopped"
    NORMAL = "normal"
    INSPECTION = "inspection"
    FIRE_RECALL = "fire_recall"
    FIREFIGHTER = "firefighter"
    EMERGENCY_POWER = "emergency_power"
    EARTHQUAKE = "earthquake"
    UNKNOWN = "unknown"


class CarStatus(StrEnum):
    """GB/T 24476 Car_Status."""

    STOP = "stop"
    RUN = "run"
    UNKNOWN = "unknown"


class Direction(StrEnum):
    """GB/T 24476 Car_Direction."""

    NONE = "none"
    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class Doors(StrEnum):
    """Position of one car door. A door that is not closed is not thereby open: a door ajar still traps."""

    CLOSED = "closed"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    UNKNOWN = "unknown"


class Power(StrEnum):
    """Supply of the elevator."""

    MAINS = "mains"
    OUTAGE = "outage"
    UNKNOWN = "unknown"


class AlarmType(StrEnum):
    """What an elevator's message announces (contract, profile hub-json)."""

    PASSENGER_ALARM = "passenger_alarm"
    TRAPPED = "trapped"
    FAULT = "fault"
    POWER_LOST = "power_lost"
    TEST = "test"


class AlarmState(StrEnum):
    """Whether the condition came or went."""

    ADD = "add"
    CLEAR = "clear"


class ElevatorFault(StrEnum):
    """GB/T 24476 codes 1–8 and their regional neighbours, as words."""

    SAFETY_CIRCUIT = "safety_circuit"  # 1 safety circuit open while running
    DOOR_CLOSE = "door_close"  # 2
    DOOR_OPEN = "door_open"  # 3
    STOPPED_OUTSIDE_ZONE = "stopped_outside_zone"  # 4
    UNINTENDED_MOVEMENT = "unintended_movement"  # 5
    RUN_TIME_LIMIT = "run_time_limit"  # 6
    POSITION_LOST = "position_lost"  # 7
    RESTART_PROTECTION = "restart_protection"  # 8 anti-restart fault
    TOP_OVERRUN = "top_overrun"
    BOTTOM_OVERRUN = "bottom_overrun"
    MOVING_DOOR_OPEN = "moving_door_open"
    DOOR_OPEN_OUTSIDE_ZONE = "door_open_outside_zone"
    OVERSPEED = "overspeed"
    DOOR_CYCLING = "door_cycling"
    DOOR_OPEN_TOO_LONG = "door_open_too_long"
    SENSOR = "sensor"  # a sensor's self-diagnosis, low battery of the monitor
    OTHER = "other"


class TrappedPlace(StrEnum):
    """Where a device that detects entrapment itself says the car stands."""

    LEVEL = "level"
    OFF_LEVEL = "off_level"
    UNKNOWN = "unknown"
