"""What a lift says, message by message: the ways in which somebody gets caught in it, and the noises of ordinary days.

A noise is whatever must not become an entrapment (domain/elevator.md 3.3 and 5). Rates and shares: domain/elevator.md 1.3.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from hub.vocabulary.elevator import (
    AlarmState,
    AlarmType,
    ElevatorFault,
    Power,
    ServiceMode,
    TrappedPlace,
)
from hub.vocabulary.events import DeviceStatus, ElevatorAlarm, ElevatorState, Event
from hub.vocabulary.instants import SECOND_MS, UtcMs
from support.cars import parked


@dataclass(frozen=True)
class Lift:
    """One car. Its clock may be behind by `lag_ms`."""

    site: str
    id: str
    lag_ms: int = 0


class Teller:
    """Says things in a lift's name; every message has an id of its own."""

    def __init__(self, lift: Lift, at: UtcMs, tag: str) -> None:
        self.lift, self.at, self._tag, self._number = lift, at, tag, 0
        self.said: list[tuple[UtcMs, Event]] = []

    def wait(self, seconds: float) -> Teller:
        """Let time pass."""
        self.at += round(seconds * SECOND_MS)
        return self

    def _common(self) -> dict[str, Any]:
        self._number += 1
        return {
            "site": self.lift.site,
            "device": self.lift.id,
            "source_key": f"{self._tag}.{self._number}",
            "occurred_at": self.at - self.lift.lag_ms,
            "received_at": self.at,
        }

    def state(self, **view: Any) -> Teller:
        """A parked, shut, empty car at floor 5, with changes and short forms as `support.cars.parked` has them."""
        self.said.append((self.at, ElevatorState(**self._common(), **parked(**view))))
        return self

    def alarm(self, type: AlarmType, state: AlarmState = AlarmState.ADD, **more: Any) -> Teller:
        """An alarm message."""
        self.said.append((self.at, ElevatorAlarm(**self._common(), type=type, state=state, floor="5", **more)))
        return self

    def status(self, *, online: bool) -> Teller:
        """Its last will, or that it is back."""
        self.said.append((self.at, DeviceStatus(**self._common(), online=online)))
        return self

    def again(self) -> Teller:
        """The last message once more, a little later: QoS 1 may."""
        self.at += 300
        self.said.append((self.at, self.said[-1][1]))
        return self

    def boards(self, chance: random.Random) -> Teller:
        """Somebody gets in, and the doors shut."""
        self.state(open=True).wait(2).state(open=True, passenger=True).wait(2).state(passenger=True).wait(1)
        return self.again() if chance.random() < 0.2 else self

    def leaves(self) -> Teller:
        """The car stands at a landing, its doors open, nobody is seen, the doors shut on an empty car."""
        return self.state(open=True, passenger=True).wait(3).state(open=True).wait(4).state().wait(1)


# --- what is real ----------------------------------------------------------------------------------------------


def _by_button(t: Teller, c: random.Random) -> None:
    t.boards(c).state(moving=True, passenger=True).wait(8).state(off=True, passenger=True).wait(5)
    for _ in range(c.randint(1, 4)):
        t.alarm(AlarmType.PASSENGER_ALARM, held_s=4.0).wait(c.uniform(3, 9))
        if c.random() < 0.4:
            t.again()


def _by_flag(t: Teller, c: random.Random) -> None:
    t.boards(c).state(off=True, passenger=True).wait(12)
    t.alarm(AlarmType.TRAPPED, trapped=TrappedPlace.OFF_LEVEL, code="8")
    if c.random() < 0.5:  # the sensor flickers: add, disappear, add within a minute
        t.wait(9).alarm(AlarmType.TRAPPED, AlarmState.CLEAR, trapped=TrappedPlace.OFF_LEVEL, code="8")
        t.wait(9).alarm(AlarmType.TRAPPED, trapped=TrappedPlace.OFF_LEVEL, code="8")


def _inferred(t: Teller, c: random.Random) -> None:
    t.boards(c).state(moving=True, passenger=True).wait(6)
    for _ in range(8):
        t.state(off=True, passenger=c.random() < 0.5).wait(6)


def _by_door_fault(t: Teller, c: random.Random) -> None:
    t.boards(c).alarm(AlarmType.FAULT, fault=ElevatorFault.DOOR_OPEN, code="3").wait(1)
    for _ in range(8):
        t.state(passenger=True).wait(10)


def _by_power(t: Teller, c: random.Random) -> None:
    t.boards(c).state(moving=True, passenger=True).wait(4).alarm(AlarmType.POWER_LOST).wait(1)
    t.state(off=True, passenger=True, power=Power.OUTAGE).wait(2).status(online=False)


def _by_silence(t: Teller, c: random.Random) -> None:
    t.boards(c).state(moving=True, passenger=True).wait(3).status(online=False)


def _by_telephone(t: Teller, c: random.Random) -> None:
    """The detector is broken: somebody calls."""


WAYS: Final[dict[str, tuple[float, Callable[[Teller, random.Random], None], float]]] = {
    # way: (share, what the lift says, seconds within which the hub has to know from the beginning)
    "button": (0.25, _by_button, 90),
    "device flag": (0.25, _by_flag, 90),
    "inferred off level": (0.18, _inferred, 120),
    "door fault at a landing": (0.12, _by_door_fault, 180),
    "power": (0.08, _by_power, 240),
    "fell silent while moving": (0.05, _by_silence, 120),
    "telephone": (0.07, _by_telephone, 60),
}


OUTAGE: Final = "power cut of the site"
KNOWN_WITHIN_S: Final = {way: within for way, (_, _, within) in WAYS.items()} | {OUTAGE: 240}


