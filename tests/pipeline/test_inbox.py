"""What is urgent is taken first, and does not wait for what is taken along."""

from hub.pipeline.inbox import BACKLOG, READINGS_AT_ONCE, READINGS_BESIDE_ALARMS, Inbox
from hub.vocabulary.ports import Lane, RawMessage


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
    taken = inbox.take(512)
    inbox.give_back(taken)
    assert inbox.take(512) == taken


def test_readings_are_taken_a_few_at_a_time_so_that_an_alarm_behind_them_waits_little():
    assert len(filled(BACKLOG).take(512)) == READINGS_AT_ONCE


def test_what_has_gathered_is_caught_up_with_in_full_batches_and_in_order():
    inbox = filled(BACKLOG + 500)
    taken = [*inbox.take(512), *inbox.take(512)]
    assert len(taken) == 512 + READINGS_AT_ONCE, "nearly done: small steps again"
    while batch := inbox.take(512):
        taken.extend(batch)
    assert [item.received_at for item in taken] == list(range(BACKLOG + 500))
    assert inbox.depth() == 0
