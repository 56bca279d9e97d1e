"""The 25 edge cases of domain/meters.md 7, each with the tests that hold it. A test that was renamed or removed is missed here."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
BALANCE = "rules/test_low_balance_edge_cases.py"
NOTICES = "rules/test_low_balance_notices.py"
KNOWS = "rules/test_low_balance_what_the_meter_knows.py"
VALUES = "connectors/codecs/test_modbus_values.py"
DECODER = "connectors/codecs/test_modbus_decoder.py"
CASES = "connectors/codecs/test_modbus_cases.py"
SCHEDULER = "connectors/modbus/test_scheduler.py"
MONTH = "stories/test_a_month_of_electricity.py::test_a_month_of_one_household"

INDEX: dict[int, tuple[str, ...]] = {
    1: (
        f"{BALANCE}::test_01_debt_is_the_level_of_used_up_credit",
        f"{DECODER}::test_a_debt_stands_in_a_register_of_its_own",
    ),
    2: (f"{VALUES}::test_a_signed_balance_read_as_unsigned_is_caught_by_its_plausible_range",),
    3: (
        f"{BALANCE}::test_03_unreadable_credit_raises_nothing_and_clears_nothing",
        f"{VALUES}::test_what_cannot_be_is_unusable_and_says_why",
        f"{DECODER}::test_with_an_unreadable_overdraft_the_credit_is_unknown",
    ),
    4: (
        f"{BALANCE}::test_04_late_and_retained_readings_never_raise_and_never_clear",
        f"{BALANCE}::test_04_older_than_what_is_known_is_stale_even_unmarked",
        f"{NOTICES}::test_a_stale_reading_reminds_nobody",
        "api/test_devices_and_meters.py::test_a_balance_that_cannot_be_read_any_more_is_the_last_one_and_stale_never_zero",
    ),
    5: (
        MONTH,
        f"{BALANCE}::test_05_what_a_meter_buffered_through_an_outage_opens_nothing_that_is_over",
        "rules/test_in_the_engine.py::test_a_gateway_of_36_meters_dies_and_returns",
        f"{NOTICES}::test_a_dead_meter_is_never_reminded_of_and_once_when_it_returns",
    ),
    6: (f"{BALANCE}::test_06_the_wrong_unit_is_a_problem_and_never_a_ticket",),
    7: (
        f"{BALANCE}::test_07_another_serial_number_is_a_problem_and_its_readings_count_for_nothing",
        f"{SCHEDULER}::test_another_device_at_the_address_is_quarantined_and_its_values_are_not_handed_in",
        "rules/test_topup.py::test_another_meters_purchase_is_no_proof",
    ),
    8: (
        MONTH,
        f"{BALANCE}::test_08_a_replaced_meter_closes_the_episode_and_starts_afresh",
        "meters/test_rollups.py::test_across_another_meter_the_use_is_that_of_both_or_unknown",
        "api/test_meter_lives.py::test_a_replacement_is_written_down_with_both_readings",
    ),
    9: (
        "meters/test_life.py::test_use_is_never_negative_and_unknown_after_every_break",
        "meters/test_life.py::test_a_rollover_loses_nothing",
        "pipeline/test_meter_desk.py::test_a_break_is_found_in_the_readings_and_explained_by_a_replacement",
    ),
    10: (
        f"{BALANCE}::test_10_counts_are_compared_modulo_and_a_reset_is_no_purchase",
        "rules/test_topup.py::test_a_count_that_wraps_proves_it",
    ),
    11: (f"{BALANCE}::test_11_credit_without_a_purchase_clears_and_says_that_nobody_knows_why",),
    12: (f"{BALANCE}::test_12_paid_but_still_low_closes_the_episode_and_opens_the_next_which_says_so",),
    13: (
        "rules/test_topup.py::test_a_meter_that_nobody_could_read_is_waited_for",
        f"{NOTICES}::test_while_a_top_up_is_on_its_way_nobody_is_told_anything",
    ),
    14: (
        f"{BALANCE}::test_14_duplicates_and_disorder_change_nothing",
        f"{BALANCE}::test_14_a_clock_in_the_year_2000_counts_by_arrival",
        f"{BALANCE}::test_14_a_wrong_clock_is_flagged_once_and_over_when_it_is_right",
        f"{KNOWS}::test_14_a_polled_meter_whose_clock_is_off_is_a_problem_until_it_is_right",
    ),
    15: (
        MONTH,
        f"{BALANCE}::test_15_a_restart_tells_nothing_twice",
        "notices/test_crashes.py::test_kill_9_at_any_moment_loses_nothing_and_doubles_nothing",
        "notices/test_crashes.py::test_a_claim_is_won_by_one_worker",
    ),
    16: (f"{BALANCE}::test_16_a_relay_that_does_not_obey_is_a_fault_and_not_a_low_balance",),
    17: (
        f"{NOTICES}::test_new_people_are_not_told_of_the_others_and_start_afresh",
        f"{KNOWS}::test_17_another_customer_number_holds_every_notice",
        f"{NOTICES}::test_of_a_vacant_unit_only_the_housekeeper_hears",
        "notices/test_sending.py::test_an_owner_who_moved_out_before_the_notice_left_never_reads_it",
    ),
    18: ("notices/test_gathering.py::test_one_owner_of_two_units_reads_one_text_at_the_worst_level",),
    19: ("meters/test_forecast.py::test_after_a_change_of_price_only_the_days_since_count",),
    20: (f"{DECODER}::test_a_transformer_ratio_is_applied_once_and_without_it_the_energy_is_unknown",),
    21: (f"{BALANCE}::test_21_a_relay_that_trips_and_closes_again_is_not_off",),
    22: (f"{SCHEDULER}::test_an_illegal_address_costs_its_own_field_and_no_other",),
    23: (
        "connectors/modbus/test_scheduler_late_replies.py::test_late_replies_on_rtu_framing_are_never_believed",
        "connectors/modbus/test_bus_connector.py::test_late_rtu_replies_are_never_believed",
    ),
    24: (
        "connectors/modbus/test_dlt645_bus.py::test_two_meters_with_one_address_are_told_as_such_and_neither_is_believed",
        "connectors/modbus/test_dlt645_bus.py::test_what_cannot_be_asked_is_refused_before_a_byte_is_sent",
        "connectors/modbus/test_dlt645_bus.py::test_a_storm_of_wrong_checksums_is_told_as_such_and_nothing_is_handed_in",
    ),
    25: (
        f"{BALANCE}::test_25_the_meters_own_limits_may_be_higher_than_the_hubs",
        f"{BALANCE}::test_25_an_alarm_that_flickers_opens_nothing_twice",
        f"{KNOWS}::test_25_a_meter_whose_own_limit_is_higher_is_low_from_there_on",
    ),
}


@cache
def names_in(path: str) -> frozenset[str]:
    """Names of the tests in a file."""
    tree = ast.parse((TESTS / path).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_no_number_is_missing() -> None:
    assert list(INDEX) == list(range(1, 26))


@pytest.mark.parametrize("number", INDEX)
def test_each_edge_case_is_held_by_its_tests(number: int) -> None:
    for test in INDEX[number]:
        path, _, name = test.partition("::")
        assert (TESTS / path).is_file(), f"no. {number}: {path} is gone"
        assert name in names_in(path), f"no. {number}: {test} is gone"
