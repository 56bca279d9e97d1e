"""What is urgent is taken first, and does not wait for what is taken along."""

from hub.pipeline.inbox import READINGS_BESIDE_ALARMS, Inbox
from hub.vocabulary.ports import Lane, RawMessage


def message(number: int, lane: Lane) -> RawMessage:
    return RawMessage(channel="test", address=f"{lane.name}/{number}", payload=b"", received_at=number, lane=lane)


def test_a_batch_with_an_alarm_carries_few_readings_and_one_without_is_full():
    inbox = Inbox()
    for number in range(1_000):
        inbox.offer(message(number, Lane.TELEMETRY))
    inbox.offer(message(1, Lane.ALARM))
    urgent = inbox.take(512)
    assert urgent[0].lane is Lane.ALARM
    assert len(urgent) == 1 + READINGS_BESIDE_ALARMS, "readings still move on while alarms keep coming"
    assert len(inbox.take(512)) == 512
    assert [item.received_at for item in inbox.take(512)] == list(range(READINGS_BESIDE_ALARMS + 512, 1_000))
    assert inbox.depth() == 0
