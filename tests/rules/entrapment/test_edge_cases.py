"""What toy systems miss: the edge cases of domain/elevator.md section 5 that a rule can decide, each by its name."""

import msgspec
import pytest

from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.elevator import (
    AlarmType,
    CarStatus,
    Direction,
    Doors,
    ElevatorFault,
    Power,
    ServiceMode,
    TrappedPlace,
)
from hub.vocabulary.facts import DeviceKind
from rules.elevator_fault import ElevatorFaultRule
from rules.entrapment.rule import Entrapment
from support.cars import (
    alarm,
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
)
from support.timeline import Timeline, device_facts, device_subject

ENTRAPMENT = TicketKind.ENTRAPMENT
OFF = {"door_zone": False}
INSPECTION = {"service_mode": ServiceMode.INSPECTION}


def story(*events, **options) -> Timeline:
    return Timeline(Entrapment(), ElevatorFaultRule(), **options).push(*events)


def entrapment(timeline: Timeline):
    return timeline.one(ENTRAPMENT)


def none_of(timeline: Timeline) -> bool:
    return not [ticket for ticket in timeline.tickets if ticket.kind is ENTRAPMENT]


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


# --- repeats, sources, chatter ----------------------------------------------------------------------------------


def test_add_disappear_add_within_a_minute_is_the_same_incident_counted():
    first = trapped(0)
    told = story(first, cleared(first, 10))
    assert entrapment(told).state == "release_pending"
    told.push(trapped(20))
    assert (entrapment(told).state, entrapment(told).count) == ("suspected", 2)
    assert "chatter" not in entrapment(told).fields


def test_three_adds_a_minute_chatter():
    told = story()
    for start in (0, 20, 40):
        told.push(trapped(start), cleared(trapped(start), start + 5))
    assert entrapment(told).fields["chatter"] is True
    assert entrapment(told).count == 3


def test_three_adds_in_three_minutes_do_not_chatter():
    told = story(trapped(0), trapped(61), trapped(122))
    assert "chatter" not in entrapment(told).fields


def test_repeated_presses_are_one_incident_each_counted():
    told = story(press(0, source_key="a"), press(4, source_key="b"), press(9, source_key="c"))
    assert (entrapment(told).count, entrapment(told).fields["presses"]) == (3, 3)


def test_after_the_first_alarm_no_press_is_filtered_any_more():
    told = story(press(0), state(5, open=True), press(6, held_s=0.5))
    assert (entrapment(told).count, entrapment(told).state) == (2, "suspected")


def test_several_channels_are_one_incident_with_its_sources_merged_and_no_repeat():
    told = story(*boarded(), state(0, **OFF, passenger=True), press(10), trapped(20)).advance_to(at(30))
    ticket = entrapment(told)
    assert ticket.fields["sources"] == ["button", "device_flag", "inferred"]
    assert ticket.reasons == ["button_held", "device_trapped_flag", "still_off_level_occupied"]
    assert ticket.count == 1


def test_the_same_message_twice_happened_once():
    told = story(press(0, source_key="k1"), press(0, arrives=3, source_key="k1"), press(0, arrives=90, source_key="k1"))
    assert entrapment(told).count == 1
    assert told.verdicts().count("duplicate") == 2


def test_the_lift_is_the_key_never_the_bank():
    told = Timeline(Entrapment(), devices=[device_facts("e1"), device_facts("e2", pk=2)])
    told.push(press(0, device="e1"), press(1, device="e2"))
    assert {ticket.subject for ticket in told.tickets} == {device_subject("e1"), device_subject("e2")}


def test_other_devices_are_none_of_its_business():
    told = Timeline(Entrapment(), devices=[device_facts(kind=DeviceKind.METER)]).push(press(0), state(1), offline(2))
    assert not told.tickets
    assert not told.states


# --- the device's flag ------------------------------------------------------------------------------------------


def test_the_flag_is_told_at_once_with_its_raw_code_whatever_the_snapshot_says():
    told = story(state(0, open=True), trapped(1, trapped=TrappedPlace.OFF_LEVEL, code="8"))
    ticket = entrapment(told)
    assert (ticket.opened_at, ticket.reason, ticket.severity) == (at(1), "device_trapped_flag", Severity.HIGH)
    assert (ticket.fields["code"], ticket.fields["place"]) == ("8", "off_level")


def test_a_standing_bit_is_one_signal_however_often_it_is_polled():
    told = story(*(state(n, trapped=TrappedPlace.LEVEL, trapped_known=True, code="0x0001") for n in range(50)))
    assert (entrapment(told).count, entrapment(told).fields["place"]) == (1, "level")


