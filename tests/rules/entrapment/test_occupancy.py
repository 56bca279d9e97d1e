"""The occupancy latch: only open doors at a landing take anybody away, and unknown is never empty."""

import pytest

from hub.vocabulary.elevator import CarStatus, Doors
from rules.entrapment.car import seen
from rules.entrapment.occupancy import Occupancy, latch
from support.cars import state

SHUT, OPEN = {}, {"open": True}
CLOSING = {"doors": (Doors.CLOSING,)}
BLIND = {"doors": (Doors.UNKNOWN,)}
OFF = {"door_zone": False}
NOWHERE = {"door_zone": None}
RUN = {"car_status": CarStatus.RUN}


def after(*views, held: Occupancy = Occupancy.UNKNOWN) -> Occupancy:
    before = None
    for view in views:
        car = seen(state(0, **view), 10)
        held, before = latch(held, before, car), car
    return held


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        # first sight
        ([SHUT | {"passenger": True}], "occupied"),
        ([SHUT | {"passenger": None}], "unknown"),
        ([SHUT], "empty"),
        # a landing
        ([OPEN, SHUT], "empty"),
        ([OPEN, CLOSING, SHUT], "empty"),
        ([OPEN, OPEN | {"passenger": True}, SHUT | {"passenger": True}], "occupied"),
        ([OPEN | {"passenger": True}, OPEN, SHUT], "empty"),
        ([OPEN | {"passenger": True}, SHUT], "unknown"),  # seen until the doors moved: not 'gone'
        ([OPEN | {"passenger": True}, CLOSING, SHUT], "unknown"),
        ([OPEN | {"passenger": None}, SHUT | {"passenger": None}], "unknown"),
        ([OPEN, SHUT | {"passenger": None}], "unknown"),
        # shut doors: somebody can be found, nobody can be lost
        ([OPEN, SHUT, SHUT | {"passenger": True}, SHUT, SHUT], "occupied"),
        ([SHUT | {"passenger": True}, SHUT, SHUT | {"passenger": None}, SHUT], "occupied"),
        ([SHUT | {"passenger": True}, CLOSING, SHUT], "occupied"),
        ([OPEN, SHUT, SHUT | {"passenger": None}], "empty"),
        # a door open elsewhere takes nobody away
        ([SHUT | {"passenger": True}, OPEN | OFF, SHUT | OFF], "occupied"),
        ([SHUT | {"passenger": True}, OPEN | RUN, SHUT], "occupied"),
        ([SHUT | {"passenger": True}, OPEN | NOWHERE, SHUT | NOWHERE], "unknown"),
        # a door that nobody could see
        ([SHUT | {"passenger": True}, BLIND, SHUT], "unknown"),
        ([SHUT | {"passenger": True}, BLIND | OFF, SHUT | OFF], "occupied"),
        ([SHUT | {"passenger": True}, {"doors": (Doors.OPEN, Doors.UNKNOWN)}], "occupied"),
        ([SHUT | {"passenger": True}, {"doors": (Doors.OPEN, Doors.CLOSED)}], "empty"),
    ],
)
def test_the_latch_after_a_sequence_of_states(views, expected):
    assert after(*views) == expected


def test_only_a_known_sensor_says_no():
    assert [each.answer for each in Occupancy] == [False, True, None]
