"""A technician's test press: inside a declared test it is recorded and told to nobody, outside it is real."""

import pytest

from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.press_tests import PressTestDeclared
from rules.entrapment.rule import Entrapment
from support.cars import LIFT, at, boarded, cleared, press, state, trapped
from support.timeline import SITE, Timeline, device_facts, device_subject

ENTRAPMENT = TicketKind.ENTRAPMENT
PROBLEM = ("press_test", device_subject())


def declared(seconds, minutes, device=LIFT):
    now = at(seconds)
    return PressTestDeclared(
        site=SITE.id, device=device, occurred_at=now, received_at=now, until=now + minutes * 60_000, by="wang", reason="年检"
    )  # fmt: skip


def story(*events, **options) -> Timeline:
    return Timeline(Entrapment(), **options).push(*events)


def test_presses_inside_a_declared_test_open_nothing_are_written_down_and_shown_as_a_problem():
    told = story(declared(0, 10), press(30, held_s=4.0), cleared(press(30), 40), press(300))
    assert not told.tickets
    assert told.verdicts().count("press_test") == 2
    assert told.problems[PROBLEM].detail["by"] == "wang"


def test_outside_it_a_press_is_real_also_a_second_later():
    assert story(press(0)).tickets
    told = story(declared(0, 10)).push(press(599.9))
    assert not told.tickets
    assert told.push(press(600)).tickets
    assert PROBLEM not in told.problems


def test_the_bit_of_the_button_is_a_test_too_and_real_when_it_is_still_pressed_afterwards():
    told = story(declared(0, 10), *(state(10 + n, button=True) for n in range(20)), state(40, button=False))
    assert not told.tickets
    told.push(state(590, button=True), state(595, button=True))
    assert not told.tickets
    assert told.advance_to(at(600)).one(ENTRAPMENT).reason == "button_held"


def test_it_explains_the_button_and_nothing_else():
    told = story(declared(0, 10), press(5), trapped(20))
    assert told.one(ENTRAPMENT).reason == "device_trapped_flag"
    told.push(press(30, source_key="x"), press(31, source_key="y"))
    assert told.one(ENTRAPMENT).fields["presses"] == 2, "an incident is open: nothing is explained away any more"


def test_a_car_between_floors_is_no_place_for_a_test():
    told = story(*boarded(), declared(-5, 10), state(0, door_zone=False, passenger=True), press(5))
    assert told.one(ENTRAPMENT).reason == "button_held"


def test_it_is_about_one_lift():
    told = Timeline(Entrapment(), devices=[device_facts("e1"), device_facts("e2", pk=2)])
    told.push(declared(0, 10, "e1"), press(5, device="e1"), press(6, device="e2"))
    assert [ticket.subject.id for ticket in told.tickets] == ["e2"]


@pytest.mark.parametrize("minutes", [0, -5])
def test_whoever_has_finished_ends_it_at_once(minutes):
    told = story(declared(0, 30), declared(60, minutes), press(61))
    assert told.tickets
    assert PROBLEM not in told.problems


def test_it_never_lasts_longer_than_its_limit_whatever_was_declared():
    told = story(declared(0, 60 * 24), press(3_599))
    assert not told.tickets
    assert told.push(press(3_600)).tickets


def test_a_restart_neither_forgets_nor_prolongs_it():
    told = story(declared(0, 10), restarts=True).restart(60)
    assert not told.push(press(300)).tickets
    told.restart(400)
    assert told.push(press(800)).tickets
