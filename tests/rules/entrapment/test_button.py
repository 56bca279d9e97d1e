"""The alarm button as a standing bit (the hub times the press) and as messages that say how long it was held."""

import pytest

from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.elevator import Doors
from rules.entrapment.rule import Entrapment
from support.cars import at, press, state
from support.timeline import Timeline

ENTRAPMENT = TicketKind.ENTRAPMENT
STRICT = {"filter_held_presses": True}


def story(*events, **options) -> Timeline:
    return Timeline(Entrapment(), **options).push(*events)


def test_a_bit_held_three_seconds_alarms_then_and_not_before():
    told = story(state(0, button=True)).advance_to(at(2.999))
    assert not told.tickets
    assert told.advance_to(at(3)).one(ENTRAPMENT).reason == "button_held"


def test_a_bit_that_stays_up_is_one_press():
    told = story(*(state(n / 2, button=True) for n in range(100)), state(60, button=False))
    assert told.one(ENTRAPMENT).count == 1


def test_the_next_press_of_the_bit_is_a_repeat():
    told = story(state(0, button=True), state(5, button=False), state(8, button=True), state(9, button=False))
    assert (told.one(ENTRAPMENT).count, told.one(ENTRAPMENT).fields["presses"]) == (2, 2)


def test_a_short_press_of_the_bit_in_a_shut_standing_car_alarms_when_it_is_let_go():
    told = story(state(0, button=True), state(1, button=False))
    assert told.one(ENTRAPMENT).reason == "button_short"


def test_a_short_press_of_the_bit_at_an_open_door_is_filtered():
    told = story(state(0, open=True, button=True), state(1, open=True, button=False)).advance(600)
    assert not told.tickets
    assert told.verdicts() == ["doors_open_filter"]


def test_an_unknown_bit_does_not_end_a_press():
    told = story(state(0, button=True), state(1, button=None)).advance_to(at(3))
    assert told.one(ENTRAPMENT).reason == "button_held"


def test_letting_go_of_the_button_is_not_the_end_of_the_alarm():
    told = story(state(0, button=True), state(4, button=True), state(5, button=False)).advance(7200)
    assert told.one(ENTRAPMENT).state == "suspected"


def test_a_first_poll_with_the_button_pressed_is_real():
    told = story(state(0, live=False, button=True)).advance_to(at(3))
    assert told.one(ENTRAPMENT).reason == "button_held"


@pytest.mark.parametrize(("held_s", "raised"), [(2.9, False), (3.0, True)])
def test_short_is_below_three_seconds(held_s, raised):
    assert bool(story(state(0, open=True), press(1, held_s=held_s)).tickets) is raised


@pytest.mark.parametrize(("held_s", "raised"), [(5.0, False), (29.9, False), (30.0, True), (None, True)])
def test_where_held_presses_are_filtered_too_thirty_seconds_beat_the_filter(held_s, raised):
    told = story(state(0, open=True), press(1, held_s=held_s), limits=STRICT)
    assert bool(told.tickets) is raised


def test_where_held_presses_are_filtered_too_a_bit_passes_after_thirty_seconds():
    told = story(*(state(n, open=True, button=True) for n in range(30)), limits=STRICT)
    assert not told.tickets
    assert told.advance_to(at(30)).one(ENTRAPMENT).reason == "button_held"


def test_where_held_presses_are_filtered_too_a_shut_standing_car_still_alarms_after_three():
    told = story(state(0, button=True), limits=STRICT).advance_to(at(3))
    assert told.one(ENTRAPMENT).reason == "button_held"


@pytest.mark.parametrize(
    "view",
    [
        {"open": True, "door_zone": None},
        {"open": True, "door_zone": False},
        {"doors": (Doors.UNKNOWN,)},
        {"doors": (Doors.OPENING,)},
    ],
    ids=["place unknown", "between floors", "doors unknown", "doors ajar"],
)
def test_what_is_not_known_to_help_does_not_filter(view):
    assert story(state(0, **view), press(1, held_s=0.5)).one(ENTRAPMENT).reason == "button_short"


def test_one_of_two_doors_open_at_a_landing_filters():
    assert not story(state(0, doors=(Doors.CLOSED, Doors.OPEN)), press(1, held_s=0.5)).tickets


def test_two_short_presses_under_way_keep_the_first_ones_deadline():
    told = story(state(0, moving=True), press(1, held_s=1), press(50, held_s=1)).advance_to(at(61))
    assert told.one(ENTRAPMENT).opened_at == at(61)
    assert told.one(ENTRAPMENT).occurred_at == at(1)


def test_limits_are_data():
    told = story(state(0, button=True), limits={"button_hold_s": 5}).advance_to(at(4.999))
    assert not told.tickets
    assert told.advance_to(at(5)).tickets
