"""Readings wait for others while others come, and for nobody where none do."""

import pytest

from hub.pipeline.gathering import ENOUGH, FIRST_PAUSE_S, GATHER_S, LONGEST_PAUSE_S, QUIET_S, Gathering

TINY_S = 1e-6


def in_vain(gathering: Gathering, now_s: float) -> float:
    """One reading, and nothing after it: when it was taken."""
    left_s = gathering.left_s(1, now_s, held_up=False)
    assert left_s == pytest.approx(QUIET_S), "it is waited for others"
    now_s += left_s + TINY_S
    assert gathering.left_s(1, now_s, held_up=False) == 0.0
    gathering.taken()
    return now_s


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


def test_those_that_wait_in_vain_are_followed_by_some_that_do_not_wait():
    """As behind a broker that sends no more before these are acknowledged."""
    gathering = Gathering()
    over_s = in_vain(gathering, 100.0)
    assert gathering.left_s(1, over_s + FIRST_PAUSE_S - 0.001, held_up=False) == 0.0
    gathering.taken()
    assert gathering.left_s(1, over_s + FIRST_PAUSE_S + TINY_S, held_up=False) > 0.0, "it is tried again"


def test_the_oftener_in_vain_the_seldomer_it_is_tried():
    gathering, now_s, pauses = Gathering(), 100.0, []
    for _ in range(8):
        over_s = now_s = in_vain(gathering, now_s)
        while gathering.left_s(1, now_s, held_up=False) == 0.0:
            gathering.taken()
            now_s += 0.001
        gathering.taken()
        pauses.append(now_s - over_s)
    assert pauses[:3] == pytest.approx([FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S], abs=0.0015)
    assert pauses[-1] == pytest.approx(LONGEST_PAUSE_S, abs=0.0015)
    gathering.left_s(ENOUGH, now_s, held_up=False)
    gathering.taken()
    over_s = in_vain(gathering, now_s)
    assert gathering.left_s(1, over_s + FIRST_PAUSE_S + TINY_S, held_up=False) > 0.0, (
        "once it was worth it, all over again"
    )


def test_that_nothing_comes_says_nothing_where_it_has_to_give_way():
    gathering = Gathering()
    gathering.left_s(1, 100.0, held_up=True)
    assert gathering.left_s(1, 100.0 + QUIET_S + TINY_S, held_up=True) == 0.0
    gathering.taken()
    assert gathering.left_s(1, 100.0 + QUIET_S + 2 * TINY_S, held_up=False) > 0.0, "the next ones gather"


def test_whoever_is_left_over_gathers_anew():
    gathering = Gathering()
    gathering.left_s(30, 100.0, held_up=False)
    gathering.taken()
    assert gathering.left_s(3, 100.0 + GATHER_S, held_up=False) == pytest.approx(QUIET_S)