def test_a_bit_that_goes_is_release_pending_and_one_that_is_not_reported_is_not_gone():
    told = story(state(0, trapped=TrappedPlace.LEVEL, trapped_known=True), state(5))
    assert entrapment(told).state == "suspected"
    told.push(state(6, trapped_known=True)).advance(7200)
    assert entrapment(told).state == "release_pending"


def test_open_doors_do_not_veto_a_flag_that_stands():
    told = story(state(0, trapped=TrappedPlace.LEVEL, trapped_known=True))
    told.push(state(5, open=True, trapped=TrappedPlace.LEVEL, trapped_known=True))
    assert entrapment(told).state == "suspected"


def test_one_signal_that_clears_does_not_end_what_another_says():
    told = story(trapped(0), press(5), cleared(trapped(0), 10))
    assert entrapment(told).state == "suspected"
    assert "other_signal_stands" in told.verdicts()
    assert told.push(cleared(press(5), 20)).one(ENTRAPMENT).state == "release_pending"


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


# --- silence ----------------------------------------------------------------------------------------------------


def test_silence_during_an_incident_keeps_it_open_and_says_so():
    told = story(trapped(0), offline(60)).advance(7200)
    assert (entrapment(told).state, entrapment(told).triggers) == ("suspected", ["telemetry_lost"])
    assert entrapment(told).fields["telemetry"] == "lost"
    told.push(state(7300))
    assert entrapment(told).triggers == ["telemetry_lost", "telemetry_back"]
    assert entrapment(told).state == "suspected"


def test_polls_without_answer_during_an_incident_are_told_once_after_the_grace():
    told = story(trapped(0), *(no_answer(10 + n) for n in range(100))).advance(600)
    assert entrapment(told).triggers == ["telemetry_lost"]


def test_power_isolated_by_the_rescuer_and_silence_after_it_change_nothing():
    told = story(trapped(0), state(600, **OFF, power=Power.OUTAGE), offline(601)).advance(7200)
    assert entrapment(told).state == "suspected"
    assert entrapment(told).triggers == ["power_lost", "telemetry_lost"]


def test_a_car_stuck_off_level_is_suspected_even_when_it_falls_silent_meanwhile():
    told = story(*boarded(), state(0, **OFF, passenger=True), offline(10)).advance_to(at(30))
    assert entrapment(told).fields["telemetry"] == "lost"


def test_a_car_at_a_landing_that_falls_silent_may_have_let_people_out_unseen():
    told = story(*boarded(-4), offline(10)).advance(3600)
    assert none_of(told)
    told.push(state(3700, passenger=True)).advance_to(at(3700 + 119))
    assert none_of(told)
    assert entrapment(told.advance_to(at(3700 + 120))).reason == "level_doors_shut_long"


# --- restarts, baselines, late and stale ------------------------------------------------------------------------


def test_a_retained_alarm_is_not_news():
    retained = (press(0, live=False), trapped(1, live=False), power_lost(2, live=False))
    assert not story(*retained).advance(600).tickets
    told = Timeline(Entrapment()).push(*retained)
    assert told.verdicts().count("not_live") == 3


def test_a_trapped_bit_in_the_first_poll_is_real():
    told = story(state(0, live=False, trapped=TrappedPlace.OFF_LEVEL, trapped_known=True))
    assert entrapment(told).reason == "device_trapped_flag"


def test_the_first_poll_after_a_restart_clears_nothing_and_opens_nothing_new():
    told = story(state(0, trapped=TrappedPlace.OFF_LEVEL, trapped_known=True)).restart(60)
    told.push(state(70, live=False, open=True, trapped_known=True))
    assert (entrapment(told).state, entrapment(told).count) == ("suspected", 1)
    told.push(state(71, open=True, trapped_known=True))
    assert entrapment(told).state == "release_pending"


def test_a_baseline_ends_no_outage():
    told = story(*boarded(), state(0, moving=True, passenger=True), power_lost(3), state(9, live=False, passenger=True))
    assert entrapment(told.advance_to(at(123))).reason == "power_lost_after_grace"


def test_a_deadline_that_fell_due_while_the_hub_was_down_waits_for_news_and_then_fires():
    told = story(*boarded(), state(0, **OFF, passenger=True)).restart(60)
    assert none_of(told)
    assert entrapment(told.advance(10)).reason == "still_off_level_occupied"


