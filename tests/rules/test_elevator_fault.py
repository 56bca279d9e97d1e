"""Faults of an elevator: one ticket per lift, over when all its faults are, silent in inspection, quiet about first polls."""

import pytest

from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.elevator import AlarmState, AlarmType, ElevatorFault, Power, ServiceMode
from rules.elevator_fault import ElevatorFaultRule
from support.cars import alarm, at, cleared, fault, power_lost, state
from support.timeline import Timeline

FAULT = TicketKind.ELEVATOR_FAULT
INSPECTION = {"service_mode": ServiceMode.INSPECTION}
DOOR, OVERSPEED = ElevatorFault.DOOR_OPEN, ElevatorFault.OVERSPEED


def story(*events, **options) -> Timeline:
    return Timeline(ElevatorFaultRule(), **options).push(*events)


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        (ElevatorFault.UNINTENDED_MOVEMENT, Severity.CRITICAL),
        (ElevatorFault.DOOR_OPEN_OUTSIDE_ZONE, Severity.CRITICAL),
        (ElevatorFault.MOVING_DOOR_OPEN, Severity.CRITICAL),
        (ElevatorFault.OVERSPEED, Severity.CRITICAL),
        (ElevatorFault.SAFETY_CIRCUIT, Severity.HIGH),
        (ElevatorFault.DOOR_CLOSE, Severity.MEDIUM),
        (ElevatorFault.SENSOR, Severity.LOW),
    ],
)
@pytest.mark.parametrize("way", ["message", "bit"])
def test_a_fault_is_a_ticket_named_after_it_with_its_severity(word, severity, way):
    told = story(fault(0, word, code="E7") if way == "message" else state(0, faults=(word,), code="0x0080"))
    ticket = told.one(FAULT)
    assert (ticket.reason, ticket.severity, ticket.state) == (word.value, severity, "open")
    assert ticket.fields["code"] == ("E7" if way == "message" else "0x0080")


def test_it_recovers_when_its_fault_is_cleared():
    told = story(fault(0, DOOR), cleared(fault(0, DOOR), 9))
    assert (told.one(FAULT).state, told.one(FAULT).moves) == ("resolved", [("recovered", "recovered")])


def test_it_recovers_only_when_all_its_faults_are_over():
    told = story(fault(0, DOOR), state(1, faults=(OVERSPEED,)), cleared(fault(0, DOOR), 2))
    assert told.one(FAULT).severity is Severity.CRITICAL
    assert told.one(FAULT).state == "open"
    assert told.push(state(3, faults=())).one(FAULT).state == "resolved"


def test_the_same_fault_by_message_and_bit_is_no_repeat_and_ends_with_the_last():
    told = story(fault(0, DOOR), state(1, faults=(DOOR,)))
    assert told.one(FAULT).count == 1
    assert told.push(cleared(fault(0, DOOR), 2)).one(FAULT).state == "open"
    assert told.push(state(3, faults=())).one(FAULT).state == "resolved"


def test_a_standing_bit_is_told_once():
    told = story(*(state(n, faults=(DOOR,)) for n in range(40)))
    assert told.one(FAULT).count == 1
    assert told.writes == 1


def test_a_fault_that_comes_again_is_counted_and_chatters_from_three_a_minute():
    told = story()
    for start in (0, 10, 20):
        told.push(fault(start, DOOR))
    assert (told.one(FAULT).count, told.one(FAULT).fields["chatter"]) == (3, True)


def test_faults_that_are_not_reported_are_not_over():
    told = story(state(0, faults=(DOOR,)), state(5, faults=None))
    assert told.one(FAULT).state == "open"


def test_a_first_poll_after_a_restart_ends_nothing_the_second_does():
    told = story(state(0, faults=(DOOR,))).restart(5).push(state(6, faults=(), live=False))
    assert told.one(FAULT).state == "open"
    assert "baseline" in told.verdicts()
    assert told.push(state(7, faults=())).one(FAULT).state == "resolved"


def test_a_first_poll_of_a_healthy_lift_says_nothing():
    told = story(state(0, live=False, faults=()), state(1, faults=()))
    assert not told.log


