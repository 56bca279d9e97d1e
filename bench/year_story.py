"""What happens to a thousand elevators in a year: the cases that are real, and the noise around them, from one seed.

Pure: a seed gives the same year. The real cases are the truth that the hub is measured by; a noise is whatever must not
become an entrapment (domain/elevator.md 1.3 for the rates, 3.3 and 5 for the noises).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

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
from hub.vocabulary.events import DeviceStatus, ElevatorAlarm, ElevatorState, Event
from hub.vocabulary.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UtcMs

CASES_PER_LIFT_YEAR: Final = 0.12
"""Published figures lie between 0.05 and 0.18."""
TEST_EVERY_MS: Final = 72 * HOUR_MS
MISSED_TESTS: Final = 0.002
"""Share of the test calls that do not come."""
SETTLED_MS: Final = 30 * HOUR_MS
"""So long after the last day everything has to have come to its end."""
OUTAGES_PER_SITE_YEAR: Final = 0.7
APART_MS: Final = 8 * HOUR_MS
"""Nothing else happens to a lift for so long after a case: the rescue needs its time."""


@dataclass(frozen=True)
class Lift:
    """One car. Its clock may be behind by `lag_ms`."""

    site: str
    id: str
    lag_ms: int = 0


@dataclass(frozen=True)
class Case:
    """A real entrapment: when it begins at the latest to be known, how, and how many are inside."""

    lift: Lift
    at: UtcMs
    way: str
    people: int


@dataclass
class Year:
    """`events` in order of arrival; `cases` and what else has to come of it are the truth."""

    lifts: list[Lift]
    start: UtcMs
    end: UtcMs
    events: list[tuple[UtcMs, Event]] = field(default_factory=list)
    calls: list[Case] = field(default_factory=list)  # of the cases: those that somebody reports by telephone
    cases: list[Case] = field(default_factory=list)
    noises: dict[str, int] = field(default_factory=dict)
    faults: int = 0  # tickets of kind elevator_fault that have to be there
    missed_tests: int = 0  # each is a ticket of kind device_silent
    outages: list[tuple[UtcMs, str]] = field(
        default_factory=list
    )  # power cuts of a whole site: one case of the site each


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
        """A parked, shut, empty car at floor 5, with changes; `off` between floors, `moving`, `open` are short forms."""
        known: dict[str, Any] = {
            "service_mode": ServiceMode.NORMAL,
            "car_status": CarStatus.STOP,
            "direction": Direction.NONE,
            "door_zone": True,
            "doors": (Doors.CLOSED,),
            "passenger": False,
            "floor": "5",
            "power": Power.MAINS,
        }
        if view.pop("moving", False):
            known |= {"car_status": CarStatus.RUN, "direction": Direction.UP, "door_zone": False}
        if view.pop("off", False):
            known["door_zone"] = False
        if view.pop("open", False):
            known["doors"] = (Doors.OPEN,)
        self.said.append((self.at, ElevatorState(**self._common(), **(known | view))))
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


# --- the year ---------------------------------------------------------------------------------------------------


def year(seed: int, lifts: int, days: int, start: UtcMs, *, cases_per_lift_year: float = CASES_PER_LIFT_YEAR) -> Year:
    """A year (or `days` of it) of so many lifts, 25 to a site."""
    chance = random.Random(seed)
    cars = [
        Lift(f"site-{n // 25:02d}", f"e{n % 25 + 1:02d}", lag_ms=40_000 if chance.random() < 0.05 else 0)
        for n in range(lifts)
    ]
    found = Year(cars, start, start + days * DAY_MS)
    for site in dict.fromkeys(car.site for car in cars):
        dark = sorted(_moments(chance, OUTAGES_PER_SITE_YEAR * days / 365, days))
        dark = [at for at, after in pairwise([*dark, days * DAY_MS]) if after - at > 3 * APART_MS]
        for at in dark:
            _outage(found, site, [car for car in cars if car.site == site], start + at, chance)
    for number, lift in enumerate(cars):
        _year_of(found, lift, number, chance, days, cases_per_lift_year)
    found.events.sort(key=lambda said: said[0])
    found.cases.sort(key=lambda case: case.at)
    found.calls.sort(key=lambda case: case.at)
    found.outages.sort()
    return found


def _year_of(found: Year, lift: Lift, number: int, chance: random.Random, days: int, rate: float) -> None:
    dark = [at - found.start for at, site in found.outages if site == lift.site]
    busy = sorted(_moments(chance, rate * days / 365, days))
    cases = [at for at, after in pairwise([*busy, days * DAY_MS]) if after - at > 2 * APART_MS]
    cases = [at for at in cases if all(abs(at - each) > 2 * APART_MS for each in dark)]
    for at in cases:
        _add_case(found, lift, found.start + at, f"c{number}.{at}", chance)
    cases += dark
    quiet: list[UtcMs] = []
    for name, (rate_of, tell, faults) in NOISES.items():
        for at in _moments(chance, rate_of * days / 365, days):
            if any(-HOUR_MS * 2 < at - case < APART_MS for case in cases) or any(abs(at - q) < HOUR_MS for q in quiet):
                continue  # one thing at a time, or nobody could say what is true
            quiet.append(at)
            teller = Teller(lift, found.start + at, f"n{number}.{at}")
            tell(teller, chance)
            found.events += teller.said
            found.noises[name] = found.noises.get(name, 0) + 1
            found.faults += faults
    for at, event in _tests(lift, number, found, chance):
        found.events.append((at, event))
        found.noises["test call"] = found.noises.get("test call", 0) + 1


def _moments(chance: random.Random, expected: float, days: int) -> Iterator[UtcMs]:
    """Moments of the day in which people ride, the expected number of them on average."""
    count = int(expected) + (chance.random() < expected % 1)
    for _ in range(count):
        hour = chance.choices(
            range(24), weights=[1, 1, 1, 1, 1, 2, 5, 9, 10, 8, 6, 6, 7, 6, 8, 9, 7, 9, 11, 9, 6, 4, 2, 1]
        )[0]
        yield chance.randrange(days) * DAY_MS + hour * HOUR_MS + chance.randrange(HOUR_MS)


def _add_case(found: Year, lift: Lift, at: UtcMs, tag: str, chance: random.Random) -> None:
    way = chance.choices(list(WAYS), weights=[share for share, _, _ in WAYS.values()])[0]
    case = Case(lift, at, way, chance.choices([1, 2, 3, 4], weights=[50, 30, 12, 8])[0])
    found.cases.append(case)
    if way == "telephone":
        found.calls.append(case)
    teller = Teller(lift, at, tag)
    WAYS[way][1](teller, chance)
    if way not in {"telephone", "power", "fell silent while moving"} and chance.random() < 0.3:
        teller.wait(60).status(online=False)  # telemetry is lost in the middle of it
    found.events += teller.said
    if way == "door fault at a landing":
        found.faults += 1
    if way == "power":
        found.faults += 1


def _outage(found: Year, site: str, cars: list[Lift], at: UtcMs, chance: random.Random) -> None:
    """The feeder trips: every car of the site stops within a minute, most of them empty, and comes back within the hour."""
    found.outages.append((at, site))
    found.faults += len(cars)
    trapped = set(chance.sample(range(len(cars)), min(len(cars), chance.randint(0, 3))))
    for number, lift in enumerate(cars):
        teller = Teller(lift, at - 40_000, f"o{site}.{number}.{at}")
        if number in trapped:
            found.cases.append(Case(lift, at, OUTAGE, chance.randint(1, 4)))
            teller.wait(30).boards(chance).state(moving=True, passenger=True).wait(7).alarm(AlarmType.POWER_LOST).wait(
                1
            )
            teller.state(off=True, passenger=True, power=Power.OUTAGE).wait(2).status(online=False)
        else:
            teller.leaves().wait(chance.uniform(31, 80)).alarm(AlarmType.POWER_LOST).wait(1).state(power=Power.OUTAGE)
            teller.wait(chance.uniform(1_500, 3_000)).alarm(AlarmType.POWER_LOST, AlarmState.CLEAR).wait(1).state()
        found.events += teller.said


def _tests(lift: Lift, number: int, found: Year, chance: random.Random) -> Iterator[tuple[UtcMs, Event]]:
    """EN 81-28: at least every 72 hours."""
    at = found.start + chance.randrange(TEST_EVERY_MS // 2)
    missed = True  # the first one is not: nobody would know since when to wait
    while at < found.end + SETTLED_MS:
        missed = not missed and at < found.end and chance.random() < MISSED_TESTS
        if missed:
            found.missed_tests += 1
        else:
            yield from Teller(lift, at, f"t{number}.{at}").alarm(AlarmType.TEST).said
        at += TEST_EVERY_MS - chance.randrange(5 * MINUTE_MS, 3 * HOUR_MS)


def freed(case: Case, at: UtcMs) -> list[tuple[UtcMs, Event]]:
    """What the lift says when its people are let out: every signal ends, doors open at a landing, nobody is seen."""
    t = Teller(case.lift, at, f"f{case.at}.{at}")
    t.status(online=True).wait(1)
    t.alarm(AlarmType.PASSENGER_ALARM, AlarmState.CLEAR).alarm(AlarmType.TRAPPED, AlarmState.CLEAR, code="8")
    t.alarm(AlarmType.FAULT, AlarmState.CLEAR, fault=ElevatorFault.DOOR_OPEN, code="3")
    t.alarm(AlarmType.POWER_LOST, AlarmState.CLEAR).wait(1).leaves()
    return t.said
