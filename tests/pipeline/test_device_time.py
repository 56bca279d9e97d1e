"""A clock that was set back is told from messages that come late, in whatever order and at whatever pace these come.

Both bring old times. Taken for each other, old states would move tickets, or a device's alarms would be history for hours.
"""

from random import Random
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.pipeline.board import DeviceBoard
from hub.pipeline.sequence import Placing
from hub.pipeline.world import World
from hub.vocabulary.elevator import AlarmState, AlarmType
from hub.vocabulary.events import Clock, DeviceStatus, ElevatorAlarm, ElevatorState, Event
from hub.vocabulary.instants import HOUR_MS, MINUTE_MS, SECOND_MS
from support.rig import SITE, device

START = 1_900_000_000_000
LIFT = device("lift-1", pk=1)


class _OneSite:
    id = SITE


class _World:
    """Of one site; the board asks for no more."""

    def sites(self) -> list[_OneSite]:
        return [_OneSite()]


class Line:
    """What one elevator says, one message to a step."""

    def __init__(self) -> None:
        self.board = DeviceBoard(cast("World", _World()))
        self.found: list[int] = []  # lags, as they were found
        self.says(START, START)

    def says(self, happened: int, arrives: int, kind: type[Event] = ElevatorState, **other: object) -> Event:
        """The message as it is placed."""
        event = kind(site=SITE, device="lift-1", occurred_at=happened, received_at=arrives, **other)
        placing = Placing(self.board)
        placed = placing.placed(LIFT, event)
        placing.apply()
        self.board.note(LIFT, placed)
        self.found += placing.set_back.values()
        return placed


def alarm(line: Line, happened: int, arrives: int) -> Event:
    return line.says(happened, arrives, ElevatorAlarm, type=AlarmType.PASSENGER_ALARM, state=AlarmState.ADD)


STEPS = st.integers(100, 90 * SECOND_MS)


@given(step=STEPS, kept=st.integers(3, 40), chance=st.integers(0, 2**32).map(Random))
def test_what_is_delivered_again_between_what_happens_now_never_counts_as_a_clock_set_back(step, kept, chance):
    """In any order and at any pace: a device that also tells the present on time has a right clock."""
    line = Line()
    outage = chance.randint(MINUTE_MS, 24 * HOUR_MS)
    backlog = [START - outage - number * step for number in range(kept)]
    chance.shuffle(backlog)
    told = 0
    while backlog:
        told += 1
        happens = START + told * step
        arrives = happens + chance.randint(0, min(step // 2, 10 * SECOND_MS))
        line.says(happens, arrives)
        for _ in range(min(len(backlog), chance.randint(1, 8))):
            arrives = chance.randint(arrives, happens + step)
            assert line.says(backlog.pop(), arrives).late
    assert line.found == []


@given(step=STEPS, faster=st.integers(2, 1_000), kept=st.integers(2, 60), data=st.data())
def test_what_comes_faster_than_it_happened_never_counts_as_a_clock_set_back(step, faster, kept, data):
    """Also alone, and in any order: nothing of the present comes before all of it is through."""
    line = Line()
    outage = data.draw(st.integers(MINUTE_MS, 24 * HOUR_MS))
    order = data.draw(st.permutations(range(kept)))
    backlog = [START - outage - kept * step + number * step for number in order]
    for number, happened in enumerate(backlog):
        assert line.says(happened, START + number * (step // faster)).late
    assert line.found == []


@given(
    step=st.integers(200, 20 * MINUTE_MS),
    back=st.integers(2 * HOUR_MS, 365 * 24 * HOUR_MS),
    jitter=st.integers(0, SECOND_MS),
    data=st.data(),
)
def test_a_clock_that_was_set_back_is_found_by_the_third_message_after_ten_seconds(step, back, jitter, data):
    line, arrives = Line(), START
    for number in range(1, 60):
        arrives = max(arrives, START + number * step + data.draw(st.integers(0, jitter)))
        placed = line.says(START + number * step - back, arrives)
        if number >= 3 and (number - 1) * step >= 11 * SECOND_MS:
            break
    assert (placed.clock, placed.late, placed.occurred_at) == (Clock.SKEWED, False, arrives)
    assert len(line.found) == 1


def test_steps_shorter_than_the_tolerance_do_not_add_up_to_the_pace_of_time():
    """The broker hands over half an hour of states, one a second, a hundred a second."""
    line = Line()
    placed = [line.says(START - HOUR_MS + number * SECOND_MS, START + number * 10) for number in range(1_800)]
    assert all(each.late for each in placed)
    assert line.found == []


@pytest.mark.parametrize("arrives_every", [300, 500, 700, 1_400, 2_000])
def test_what_was_kept_comes_somewhat_faster_or_slower_than_it_happened_and_stays_late(arrives_every):
    line = Line()
    for number in range(200):
        assert line.says(START - HOUR_MS + number * SECOND_MS, START + number * arrives_every).late
    assert line.found == []


def test_two_messages_prove_nothing():
    line = Line()
    assert line.says(START - HOUR_MS, START).late
    assert line.says(START - HOUR_MS + 10 * SECOND_MS, START + 10 * SECOND_MS).late
    assert line.found == []


@pytest.mark.parametrize("before", [HOUR_MS + 20 * SECOND_MS, 9 * HOUR_MS])
def test_one_odd_message_before_does_not_hide_a_clock_that_was_set_back(before):
    line = Line()
    line.says(START - before, START)
    found = [line.says(START - HOUR_MS + at * SECOND_MS, START + at * SECOND_MS).late for at in (5, 10, 15)]
    assert found == [True, True, False]


def test_one_message_of_the_present_clears_the_clock_of_the_device():
    line = Line()
    for number in range(1, 40):
        line.says(
            START - HOUR_MS + number * SECOND_MS, START + number * SECOND_MS
        )  # as if its clock were an hour behind
        if number % 2 == 0:
            line.says(START + number * SECOND_MS, START + number * SECOND_MS, DeviceStatus, online=True)
    assert line.found == []


@pytest.mark.parametrize("clock", [Clock.ARRIVAL, Clock.SKEWED])
def test_what_does_not_carry_the_devices_own_time_clears_nothing(clock):
    line = Line()
    for number in range(1, 5):
        line.says(START - HOUR_MS + number * 5 * SECOND_MS, START + number * 5 * SECOND_MS)
        line.says(
            START + number * 5 * SECOND_MS, START + number * 5 * SECOND_MS, DeviceStatus, online=True, clock=clock
        )
    assert len(line.found) == 1


def test_what_a_broker_has_retained_says_nothing_about_a_clock():
    line = Line()
    for number in range(1, 10):
        line.says(START - HOUR_MS + number * 5 * SECOND_MS, START + number * 5 * SECOND_MS, live=False)
    assert line.found == []


def test_messages_of_one_clock_prove_it_together_whatever_they_are():
    """An alarm is not history because the states before it have shown that the clock is wrong."""
    line = Line()
    alarm(line, START, START)
    for number in range(1, 4):
        line.says(START - HOUR_MS + number * 5 * SECOND_MS, START + number * 5 * SECOND_MS)
    placed = alarm(line, START - HOUR_MS + MINUTE_MS, START + MINUTE_MS)
    assert (placed.late, placed.occurred_at) == (False, START + MINUTE_MS)


def test_times_in_whole_seconds_are_enough():
    """Two messages of one second have the same time."""
    line = Line()
    found = [
        line.says((START - HOUR_MS + number * 500) // 1_000 * 1_000, START + number * 500) for number in range(1, 30)
    ]
    assert found[-1].clock is Clock.SKEWED
