"""Work on the database goes on in rounds, whatever a round runs into."""

from __future__ import annotations

import sqlite3
from collections import deque

import pytest

from hub.right_of_way import RightOfWay
from hub.store.rounds import Rounds
from support.waiting import wait_until


class Work:
    """What each round runs into: an error, or whether there is more to do. Afterwards it rests."""

    def __init__(self, *rounds: Exception | bool) -> None:
        self.rounds = deque(rounds)
        self.done = 0
        self.ended = False
        self.way = RightOfWay()
        self.stood_last: list[bool] = []
        self.going = Rounds("work", "letters", self.cycle, lambda: 60.0, self.last_words, self.way)

    def cycle(self) -> bool:
        self.done += 1
        self.stood_last.append(self.way.stands_last)
        what = self.rounds.popleft() if self.rounds else False
        if isinstance(what, Exception):
            raise what
        return what

    def last_words(self) -> None:
        self.ended = True

    def go(self, rounds: int) -> None:
        """Until so many rounds are done; news comes all the time, so that nobody waits for the next."""
        self.going.start()
        wait_until(lambda: self.going.wake() or self.done >= rounds, 10, "no more rounds")
        self.going.stop(10)


def full() -> Exception:
    return sqlite3.OperationalError("database or disk is full")


def locked() -> Exception:
    return sqlite3.OperationalError("database is locked")


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def test_a_trouble_that_lasts_is_told_once_and_the_rounds_go_on(caplog: pytest.LogCaptureFixture) -> None:
    Work(full(), full(), full(), False).go(4)

    (sentence,) = told(caplog)
    assert sentence.startswith("letters wait: the database cannot be written: the disk is full")


def test_whoever_goes_rounds_stands_last_and_nobody_else_for_that() -> None:
    work = Work(False)
    work.go(1)
    assert work.stood_last[0]
    assert not work.way.stands_last


def test_another_trouble_is_told_and_so_is_the_same_one_after_a_good_round(caplog: pytest.LogCaptureFixture) -> None:
    Work(full(), locked(), locked(), True, locked(), False).go(6)

    assert [("locked" in each, "full" in each) for each in told(caplog)] == [
        (False, True),
        (True, False),
        (True, False),
    ]


def test_more_to_do_is_done_without_waiting_for_news() -> None:
    work = Work(True, True, True)
    work.going.start()

    wait_until(lambda: work.done >= 4, 10, "it waits although there is more")
    work.going.stop(10)

    assert work.done == 4  # nothing is left, and nobody brings news: the fifth waits for its time


def test_news_end_the_wait_and_the_end_has_its_last_words() -> None:
    work = Work()
    work.going.start()
    wait_until(lambda: work.done == 1, 10, "no first round")
    assert not work.ended

    work.going.wake()
    wait_until(lambda: work.done == 2, 10, "news are not heard")
    work.going.stop(10)

    assert work.ended
    assert work.done == 2  # none was begun after the end


def test_what_never_began_ends_at_once() -> None:
    work = Work()
    work.going.stop(10)

    assert (work.done, work.going.over) == (0, True)


def test_a_failed_attempt_is_told_like_a_failed_round(caplog: pytest.LogCaptureFixture) -> None:
    work = Work(full())

    assert [work.going.attempt(work.cycle), work.going.attempt(work.cycle)] == [False, True]
    assert len(told(caplog)) == 1
