"""Which fields of which event a JSON profile may fill, and how each is checked.

One row per field of the vocabulary's event; a field that is not here can be filled by no profile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from connectors.codecs.json_values import (
    Adjust,
    Convert,
    card_list,
    card_number,
    compile_code,
    compile_first_of_list,
    compile_integer,
    compile_name,
    compile_real,
    compile_text,
    compile_truth,
    compile_word_list,
    compile_words,
)
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
from hub.vocabulary.events import (
    AccessEvent,
    AccessResult,
    CommandResult,
    DeviceStatus,
    DoorEvent,
    DoorState,
    ElevatorAlarm,
    ElevatorState,
    Event,
    MeterReading,
)
from hub.vocabulary.units import BalanceUnit, Relay


class Target(msgspec.Struct, frozen=True):
    """One field of an event."""

    compile: Callable[[Adjust], Convert]
    words: type[StrEnum] | None = None  # what a map may lead to
    truth: bool = False  # a map leads to true or false
    required: bool = False
    nullable: bool = True  # null: nobody knows


def _words(words: type[StrEnum], required: bool = False) -> Target:
    return Target(lambda adjust: compile_words(words, adjust), words=words, required=required, nullable=not required)


def _first(words: type[StrEnum]) -> Target:
    return Target(lambda adjust: compile_first_of_list(words, adjust), words=words)


def _several(words: type[StrEnum], longest: int, single_too: bool) -> Target:
    return Target(lambda adjust: compile_word_list(words, adjust, longest, single_too), words=words)


def _truth(required: bool = False) -> Target:
    return Target(compile_truth, truth=True, required=required, nullable=not required)


def _text(longest: int) -> Target:
    return Target(lambda adjust: compile_text(longest, adjust))


def _name(longest: int) -> Target:
    return Target(lambda adjust: compile_name(longest, adjust), required=True, nullable=False)


def _code(longest: int) -> Target:
    return Target(lambda adjust: compile_code(longest, adjust))


def _whole(low: int, high: int) -> Target:
    return Target(lambda adjust: compile_integer(low, high, adjust))


def _real(low: float, high: float) -> Target:
    return Target(lambda adjust: compile_real(low, high, adjust))


EVENTS: Final[Mapping[str, type[Event]]] = {
    kind.__name__: kind
    for kind in (ElevatorAlarm, ElevatorState, MeterReading, AccessEvent, DoorEvent, DeviceStatus, CommandResult)
}

TARGETS: Final[Mapping[str, Mapping[str, Target]]] = {
    "ElevatorAlarm": {
        "type": _words(AlarmType, required=True),
        "state": _words(AlarmState, required=True),
        "fault": _words(ElevatorFault),
        "trapped": _words(TrappedPlace),
        "code": _code(64),
        "floor": _text(16),
        "held_s": _real(0, 86_400),
        "detail": _text(2_000),
    },
    "ElevatorState": {
        "service_mode": _words(ServiceMode),
        "car_status": _words(CarStatus),
        "direction": _words(Direction),
        "door_zone": _truth(),
        "doors": _several(Doors, 4, single_too=True),
        "passenger": _truth(),
        "floor": _text(16),
        "power": _words(Power),
        "speed_mps": _real(-30, 30),
        "load_percent": _real(0, 300),
        "trapped": _first(TrappedPlace),
        "trapped_known": _truth(),
        "button": _truth(),
        "faults": _several(ElevatorFault, 64, single_too=False),
        "code": _code(200),
    },
    "MeterReading": {
        "unit": _words(BalanceUnit, required=True),
        "energy_wh": _whole(0, 10**14),
        "purchases": _whole(0, 2**32),
        "relay": _words(Relay),
        "meter_alarm": _whole(0, 3),
        "serial": _text(64),
        "power_w": _whole(-(10**9), 10**9),
        "voltage_dv": _whole(0, 10**6),
    },
    "AccessEvent": {
        "door": _name(64),
        "card": Target(lambda adjust: card_number, required=True),
        "result": _words(AccessResult, required=True),
        "reason": _text(64),
        "index": _whole(0, 2**63 - 1),
        "direction": _text(16),
    },
    "DoorEvent": {"door": _name(64), "state": _words(DoorState, required=True)},
    "DeviceStatus": {"online": _truth(required=True), "boot_id": _text(128), "firmware": _text(128)},
    "CommandResult": {
        "command_id": _name(128),
        "ok": _truth(required=True),
        "detail": _text(2_000),
        "cards": Target(lambda adjust: card_list),
    },
}
"""`MeterReading.credit` is not here: it is put together from balance, overdraft and unit (json_plan.Credit)."""
