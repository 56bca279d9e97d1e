"""What was not heard, or too late: the edge cases of domain/elevator.md section 5 about silence, restarts and outages, each by its name."""

import msgspec

from hub.vocabulary.elevator import ElevatorFault, Power, TrappedPlace
from rules.entrapment.rule import Entrapment
from support.cars import at, boarded, cleared, no_answer, offline, online, power_lost, press, state, trapped
from support.entrapments import ENTRAPMENT, OFF, entrapment, none_of, story
from support.timeline import Timeline

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


# --- leftovers of earlier conditions ----------------------------------------------------------------------------


def test_after_the_rescue_device_has_opened_the_doors_a_lasting_outage_message_does_not_haunt_later_rides():
    told = story(*boarded(), state(0, moving=True, passenger=True), power_lost(3))
    told.push(state(60, open=True, power=Power.UNKNOWN), state(70, passenger=True, power=Power.UNKNOWN))
    told.push(*(state(80 + n, moving=True, passenger=True, power=Power.UNKNOWN) for n in range(100)))
    assert none_of(told)


def test_a_stale_end_of_an_outage_ends_nothing():
    told = story(*boarded(), state(0, moving=True, passenger=True, power=Power.UNKNOWN))
    told.push(power_lost(10), cleared(power_lost(5), 6, arrives=12)).advance_to(at(130))
    assert entrapment(told).reason == "power_lost_after_grace"


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


def test_open_doors_in_a_baseline_end_nothing():
    told = story(*boarded(), state(0, **OFF, passenger=True)).advance_to(at(31)).restart(60)
    assert entrapment(told.push(state(100, live=False, open=True))).state == "suspected"
    assert entrapment(told.push(state(101, open=True))).state == "release_pending"


def test_a_baseline_takes_no_explaining_fault_away():
    told = story(*boarded(-4), state(0, passenger=True, faults=(ElevatorFault.DOOR_OPEN,)))
    told.push(state(2, passenger=True, live=False, faults=())).advance_to(at(60))
    assert entrapment(told).reason == "level_doors_shut_fault"
