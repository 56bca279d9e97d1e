"""The auditor: proves every minute that each running clock of a ticket has its deadline, that none is overdue, and that
each open case (an entrapment, or anything critical) has a next one.

It reads what is committed, so that it sees clocks and deadlines of the same moment. A deadline that was lost is set again, a
case without any is watched anew; that it was so stays said until nothing is found any more. Where nothing is found, a step
writes the proof down, and only then is the dead man told (hub.pipeline.dead_man).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Connection, String, and_, case, cast, exists, literal, or_, select

from hub.pipeline import suppression_desk
from hub.pipeline.deadlines import CLOCK
from hub.pipeline.inbox import Inbox
from hub.pipeline.step import Step
from hub.pipeline.watch import Condition, Trouble
from hub.store.database import Store, set_meta
from hub.store.schema import ticket_clocks, tickets, timers
from hub.tickets import suppression_rows
from hub.tickets.clock_rows import RUNNING
from hub.tickets.entrapment import ENTRAPMENT
from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import MINUTE_MS, UtcMs, iso

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
    .where(ticket_clocks.c.state == literal(RUNNING, literal_execute=True))  # word for word as their index has it
)


WITHOUT: Final = "-"
"""Stands for the clock of a case that has no deadline at all."""
QUIET: Final = "until"
"""Stands for the clock of what is kept quiet and should not be any more; `ticket_id` is the suppression's."""
_HAS_DEADLINE = exists().where(
    ticket_clocks.c.ticket_id == tickets.c.id,
    timers.c.rule == CLOCK,
    timers.c.site == tickets.c.site,
    timers.c.key == _KEY,
)
_UNWATCHED = select(tickets.c.site, tickets.c.number, tickets.c.id, tickets.c.opened_at).where(
    tickets.c.active,
    or_(tickets.c.kind == str(TicketKind.ENTRAPMENT), tickets.c.severity == str(Severity.CRITICAL)),
    tickets.c.state.not_in(
        sorted(ENTRAPMENT.done_states)
    ),  # nobody is inside any more: paper is left, and has its own clock
    ~_HAS_DEADLINE,
)
PROVED_AT: Final = "audit/proved_at"
"""Row of `meta`: when it was last proved that no deadline is lost."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A running clock without a deadline (`lost`), or with one that should have fired; or a case without any (`WITHOUT`)."""

    site: str
    ticket: str
    ticket_id: int
    clock: str
    due_at: UtcMs
    lost: bool


def audit(connection: Connection, now: UtcMs) -> list[Finding]:
    """All clocks with which something is wrong, oldest ticket first; cases without a deadline; what is quiet for too long."""
    overdue = cast(literal(now - OVERDUE_AFTER_MS), BigInteger)
    wrong = _RUNNING.where(timers.c.due_at.is_(None) | (timers.c.due_at < overdue))
    return (
        [
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
        + [
            Finding(site=row.site, ticket=row.number, ticket_id=row.id, clock=WITHOUT, due_at=row.opened_at, lost=True)
            for row in connection.execute(_UNWATCHED.order_by(tickets.c.id))
        ]
        + [
            Finding(site=each.site, ticket=str(each.what), ticket_id=each.id, clock=QUIET, due_at=each.until, lost=True)
            for each in suppression_rows.running(connection)
            if each.until < now - OVERDUE_AFTER_MS
        ]
    )


class Auditor:
    """A condition of each site for the watch, found out once a minute."""

    def __init__(
        self,
        store: Store,
        inbox: Inbox,
        sites: Sequence[str],
        clock: Callable[[], UtcMs],
        proved: Callable[[UtcMs], None] | None = None,
    ) -> None:
        """`proved` hears of each audit that found nothing, after a step has written it down."""
        self._store = store
        self._inbox = inbox
        self._sites = tuple(sites)
        self._clock = clock
        self._proved = proved
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
                    self._inbox.errand(partial(set_again, finding=each))
            if not found and self._proved is not None:
                self._prove(now, self._proved)
        return self._conditions

    def _prove(self, at: UtcMs, proved: Callable[[UtcMs], None]) -> None:
        """Through the engine: one that hangs proves nothing."""
        written = self._inbox.errand(lambda step: set_meta(step.connection, PROVED_AT, iso(at)))
        written.add_done_callback(lambda done: None if done.cancelled() or done.exception() else proved(at))

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
    """A lost deadline is a row again, one that is past fires at once; a case without any gets one; quiet that is over ends."""
    if finding.clock == QUIET:
        suppression_desk.fall_due(step, finding.ticket_id)
    elif finding.clock == WITHOUT:
        step.desk.watch_anew(finding.ticket_id)
    else:
        step.desk.rearm(finding.ticket_id, finding.clock)
