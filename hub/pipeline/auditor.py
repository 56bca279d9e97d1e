"""The auditor: proves every minute that each running clock of a ticket has its deadline, and that none is overdue.

It reads what is committed, in one statement, so that it sees clocks and deadlines of the same moment. A deadline that was
lost is set again; that it was lost stays said until nothing is found any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Connection, String, and_, case, cast, literal, select

from hub.pipeline.deadlines import CLOCK
from hub.pipeline.inbox import Inbox
from hub.pipeline.step import Step
from hub.pipeline.watch import Condition, Trouble
from hub.store.database import Store
from hub.store.schema import ticket_clocks, tickets, timers
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import MINUTE_MS, UtcMs

AUDIT_EVERY_MS: Final = MINUTE_MS
OVERDUE_AFTER_MS: Final = MINUTE_MS
LISTED: Final = 10

_KEY = cast(ticket_clocks.c.ticket_id, String) + literal(":") + ticket_clocks.c.name
_RUNNING = (
    select(
        tickets.c.site,
        tickets.c.number,
        ticket_clocks.c.ticket_id,
        ticket_clocks.c.name,
        case((timers.c.due_at.is_(None), ticket_clocks.c.due_at), else_=timers.c.due_at).label("due_at"),
        timers.c.due_at.is_(None).label("lost"),
    )
    .join_from(tickets, ticket_clocks, ticket_clocks.c.ticket_id == tickets.c.id)
    .join(timers, and_(timers.c.rule == CLOCK, timers.c.site == tickets.c.site, timers.c.key == _KEY), isouter=True)
    .where(ticket_clocks.c.state == "running")
)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A running clock without a deadline (`lost`), or with one that should have fired."""

    site: str
    ticket: str
    ticket_id: int
    clock: str
    due_at: UtcMs
    lost: bool


def audit(connection: Connection, now: UtcMs) -> list[Finding]:
    """All clocks with which something is wrong; oldest ticket first."""
    overdue = cast(literal(now - OVERDUE_AFTER_MS), BigInteger)
    wrong = _RUNNING.where(timers.c.due_at.is_(None) | (timers.c.due_at < overdue))
    return [
        Finding(
            site=row.site,
            ticket=row.number,
            ticket_id=row.ticket_id,
            clock=row.name,
            due_at=row.due_at,
            lost=bool(row.lost),
        )
        for row in connection.execute(wrong.order_by(tickets.c.id, ticket_clocks.c.name))
    ]


class Auditor:
    """A condition of each site for the watch, found out once a minute."""

    def __init__(self, store: Store, inbox: Inbox, sites: Sequence[str], clock: Callable[[], UtcMs]) -> None:
        self._store = store
        self._inbox = inbox
        self._sites = tuple(sites)
        self._clock = clock
        # The first look comes a minute after the start: what fell due while the hub was down is fired first.
        self._looked_at = clock()
        self._conditions: list[Condition] = []

    def conditions(self) -> list[Condition]:
        """As of the last audit."""
        now = self._clock()
        if now - self._looked_at >= AUDIT_EVERY_MS or now < self._looked_at:
            self._looked_at = now
            with self._store.read() as connection:
                found = audit(connection, now)
            self._conditions = [
                self._condition(site, [each for each in found if each.site == site]) for site in self._sites
            ]
            for each in found:
                if each.lost:
                    self._inbox.ask(partial(set_again, finding=each))
        return self._conditions

    @staticmethod
    def _condition(site: str, found: Sequence[Finding]) -> Condition:
        detail: dict[str, Any] = {
            "clocks": [f"{each.ticket} {each.clock}" for each in found[:LISTED]],
            "lost": sum(each.lost for each in found),
            "overdue": sum(not each.lost for each in found),
        }
        subject = Subject(site, SubjectType.SITE, site)
        return Condition(trouble=Trouble.DEADLINE_OVERDUE, subject=subject, wrong=bool(found), detail=detail)


def set_again(step: Step, finding: Finding) -> None:
    """A lost deadline is a row again; one that is past fires at once."""
    step.desk.rearm(finding.ticket_id, finding.clock)
