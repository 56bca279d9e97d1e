"""Conditions that messages add and clear, whatever the order in which they arrive."""

import pytest

from rules.standing import Standing, recent_adds


@pytest.mark.parametrize(
    ("story", "stands"),
    [
        ([], False),
        ([("add", 5)], True),
        ([("add", 5), ("clear", 6)], False),
        ([("clear", 6), ("add", 5)], False),
        ([("add", 5), ("clear", 5)], False),
        ([("clear", 5), ("add", 5)], True),  # same second: the alarm that came last is taken for news
        ([("add", 7), ("clear", 6), ("add", 5)], True),
        ([("add", 5), ("clear", 6), ("add", 7)], True),
        ([("clear", 8), ("add", 7), ("add", 5)], False),
    ],
)
def test_the_latest_of_adds_and_clears_counts(story, stands):
    held = Standing()
    for what, at in story:
        held = held.added(at) if what == "add" else held.cleared(at)
    assert held.stands is stands


def test_a_clear_is_stale_when_it_is_older_than_the_last_add():
    assert not Standing().is_stale_clear(1)
    assert Standing(added_at=5).is_stale_clear(4)
    assert not Standing(added_at=5).is_stale_clear(5)


def test_what_people_have_ended_stands_no_more_until_it_comes_again():
    ended = Standing(added_at=5).ended()
    assert not ended.stands
    assert ended.added(6).stands
    assert Standing().ended() == Standing()


def test_adds_of_the_last_minute():
    adds: tuple[int, ...] = ()
    for at in (0, 10_000, 59_999, 60_001):
        adds = recent_adds(adds, at, 3)
    assert adds == (10_000, 59_999, 60_001)
