"""What has happened is shown for a day and ends by itself; what lasts is not touched."""

from __future__ import annotations

from functools import partial

from sqlalchemy import select

from hub.pipeline.past_problems import OF_THE_PAST, SHOWN_MS, look_at_the_past
from hub.pipeline.step import Step
from hub.store import schema
from hub.store.database import Store
from hub.vocabulary.decisions import RaiseProblem
from hub.vocabulary.events import Subject, SubjectType
from support.rig import SITE, Rig

BROKER = Subject(SITE, SubjectType.GATEWAY, "mqtt")


def active(rig: Rig) -> set[str]:
    look_at_the_past(rig.store, rig.inbox, lambda: rig.now)()
    rig.engine.step(rig.inbox.take(10))
    with rig.store.read() as connection:
        found = connection.execute(select(schema.problems.c.code).where(schema.problems.c.active))
        return set(found.scalars())


def raise_all(rig: Rig, *codes: str) -> None:
    for code in codes:
        raised = RaiseProblem(code=code, subject=BROKER)
        rig.inbox.ask(partial(Step.raise_problem, raised=raised))
    rig.engine.step(rig.inbox.take(10))


def test_a_loss_is_shown_for_a_day_after_the_last_time_and_then_ends_on_the_feed_too(store: Store) -> None:
    rig = Rig(store, [], [])
    raise_all(rig, *OF_THE_PAST, "gateway_down")
    rig.now += SHOWN_MS
    assert active(rig) == {*OF_THE_PAST, "gateway_down"}
    raise_all(rig, "possible_loss")
    rig.now += 1
    assert active(rig) == {"possible_loss", "gateway_down"}, "the last time counts"
    rig.now += SHOWN_MS
    assert active(rig) == {"gateway_down"}, "what lasts ends when it is right again, not before"
    with store.read() as connection:
        types = list(connection.execute(select(schema.feed.c.type)).scalars())
    assert types.count("problem_cleared") == len(OF_THE_PAST)
