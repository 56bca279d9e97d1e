"""The watch says what is wrong once, ends it when it is right, and takes over what an earlier process has left."""

from __future__ import annotations

from sqlalchemy import select

from hub.pipeline import problems
from hub.pipeline.canary import EVERY_MS, MISSING_AFTER_MS, CanaryWatch
from hub.pipeline.watch import Condition, Trouble, Watch
from hub.store import schema
from hub.store.database import Store
from hub.vocabulary.events import Canary, Subject, SubjectType
from support.rig import SITE, Rig

BROKER = Subject(SITE, SubjectType.GATEWAY, "mqtt")


def watch(rig: Rig, wrong: list[bool], told_before: bool = False) -> Watch:
    def conditions() -> list[Condition]:
        return [Condition(trouble=Trouble.CANARY_MISSING, subject=BROKER, wrong=wrong[0])]

    def before() -> list[tuple[str, Subject]]:
        with rig.store.read() as connection:
            return problems.active(connection)

    canary = CanaryWatch(rig.core.feed, lambda number: None, lambda: rig.now)
    found = Watch(rig.inbox, canary, conditions, lambda: rig.now, before)
    found._told = {(Trouble(code), subject): True for code, subject in before()} if told_before else {}
    return found


def look(rig: Rig, each: Watch) -> tuple[int, int]:
    """Problems and tickets that are active after a look and a step."""
    each.look()
    rig.engine.step(rig.inbox.take(10))
    with rig.store.read() as connection:
        found = len(connection.execute(select(schema.problems.c.id).where(schema.problems.c.active)).all())
        return found, len(connection.execute(select(schema.tickets.c.id).where(schema.tickets.c.active)).all())


def test_what_is_wrong_is_said_once_and_ends_when_it_is_right(store: Store) -> None:
    rig = Rig(store, [], [])
    wrong = [False]
    each = watch(rig, wrong)
    assert look(rig, each) == (0, 0)
    wrong[0] = True
    assert look(rig, each) == (1, 1)
    assert look(rig, each) == (1, 1)
    with store.read() as connection:
        assert connection.execute(select(schema.problems.c["count"])).scalar_one() == 1
    wrong[0] = False
    assert look(rig, each) == (0, 0)


def test_what_an_earlier_process_left_is_ended_by_the_next(store: Store) -> None:
    rig = Rig(store, [], [])
    assert look(rig, watch(rig, [True])) == (1, 1)
    again = Rig(store, [], [])
    assert look(again, watch(again, [False], told_before=True)) == (0, 0)


def test_a_canary_that_does_not_come_round_is_missed_and_one_of_an_earlier_life_proves_nothing(store: Store) -> None:
    rig = Rig(store, [], [])
    canary = CanaryWatch(rig.core.feed, lambda number: None, lambda: rig.now)
    canary.send()

    def comes_round(lane: str, number: int) -> None:
        rig.take(
            Canary(
                site="_hub",
                source_key=f"{lane}{rig.now}",
                occurred_at=rig.now,
                received_at=rig.now,
                lane=lane,
                number=number,
            )
        )

    comes_round("alarm", 1)
    comes_round("telemetry", 99)
    assert [(state.lane, state.age_ms) for state in canary.states()] == [("alarm", 0), ("telemetry", None)]
    rig.now += EVERY_MS
    assert canary.missing() == []
    rig.now += MISSING_AFTER_MS
    assert canary.missing() == ["alarm", "telemetry"]


def test_the_ticket_of_missed_alarms_stays_while_anything_else_endangers_them(store: Store) -> None:
    """Canary and subscriptions share a ticket: the one that is right again does not speak for the other."""
    rig = Rig(store, [], [])
    wrong = {Trouble.CANARY_MISSING: True, Trouble.SUBSCRIPTION_REFUSED: True}
    canary = CanaryWatch(rig.core.feed, lambda number: None, lambda: rig.now)
    each = Watch(
        rig.inbox,
        canary,
        lambda: [Condition(trouble=trouble, subject=BROKER, wrong=bad) for trouble, bad in wrong.items()],
        lambda: rig.now,
    )
    assert look(rig, each) == (2, 1)
    wrong[Trouble.CANARY_MISSING] = False
    assert look(rig, each) == (1, 1)
    wrong[Trouble.SUBSCRIPTION_REFUSED] = False
    assert look(rig, each) == (0, 0)