def test_a_deadline_that_fell_due_while_the_hub_was_down_is_void_when_the_broker_kept_better_news():
    told = story(*boarded(), state(0, **OFF, passenger=True)).restart(60)
    told.push(state(20, arrives=61, moving=True, passenger=True), state(40, arrives=61, open=True)).advance(600)
    assert none_of(told)


def test_a_stale_clear_is_ignored():
    told = story(trapped(10), cleared(trapped(0), 5, arrives=12))
    assert entrapment(told).state == "suspected"
    assert "stale_clear" in told.verdicts()


def test_a_late_state_moves_nothing():
    told = story(*boarded(), state(0, **OFF, passenger=True), state(-3, arrives=5, open=True)).advance_to(at(30))
    assert entrapment(told).reason == "still_off_level_occupied"
    assert "late_state" in told.verdicts()


def test_a_late_alarm_that_was_never_seen_still_raises_and_says_so():
    told = story(cleared(trapped(90), 100), press(40, arrives=101))
    assert entrapment(told).fields["late"] is True
    assert entrapment(told).occurred_at == at(40)


def test_an_add_whose_clear_came_first_is_raised_and_pending():
    told = story(cleared(trapped(0), 10), trapped(5, arrives=11))
    assert entrapment(told).state == "release_pending"


def test_a_replayed_press_of_a_closed_incident_does_not_open_a_new_one():
    told = story(press(0, source_key="a")).people("close", "closed", ENTRAPMENT)
    told.push(cleared(press(0), 50), press(0, arrives=60, source_key="old copy"))
    assert len(told.tickets) == 1
    assert "handled_before_close" in told.verdicts()


def test_durations_are_counted_from_arrival_not_from_a_wrong_clock():
    slow = 3600
    told = story(state(-slow - 2, arrives=-2, passenger=True), state(-slow, arrives=0, **OFF, passenger=True))
    assert none_of(told.advance_to(at(29.999)))
    ticket = entrapment(told.advance_to(at(30)))
    assert (ticket.opened_at, ticket.occurred_at) == (at(30), at(-slow))


# --- people -----------------------------------------------------------------------------------------------------


def test_what_still_stands_after_a_close_does_not_reopen_but_a_new_signal_does_as_a_repeat():
    told = (
        story(*boarded(), state(0, **OFF, passenger=True))
        .advance_to(at(31))
        .people("false_alarm", "false_alarm", ENTRAPMENT)
    )
    told.push(*(state(40 + n, **OFF, passenger=True) for n in range(100)))
    assert len(told.tickets) == 1
    told.push(press(200))
    assert told.tickets[1].fields["repeat_of_recent"] is True
    assert told.tickets[1].fields["sources"] == ["button"]


def test_half_an_hour_later_it_is_a_new_incident():
    told = story(press(0)).people("close", "closed", ENTRAPMENT).push(press(1800))
    assert "repeat_of_recent" not in told.tickets[1].fields


def test_a_signal_after_release_brings_the_incident_back():
    told = story(trapped(0)).people("release", "released", ENTRAPMENT).push(trapped(60))
    assert (entrapment(told).state, entrapment(told).count) == ("suspected", 2)


def test_a_button_that_never_sends_its_clear_does_not_hold_up_the_next_incident():
    told = story(press(0)).people("close", "closed", ENTRAPMENT)
    told.push(trapped(4000), cleared(trapped(4000), 4100))
    assert told.tickets[1].state == "release_pending"


def test_an_incident_raised_by_hand_is_followed():
    told = story(press(0)).people("close", "closed", ENTRAPMENT).people("reopen", "confirmed", ENTRAPMENT)
    told.push(state(10, open=True))
    assert entrapment(told).state == "release_pending"


def test_test_alarms_never_dispatch():
    told = story(alarm(0, AlarmType.TEST), alarm(1, AlarmType.TEST))
    assert not told.tickets
    assert told.verdicts() == ["test_alarm", "test_alarm"]


def test_across_midnight_nothing_is_special():
    evening = 86_400 - 15
    told = story(*boarded(evening - 20), state(evening, **OFF, passenger=True)).advance_to(at(evening + 29))
    assert none_of(told)
    assert entrapment(told.advance_to(at(evening + 30))).opened_at == at(evening + 30)


def test_confirmed_by_people_after_a_sensor_went_quiet_stays_confirmed():
    told = story(press(0), state(10, open=True)).people("confirm", "confirmed", ENTRAPMENT)
    told.push(*(state(20 + n, open=True) for n in range(20)))
    assert entrapment(told).state == "confirmed"


# --- leftovers of earlier conditions ----------------------------------------------------------------------------


