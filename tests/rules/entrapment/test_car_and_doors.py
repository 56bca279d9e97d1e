"""Who is in the car, and where it stands: the edge cases of domain/elevator.md section 5 about a car, its doors and its modes, each by its name."""

import pytest

from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.elevator import CarStatus, Direction, Doors, ElevatorFault, Power, TrappedPlace
from support.cars import at, boarded, fault, left_empty, offline, press, state, trapped
from support.entrapments import ENTRAPMENT, INSPECTION, OFF, entrapment, none_of, story

# --- presence ---------------------------------------------------------------------------------------------------


def test_presence_flicker_between_floors_is_one_incident_raised_in_time():
    told = story(*boarded())
    told.push(*(state(n, **OFF, passenger=n % 2 == 0) for n in range(120)))
    ticket = entrapment(told)
    assert (ticket.opened_at, ticket.count) == (at(30), 1)


def test_presence_flicker_of_a_car_latched_empty_makes_it_occupied_once_and_for_all():
    told = story(*left_empty(), state(0, **OFF), state(10, **OFF, passenger=True), state(11, **OFF)).advance_to(at(30))
    assert entrapment(told).reason == "still_off_level_occupied"


def test_a_sensor_that_reports_its_own_fault_cannot_say_empty():
    told = story(*left_empty(), fault(-2, ElevatorFault.SENSOR), state(0, **OFF)).advance_to(at(30))
    assert entrapment(told).reason == "still_off_level_unknown"


def test_load_is_somebody_and_a_light_car_is_not_nobody():
    heavy = story(state(-9, open=True), state(-5, load_percent=30), state(0, **OFF)).advance_to(at(30))
    assert entrapment(heavy).fields["occupancy"] == "occupied"
    light = story(state(-9, open=True, passenger=None), state(0, **OFF, passenger=None, load_percent=1)).advance_to(
        at(30)
    )
    assert entrapment(light).fields["occupancy"] == "unknown"


# --- doors and places -------------------------------------------------------------------------------------------


def test_a_door_ajar_still_traps():
    told = story(*boarded(), state(0, passenger=True, doors=(Doors.CLOSING,))).advance_to(at(120))
    assert entrapment(told).reason == "level_doors_shut_long"


def test_two_doors_one_open_at_a_landing_lets_people_out():
    two = (Doors.CLOSED, Doors.CLOSED)
    told = story(state(-9, passenger=True, doors=two), state(0, **OFF, passenger=True, doors=two)).advance_to(at(31))
    told.push(state(40, doors=(Doors.CLOSED, Doors.OPEN)))
    assert entrapment(told).state == "release_pending"


def test_two_doors_of_which_one_is_unknown_never_clear_the_latch():
    told = story(*boarded(), state(-10, doors=(Doors.OPEN, Doors.UNKNOWN)), state(-8, doors=(Doors.CLOSED,) * 2))
    told.push(state(0, **OFF, doors=(Doors.CLOSED,) * 2)).advance_to(at(30))
    assert entrapment(told).fields["occupancy"] != "empty"


def test_a_door_zone_that_nobody_reports_is_not_off_level():
    told = story(*left_empty(), state(0, door_zone=None)).advance(3600)
    assert not told.tickets


def test_motion_that_nobody_reports_takes_longer_than_any_express_run():
    blind = {"car_status": CarStatus.UNKNOWN, "direction": Direction.UP, **OFF}
    told = story(*boarded(), state(0, **blind, passenger=True)).advance_to(at(119.999))
    assert not told.tickets
    assert entrapment(told.advance_to(at(120))).reason == "still_off_level_occupied"


@pytest.mark.parametrize(("speed", "raised"), [(0.04, True), (-0.04, True), (0.05, False), (-1.6, False)])
def test_a_car_slower_than_5_cm_a_second_is_still(speed, raised):
    view = {"car_status": CarStatus.UNKNOWN, "direction": Direction.UNKNOWN, **OFF}
    told = story(*boarded(), state(0, **view, passenger=True, speed_mps=speed)).advance_to(at(30))
    assert bool(told.tickets) is raised


def test_a_floor_label_is_text():
    told = story(press(0, floor="B1"), press(5, floor="13A"))
    assert entrapment(told).fields["floor"] == "13A"


