"""What no wire format may ever contradict: people, doors, motion and power of one car."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.elevator import FLOOR_PITCH_M, Car, Doors, RefusedError, Traffic, Trip

FLOORS = ("B1", "1", "2", "3", "4", "5", "6")

disturbances = st.lists(
    st.tuples(
        st.floats(0.05, 20),
        st.sampled_from(["stick", "free", "cut_power", "restore_power", "automatic_rescue", "nothing"]),
    ),
    max_size=25,
)


def ride(car: Car, origin: int, destination: int, people: int = 1) -> None:
    car.ride(Trip(origin, destination, people))


def advance_until(car: Car, condition, limit_s: float = 120) -> float:
    elapsed = 0.0
    while not condition() and elapsed < limit_s:
        car.advance(0.1)
        elapsed += 0.1
    assert condition(), f"not within {limit_s} s: {car}"
    return elapsed


@given(disturbances, st.integers(0, 2**16))
def test_people_never_appear_or_vanish_while_the_doors_are_shut(events, seed):
    """Whatever happens, the head count changes only with fully open doors at a landing, and a car never moves with open doors."""
    car, traffic = Car(FLOORS), Traffic(random.Random(seed), mean_pause_s=3)
    for seconds, word in events:
        if word != "nothing":
            getattr(car, word)()
        for _ in range(int(seconds * 10)):
            people, doors_before = car.people, car.doors
            traffic.advance(car, 0.1)
            car.advance(0.1)
            if car.people != people:
                assert car.doors is Doors.OPEN
                assert doors_before is Doors.OPEN
                assert car.door_zone
            if car.moving:
                assert car.doors is Doors.CLOSED
                assert car.mains
                assert not car.stuck
            assert -0.01 <= car.height_m <= (len(FLOORS) - 1) * FLOOR_PITCH_M + 0.01


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 4))
def test_every_trip_ends_empty_at_its_destination(origin, destination, people):
    """Without disturbance riders arrive, and nobody stays inside."""
    car = Car(FLOORS)
    ride(car, origin, destination, people)
    most = 0
    for _ in range(1500):
        car.advance(0.1)
        most = max(most, car.people)
    assert (most, car.people, car.nearest, car.doors) == (people, 0, destination, Doors.CLOSED)
    assert car.door_zone


def test_boarding_through_shut_doors_is_refused():
    with pytest.raises(RefusedError):
        Car(FLOORS).board(1)


def test_a_stuck_car_stands_clearly_between_two_landings_and_stays_there():
    car = Car(FLOORS)
    ride(car, 1, 6, people=2)
    advance_until(car, lambda: car.moving)
    car.stick()
    advance_until(car, lambda: car.stuck)
    height = car.height_m
    car.advance(600)
    assert car.height_m == height
    assert not car.door_zone
    assert (car.people, car.moving, car.doors) == (2, False, Doors.CLOSED)


def test_a_freed_car_finishes_its_trip_and_lets_people_out():
    car = Car(FLOORS)
    ride(car, 1, 6, people=2)
    car.stick()
    advance_until(car, lambda: car.stuck)
    car.free()
    advance_until(car, lambda: car.people == 0)
    assert car.nearest == 6


def test_doors_that_fail_keep_people_in_at_the_landing_until_freed():
    car = Car(FLOORS)
    car.doors_blocked = True
    car.doors = Doors.OPEN
    car.in_door_state_s = 0
    ride(car, 1, 3)
    advance_until(car, lambda: car.door_open_failed)
    car.advance(300)
    assert (car.people, car.door_zone, car.doors) == (1, True, Doors.CLOSED)
    car.free()
    advance_until(car, lambda: car.people == 0)


def test_a_power_cut_stops_the_car_where_it_is_and_freezes_the_doors():
    car = Car(FLOORS)
    ride(car, 1, 6)
    advance_until(car, lambda: abs(car.speed_mps) > 1)
    car.cut_power()
    height = car.height_m
    car.advance(100)
    assert (car.height_m, car.moving, car.doors, car.people) == (height, False, Doors.CLOSED, 1)


def test_the_automatic_rescue_opens_at_a_landing_without_mains():
    car = Car(FLOORS)
    ride(car, 1, 6)
    advance_until(car, lambda: abs(car.speed_mps) > 1)
    car.cut_power()
    car.automatic_rescue()
    car.advance(10)
    assert (car.door_zone, car.doors, car.people, car.mains) == (True, Doors.OPEN, 0, False)


def test_the_button_is_released_after_its_time():
    car = Car(FLOORS)
    car.press_button(4)
    assert car.button
    car.advance(3.9)
    assert car.button
    car.advance(0.2)
    assert not car.button


def test_an_unknown_floor_is_refused_by_name():
    with pytest.raises(RefusedError, match="13A"):
        Car(FLOORS).floor_index("13A")
