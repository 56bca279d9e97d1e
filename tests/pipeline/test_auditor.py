"""The auditor finds every clock whose deadline was lost or did not fire, says so once, and sets lost ones again."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import pytest
from sqlalchemy import select

from hub.pipeline.auditor import AUDIT_EVERY_MS, Auditor, audit
from hub.pipeline.canary import CanaryWatch
from hub.pipeline.watch import Watch
from hub.store import schema
from hub.store.database import open_store
from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from support.rig import SITE, Rig, device

MINUTE = 60_000


class Why(StrEnum):
    TRAPPED = "trapped"


@pytest.fixture
def rig(database_url: str) -> Iterator[Rig]:
    store = open_store(database_url)
    rig = Rig(store, [], [device("lift-1"), device("lift-2")])
    for name in ("lift-1", "lift-2"):
        raised = RaiseTicket(
            kind=TicketKind.ENTRAPMENT,
            subject=Subject(SITE, SubjectType.DEVICE, name),
            reason=Why.TRAPPED,
            severity=Severity.HIGH,
            occurred_at=rig.now,
        )
        rig.ask(lambda step, raised=raised: step.raise_ticket(raised))
    yield rig
    store.close()


def found(rig: Rig) -> list[tuple[int, str, bool]]:
    with rig.store.read() as connection:
        return [(each.ticket_id, each.clock, each.lost) for each in audit(connection, rig.now)]


def lose(rig: Rig, *keys: str) -> None:
    with rig.store.write() as connection:
        gone = connection.execute(schema.timers.delete().where(schema.timers.c.key.in_(keys)))
        assert gone.rowcount == len(keys)


def test_a_hub_that_works_has_nothing_to_find_at_any_time_of_a_case(rig: Rig) -> None:
    for _ in range(140):
        rig.advance(MINUTE, 20_000)
        assert found(rig) == []


def test_a_deadline_whose_row_is_gone_is_found_and_no_other(rig: Rig) -> None:
    lose(rig, "1:release", "2:acknowledge")
    assert found(rig) == [(1, "release", True), (2, "acknowledge", True)]


def test_a_deadline_that_does_not_fire_is_overdue_after_a_minute(rig: Rig) -> None:
    rig.now += 2 * MINUTE
    assert found(rig) == []
    rig.now += 1
    assert found(rig) == [(1, "acknowledge", False), (2, "acknowledge", False)]
    rig.engine.step([])
    assert found(rig) == []


def test_the_watch_says_so_the_lost_one_is_set_again_and_fires_and_then_all_is_well(rig: Rig) -> None:
    rig = Rig(rig.store, [], [device("lift-1"), device("lift-2")])
    auditor = Auditor(rig.store, rig.inbox, [SITE], lambda: rig.now)
    canary = CanaryWatch(rig.core.feed, lambda number: None, lambda: rig.now)
    watch = Watch(rig.inbox, canary, auditor.conditions, lambda: rig.now)

    def look() -> list[tuple[str, bool, str]]:
        watch.look()
        rig.engine.step(rig.inbox.take(10))
        problem = schema.problems.c
        with rig.store.read() as connection:
            rows = connection.execute(select(problem.code, problem.active, problem.detail_json)).all()
        return [(row.code, bool(row.active), row.detail_json) for row in rows]

    assert look() == []
    lose(rig, "1:release")
    rig = Rig(rig.store, [], [device("lift-1"), device("lift-2")], now=rig.now)  # memory forgets it, too
    auditor._inbox = watch._inbox = rig.inbox
    rig.advance(AUDIT_EVERY_MS)
    ((code, active, detail),) = look()
    assert (code, active) == ("deadline_overdue", True)
    assert "release" in detail
    assert found(rig) == []
    rig.advance(AUDIT_EVERY_MS)
    assert [(code, active) for code, active, _ in look()] == [("deadline_overdue", False)]
    rig.advance(44 * MINUTE, 10_000)
    with rig.store.read() as connection:
        told = connection.execute(
            select(schema.notice_orders.c.subject_id).where(schema.notice_orders.c.template == "entrapment_fire")
        )
        assert set(told.scalars()) == {"lift-1", "lift-2"}