# --- inspection, earthquake, dangerous faults -------------------------------------------------------------------


def test_inspection_with_the_button_is_an_alarm():
    assert entrapment(story(state(0, **INSPECTION), press(1))).severity is Severity.HIGH


def test_inspection_switched_on_during_an_incident_keeps_it():
    told = story(trapped(0), state(5), state(60, **INSPECTION), state(90, **INSPECTION, passenger=True)).advance(7200)
    assert entrapment(told).state == "suspected"
    assert entrapment(told).triggers.count("inspection_on") == 1


def test_a_flag_in_inspection_during_an_incident_is_a_line_on_its_timeline():
    told = story(press(0), state(5, **INSPECTION), trapped(10))
    assert entrapment(told).count == 1
    assert "note" in entrapment(told).triggers


def test_a_flag_that_came_up_in_inspection_is_told_when_the_car_is_given_back():
    told = story(state(0, **INSPECTION), state(5, **INSPECTION, trapped=TrappedPlace.LEVEL))
    assert none_of(told)
    told.push(state(9, trapped=TrappedPlace.LEVEL), state(10, trapped=TrappedPlace.LEVEL))
    assert entrapment(told).count == 1


def test_a_flag_message_in_inspection_is_told_when_the_car_is_given_back():
    told = story(state(0, **INSPECTION), trapped(5), state(9))
    assert entrapment(told).reason == "device_trapped_flag"


def test_the_clock_starts_anew_when_the_car_is_given_back():
    told = story(*boarded(), state(0, **OFF, **INSPECTION, passenger=True)).advance_to(at(300))
    told.push(state(300, **OFF, passenger=True)).advance_to(at(329.999))
    assert none_of(told)
    assert entrapment(told.advance_to(at(330))).reason == "still_off_level_occupied"


def test_inspection_that_begins_while_the_clock_runs_stops_it():
    told = story(*boarded(), state(0, **OFF, passenger=True), state(20, **OFF, **INSPECTION, passenger=True))
    assert none_of(told.advance(600))


@pytest.mark.parametrize(
    "word", [ElevatorFault.UNINTENDED_MOVEMENT, ElevatorFault.TOP_OVERRUN, ElevatorFault.BOTTOM_OVERRUN]
)
def test_a_dangerous_fault_makes_any_entrapment_critical(word):
    told = story(fault(0, word), press(1))
    assert entrapment(told).severity is Severity.CRITICAL
    assert entrapment(told).fields["severity_reason"] == "p1_dangerous_fault"


# --- leftovers of earlier conditions ----------------------------------------------------------------------------


def test_a_car_that_says_stop_and_still_runs_is_not_still():
    told = story(*boarded(), *(state(n, **OFF, passenger=True, speed_mps=1.6) for n in range(100)))
    assert none_of(told)


def test_somebody_found_in_a_dark_car_after_the_grace_is_told_at_once():
    told = story(
        *left_empty(), state(0, **OFF, power=Power.OUTAGE), state(200, **OFF, passenger=True, power=Power.OUTAGE)
    )
    assert entrapment(told).opened_at == at(200)


def test_a_moving_car_in_inspection_that_falls_silent_is_a_notice():
    told = story(*boarded(), state(0, moving=True, passenger=True, **INSPECTION), offline(2)).advance(60)
    assert none_of(told)
    assert told.verdicts()[-1] == "inspection_gates_inferred"


def test_a_flag_that_comes_again_in_inspection_after_a_close_is_told_when_the_car_is_given_back():
    told = story(trapped(0)).people("close", "closed", ENTRAPMENT)
    told.push(state(10, **INSPECTION), trapped(20))
    assert len(told.tickets) == 1
    assert len(told.push(state(30)).tickets) == 2


def test_the_fault_of_an_empty_car_is_over_when_its_door_is_forced_open_and_that_is_worse():
    told = story(*left_empty(), state(0, **OFF)).advance_to(at(61)).push(state(70, **OFF, open=True)).advance(10)
    assert told.one(TicketKind.ELEVATOR_FAULT).state == "resolved"
    assert entrapment(told).severity is Severity.CRITICAL
