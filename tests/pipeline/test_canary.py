"""Canaries fly quickly until one has come round on each lane, then at leisure; what never came round is missed."""

import json

from hub.pipeline.canary import EVERY_MS, FIRST_EVERY_MS, LANES, MISSING_AFTER_MS, CanaryWatch
from hub.pipeline.feed import FeedBoard, FeedRow


class Clock:
    now = 1_780_000_000_000

    def __call__(self) -> int:
        return self.now


def row(lane: str, number: int) -> FeedRow:
    return FeedRow(0, "lakeside", 0, "canary", json.dumps({"lane": lane, "number": number}))


def test_until_every_lane_has_seen_one_they_fly_quickly():
    """A broker connection that comes up a moment after the first canary must not cost ten seconds of `not ready`."""
    clock, feed, sent = Clock(), FeedBoard(), []
    watch = CanaryWatch(feed, sent.append, clock)
    assert watch.every_ms == FIRST_EVERY_MS
    watch.send()
    feed.publish([row("alarm", 1)])
    assert watch.every_ms == FIRST_EVERY_MS, "the other lane has not seen one"
    feed.publish([row("telemetry", 1)])
    assert watch.every_ms == EVERY_MS
    assert sent == [1]


def test_a_canary_behind_a_long_backlog_still_counts():
    clock, feed = Clock(), FeedBoard()
    watch = CanaryWatch(feed, lambda _number: None, clock)
    for _ in range(150):
        watch.send()
        clock.now += FIRST_EVERY_MS
    for lane in LANES:
        feed.publish([row(lane, 1)])
    assert [state.round_trip_ms for state in watch.states()] == [150 * FIRST_EVERY_MS] * 2


def test_one_of_an_earlier_life_proves_nothing_and_silence_is_missed():
    clock, feed = Clock(), FeedBoard()
    watch = CanaryWatch(feed, lambda _number: None, clock)
    feed.publish([row("alarm", 1), row("telemetry", 1)])
    assert [state.age_ms for state in watch.states()] == [None, None]
    clock.now += MISSING_AFTER_MS + 1
    assert watch.missing() == list(LANES)
