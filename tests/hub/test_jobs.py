"""Looks every few seconds: one that fails is told once, goes on, and keeps no other from looking."""

from __future__ import annotations

import logging

import pytest

from hub.jobs import LOOK_EVERY_S, Jobs
from hub.store.database import Store, open_store
from support.rig import SmallWorld


@pytest.fixture
def store(tmp_path):
    opened: Store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield opened
    opened.close()


def test_every_look_is_taken_by_the_clock_and_trouble_is_told_once(store, caplog):
    seen: list[str] = []

    def fails() -> None:
        seen.append("fails")
        if len(seen) < 6:
            raise OSError("the disk is full")

    jobs = Jobs(store, SmallWorld([], [], {}), lambda: 0, None, [fails, lambda: seen.append("other")])
    jobs.start()
    try:
        looks = [each for each in jobs._scheduler.get_jobs() if each.id.startswith("look_")]
        assert [each.trigger.interval.total_seconds() for each in looks] == [LOOK_EVERY_S] * 2
        with caplog.at_level(logging.ERROR):
            for _ in range(4):
                for each in looks:
                    each.func()
    finally:
        jobs.stop()
    assert seen == ["fails", "other"] * 4
    assert [record.message for record in caplog.records] == ["a look failed; it is tried again every 10 s"]
