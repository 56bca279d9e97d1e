"""The decision table of domain/elevator.md 3.3, row by row, each with the cases beside it that must not raise."""

import pytest

from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.elevator import CarStatus, Doors, ElevatorFault, Power, ServiceMode, TrappedPlace
from hub.vocabulary.facts import DeviceFacts
from rules.earthquake_check import EarthquakeCheck
from rules.entrapment.rule import Entrapment
from support.cars import (
    LIFT,
    at,
    boarded,
    cleared,
    fault,
    left_empty,
    no_answer,
    offline,
    online,
    power_lost,
    press,
    state,
    trapped,
    without_sensor,
)
from support.entrapments import ENTRAPMENT, OFF, entrapments, story
from support.timeline import SITE_SUBJECT, Timeline, device_facts, device_subject

FAULT = TicketKind.ELEVATOR_FAULT


# --- rows 1 to 3: still outside the zone, doors shut ------------------------------------------------------------


def test_row_1_occupied_off_level_is_suspected_high_after_t_off():
    told = story(*boarded(), state(-5, moving=True, passenger=True), state(0, **OFF, passenger=True, floor="7"))
    assert not entrapments(told.advance_to(at(29.999)))
    ticket = told.advance_to(at(30)).one(ENTRAPMENT)
    assert (ticket.state, ticket.severity, ticket.reason) == ("suspected", Severity.HIGH, "still_off_level_occupied")
    assert ticket.fields["floor"] == "7"
    assert ticket.fields["occupancy"] == "occupied"
    assert ticket.fields["sources"] == ["inferred"]
    assert ticket.evidence[0]["waited_ms"] == 30_000
    assert ticket.evidence[0]["since"] == at(0)


def test_row_1_a_car_that_moves_on_in_time_raises_nothing():
    told = story(*boarded(), state(0, **OFF, passenger=True), state(29, moving=True, passenger=True)).advance(300)
    assert not told.tickets
    assert "condition_ended" in told.verdicts()


def test_row_1_each_stop_has_its_own_clock():
    told = story(*boarded())
    for start in (0, 40, 80):
        told.push(state(start, **OFF, passenger=True), state(start + 25, moving=True, passenger=True))
    assert not told.advance(200).tickets


def test_row_2_unknown_occupancy_counts_as_row_1_and_says_so():
    told = story(*without_sensor(), state(0, **OFF, passenger=None)).advance_to(at(30))
    ticket = told.one(ENTRAPMENT)
    assert (ticket.severity, ticket.reason) == (Severity.HIGH, "still_off_level_unknown")
    assert ticket.fields["occupancy_unknown"] is True


def test_row_2_that_becomes_row_1_is_the_same_occurrence_and_no_repeat():
    told = story(*without_sensor(), state(0, **OFF, passenger=None)).advance_to(at(30))
    told.push(state(40, **OFF, passenger=True)).advance(600)
    ticket = told.one(ENTRAPMENT)
    assert ticket.reasons == ["still_off_level_unknown", "still_off_level_occupied"]
    assert ticket.count == 1
    assert ticket.fields["occupancy_unknown"] is False


def test_row_3_latched_empty_is_a_fault_for_the_technician():
    told = story(*left_empty(), state(0, **OFF)).advance_to(at(59.999))
    assert not told.tickets
    told.advance_to(at(60))
    ticket = told.one(FAULT)
    assert (ticket.reason, ticket.severity) == ("stopped_outside_zone", Severity.HIGH)
    assert not entrapments(told)
    assert "empty_latched" in told.verdicts()


def test_row_3_recovers_when_the_car_is_level_again():
    told = story(*left_empty(), state(0, **OFF)).advance_to(at(61)).push(state(70))
    assert told.one(FAULT).state == "resolved"


def test_row_3_escalates_on_the_button():
    told = story(*left_empty(), state(0, **OFF)).advance_to(at(61)).push(press(65))
    assert told.one(ENTRAPMENT).reason == "button_held"


def test_row_3_escalates_when_somebody_is_seen_after_all():
    told = story(*left_empty(), state(0, **OFF)).advance_to(at(61)).push(state(65, **OFF, passenger=True))
    assert told.one(ENTRAPMENT).reason == "still_off_level_occupied"


# --- rows 4 and 5: still at a landing, doors shut, occupied -----------------------------------------------------