# --- what is not ------------------------------------------------------------------------------------------------


def _ride(t: Teller, c: random.Random) -> None:
    t.boards(c).state(moving=True, passenger=True).wait(c.uniform(5, 40)).leaves()


def _flicker(t: Teller, c: random.Random) -> None:
    t.boards(c)
    for _ in range(12):
        t.state(moving=True, passenger=c.random() < 0.5).wait(2)
    t.leaves()


def _short_stop(t: Teller, c: random.Random) -> None:
    t.boards(c).state(moving=True, passenger=True).wait(5).state(off=True, passenger=True).wait(c.uniform(5, 26))
    t.state(moving=True, passenger=True).wait(5).leaves()


def _doubles(t: Teller, c: random.Random) -> None:
    t.boards(c).state(moving=True, passenger=True).again().again().wait(9).state(open=True).again().wait(3).state()


def _idle_sensor(t: Teller, c: random.Random) -> None:
    t.state(open=True, passenger=True).wait(3).state(passenger=True).wait(c.uniform(20, 100)).leaves()


def _comms(t: Teller, c: random.Random) -> None:
    t.leaves().status(online=False).wait(c.uniform(5, 3_000)).status(online=True).wait(1).state()


def _inspection(t: Teller, c: random.Random) -> None:
    mode = {"service_mode": ServiceMode.INSPECTION}
    t.leaves().state(**mode, open=True, passenger=True).wait(20).state(**mode, off=True, passenger=True)
    t.wait(c.uniform(100, 900)).state(
        **mode, off=True, passenger=True, trapped=TrappedPlace.OFF_LEVEL, trapped_known=True
    )
    t.wait(60).state(**mode, open=True, trapped_known=True).wait(20).state(open=True).wait(5).state()


def _power_blip(t: Teller, c: random.Random) -> None:
    t.leaves().alarm(AlarmType.POWER_LOST).wait(1).state(power=Power.OUTAGE).wait(c.uniform(30, 2_000))
    t.alarm(AlarmType.POWER_LOST, AlarmState.CLEAR).wait(1).state()


def _ard(t: Teller, c: random.Random) -> None:
    """The rescue device brings an occupied car to a landing in time."""
    t.boards(c).state(moving=True, passenger=True).wait(3).alarm(AlarmType.POWER_LOST).wait(1)
    t.state(off=True, passenger=True, power=Power.OUTAGE).wait(c.uniform(20, 90))
    t.state(open=True, passenger=True, power=Power.OUTAGE).wait(5).state(open=True, power=Power.OUTAGE).wait(60)
    t.alarm(AlarmType.POWER_LOST, AlarmState.CLEAR).wait(1).leaves()


def _press_at_open_doors(t: Teller, c: random.Random) -> None:
    t.state(open=True, passenger=True).wait(2).alarm(AlarmType.PASSENGER_ALARM, held_s=0.4).wait(3).leaves()


def _press_under_way(t: Teller, c: random.Random) -> None:
    t.boards(c).state(moving=True, passenger=True).wait(4).alarm(AlarmType.PASSENGER_ALARM, held_s=0.4).wait(6).leaves()


def _retained(t: Teller, c: random.Random) -> None:
    """A gateway reboots: what the broker had retained comes again, and is not news."""
    t.leaves().alarm(AlarmType.TRAPPED, trapped=TrappedPlace.LEVEL, live=False).wait(1).state(live=False).wait(
        1
    ).state()


def _late(t: Teller, c: random.Random) -> None:
    """A state of minutes ago, between floors with somebody inside, arrives when the car is long parked."""
    t.boards(c).state(moving=True, passenger=True)
    old = t.at
    t.wait(10).leaves().wait(120)
    arrived = t.at
    t.at = old + 2_000
    t.state(off=True, passenger=True)
    said = t.said.pop()[1]
    t.at = arrived
    t.said.append((arrived, msgspec.structs.replace(said, received_at=arrived)))
    t.wait(90).state()


def _empty_between_floors(t: Teller, c: random.Random) -> None:
    """A fault for the technician, not an entrapment."""
    t.leaves().state(moving=True).wait(5).state(off=True).wait(100).state(off=True).wait(c.uniform(60, 900)).leaves()


def _fault_that_recovers(t: Teller, c: random.Random) -> None:
    word = c.choice([ElevatorFault.DOOR_CYCLING, ElevatorFault.RUN_TIME_LIMIT, ElevatorFault.POSITION_LOST])
    t.leaves().alarm(AlarmType.FAULT, fault=word, code="6").wait(c.uniform(60, 3_000))
    t.alarm(AlarmType.FAULT, AlarmState.CLEAR, fault=word, code="6").wait(1).state()


NOISES: Final[dict[str, tuple[float, Callable[[Teller, random.Random], None], int]]] = {
    # noise: (per lift and year, what the lift says, tickets of kind elevator_fault that come of it)
    "ordinary ride": (8, _ride, 0),
    "presence flickers": (3, _flicker, 0),
    "short stop between floors": (3, _short_stop, 0),
    "messages twice": (3, _doubles, 0),
    "sensor sees somebody in an idle car": (2, _idle_sensor, 0),
    "comms loss": (5, _comms, 0),
    "inspection": (2, _inspection, 0),
    "power cut of a parked car": (0.5, _power_blip, 1),
    "power cut, rescue device in time": (0.3, _ard, 1),
    "press at open doors": (1, _press_at_open_doors, 0),
    "press under way": (1, _press_under_way, 0),
    "retained alarm after a reboot": (1, _retained, 0),
    "late state": (1, _late, 0),
    "empty car between floors": (0.5, _empty_between_floors, 1),
    "fault that recovers": (0.7, _fault_that_recovers, 1),
}
