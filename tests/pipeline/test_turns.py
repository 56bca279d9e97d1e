"""Turns of threads: short ones let an alarm in, long ones while readings pile up."""

from __future__ import annotations

import sys

import pytest

from hub.pipeline.turns import BEHIND, LONG_S, SHORT_S, Turns
from hub.store.database import Store
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.ports import Lane
from support import trial_rule
from support.rig import Rig, device
from support.running import Trial


def test_they_are_long_while_another_batch_waits_and_are_asked_for_when_they_change() -> None:
    taken: list[float] = []
    turns = Turns(taken.append)
    for left in (0, 0, BEHIND - 1, BEHIND, 900, 0):
        turns.follow(left)
    assert taken == [SHORT_S, LONG_S, SHORT_S]


def test_they_are_the_interpreter_s() -> None:
    before = sys.getswitchinterval()
    try:
        Turns().follow(BEHIND)
        assert sys.getswitchinterval() == pytest.approx(LONG_S)
        Turns().follow(0)
        assert sys.getswitchinterval() == pytest.approx(SHORT_S)
    finally:
        sys.setswitchinterval(before)


def test_an_engine_takes_long_ones_until_it_has_caught_up(sqlite_store: Store) -> None:
    taken: list[float] = []
    rig = Rig(sqlite_store, [Trial()], [device("m-1", DeviceKind.METER)])
    rig.engine._turns = Turns(taken.append)
    for number in range(3 * BEHIND):
        reading = trial_rule.reading(f"r{number}", rig, number, occurred_at=rig.now - 60_000 + number)
        rig.inbox.offer(rig.message(reading, lane=Lane.TELEMETRY))
    rig.run_until(lambda: len(rig.sink.acknowledged) == 3 * BEHIND)
    assert taken[:2] == [LONG_S, SHORT_S]