@pytest.mark.parametrize(
    "word",
    [
        ElevatorFault.SAFETY_CIRCUIT,
        ElevatorFault.DOOR_OPEN,
        ElevatorFault.STOPPED_OUTSIDE_ZONE,
        ElevatorFault.RESTART_PROTECTION,
    ],
)
def test_row_4_a_fault_that_explains_shut_doors_is_suspected_medium_after_t_lvl(word):
    told = story(*boarded(-4), fault(0, word))
    assert not entrapments(told.advance_to(at(59.999)))
    ticket = told.advance_to(at(60)).one(ENTRAPMENT)
    assert (ticket.severity, ticket.reason) == (Severity.MEDIUM, "level_doors_shut_fault")
    assert ticket.evidence[0]["faults"] == [word.value]


def test_row_4_a_fault_bit_explains_as_a_message_does():
    bits = (ElevatorFault.DOOR_OPEN,)
    told = story(*boarded(-4), state(1, passenger=True, faults=bits)).advance_to(at(60))
    assert told.one(ENTRAPMENT).reason == "level_doors_shut_fault"


def test_row_4_doors_that_were_told_to_open_and_do_not_explain_themselves():
    told = story(*boarded(-4), state(0, passenger=True, doors=(Doors.OPENING,))).advance_to(at(60))
    assert told.one(ENTRAPMENT).reason == "level_doors_shut_fault"


def test_row_4_a_fault_that_is_over_explains_nothing():
    over = fault(0, ElevatorFault.DOOR_OPEN)
    told = story(*boarded(-4), over, cleared(over, 5)).advance_to(at(100))
    assert not entrapments(told)


def test_row_5_without_a_fault_it_takes_twice_as_long():
    told = story(*boarded(-4)).advance_to(at(119.999))
    assert not told.tickets
    ticket = told.advance_to(at(120)).one(ENTRAPMENT)
    assert (ticket.severity, ticket.reason) == (Severity.MEDIUM, "level_doors_shut_long")


@pytest.mark.parametrize("parked", [left_empty, without_sensor])
def test_row_5_an_idle_car_that_is_not_known_to_be_occupied_is_just_parked(parked):
    assert not story(*parked()).advance(3600).tickets


# --- rows 6 to 8: the button ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(ServiceMode))
@pytest.mark.parametrize(
    "view",
    [{}, {"open": True}, {"moving": True}, {"door_zone": False}, {"doors": (Doors.UNKNOWN,), "door_zone": None}],
    ids=["parked", "doors open", "moving", "off level", "unknown"],
)
@pytest.mark.parametrize("held_s", [None, 3.0, 31.0])
def test_row_6_a_held_button_alarms_at_once_in_any_mode_and_place(mode, view, held_s):
    told = story(state(0, service_mode=mode, **view), press(1, held_s=held_s))
    ticket = told.one(ENTRAPMENT)
    assert (ticket.reason, ticket.severity, ticket.opened_at) == ("button_held", Severity.HIGH, at(1))


def test_row_6_the_button_of_a_car_that_was_never_seen_alarms():
    assert story(press(0)).one(ENTRAPMENT).fields["occupancy"] == "unknown"


def test_row_7_a_short_press_with_doors_open_at_a_landing_is_filtered_and_counted():
    told = story(state(0, open=True), press(1, held_s=1.0), press(2, held_s=0.5)).advance(600)
    assert not told.tickets
    assert told.verdicts().count("doors_open_filter") == 2
    assert told.state("entrapment").filtered == 2


def test_row_8_a_short_press_under_way_is_dropped_when_the_doors_open_at_the_next_landing():
    told = story(state(0, moving=True), press(1, held_s=1.0), state(5), state(9, open=True)).advance(600)
    assert not told.tickets
    assert told.verdicts().count("moving_pending") == 1
    assert "doors_opened_after_press" in told.verdicts()


def test_row_8_a_short_press_under_way_counts_when_the_car_stops_and_does_not_open():
    told = story(state(0, moving=True), press(1, held_s=1.0), state(5))
    assert not told.advance_to(at(14.999)).tickets
    assert told.advance_to(at(15)).one(ENTRAPMENT).reason == "button_no_opening"


def test_row_8_opening_between_floors_does_not_drop_the_press():
    told = story(state(0, moving=True), press(1, held_s=1.0), state(5, open=True, **OFF)).advance_to(at(15))
    assert "button_no_opening" in told.one(ENTRAPMENT).reasons


