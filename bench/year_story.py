"""What happens to a thousand elevators in a year: the cases that are real, and the noise around them, from one seed.

Pure: a seed gives the same year. The real cases are the truth that the hub is measured by; a noise is whatever must not
become an entrapment (domain/elevator.md 1.3 for the rates, 3.3 and 5 for the noises).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from bench.year_lift import NOISES, OUTAGE, WAYS, Lift, Teller
from hub.vocabulary.elevator import AlarmState, AlarmType, ElevatorFault, Power
from hub.vocabulary.events import Event
from hub.vocabulary.instants import DAY_MS, HOUR_MS, MINUTE_MS, UtcMs

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
