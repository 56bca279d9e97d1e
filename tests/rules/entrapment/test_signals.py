"""What counts as a signal, and as a new one: the edge cases of domain/elevator.md section 5 about presses, flags and people, each by its name."""

from hub.vocabulary.decisions import Severity
from hub.vocabulary.elevator import AlarmType, TrappedPlace
from hub.vocabulary.facts import DeviceKind
from rules.entrapment.rule import Entrapment
from support.cars import alarm, at, boarded, cleared, offline, press, state, trapped
from support.entrapments import ENTRAPMENT, OFF, entrapment, none_of, story
from support.timeline import Timeline, device_facts, device_subject

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


def test_a_weaker_signal_does_not_speak_for_the_severity():
    told = story(*boarded(-4), press(10)).advance_to(at(130))
    assert entrapment(told).reasons == ["button_held", "level_doors_shut_long"]
    assert entrapment(told).fields["severity_reason"] == "p2_button"