def test_row_8_a_press_is_never_held_back_longer_than_its_limit():
    told = story(state(0, moving=True), press(1, held_s=1.0)).advance_to(at(61))
    assert told.one(ENTRAPMENT).reason == "button_no_opening"


# --- rows 9, 12, 13: somebody else has the car in hand ----------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        (ServiceMode.INSPECTION, "inspection_gates_inferred"),
        (ServiceMode.FIREFIGHTER, "fire_gates_inferred"),
        (ServiceMode.FIRE_RECALL, "fire_gates_inferred"),
        (ServiceMode.EARTHQUAKE, "earthquake_gates_inferred"),
    ],
)
def test_rows_9_12_13_what_is_inferred_or_flagged_is_a_notice_only(mode, why):
    told = story(
        *boarded(),
        state(0, **OFF, passenger=True, service_mode=mode),
        trapped(5),
        state(6, **OFF, passenger=True, service_mode=mode, trapped=TrappedPlace.OFF_LEVEL),
    ).advance(600)
    assert not told.tickets
    assert told.verdicts().count(why) >= 2


@pytest.mark.parametrize("mode", [ServiceMode.STOPPED, ServiceMode.EMERGENCY_POWER, ServiceMode.UNKNOWN])
def test_other_modes_gate_nothing(mode):
    told = story(*boarded(), state(0, **OFF, passenger=True, service_mode=mode)).advance_to(at(30))
    assert told.one(ENTRAPMENT).fields["mode"] == mode.value


def test_row_13_an_earthquake_makes_one_list_of_all_cars_occupied_first():
    cars: list[DeviceFacts] = [device_facts(f"e{n}", pk=n) for n in (1, 2, 3)]
    told = Timeline(Entrapment(), EarthquakeCheck(), devices=cars)
    told.push(*left_empty(device="e1"), *boarded(device="e2"))
    told.push(state(0, device="e1", service_mode=ServiceMode.EARTHQUAKE))
    told.push(state(1, device="e2", service_mode=ServiceMode.EARTHQUAKE, passenger=True))
    ticket = told.one(ENTRAPMENT, SITE_SUBJECT)
    assert (ticket.reason, ticket.severity, ticket.count) == ("earthquake_check", Severity.CRITICAL, 1)
    ranks = {car: child["rank"] for car, child in ticket.fields["children"].items()}
    assert ranks == {"e2": 1, "e3": 2, "e1": 3}


# --- row 10: door open outside the zone -------------------------------------------------------------------------


@pytest.mark.parametrize("people", [boarded, left_empty, without_sensor])
@pytest.mark.parametrize("mode", [ServiceMode.NORMAL, ServiceMode.INSPECTION])
def test_row_10_a_door_open_between_floors_is_critical_for_any_occupancy_and_mode(people, mode):
    told = story(*people(), state(0, **OFF, open=True, service_mode=mode))
    assert not told.advance_to(at(2.999)).tickets
    ticket = told.advance_to(at(3)).one(ENTRAPMENT)
    assert (ticket.reason, ticket.severity) == ("door_open_outside_zone", Severity.CRITICAL)
    assert ticket.fields["severity_reason"] == "p1_fall_risk"


def test_row_10_doors_that_open_while_the_car_levels_are_no_fall_risk():
    levelling = state(0, open=True, door_zone=False, car_status=CarStatus.RUN)
    assert not story(levelling, state(1, open=True)).advance(600).tickets


# --- row 11: power ----------------------------------------------------------------------------------------------


def test_row_11_a_car_that_was_moving_with_people_is_told_at_once_and_suspected_after_the_ard_grace():
    told = story(*boarded(), state(0, moving=True, passenger=True), power_lost(3))
    assert told.one(FAULT).reason == "power_lost"
    assert "power_lost_waiting" in told.verdicts()
    assert not entrapments(told.advance_to(at(122.999)))
    ticket = told.advance_to(at(123)).one(ENTRAPMENT)
    assert (ticket.reason, ticket.severity) == ("power_lost_after_grace", Severity.HIGH)


def test_row_11_off_level_with_the_outage_in_the_state_waits_for_the_ard_too():
    out = state(5, **OFF, passenger=True, power=Power.OUTAGE)
    told = story(*boarded(), state(0, moving=True, passenger=True), out)
    assert not entrapments(told.advance_to(at(124)))
    assert told.advance_to(at(125)).one(ENTRAPMENT).reason == "power_lost_after_grace"


