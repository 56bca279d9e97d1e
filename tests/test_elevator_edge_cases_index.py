"""The edge cases of domain/elevator.md section 5, each with the tests that hold it. A test that was renamed or removed is missed here."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CAR = "rules/entrapment/test_car_and_doors.py"
SIGNALS = "rules/entrapment/test_signals.py"
SILENCE = "rules/entrapment/test_silence_and_lateness.py"
TABLE = "rules/entrapment/test_decision_table.py"
PROPERTIES = "rules/entrapment/test_properties.py"
CASE = "tickets/test_entrapment_edge_cases.py"
RESCUES = "tickets/test_rescues.py"
OUTAGE = "rules/test_mass_power_cut.py"

INDEX: dict[str, tuple[str, ...]] = {
    "Presence flicker": (
        f"{CAR}::test_presence_flicker_between_floors_is_one_incident_raised_in_time",
        f"{CAR}::test_presence_flicker_of_a_car_latched_empty_makes_it_occupied_once_and_for_all",
    ),
    "Add/disappear/add within 1 min": (
        f"{SIGNALS}::test_add_disappear_add_within_a_minute_is_the_same_incident_counted",
        f"{SIGNALS}::test_three_adds_a_minute_chatter",
    ),
    "Repeated presses, several channels": (
        f"{CASE}::test_button_device_and_two_telephone_calls_are_one_case_with_every_source_and_every_call",
        f"{SIGNALS}::test_several_channels_are_one_incident_with_its_sources_merged_and_no_repeat",
        f"{SIGNALS}::test_repeated_presses_are_one_incident_each_counted",
    ),
    "Two cars in a bank, wrong car reported": (
        f"{CASE}::test_the_neighbouring_car_was_meant_and_its_own_alarm_is_not_swallowed",
        f"{SIGNALS}::test_the_lift_is_the_key_never_the_bank",
        f"{RESCUES}::test_the_wrong_lift_is_corrected_for_everybody_who_was_told_and_for_the_rules_of_both",
    ),
    "Two-door car": (
        f"{CAR}::test_two_doors_one_open_at_a_landing_lets_people_out",
        f"{CAR}::test_two_doors_of_which_one_is_unknown_never_clear_the_latch",
    ),
    "Double-deck, group object": (
        f"{CASE}::test_each_deck_of_a_double_deck_car_is_counted_and_released_by_itself",
    ),
    "Inspection on": (
        f"{TABLE}::test_rows_9_12_13_what_is_inferred_or_flagged_is_a_notice_only",
        f"{CAR}::test_inspection_with_the_button_is_an_alarm",
    ),
    "Inspection switched on during entrapment": (
        f"{CAR}::test_inspection_switched_on_during_an_incident_keeps_it",
    ),
    "Gateway silent during entrapment": (
        f"{CASE}::test_telemetry_lost_in_the_middle_changes_no_state_stops_no_clock_and_is_said",
        f"{SILENCE}::test_silence_during_an_incident_keeps_it_open_and_says_so",
        "pipeline/test_step.py::test_a_dead_gateway_leaves_an_open_rescue_open_and_says_that_it_is_blind",
    ),
    "Power isolated by rescuer": (
        f"{CASE}::test_the_rescuer_isolates_the_main_switch_and_the_case_stays_as_it_is",
        f"{SILENCE}::test_power_isolated_by_the_rescuer_and_silence_after_it_change_nothing",
    ),
    "Controller/gateway reboot": (
        f"{SILENCE}::test_the_first_poll_after_a_restart_clears_nothing_and_opens_nothing_new",
        f"{SILENCE}::test_a_retained_alarm_is_not_news",
    ),
    "Late, out-of-order, replayed": (
        f"{SILENCE}::test_a_stale_clear_is_ignored",
        f"{SIGNALS}::test_the_same_message_twice_happened_once",
        f"{PROPERTIES}::test_the_order_in_which_alarms_arrive_does_not_matter",
        f"{PROPERTIES}::test_states_that_arrive_late_move_nothing",
    ),
    "Clock skew, no zone, future time": (
        f"{SILENCE}::test_durations_are_counted_from_arrival_not_from_a_wrong_clock",
        "pipeline/test_step.py::test_a_clock_that_was_set_back_is_found_out_by_its_pace_and_arrival_time_takes_its_place",
        "connectors/codecs/test_json_values.py::test_epoch_seconds_are_seconds_and_milliseconds_in_their_place_are_no_time",
    ),
    "Modbus bit not wired": (
        "connectors/codecs/test_modbus_cases.py::test_a_dump_gives_the_events_of_its_case",  # bits-not-wired.yaml
        "connectors/codecs/test_modbus_values.py::test_what_was_not_read_is_none_and_never_zero",
    ),
    "Modbus read split across registers": (
        "connectors/modbus/test_planner.py::test_every_point_is_read_whole_in_one_read_of_its_period",
        "connectors/modbus/test_client.py::test_an_exception_keeps_its_code",
    ),
    "Sensor self-fault, low battery": (
        f"{CASE}::test_what_the_sensors_say_of_themselves_is_a_ticket_and_never_a_silent_pass",
        f"{CAR}::test_a_sensor_that_reports_its_own_fault_cannot_say_empty",
    ),
    "Door-zone sensor stuck": (
        "rules/test_door_zone_check.py::test_a_zone_that_never_ends_over_several_floors_is_a_stuck_sensor",
        "rules/test_door_zone_check.py::test_a_car_whose_zone_sensor_is_stuck_is_judged_as_if_nobody_knew",
    ),
    "72 h test call": (
        f"{SIGNALS}::test_test_alarms_never_dispatch",
        "rules/test_missing_test_call.py::test_three_days_without_a_test_are_a_ticket",
    ),
    "Technician's test press": (
        "rules/entrapment/test_press_test.py::test_presses_inside_a_declared_test_open_nothing_are_written_down_and_shown_as_a_problem",
        "rules/entrapment/test_press_test.py::test_outside_it_a_press_is_real_also_a_second_later",
        f"{TABLE}::test_row_6_a_held_button_alarms_at_once_in_any_mode_and_place",
    ),
    "Estate outage": (
        f"{OUTAGE}::test_three_cars_within_two_minutes_are_one_incident_of_the_site",
        f"{OUTAGE}::test_cars_are_ranked_occupied_unknown_empty_and_the_moving_one_first",
        f"{OUTAGE}::test_the_cars_own_incidents_go_on_beside_it",
        "stories/test_a_power_cut_stops_forty_cars.py::test_forty_cars_stop_and_each_is_accounted_for_before_the_case_ends",
    ),
    "ARD (auto rescue on battery) moves car and opens": (
        f"{CASE}::test_the_rescue_device_opens_the_doors_and_still_somebody_has_to_ask",
        f"{TABLE}::test_row_11_an_ard_that_opens_the_doors_in_time_raises_nothing",
    ),
    "Self-rescue, forced door": (
        f"{CASE}::test_a_door_forced_open_between_floors_is_critical_and_the_lift_is_not_in_service_until_somebody_signs",
        f"{TABLE}::test_row_10_a_door_open_between_floors_is_critical_for_any_occupancy_and_mode",
    ),
    "Empty car off level": (
        f"{TABLE}::test_row_3_latched_empty_is_a_fault_for_the_technician",
        f"{TABLE}::test_row_3_escalates_when_somebody_is_seen_after_all",
    ),
    "Overlapping incident after restart": (
        f"{CASE}::test_within_half_an_hour_of_its_end_a_new_alarm_is_linked_as_a_repeat",
        f"{SIGNALS}::test_what_still_stands_after_a_close_does_not_reopen_but_a_new_signal_does_as_a_repeat",
        f"{SIGNALS}::test_half_an_hour_later_it_is_a_new_incident",
    ),
    "Technician answers, never arrives": (
        f"{RESCUES}::test_a_technician_who_answers_and_never_comes_is_missed_warned_about_and_replaced",
    ),
    "Nobody on rota, SMS failing": (
        "notices/test_sending.py::test_nobody_to_tell_is_a_problem_that_says_why",
        "notices/test_sending.py::test_when_every_channel_failed_it_is_undelivered_and_a_problem",
        "notices/test_sending.py::test_a_refused_address_falls_over_to_the_next_channel_at_once",
    ),
    "Passenger leaves before interview": (
        f"{CASE}::test_passengers_who_leave_or_refuse_are_recorded_and_the_case_can_be_closed",
    ),
    "Floor label not a number": (
        f"{CAR}::test_a_floor_label_is_text",
    ),
    "Incident across midnight": (
        f"{CASE}::test_thirty_minutes_are_thirty_minutes_in_every_night",
        f"{SIGNALS}::test_across_midnight_nothing_is_special",
    ),
}  # fmt: skip


@cache
def names_in(path: str) -> frozenset[str]:
    """Names of the tests in a file."""
    tree = ast.parse((TESTS / path).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_no_case_of_the_table_is_missing() -> None:
    assert len(INDEX) == 29


@pytest.mark.parametrize("case", INDEX)
def test_each_edge_case_is_held_by_its_tests(case: str) -> None:
    for test in INDEX[case]:
        path, _, name = test.partition("::")
        assert (TESTS / path).is_file(), f"{case}: {path} is gone"
        assert name in names_in(path), f"{case}: {test} is gone"