def test_a_clear_of_what_was_never_there_says_nothing():
    told = story(cleared(fault(0, DOOR), 5))
    assert not told.tickets


def test_retained_and_late_and_doubled_messages_are_no_news():
    told = story(fault(0, DOOR, live=False))
    assert not told.tickets
    told.push(fault(5, DOOR, source_key="k"), fault(5, DOOR, arrives=8, source_key="k"))
    assert told.one(FAULT).count == 1
    told.push(cleared(fault(0, DOOR), 3, arrives=9))
    assert (told.one(FAULT).state, "stale_clear" in told.verdicts()) == ("open", True)
    told.push(state(9), state(1, arrives=10, faults=(OVERSPEED,)))
    assert told.one(FAULT).severity is Severity.MEDIUM


def test_an_add_whose_clear_came_first_is_told_and_over():
    told = story(cleared(fault(0, DOOR), 5), fault(3, DOOR, arrives=6))
    assert told.one(FAULT).state == "resolved"


def test_in_inspection_nothing_is_raised_and_what_still_stands_is_told_when_the_car_is_given_back():
    told = story(state(0, **INSPECTION), fault(1, DOOR), state(2, **INSPECTION, faults=(OVERSPEED,)))
    assert not told.tickets
    assert told.verdicts() == ["inspection", "inspection"]
    told.push(cleared(fault(1, DOOR), 3), state(9, faults=(OVERSPEED,)))
    assert told.one(FAULT).reasons == ["overspeed"]


def test_inspection_says_so_once_per_change():
    told = story(*(state(n, **INSPECTION, faults=(DOOR,)) for n in range(20)))
    assert told.verdicts() == ["inspection"]


def test_a_fault_from_before_inspection_recovers_in_it():
    told = story(fault(0, DOOR), state(5, **INSPECTION), cleared(fault(0, DOOR), 9))
    assert told.one(FAULT).state == "resolved"


def test_vendor_codes_without_a_word_are_told_apart():
    told = story(fault(0, None, code="17"), fault(1, None, code="18"), cleared(fault(0, None, code="17"), 2))
    assert (told.one(FAULT).reason, told.one(FAULT).state) == ("other", "open")
    assert told.push(cleared(fault(1, None, code="18"), 3)).one(FAULT).state == "resolved"


def test_a_clear_without_a_name_means_the_only_fault_there_is():
    nameless = alarm(9, AlarmType.FAULT, state=AlarmState.CLEAR)
    assert story(fault(0, DOOR), nameless).one(FAULT).state == "resolved"
    told = story(fault(0, DOOR), fault(1, OVERSPEED), nameless)
    assert told.one(FAULT).state == "open"
    assert "ambiguous_clear" in told.verdicts()


def test_a_lift_without_power_is_a_fault_that_mains_end():
    told = story(power_lost(0), state(1, power=Power.OUTAGE))
    assert (told.one(FAULT).reason, told.one(FAULT).count) == ("power_lost", 1)
    assert told.push(state(2, power=Power.UNKNOWN)).one(FAULT).state == "open"
    assert told.push(state(3)).one(FAULT).state == "resolved"


def test_an_outage_bit_that_comes_again_is_news_though_nobody_said_mains():
    told = story(state(0, power=Power.OUTAGE)).people("resolve", "resolved", FAULT)
    told.push(state(10, power=Power.OUTAGE), state(20, power=Power.UNKNOWN))
    assert len(told.tickets) == 1
    assert len(told.push(state(3600, power=Power.OUTAGE)).tickets) == 2


def test_what_people_close_while_it_stands_is_not_reopened_by_the_next_poll():
    told = story(state(0, faults=(DOOR,))).people("resolve", "resolved", FAULT)
    told.push(*(state(1 + n, faults=(DOOR,)) for n in range(10)))
    assert len(told.tickets) == 1
    told.push(state(20, faults=()), state(21, faults=(DOOR,)))
    assert len(told.tickets) == 2
    assert told.tickets[1].opened_at == at(21)


def test_memory_is_bounded():
    told = story(
        *(event for n in range(200) for event in (fault(n, None, code=str(n)), cleared(fault(n, None, code=str(n)), n)))
    )
    assert len(told.state("elevator_fault").faults) <= 24