def test_row_11_unknown_occupancy_counts_when_the_car_was_moving():
    told = story(*without_sensor(), state(0, moving=True, passenger=None), power_lost(3)).advance_to(at(123))
    ticket = told.one(ENTRAPMENT)
    assert (ticket.severity, ticket.fields["occupancy"]) == (Severity.MEDIUM, "unknown")


@pytest.mark.parametrize("parked", [left_empty, without_sensor])
def test_row_11_a_parked_car_without_people_only_has_a_fault(parked):
    told = story(*parked(-300), power_lost(0)).advance(600)
    assert not entrapments(told)
    assert told.one(FAULT).reason == "power_lost"


def test_row_11_an_ard_that_opens_the_doors_in_time_raises_nothing():
    told = story(*boarded(), state(0, moving=True, passenger=True), power_lost(3))
    told.push(state(60, moving=True, passenger=True, power=Power.OUTAGE))
    told.push(state(90, open=True, power=Power.OUTAGE)).advance(600)
    assert not entrapments(told)


def test_row_11_power_that_comes_back_in_time_raises_nothing_when_the_car_runs_on():
    told = story(*boarded(), state(0, moving=True, passenger=True), power_lost(3))
    told.push(state(60, moving=True, passenger=True), state(80, open=True)).advance(600)
    assert not entrapments(told)
    assert told.one(FAULT).state == "resolved"


# --- row 14: telemetry lost -------------------------------------------------------------------------------------


def test_row_14_offline_while_moving_with_people_is_possibly_trapped():
    told = story(*boarded(), state(0, moving=True, passenger=True), offline(2))
    assert not told.advance_to(at(31.999)).tickets
    ticket = told.advance_to(at(32)).one(ENTRAPMENT)
    assert (ticket.reason, ticket.severity) == ("comms_lost_while_moving", Severity.MEDIUM)
    assert ticket.fields["telemetry"] == "lost"


def test_row_14_polls_without_answer_are_a_loss_only_when_they_last():
    told = story(*boarded(), state(0, moving=True, passenger=True), *(no_answer(n) for n in range(1, 30)))
    told.push(state(30, open=True)).advance(600)
    assert not told.tickets


@pytest.mark.parametrize("people", [left_empty, without_sensor])
def test_row_14_needs_people_who_were_latched(people):
    told = story(*people(), state(0, moving=True, passenger=None), offline(2)).advance(600)
    assert not told.tickets
    assert "not_moving_when_lost" in told.verdicts()


def test_row_14_a_car_that_is_back_in_time_was_never_gone():
    told = story(*boarded(), state(0, moving=True, passenger=True), offline(2), online(20)).advance(60)
    assert not told.tickets


# --- row 15: release pending ------------------------------------------------------------------------------------


@pytest.mark.parametrize("passenger", [False, None])
def test_row_15_level_open_and_nobody_seen_is_release_pending_and_never_closed(passenger):
    told = story(*boarded(), state(0, **OFF, passenger=True)).advance_to(at(31))
    told.push(state(40, moving=True, passenger=True), state(50, open=True, passenger=passenger)).advance(7200)
    ticket = told.one(ENTRAPMENT)
    assert ticket.state == "release_pending"
    assert ticket.moves == [("sensor_clear", "doors_open_at_landing")]


def test_row_15_people_still_seen_inside_keep_it_suspected():
    told = story(*boarded(), state(0, **OFF, passenger=True)).advance_to(at(31))
    told.push(state(40, open=True, passenger=True))
    assert told.one(ENTRAPMENT).state == "suspected"
    assert "still_occupied" in told.verdicts()
    assert told.push(state(45, open=True)).one(ENTRAPMENT).state == "release_pending"


def test_row_15_doors_ajar_release_nobody():
    told = story(*boarded(), state(0, **OFF, passenger=True)).advance_to(at(31))
    told.push(state(40, doors=(Doors.OPENING,), passenger=False))
    assert told.one(ENTRAPMENT).state == "suspected"


def test_the_subject_is_the_lift_and_nothing_else():
    told = story(press(0))
    assert told.one(ENTRAPMENT).subject == device_subject(LIFT)
