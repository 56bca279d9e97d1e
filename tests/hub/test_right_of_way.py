"""What is urgent goes first, for as long as its credit lasts; the rest always has its half."""

import threading

import pytest
from sqlalchemy import Integer, bindparam, select, text

from hub.right_of_way import Claim, Hold, RightOfWay
from hub.store.database import open_store
from hub.store.prepared import Prepared
from support.waiting import wait_until

ECHO = Prepared(select(bindparam("_number", type_=Integer).label("number")))


class Watch:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def claim(watch: Watch) -> Claim:
    return Claim(0.05, watch)


def test_nobody_waits_where_nothing_is_urgent(claim):
    assert claim.left_s() == 0.0
    claim.give_way()


def test_others_wait_until_all_that_came_are_through(claim):
    claim.came()
    claim.came()
    claim.done()
    assert claim.left_s() == pytest.approx(0.05)
    claim.done()
    assert claim.left_s() == 0.0


def test_several_may_be_through_at_once_and_none_twice(claim):
    claim.came()
    claim.came()
    claim.done(2)
    claim.done()
    claim.came()
    assert claim.left_s() > 0.0, "what was said twice of one does not count against the next"


def test_whoever_asked_is_told_once_when_all_are_through(claim):
    told = []
    assert not claim.tell(lambda: told.append("nothing is under way"))
    claim.came()
    claim.came()
    assert claim.tell(lambda: told.append("first"))
    assert claim.tell(lambda: told.append(claim.left_s()))
    claim.done()
    assert told == []
    claim.done()
    assert told == ["first", 0.0]
    claim.came()
    claim.done()
    assert told == ["first", 0.0]


def test_what_is_never_through_keeps_nobody_waiting_for_longer_than_its_credit(claim, watch):
    claim.came()
    watch.now += 0.03
    assert claim.left_s() == pytest.approx(0.02)
    watch.now += 3600
    assert claim.left_s() == 0.0
    claim.came()
    assert claim.left_s() == 0.0, "nor does the next one behind it"


def test_credit_comes_back_as_fast_as_it_was_used(claim, watch):
    claim.came()
    watch.now += 0.05
    claim.done()
    watch.now += 0.01
    claim.came()
    assert claim.left_s() == pytest.approx(0.01), "so that the rest has half of the time"
    claim.done()
    watch.now += 3600
    claim.came()
    assert claim.left_s() == pytest.approx(0.05), "and never more than it was"


def test_whoever_waits_goes_on_at_once_when_the_way_is_free(claim):
    claim = Claim(60.0)
    claim.came()
    waiting = threading.Thread(target=claim.give_way)
    waiting.start()
    wait_until(lambda: claim._free._cond._waiters, 5, "it waits")
    claim.done()
    waiting.join(10)
    assert not waiting.is_alive()


def test_a_reader_holds_a_claim_once_and_not_after_they_have_gone(claim):
    first, second = Hold(claim), Hold(claim)
    first.came()
    first.came()
    second.came()
    first.done()
    assert claim.left_s() > 0.0, "of the other one"
    second.done(over=True)
    assert claim.left_s() == 0.0
    first.done()
    second.came()
    assert claim.left_s() == 0.0, "nobody would ever let go of it"
    first.came()
    assert claim.left_s() > 0.0


@pytest.mark.parametrize("whose", ["alarms", "news", "questions"])
def test_the_way_is_free_where_nobody_claims_it(whose):
    way = RightOfWay()
    assert way.is_free
    getattr(way, whose).came()
    assert not way.is_free


def plainly(connection, number):
    return connection.execute(text(f"SELECT {number}")).scalar_one()


def prepared(connection, number):
    return ECHO.scalar_one(connection, {"_number": number})


@pytest.mark.parametrize("ask", [plainly, prepared])
@pytest.mark.parametrize("whose", ["alarms", "news", "questions"])
def test_who_stands_last_lets_others_pass_between_two_statements_of_one_look(database_url, whose, ask):
    store = open_store(database_url)
    claim = Claim(60.0)
    setattr(store.way, whose, claim)
    found = []

    def look() -> None:
        store.way.stand_last()
        with store.read() as connection:
            found.append(ask(connection, 1))
            claim.came()
            found.append(ask(connection, 2))

    looking = threading.Thread(target=look)
    looking.start()
    wait_until(lambda: claim._free._cond._waiters, 10, "it gives way")
    assert found == [1]
    if whose != "alarms":  # nobody begins to look beside an alarm
        with store.read() as connection:
            assert ask(connection, 3) == 3, "others do not wait"
    claim.done()
    looking.join(10)
    assert found == [1, 2]
    store.close()
