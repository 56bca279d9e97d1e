"""A door zone that never ends while the car passes floors is a stuck sensor; a device that speaks at landings only is healthy."""

import pytest

from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.elevator import ServiceMode
from rules.door_zone_check import DoorZoneCheck
from rules.elevator_fault import ElevatorFaultRule
from rules.entrapment.rule import Entrapment
from support.cars import at, boarded, state
from support.timeline import Timeline

FAULT = TicketKind.ELEVATOR_FAULT


def passing(floors: int, *, each: int = 3, zone: bool | None = True, start: int = 0, **view):
    """A run past so many floors, with `each` messages a floor."""
    return [
        state(start + floor * each + n, moving=True, door_zone=zone, floor=str(floor + 1), **view)
        for floor in range(floors)
        for n in range(each)
    ]


def story(*events, **options) -> Timeline:
    return Timeline(Entrapment(), ElevatorFaultRule(), DoorZoneCheck(), **options).push(*events)


def test_a_zone_that_never_ends_over_several_floors_is_a_stuck_sensor():
    told = story(*passing(4))
    assert not told.tickets
    told.push(*passing(5, start=100))
    assert (told.one(FAULT).reason, told.one(FAULT).severity) == ("sensor", Severity.LOW)
    told.push(*passing(9, start=200))
    assert told.one(FAULT).count == 1


def test_the_first_time_that_the_zone_ends_the_fault_is_over():
    told = story(*passing(5), state(60, moving=True, door_zone=False))
    assert told.one(FAULT).state == "resolved"


@pytest.mark.parametrize(
    "events",
    [
        passing(20, each=1),
        passing(20, zone=None),
        [event for n in range(20) for event in (*passing(3, start=n * 20), state(n * 20 + 15, door_zone=False))],
        [event for n in range(20) for event in (*passing(4, start=n * 20), state(n * 20 + 15))],
        passing(20, live=False),
        passing(20, service_mode=ServiceMode.INSPECTION),
        [state(n, floor=str(n)) for n in range(40)],
    ],
    ids=["speaks at landings only", "not reported", "ends now and then", "short runs", "retained", "inspection", "parked"],
)  # fmt: skip
def test_what_is_no_proof(events):
    assert not story(*events).tickets


def test_the_limit_is_data_and_zero_switches_it_off():
    assert story(*passing(3), limits={"door_zone_check": {"floors": 3}}).tickets
    assert not story(*passing(30), limits={"door_zone_check": {"floors": 0}}).tickets


def test_a_car_whose_zone_sensor_is_stuck_is_judged_as_if_nobody_knew():
    """Between floors it looks as at a landing: somebody inside is told all the same, after the time for landings."""
    told = story(*passing(5), *boarded(40), state(60, passenger=True)).advance_to(at(60 + 121))
    assert [ticket.kind for ticket in told.tickets] == [FAULT, TicketKind.ENTRAPMENT]