def test_a_car_that_says_stop_and_still_runs_is_not_still():
    told = story(*boarded(), *(state(n, **OFF, passenger=True, speed_mps=1.6) for n in range(100)))
    assert none_of(told)


def test_after_the_rescue_device_has_opened_the_doors_a_lasting_outage_message_does_not_haunt_later_rides():
    told = story(*boarded(), state(0, moving=True, passenger=True), power_lost(3))
    told.push(state(60, open=True, power=Power.UNKNOWN), state(70, passenger=True, power=Power.UNKNOWN))
    told.push(*(state(80 + n, moving=True, passenger=True, power=Power.UNKNOWN) for n in range(100)))
    assert none_of(told)


def test_somebody_found_in_a_dark_car_after_the_grace_is_told_at_once():
    told = story(
        *left_empty(), state(0, **OFF, power=Power.OUTAGE), state(200, **OFF, passenger=True, power=Power.OUTAGE)
    )
    assert entrapment(told).opened_at == at(200)


def test_a_stale_end_of_an_outage_ends_nothing():
    told = story(*boarded(), state(0, moving=True, passenger=True, power=Power.UNKNOWN))
    told.push(power_lost(10), cleared(power_lost(5), 6, arrives=12)).advance_to(at(130))
    assert entrapment(told).reason == "power_lost_after_grace"


def test_a_weaker_signal_does_not_speak_for_the_severity():
    told = story(*boarded(-4), press(10)).advance_to(at(130))
    assert entrapment(told).reasons == ["button_held", "level_doors_shut_long"]
    assert entrapment(told).fields["severity_reason"] == "p2_button"


def test_an_outage_whose_end_came_first_raises_nothing():
    told = story(*boarded(), state(0, moving=True, passenger=True, power=Power.UNKNOWN))
    told.push(cleared(power_lost(5), 5), power_lost(3, arrives=6)).advance(600)
    assert none_of(told)
    assert "late_power_loss" in told.verdicts()


def test_a_retained_state_does_not_prove_that_the_line_is_back():
    told = story(*boarded(), state(0, moving=True, passenger=True), offline(2))
    told.push(state(3, moving=True, passenger=True, live=False)).advance_to(at(32))
    assert entrapment(told).reason == "comms_lost_while_moving"


def test_a_last_will_that_arrives_late_is_no_silence():
    told = story(*boarded(), online(0), state(0, moving=True, passenger=True)).push(
        msgspec.structs.replace(offline(-1), received_at=at(1))
    )
    assert none_of(told.advance(60))


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


def test_open_doors_in_a_baseline_end_nothing():
    told = story(*boarded(), state(0, **OFF, passenger=True)).advance_to(at(31)).restart(60)
    assert entrapment(told.push(state(100, live=False, open=True))).state == "suspected"
    assert entrapment(told.push(state(101, open=True))).state == "release_pending"


def test_a_baseline_takes_no_explaining_fault_away():
    told = story(*boarded(-4), state(0, passenger=True, faults=(ElevatorFault.DOOR_OPEN,)))
    told.push(state(2, passenger=True, live=False, faults=())).advance_to(at(60))
    assert entrapment(told).reason == "level_doors_shut_fault"


# --- devices that say little ------------------------------------------------------------------------------------


def test_an_outage_bit_that_only_goes_out_does_not_haunt_later_rides():
    told = story(*boarded(), state(0, passenger=True, power=Power.OUTAGE), state(60, open=True, power=Power.UNKNOWN))
    told.push(
        state(70, passenger=True, power=Power.UNKNOWN),
        *(state(80 + n, moving=True, passenger=True, power=Power.UNKNOWN) for n in range(100)),
    )
    assert none_of(told)


def test_a_second_outage_of_such_a_device_is_news():
    told = story(*boarded(), state(0, passenger=True, power=Power.OUTAGE), state(60, open=True, power=Power.UNKNOWN))
    told.push(
        state(70, passenger=True, power=Power.UNKNOWN), state(80, moving=True, passenger=True, power=Power.UNKNOWN)
    )
    told.push(state(90, **OFF, passenger=True, power=Power.OUTAGE)).advance_to(at(210))
    assert entrapment(told).reason == "power_lost_after_grace"


def test_nothing_is_written_while_nothing_changes():
    told = story(state(0))
    before = told.writes
    told.push(*(state(n) for n in range(1, 50)), *(state(50 + n, live=False) for n in range(5)))
    assert told.writes == before
    assert online(60) is not None
    assert told.push(online(60)).writes == before
