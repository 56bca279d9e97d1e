"""Plays a year of elevators to the pipeline, one step per message, in fast time: real rules, real database, moved clock.

People act on what they are shown and on nothing else: a case that the hub does not show is never rescued. Every month the
hub is stopped and started on the same database.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import func, select

from bench.year_lift import KNOWN_WITHIN_S, Lift
from bench.year_story import SETTLED_MS, Case, Year, freed
from hub.pipeline.door import ByHand
from hub.pipeline.inbox import Item
from hub.store import schema
from hub.store.database import open_store
from hub.tickets.lifecycle import Actor, Refused
from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.facts import SiteFacts
from hub.vocabulary.instants import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UtcMs
from hub.vocabulary.roles import Role
from hub.vocabulary.rule import Rule
from rules import RULES
from support.rig import Rig, device

RESTART_EVERY_MS: Final = 30 * DAY_MS
OPERATOR: Final = Actor("wang", frozenset({Role.CONTROL_ROOM}))
MANAGER: Final = Actor("chen", frozenset({Role.DEPARTMENT_MANAGER}))

Does: TypeAlias = Callable[[], None]


@dataclass
class Ledger:
    """What was to come and what came. `lost` and `invented` have to be empty."""

    messages: int = 0
    steps: int = 0
    restarts: int = 0
    expected: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    slowest_s: dict[str, float] = field(default_factory=dict)  # by way: from the beginning to the ticket
    lost: list[Case] = field(default_factory=list)
    outages: int = 0  # power cuts of whole sites
    outages_found: int = 0  # the sites' own cases
    invented: list[dict[str, Any]] = field(default_factory=list)
    untold: list[int] = field(default_factory=list)  # tickets of which supervisor or manager were not told
    unfinished: list[int] = field(default_factory=list)  # tickets that are not closed at the end
    deadlines_left: int = 0
    noises: dict[str, int] = field(default_factory=dict)
    tickets: Counter[str] = field(default_factory=Counter)
    faults_expected: int = 0
    missed_tests: int = 0
    orders: int = 0
    orders_twice: int = 0
    escalations: Counter[str] = field(default_factory=Counter)

    @property
    def whole(self) -> bool:
        """Nothing lost, nothing invented, everybody told, everything finished."""
        wrong = (self.lost, self.invented, self.untold, self.unfinished, self.deadlines_left, self.orders_twice)
        others = (self.tickets["elevator_fault"], self.tickets["device_silent"])
        same = others == (self.faults_expected, self.missed_tests) and self.outages == self.outages_found
        return same and not any(wrong)


class Player:
    """One run."""

    def __init__(self, year: Year, folder: Path, seed: int, rules: Sequence[Rule] = RULES) -> None:
        self.year = year
        self._rules = rules
        self.chance = random.Random(seed)
        self.ledger = Ledger(noises=dict(year.noises), faults_expected=year.faults, missed_tests=year.missed_tests)
        self._store = open_store(f"sqlite:///{folder / 'year.db'}")
        self._agenda: list[tuple[UtcMs, int, Does]] = []
        self._order = itertools.count()
        self._cases: dict[tuple[str, str], list[Case]] = {}
        for case in year.cases:
            self._cases.setdefault((case.lift.site, case.lift.id), []).append(case)
        self.rig = self._start(year.start)

    def _start(self, now: UtcMs) -> Rig:
        """The hub starts, with what the database knows."""
        names = sorted({lift.site for lift in self.year.lifts})
        sites = [SiteFacts(id=name, name=name, timezone="Asia/Shanghai", locale="zh-CN") for name in names]
        cars = [device(lift.id, site=lift.site, expects_test_call=True) for lift in self.year.lifts]
        rig = Rig(self._store, self._rules, cars, now=now, sites=sites)
        rig.engine._supervised_at = self.year.end * 2  # no rounds: silence of whole buses is another story
        return rig

    def play(self) -> Ledger:
        """The whole year."""
        for case in self.year.calls:
            self._later(case.at, partial(self._call, case))
        restart_at = self.year.start + RESTART_EVERY_MS
        for at, event in self.year.events:
            while restart_at <= at:
                self._until(restart_at)
                self.rig = self._start(restart_at)
                self.ledger.restarts += 1
                restart_at += RESTART_EVERY_MS
            self._until(at)
            self._step([event])
        self._until(self.year.end + SETTLED_MS)
        self._settle()
        self._store.close()
        return self.ledger

    # --- time -------------------------------------------------------------------------------------------

    def _until(self, at: UtcMs) -> None:
        """Deadlines and people's doings up to `at`, each at its moment."""
        while True:
            due = self.rig.core.timers.next_due()
            planned = self._agenda[0][0] if self._agenda else None
            nearest = min((moment for moment in (due, planned) if moment is not None), default=None)
            if nearest is None or nearest > at:
                break
            self.rig.now = max(self.rig.now, nearest)
            if planned is not None and planned == nearest:
                heapq.heappop(self._agenda)[2]()
            else:
                self._step([])
        self.rig.now = max(self.rig.now, at)

    def _step(self, items: Sequence[Item]) -> None:
        self.rig.engine.step(items)
        self.ledger.messages += len(items)
        self.ledger.steps += 1
        shown, self.rig.fed[:] = list(self.rig.fed), []
        for row in shown:
            if row.type == "ticket_opened":
                ticket = msgspec.json.decode(row.body)
                if ticket["kind"] == TicketKind.ENTRAPMENT and ticket["subject"]["type"] == SubjectType.DEVICE:
                    self._rescue(ticket["id"], Lift(ticket["site"], ticket["subject"]["id"]))
                elif ticket["kind"] == TicketKind.ENTRAPMENT:
                    self._later(self.rig.now + HOUR_MS, partial(self._end_outage, ticket["id"]))

    def _later(self, at: UtcMs, does: Does) -> None:
        heapq.heappush(self._agenda, (at, next(self._order), does))

    # --- people -----------------------------------------------------------------------------------------

    def _call(self, case: Case) -> None:
        """Somebody telephones: the control room raises the ticket, twice where two call."""
        subject = Subject(case.lift.site, SubjectType.DEVICE, case.lift.id)
        raised = RaiseTicket(
            kind=TicketKind.ENTRAPMENT, subject=subject, reason=ByHand.RAISED_BY_HAND, severity=Severity.HIGH,
            occurred_at=self.rig.now, fields={"sources": ["phone"]},
        )  # fmt: skip
        for _ in range(self.chance.randint(1, 2)):
            self._ask(lambda step: step.open_by_hand(raised, OPERATOR))

    def _rescue(self, ticket: int, lift: Lift) -> None:
        """How one rescue goes: mostly well, sometimes nobody reacts, sometimes the technician does not come."""
        c = self.chance
        at = self.rig.now + round((c.uniform(400, 900) if c.random() < 0.04 else c.uniform(8, 80)) * SECOND_MS)
        never_came = c.random() < 0.05
        people = c.randint(1, 4)
        for action, fields, wait_s in (
            ("acknowledge", {}, c.uniform(10, 90)),
            ("voice_contact", {}, c.uniform(5, 40)),
            ("people", {"inside": people}, c.uniform(5, 40)),
            ("guard_sent", {}, c.uniform(10, 60)),
            ("firm_told", {}, c.uniform(20, 150)),
            ("firm_answered", {}, c.uniform(120, 500)),
            ("guard_arrived", {}, c.uniform(120, 600) if not never_came else 2_400),
            ("technician_arrived", {}, c.uniform(90, 600)),
        ):
            self._later(at, partial(self._act, ticket, action, OPERATOR, **fields))
            at += round(wait_s * SECOND_MS)
        self._later(at, lambda: self._free(ticket, lift, people))

    def _free(self, ticket: int, lift: Lift, people: int) -> None:
        known = next((each for each in self.year.lifts if (each.site, each.id) == (lift.site, lift.id)), lift)
        case = Case(known, self.rig.now, "", people)
        said = freed(case, self.rig.now)
        for at, event in said:
            self._later(at, partial(self._step, [event]))
        at = said[-1][0] + 20 * SECOND_MS
        self._later(at, lambda: self._act(ticket, "release", people_out=people))
        self._later(at + 300 * SECOND_MS, lambda: self._act(ticket, "welfare"))
        self._finish(ticket, at + HOUR_MS)

    def _finish(self, ticket: int, at: UtcMs) -> None:
        """Back in service, reported, closed."""
        for number, action in enumerate(("back_in_service", "report", "close")):
            self._later(at + number * SECOND_MS, partial(self._act, ticket, action, MANAGER))

    def _end_outage(self, ticket: int) -> None:
        """The case of the site ends when those of its cars have; until then it is tried again."""
        for action in ("acknowledge", "release", "report", "close"):
            with contextlib.suppress(Refused):  # done before, or not yet
                self._act(ticket, action)
        if self._state(ticket) != "closed":
            self._later(self.rig.now + HOUR_MS, lambda: self._end_outage(ticket))

    def _act(self, ticket: int, action: str, by: Actor = OPERATOR, **fields: Any) -> None:
        self._ask(lambda step: step.act(ticket, action, fields, by, None))

    def _ask(self, run: Callable[[Any], Any]) -> None:
        answer = self.rig.inbox.ask(run)
        self._step(self.rig.inbox.take(10))
        answer.result(0)

    def _state(self, ticket: int) -> str:
        with self._store.read() as connection:
            found: str = connection.execute(
                select(schema.tickets.c.state).where(schema.tickets.c.id == ticket)
            ).scalar_one()
        return found

    # --- the ledger -------------------------------------------------------------------------------------

    def _settle(self) -> None:
        ledger, t = self.ledger, schema.tickets.c
        ledger.expected = Counter(case.way for case in self.year.cases)
        ledger.outages = len(self.year.outages)
        open_cases = {key: list(cases) for key, cases in self._cases.items()}
        with self._store.read() as connection:
            for row in connection.execute(select(schema.tickets).order_by(t.id)):
                # A flood of faults is gathered below one of the site's (hub.tickets.rollup).
                ledger.tickets[row.kind if row.subject_type == SubjectType.DEVICE else f"{row.kind} of a site"] += 1
                if row.kind != TicketKind.ENTRAPMENT:
                    continue
                self._enter(row, open_cases)
                if row.active:
                    ledger.unfinished.append(row.id)
                audiences = set(
                    connection.execute(
                        select(schema.notice_orders.c.audience).where(schema.notice_orders.c.ticket_id == row.id)
                    ).scalars()
                )
                if not {"duty_supervisor", "department_manager"} <= audiences:
                    ledger.untold.append(row.id)
            ledger.lost = [case for cases in open_cases.values() for case in cases]
            clock = schema.timers.c
            ledger.deadlines_left = connection.execute(
                select(func.count())
                .select_from(schema.timers)
                .where(clock.rule == "clock", clock.due_at <= self.rig.now)
            ).scalar_one()
            keys = Counter(connection.execute(select(schema.notice_orders.c.key)).scalars())
            ledger.orders = sum(keys.values())
            line = schema.ticket_timeline.c
            for name, reason in connection.execute(select(line.name, line.reason).where(line.entry == "clock")):
                ledger.escalations[f"{name} {reason}"] += 1
            moments = connection.execute(
                select(line.ticket_id, line.name, line.reason, line.occurred_at).where(line.entry == "clock")
            ).all()
            ledger.orders_twice = len(moments) - len(set(moments))
        ledger.slowest_s = dict(sorted(ledger.slowest_s.items()))

    def _enter(self, row: Any, open_cases: dict[tuple[str, str], list[Case]]) -> None:
        """Cross a ticket off against the truth."""
        if row.subject_type == SubjectType.SITE and any(
            site == row.site and 0 <= row.opened_at - at <= 2 * MINUTE_MS for at, site in self.year.outages
        ):
            self.ledger.outages_found += 1
            return
        mine = open_cases.get((row.site, row.subject_id), [])
        fitting = [case for case in mine if -1 <= (row.opened_at - case.at) / SECOND_MS <= KNOWN_WITHIN_S[case.way]]
        if row.subject_type == SubjectType.DEVICE and fitting:
            case = fitting[0]
            mine.remove(case)
            self.ledger.found[case.way] += 1
            took = (row.opened_at - case.at) / SECOND_MS
            self.ledger.slowest_s[case.way] = max(took, self.ledger.slowest_s.get(case.way, 0))
        else:
            self.ledger.invented.append(
                {
                    "id": row.id,
                    "site": row.site,
                    "subject": row.subject_id,
                    "opened_at": row.opened_at,
                    "reason": row.reason,
                }
            )
