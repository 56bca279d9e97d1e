"""Problems that tell of something that has happened, not of something that lasts: nothing is there that could be right again.

They stay for a day after the last time, so that every shift has read them, and end by themselves: a list that never empties
is a list that nobody reads. Only what is named here ends this way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection, select

from hub.pipeline.inbox import Inbox
from hub.pipeline.step import Step
from hub.store.database import Store
from hub.store.schema import problems
from hub.vocabulary.decisions import ClearProblem
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import DAY_MS, DurationMs, UtcMs

OF_THE_PAST: Final = ("possible_loss", "rule_failed")
SHOWN_MS: Final[DurationMs] = DAY_MS


def look_at_the_past(store: Store, inbox: Inbox, clock: Callable[[], UtcMs]) -> Callable[[], None]:
    """A look (hub.jobs) that ends what has been shown for long enough."""

    def look() -> None:
        with store.read() as connection:
            over = shown_enough(connection, clock())
        if over:
            inbox.errand(partial(_end, over=over))

    return look


def shown_enough(connection: Connection, now: UtcMs) -> list[ClearProblem]:
    """Those whose last time is a day ago."""
    statement = select(problems.c.code, problems.c.site, problems.c.subject_type, problems.c.subject_id).where(
        problems.c.active, problems.c.code.in_(OF_THE_PAST), problems.c.last_at < now - SHOWN_MS
    )
    return [
        ClearProblem(code=row.code, subject=Subject(row.site, SubjectType(row.subject_type), row.subject_id))
        for row in connection.execute(statement)
    ]


def _end(step: Step, over: Sequence[ClearProblem]) -> None:
    for each in over:
        step.clear_problem(each)
