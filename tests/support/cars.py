"""Messages of elevators for tests of rules: times in seconds after T0, and everything else as in a healthy parked car."""

from __future__ import annotations

from typing import Any

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
from hub.vocabulary.events import DeviceStatus, ElevatorAlarm, ElevatorState, Unreachable
from hub.vocabulary.instants import SECOND_MS, UtcMs
from support.timeline import SITE, T0

LIFT = "b1-e1"


def at(seconds: float) -> UtcMs:
    """The instant `seconds` after T0."""
    return T0 + round(seconds * SECOND_MS)


def _times(occurred_s: float, received_s: float | None) -> dict[str, Any]:
    return {"occurred_at": at(occurred_s), "received_at": at(occurred_s if received_s is None else received_s)}


def parked(*, moving: bool = False, off: bool = False, open: bool = False, **changes: Any) -> dict[str, Any]:
    """The fields of a car parked at floor 5, doors shut, nobody inside, with `changes`; `off`: between floors."""
    known: dict[str, Any] = {
        "service_mode": ServiceMode.NORMAL,
        "car_status": CarStatus.RUN if moving else CarStatus.STOP,
        "direction": Direction.UP if moving else Direction.NONE,
        "door_zone": not moving and not off,
        "doors": (Doors.OPEN if open else Doors.CLOSED,),
        "passenger": False,
        "floor": "5",
        "power": Power.MAINS,
    }
    return known | changes


def state(seconds: float, *, arrives: float | None = None, device: str = LIFT, **changes: Any) -> ElevatorState:
    """A parked car with `changes`, among them the short forms of `parked`."""
    return ElevatorState(site=SITE.id, device=device, **_times(seconds, arrives), **parked(**changes))


def alarm(
    seconds: float, type: AlarmType, *, arrives: float | None = None, device: str = LIFT, **more: Any
) -> ElevatorAlarm:
    """An alarm message that adds a condition, unless `state` says otherwise."""
    known: dict[str, Any] = {"state": AlarmState.ADD, "floor": "5"}
    return ElevatorAlarm(site=SITE.id, device=device, type=type, **_times(seconds, arrives), **(known | more))


def press(seconds: float, **more: Any) -> ElevatorAlarm:
    """The alarm button. Without `held_s` the device does not say how long."""
    return alarm(seconds, AlarmType.PASSENGER_ALARM, **more)


def trapped(seconds: float, **more: Any) -> ElevatorAlarm:
    """The device says that somebody is trapped."""
    known: dict[str, Any] = {"trapped": TrappedPlace.OFF_LEVEL, "code": "8"}
    return alarm(seconds, AlarmType.TRAPPED, **(known | more))


def fault(seconds: float, word: ElevatorFault | None, **more: Any) -> ElevatorAlarm:
    """A fault message."""
    return alarm(seconds, AlarmType.FAULT, fault=word, **more)


def power_lost(seconds: float, **more: Any) -> ElevatorAlarm:
    """The device's last gasp."""
    return alarm(seconds, AlarmType.POWER_LOST, **more)


def cleared(event: ElevatorAlarm, seconds: float, **more: Any) -> ElevatorAlarm:
    """The clear that belongs to `event`."""
    return alarm(seconds, event.type, state=AlarmState.CLEAR, fault=event.fault, code=event.code, **more)


def offline(seconds: float, device: str = LIFT, **more: Any) -> DeviceStatus:
    """Its last will."""
    return DeviceStatus(site=SITE.id, device=device, **_times(seconds, None), online=False, **more)


def online(seconds: float, device: str = LIFT, **more: Any) -> DeviceStatus:
    """It is there."""
    return DeviceStatus(site=SITE.id, device=device, **_times(seconds, None), online=True, **more)


def no_answer(seconds: float, device: str = LIFT) -> Unreachable:
    """One poll without an answer."""
    return Unreachable(site=SITE.id, device=device, **_times(seconds, None), cause="timeout")


def boarded(seconds: float = -20, device: str = LIFT) -> tuple[ElevatorState, ...]:
    """Somebody gets in at floor 5 and the doors shut: latched occupied. Takes 4 s."""
    return (
        state(seconds, open=True, device=device),
        state(seconds + 2, open=True, passenger=True, device=device),
        state(seconds + 4, passenger=True, device=device),
    )


def left_empty(seconds: float = -20, device: str = LIFT) -> tuple[ElevatorState, ...]:
    """The doors open on an empty car and shut again: latched empty. Takes 4 s."""
    return state(seconds, open=True, device=device), state(seconds + 4, device=device)


def without_sensor(seconds: float = -20, device: str = LIFT) -> tuple[ElevatorState, ...]:
    """The same in a car whose presence sensor is not fitted: unknown."""
    return state(seconds, open=True, passenger=None, device=device), state(seconds + 4, passenger=None, device=device)
