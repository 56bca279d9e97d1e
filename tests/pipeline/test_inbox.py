"""What is urgent is taken first, and does not wait for what is taken along."""

import threading
from collections.abc import Callable

import pytest

from hub.pipeline.gathering import ENOUGH
from hub.pipeline.inbox import BACKLOG, READINGS_BESIDE_ALARMS, Inbox
from hub.right_of_way import Claim
from hub.vocabulary.events import Canary
from hub.vocabulary.ports import Lane, RawMessage
from support.waiting import wait_until


def message(number: int, lane: Lane) -> RawMessage:
    return RawMessage(channel="test", address=f"{lane.name}/{number}", payload=b"", received_at=number, lane=lane)


def filled(readings: int) -> Inbox:
    inbox = Inbox()
    for number in range(readings):
        inbox.offer(message(number, Lane.TELEMETRY))
    return inbox


def test_an_alarm_is_alone_in_its_batch_and_every_second_one_takes_others_along():
    inbox = filled(1_000)
    inbox.ask(lambda step: None)
    for number in (1, 2):
        inbox.offer(message(number, Lane.ALARM))
        batch = inbox.take(512)
        assert getattr(batch[0], "lane", None) is Lane.ALARM
        assert len(batch) == (1 if number == 1 else 1 + 1 + READINGS_BESIDE_ALARMS), "the rest still moves on"


def test_what_was_taken_for_nothing_comes_first_again():
    inbox = filled(200)
    for _ in range(2):
        inbox.errand(lambda step: None)
        inbox.ask(lambda step: None)
    taken = inbox.take(512)
    assert [task.awaited for task in taken[:4]] == [True, True, False, False]
    inbox.ask(lambda step: None)
    inbox.errand(lambda step: None)
    inbox.give_back(taken)
    again = inbox.take(512)
    assert again[:2] == taken[:2], "what people want comes first again"
    assert again[3:5] == taken[2:4], "errands among errands"
    assert again[6:] == taken[4:], "readings among readings"


def test_readings_are_taken_a_few_at_a_time_so_that_an_alarm_behind_them_waits_little():
    assert len(filled(BACKLOG).take(512)) == ENOUGH


def test_what_has_gathered_is_caught_up_with_in_full_batches_and_in_order():
    inbox = filled(BACKLOG + 500)
    taken = [*inbox.take(512), *inbox.take(512)]
    assert len(taken) == 512 + ENOUGH, "nearly done: small steps again"
    while batch := inbox.take(512):
        taken.extend(batch)
    assert [item.received_at for item in taken] == list(range(BACKLOG + 500))
    assert inbox.depth() == 0


class Waiting:
    """A thread that waits for work; readings gather until there are enough of them, however long that takes."""

    def __init__(self, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
        of = inbox._gathering
        monkeypatch.setattr(of, "left_s", lambda number, *_, **__: 0.0 if number >= of.enough else 60.0)
        self.inbox = inbox
        self.rounds = 0
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()
        self.until_it_waits()

    def _wait(self) -> None:
        self.inbox.wait(60.0)
        self.rounds += 1

    def until_it_waits(self) -> None:
        wait_until(lambda: self.inbox._changed._waiters, 10, "it waits")

    def until_it_goes_on(self) -> None:
        self._thread.join(10)
        assert self.rounds == 1


@pytest.mark.parametrize(
    "urgent",
    [
        lambda inbox: inbox.offer(message(1, Lane.ALARM)),
        lambda inbox: inbox.ask(lambda step: None),
        lambda inbox: inbox.errand(lambda step: None),
        lambda inbox: inbox.report(Canary(site="_hub", source_key="1", occurred_at=1, received_at=1, lane="alarm", number=1)),
        lambda inbox: inbox.wake(),
    ],
    ids=["alarm", "task", "errand", "report", "stop"],
)  # fmt: skip
def test_readings_gather_and_nothing_else_waits_for_that(urgent: Callable[[Inbox], object], monkeypatch):
    waiting = Waiting(filled(0), monkeypatch)
    for number in range(3):
        waiting.inbox.offer(message(number, Lane.TELEMETRY))
        waiting.until_it_waits()
    assert waiting.rounds == 0
    urgent(waiting.inbox)
    waiting.until_it_goes_on()


@pytest.mark.parametrize("enough", [ENOUGH, 20], ids=["enough", "a broker's window"])
def test_when_enough_have_gathered_they_are_worked_on(enough: int, monkeypatch):
    inbox = filled(0)
    inbox._gathering.enough = enough
    waiting = Waiting(inbox, monkeypatch)
    for number in range(enough - 1):
        waiting.inbox.offer(message(number, Lane.TELEMETRY))
    waiting.until_it_waits()
    assert waiting.rounds == 0
    waiting.inbox.offer(message(enough, Lane.TELEMETRY))
    waiting.until_it_goes_on()


def test_whoever_was_woken_before_the_wait_does_not_wait():
    inbox = Inbox()
    inbox.wake()
    waiting = threading.Thread(target=inbox.wait, args=[60.0], daemon=True)
    waiting.start()
    waiting.join(10)
    assert not waiting.is_alive()


def test_readings_that_have_to_give_way_are_not_said_to_have_stopped(monkeypatch):
    inbox, told = filled(1), []
    monkeypatch.setattr(inbox._gathering, "left_s", lambda number, now, *, held_up: told.append(held_up) or 0.0)
    inbox.wait(60.0)
    inbox.way.questions = Claim(60.0)
    inbox.way.questions.came()
    inbox.wait(60.0)
    assert told == [False, True]
