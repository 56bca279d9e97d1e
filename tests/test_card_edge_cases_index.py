"""The edge cases of domain/access.md 8, each with the tests that hold it. A test that was renamed or removed is missed here."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
EDGES = "cards/test_edge_cases.py"
LOST = "rules/test_lost_card.py"
DOORS = "cards/test_doors.py"
CONTROLLERS = "cards/test_controllers.py"
BOARDS = "cards/test_boards.py"
DEPOSITS = "cards/test_deposits.py"
CARDS = "api/test_cards.py"
DESK = "api/test_desk.py"
HOUSEHOLD = (
    "stories/test_a_household_and_its_cards.py::test_a_household_from_move_in_to_moved_out_with_a_loss_in_between"
)
RENOVATION = "stories/test_a_renovation_with_ten_passes.py::test_ten_passes_from_the_permit_to_the_last_deposit"

INDEX: dict[str, tuple[str, ...]] = {
    "same number issued again": (
        f"{EDGES}::test_the_same_number_issued_again_belongs_to_whoever_had_it_at_that_time",
        f"{CARDS}::test_a_lost_number_is_not_issued_again_and_a_found_card_is_valid_again",
        f"{DEPOSITS}::test_a_pass_that_was_handed_back_and_went_to_somebody_else_is_not_the_first_ones_any_more",
        HOUSEHOLD,
    ),
    "replayed old event": (
        f"{LOST}::test_a_use_before_the_loss_is_evidence_and_no_alarm",
        f"{LOST}::test_a_late_denial_is_evidence_but_a_late_grant_is_a_leak_without_the_alarm_of_now",
        f"{LOST}::test_what_the_broker_kept_is_not_news",
        f"{LOST}::test_a_use_that_was_kept_in_a_controllers_list_for_hours_is_replayed_though_it_comes_in_order",
    ),
    "clock drift": (
        f"{BOARDS}::test_a_wrong_clock_is_set_and_one_that_does_not_hold_is_a_problem",
        "connectors/access/test_uhppote_decoder.py::test_a_clock_of_1970_or_ahead_is_not_believed",
        "connectors/access/test_uhppote_decoder.py::test_an_event_happened_when_the_corrected_clock_says",
        f"{BOARDS}::test_a_board_whose_clock_is_behind_does_not_make_a_use_after_the_loss_one_before_it",
        "rules/test_far_doors.py::test_a_clock_that_is_not_believed_proves_nothing",
    ),
    "duplicates": (
        "pipeline/test_step.py::test_the_same_message_three_times_is_one_ticket_counted_once_and_all_are_acknowledged",
        f"{BOARDS}::test_after_a_restart_reading_goes_on_where_the_database_ends",
    ),
    "index goes back": (
        f"{CONTROLLERS}::test_a_count_from_one_again_is_another_life_and_everything_is_told_again",
        f"{CONTROLLERS}::test_a_report_of_a_life_that_is_over_changes_nothing",
        f"{BOARDS}::test_a_board_that_was_reset_is_a_new_epoch_filled_again_and_then_live",
        f"{BOARDS}::test_another_board_in_its_place_is_a_new_epoch",
    ),
    "lost card presented, denied": (f"{LOST}::test_a_denied_lost_card_is_a_high_ticket_about_the_card",),
    "lost card presented, granted": (
        f"{LOST}::test_a_granted_lost_card_is_critical_lists_the_leaking_door_and_is_pushed_again",
        f"{DOORS}::test_a_lost_card_that_is_let_in_is_a_critical_ticket_and_is_deleted_again",
        HOUSEHOLD,
    ),
    "device says only 'unknown card'": (
        f"{LOST}::test_the_card_is_known_however_the_reader_spells_it",
        f"{LOST}::test_a_number_that_is_only_near_is_a_hint_and_no_ticket",
        "cards/test_collisions.py::test_a_lost_uid_is_known_at_a_reader_of_24_bits",
    ),
    "card never reported by the device": (
        "rules/test_door_dangers.py::test_refusals_of_cards_that_the_reader_does_not_name_are_an_unknown_card_and_not_nothing",
    ),
    "lost card found": (
        f"{CARDS}::test_a_replacement_needs_the_id_check_costs_fifty_and_uses_no_free_card",
        f"{CARDS}::test_a_lost_number_is_not_issued_again_and_a_found_card_is_valid_again",
        f"{LOST}::test_a_found_card_is_a_card_like_any_other",
    ),
    "someone else reports the loss": (
        f"{EDGES}::test_anybody_may_have_a_card_suspended_and_only_the_holder_gets_another",
    ),
    "pass extended": (
        f"{EDGES}::test_a_pass_is_extended_before_its_old_end_and_its_doors_are_told_the_new_one",
        f"{DEPOSITS}::test_a_replacement_and_an_extension_carry_the_deposit_over",
        f"{DEPOSITS}::test_a_pass_ends_with_its_permit_at_the_latest",
    ),
    "'3 days', '3 months'": (
        f"{EDGES}::test_days_and_months_end_at_midnight_at_the_site_on_the_days_that_the_rule_names",
        "cards/test_kinds_and_fees.py::test_three_months_end_on_the_same_day_or_on_the_last_of_a_shorter_month",
    ),
    "bulk expiry": (
        f"{EDGES}::test_a_bulk_expiry_is_announced_trickles_and_leaves_the_list_of_what_is_not_back",
        f"{DOORS}::test_revocations_overtake_every_other_command_and_the_grant_of_the_same_card",
        f"{CONTROLLERS}::test_an_end_date_is_pushed_no_further_than_the_lease_and_renewed_at_half_time",
    ),
    "works accepted, passes outstanding": (
        f"{DEPOSITS}::test_works_accepted_end_every_pass_and_what_is_out_blocks_every_refund",
        f"{DEPOSITS}::test_a_lost_pass_has_one_penalty_document_and_is_over",
        RENOVATION,
    ),
    "holder moves out, staff leaves, arrears": (
        HOUSEHOLD,
        f"{DESK}::test_whoever_leaves_takes_no_valid_card_along",
        f"{DESK}::test_only_a_manager_holds_a_card_and_a_loss_does_not_undo_it",
        f"{EDGES}::test_nothing_but_a_managers_act_holds_a_card_back",
    ),
    "controller full / offline at issue": (
        f"{CONTROLLERS}::test_a_card_that_does_not_fit_is_refused_at_the_desk_with_the_doors_that_it_was_for",
        f"{DOORS}::test_a_grant_that_nobody_answers_has_failed_after_a_minute_and_is_tried_again",
    ),
    "card at two doors": (
        f"{EDGES}::test_a_card_at_two_doors_is_partly_there_and_says_which",
        f"{DOORS}::test_a_sleeping_controller_is_a_problem_after_a_minute_until_it_comes_back_and_proves",
    ),
    "children's and visitors' cards": (
        f"{DESK}::test_a_child_needs_a_guardian_and_is_shown_to_fewer",
        "cards/test_visibility.py::test_a_child_is_shown_in_full_to_the_custodian_alone",
    ),
}
CASES = 19  # rows of the table in domain/access.md 8


@cache
def names_in(path: str) -> frozenset[str]:
    """Names of the tests in a file."""
    tree = ast.parse((TESTS / path).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_no_row_is_missing() -> None:
    assert len(INDEX) == CASES


@pytest.mark.parametrize("case", INDEX)
def test_each_edge_case_is_held_by_its_tests(case: str) -> None:
    assert INDEX[case]
    for test in INDEX[case]:
        path, _, name = test.partition("::")
        assert (TESTS / path).is_file(), f"{case}: {path} is gone"
        assert name in names_in(path), f"{case}: {test} is gone"
