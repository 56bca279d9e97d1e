"""One publication at work: what it is told next, and what a run of attempts came to. Used by the publisher's thread alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from hub.pipeline import feed_queries, publications
from hub.pipeline.publication_plan import Outcome, Progress, Verdict, after_attempt, is_failing
from hub.pipeline.publications import Attempt, Publication
from hub.pipeline.watch import Condition, Trouble
from hub.store.schema import tickets
from hub.tickets.rows import TICKETS, views
from hub.tickets.view import ticket_view
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import DAY_MS, HOUR_MS, MINUTE_MS, UtcMs
from hub.vocabulary.ports import PublicChange, Sent, WayOut
from hub.vocabulary.publications import TICKET_TYPES, Channel, PublicationState

AT_ONCE: Final = 50
"""Changes per run: what a kill costs in repeats, and how many attempts one transaction writes down."""
KEEP_PLACE_EVERY: Final = 1_000
TOLD_FOR_MS: Final = DAY_MS
"""A change that was put aside, and a gap, are shown as a problem for a day; the log keeps them longer."""
CLEARED_SINCE_MS: Final = MINUTE_MS
ANSWER_LENGTH: Final = 300


class Result(msgspec.Struct, frozen=True):
    """What came of one attempt."""

    change: PublicChange
    verdict: Verdict
    at: UtcMs
    took_ms: int


class Run(msgspec.Struct, frozen=True):
    """Some changes to be told one after the other. `read_to`: where in the feed the place is once all are told."""

    changes: Sequence[PublicChange]
    read_to: int
    connection_number: int | None = None  # of a snapshot: the connection that it is left on
    clears: bool = False  # what was left is taken away for good


@dataclass
class Lane:
    """`read_to` runs ahead of the cursor over changes that this publication is not told of."""

    publication: Publication
    way: WayOut | None
    read_to: int = 0
    behind: bool = True
    run: Run | None = None
    kept_place_at: UtcMs = 0
    set_aside_at: UtcMs | None = None
    gap_at: UtcMs | None = None
    gap: int = 0
    left_on: int | None = None  # number of the connection on which the last snapshot was left

    @property
    def progress(self) -> Progress:
        """How it stands."""
        return self.publication.progress

    @progress.setter
    def progress(self, value: Progress) -> None:
        self.publication = msgspec.structs.replace(self.publication, progress=value)

    @property
    def site(self) -> str:
        """Its site."""
        return self.publication.wanted.site

    def due(self, now: UtcMs) -> bool:
        """Whether there may be something to do now."""
        if self.run is not None or self.way is None or self.progress.next_try_at > now:
            return False
        if self.progress.state is PublicationState.REMOVING:
            return True
        return self.progress.state is PublicationState.ACTIVE and (self.behind or self._wants_snapshot())

    def waits(self, now: UtcMs) -> bool:
        """Whether it has to be looked at again at its `next_try_at`."""
        return self.run is None and self.progress.state is PublicationState.ACTIVE and self.progress.next_try_at > now

    def _wants_snapshot(self) -> bool:
        number = self._connection_number()
        return self.leaves_state and number is not None and number != self.left_on

    @property
    def leaves_state(self) -> bool:
        """Whether it leaves the state of tickets somewhere instead of telling of changes."""
        return self.publication.wanted.channel is Channel.MQTT

    def _connection_number(self) -> int | None:
        number: int | None = getattr(self.way, "connection_number", None)
        return number

    # --- what comes next ----------------------------------------------------------------------------------

    def next_run(self, connection: Connection, zone: tzinfo, now: UtcMs) -> tuple[Run | None, int]:
        """What to tell now, None where there is nothing; and how many changes the feed has lost meanwhile."""
        if self.leaves_state:
            number = self._connection_number()
            if number is None:
                return None, 0  # whoever looks after the connection says so; we come back
            if number != self.left_on or self.progress.state is PublicationState.REMOVING:
                return self._snapshot(connection, zone, number), 0
        ahead = publications.ahead(connection, self.publication, self.read_to, AT_ONCE)
        self.behind = ahead.read_to < feed_queries.latest_seq(connection)
        self.read_to = ahead.read_to
        if not ahead.changes:
            return None, ahead.lost
        changes = [_public(self.site, each.seq, each.at, each.type, each.body) for each in ahead.changes]
        return Run(changes, ahead.read_to), ahead.lost

    def _snapshot(self, connection: Connection, zone: tzinfo, number: int) -> Run:
        """Every active ticket as it is now, and those taken away that have ended since something was last told."""
        head = feed_queries.latest_seq(connection)
        clears = self.progress.state is PublicationState.REMOVING
        since = (self.progress.delivered_at or self.publication.created_at) - CLEARED_SINCE_MS
        mine = tickets.c.active | (tickets.c.updated_at >= since)
        rows = connection.execute(TICKETS.where(tickets.c.site == self.site, mine).order_by(tickets.c.id)).all()
        changes = []
        for ticket in views(rows):
            body = ticket_view(ticket, zone)
            if clears:
                body["active"] = False
            if not self.publication.wanted.kinds or ticket.kind in self.publication.wanted.kinds:
                changes.append(_public(self.site, self.progress.cursor, ticket.updated_at, TICKET_TYPES[1], body))
        return Run(changes, head, number, clears)

    def keeps_place(self, now: UtcMs) -> Progress | None:
        """The place in the feed is written down now and then, also where nothing is to be told."""
        passed = self.read_to - self.progress.cursor
        if self.run is not None or passed <= 0 or (passed < KEEP_PLACE_EVERY and now - self.kept_place_at < HOUR_MS):
            return None
        self.kept_place_at = now
        return msgspec.structs.replace(self.progress, cursor=self.read_to)

    # --- what came of it ----------------------------------------------------------------------------------

    def judged(
        self, results: Sequence[Result], whole: bool, chance: Callable[[], float]
    ) -> tuple[Progress, list[Attempt]]:
        """How it stands after these attempts (`whole`: the run's last ones, all taken), and their lines in the log."""
        progress, log = self.progress, []
        for each in results:
            number = progress.attempts + 1
            progress, outcome = after_attempt(progress, each.change.seq, each.verdict, each.at, chance())
            if outcome is not Outcome.NOTHING:
                answer = each.verdict.answer if isinstance(each.verdict, Sent) else each.verdict.reason
                log.append(
                    Attempt(
                        seq=each.change.seq,
                        type=each.change.type,
                        at=each.at,
                        took_ms=each.took_ms,
                        attempt=number,
                        outcome=outcome,
                        answer=answer[:ANSWER_LENGTH],
                    )
                )
        if whole and self.run is not None:
            progress = msgspec.structs.replace(progress, cursor=max(progress.cursor, self.run.read_to))
            if self.run.clears:
                progress = msgspec.structs.replace(progress, state=PublicationState.REMOVED)
        return progress, log

    def written(self, progress: Progress, log: Sequence[Attempt], finished: bool) -> None:
        """It is in the database."""
        run, done = self.run, progress.cursor
        self.progress = progress
        for each in log:
            if each.outcome is Outcome.SET_ASIDE:
                self.set_aside_at = each.at
        if finished and run is not None:
            if done >= run.read_to and run.connection_number is not None:
                self.left_on = run.connection_number
            self.read_to = done
            self.behind = True
            self.run = None

    # --- how it is ----------------------------------------------------------------------------------------

    def conditions(self, now: UtcMs) -> list[Condition]:
        """For the watch: each thing that can be wrong, and whether it is."""
        progress = self.progress
        on = progress.state in {PublicationState.ACTIVE, PublicationState.DISABLED}
        no_way = on and progress.state is PublicationState.ACTIVE and self.way is None
        disabled = progress.state is PublicationState.DISABLED and progress.disabled_reason != "by_hand"
        detail: dict[str, Any] = {"name": self.publication.wanted.name, "error": progress.last_error or ""}
        found = (
            (Trouble.PUBLICATION_FAILING, is_failing(progress, now) or no_way, detail),
            (Trouble.PUBLICATION_DISABLED, disabled, {**detail, "reason": str(progress.disabled_reason or "")}),
            (Trouble.PUBLICATION_SET_ASIDE, on and _lately(self.set_aside_at, now), detail),
            (Trouble.PUBLICATION_GAP, on and _lately(self.gap_at, now), {**detail, "lost": self.gap}),
        )
        return [
            Condition(trouble=trouble, subject=self.subject, wrong=wrong, detail=detail)
            for trouble, wrong, detail in found
        ]

    @property
    def subject(self) -> Subject:
        """What its problems are about."""
        return Subject(self.site, SubjectType.GATEWAY, f"publication:{self.publication.wanted.name}")


def _lately(at: UtcMs | None, now: UtcMs) -> bool:
    return at is not None and now - at < TOLD_FOR_MS


def _public(site: str, seq: int, at: UtcMs, type_: str, body: dict[str, Any]) -> PublicChange:
    return PublicChange(seq=seq, site=site, at=at, type=type_, body=body)
