"""Readings wait for others while others come, and for nobody where none do."""

import pytest

from hub.pipeline.gathering import BELIEVED_FOR, ENOUGH, GATHER_S, QUIET_S, Gathering

TINY_S = 1e-6


def stopped(gathering: Gathering, number: int, now_s: float, *, held_up: bool = False) -> float:
    """So many, and none after them: when they were taken."""
    left_s = gathering.left_s(number, now_s, held_up=held_up)
    assert left_s == pytest.approx(QUIET_S), "it is waited for others"
    now_s += left_s + TINY_S
    assert gathering.left_s(number, now_s, held_up=held_up) == 0.0
    gathering.taken()
    return now_s


@pytest.fixture
def behind_a_window_of_20():
    gathering = Gathering()
    for time_s in (100.0, 101.0):
        stopped(gathering, 20, time_s)
    return gathering


def test_enough_are_taken_at_once():
    assert Gathering().left_s(ENOUGH, 5.0, held_up=False) == 0.0


def test_while_they_come_they_gather_and_not_for_longer_than_that():
    gathering = Gathering()
    number, now_s = 1, 100.0
    while gathering.left_s(number, now_s, held_up=False) > 0.0:
        number, now_s = number + 1, now_s + QUIET_S / 4
    assert now_s - 100.0 == pytest.approx(GATHER_S, abs=QUIET_S / 4)
    assert number < ENOUGH


def test_the_last_look_is_when_it_is_over():
    gathering = Gathering()
    gathering.left_s(1, 100.0, held_up=False)
    assert gathering.left_s(2, 100.0 + GATHER_S - 0.001, held_up=False) == pytest.approx(0.001)


def test_a_gap_now_and_then_says_nothing():
    """On a machine with other guests any stream has gaps of some milliseconds."""
    gathering, now_s = Gathering(), 100.0
    for number in (7, 13, 7, 31, 2, 13):
        now_s = stopped(gathering, number, now_s)
    assert gathering.enough == ENOUGH
    assert gathering.left_s(13, now_s, held_up=False) > 0.0


def test_where_they_stop_twice_at_the_same_number_so_many_are_taken_at_once(behind_a_window_of_20):
    assert behind_a_window_of_20.enough == 20
    assert behind_a_window_of_20.left_s(19, 102.0, held_up=False) > 0.0
    assert behind_a_window_of_20.left_s(20, 102.0, held_up=False) == 0.0


def test_where_more_come_than_the_window_it_was_none(behind_a_window_of_20):
    assert behind_a_window_of_20.left_s(21, 102.0, held_up=False) > 0.0
    assert behind_a_window_of_20.enough == ENOUGH
    behind_a_window_of_20.taken()
    stopped(behind_a_window_of_20, 20, 103.0)
    assert behind_a_window_of_20.enough == ENOUGH, "once is not twice"


def test_a_window_is_not_believed_in_for_ever_and_proved_anew_by_one_batch(behind_a_window_of_20):
    for _ in range(BELIEVED_FOR - 2):  # the batch that proved it was the first
        behind_a_window_of_20.taken()
        assert behind_a_window_of_20.enough == 20
    behind_a_window_of_20.taken()
    assert behind_a_window_of_20.enough == ENOUGH
    stopped(behind_a_window_of_20, 20, 200.0)
    assert behind_a_window_of_20.enough == 20


def test_that_nothing_comes_says_nothing_where_it_has_to_give_way():
    gathering = Gathering()
    for time_s in (100.0, 101.0):
        stopped(gathering, 20, time_s, held_up=True)
    assert gathering.enough == ENOUGH


def test_that_the_time_is_over_says_nothing_of_a_window():
    gathering = Gathering()
    for time_s in (100.0, 101.0):
        gathering.left_s(1, time_s, held_up=False)
        gathering.left_s(20, time_s + GATHER_S - TINY_S, held_up=False)
        assert gathering.left_s(20, time_s + GATHER_S, held_up=False) == 0.0
        gathering.taken()
    assert gathering.enough == ENOUGH


def test_whoever_is_left_over_gathers_anew():
    gathering = Gathering()
    gathering.left_s(30, 100.0, held_up=False)
    gathering.taken()
    assert gathering.left_s(3, 100.0 + GATHER_S, held_up=False) == pytest.approx(QUIET_S)
