"""One step: a batch of items, one write transaction, everything that they cause.

Order inside: deadlines that have fallen due, then alarms, then people and connectors' reports, then readings. Nothing
in memory changes before `committed()`; a step that fails is as if it had never been.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec
from sqlalchemy import Connection

from hub.meters import readings
from hub.notices import orders
from hub.pipeline import feed, history, problems, rejects
from hub.pipeline.announcements import announced
from hub.pipeline.commands import CommandLog
from hub.pipeline.core import Core, Intakes, to_the_end
from hub.pipeline.deadlines import fire, own_deadlines
from hub.pipeline.followers import follow
from hub.pipeline.rulebook import Decided, RuleFailure
from hub.pipeline.sequence import Placing
from hub.pipeline.timers import TimerKey
from hub.pipeline.world import device_subject, knows
from hub.tickets.desk import Desk
from hub.tickets.lifecycle import Actor, Refused, Ticket
from hub.tickets.telling import DESK, heard
from hub.vocabulary.access import AddressSeen, CardListed, ControllerReport
from hub.vocabulary.decisions import (
    CancelTimer,
    ClearProblem,
    Decision,
    Derive,
    MoveTicket,
    Notify,
    RaiseProblem,
    RaiseTicket,
    SendCommand,
    SetTimer,
    Severity,
    Verdict,
    WithdrawNotices,
)
from hub.vocabulary.events import (
    Canary,
    Clock,
    Event,
    MeterReading,
    Subject,
    SubjectType,
    SupervisionTick,
    TimerFired,
)
from hub.vocabulary.facts import DeviceFacts, SiteFacts
from hub.vocabulary.instants import HOUR_MS, UtcMs
from hub.vocabulary.ports import RawMessage

log = logging.getLogger(__name__)

MAX_DERIVED = 64
# These come again and again, and leave rows of their own.
NOT_HISTORY = (SupervisionTick, ControllerReport, CardListed, AddressSeen)


class Step:
    """The work of one transaction. Made for one batch, used once. `go_on` is asked between its parts, and raises to end it."""

    def __init__(self, connection: Connection, core: Core, now: UtcMs, go_on: Callable[[], None] = to_the_end) -> None:
        self._connection = connection
        self.go_on = go_on
        self._core = core
        self.now = now
        self._desk = Desk(connection, core.names, now)
        self._overlay = core.rules.overlay()
        self._timers: dict[TimerKey, UtcMs | None] = {}
        self._events = history.EventLog(now)
        self.commands = CommandLog(now)
        self._feed: list[tuple[str, UtcMs, str, Any]] = []
        self._passing: list[feed.FeedRow] = []
        self._noted: list[tuple[DeviceFacts, Event, int]] = []
        self._answers: list[tuple[Future[Any], Any]] = []
        self._derived: deque[Event] = deque()
        self._rows: list[feed.FeedRow] = []
        self._flushes = False
        self._orders = 0
        self._placing = Placing(core.board)
        self._late_hours: list[tuple[int, UtcMs]] = []

    # --- the batch --------------------------------------------------------------------------------------

    def run(self, intakes: Intakes, due: Sequence[tuple[UtcMs, TimerKey]]) -> None:
        """Everything of this batch, in order, and the writes at its end."""
        for due_at, timer in due:
            self.go_on()
            self._fire(due_at, timer)
        for message, why in intakes.rejected:
            self.reject(message, why)
        stored = history.known_keys(self._connection, [key for _, _, key in intakes.events])
        for event, device, key in intakes.events:
            self.go_on()
            if key not in stored:
                stored.add(key)
                self._take(event, device, key)
        for message in intakes.replayed:
            assert message.replay_of is not None
            rejects.settle(self._connection, message.replay_of, rejects.ACCEPTED, self.now)
        for task in intakes.tasks:
            self.go_on()
            self._do(task.run, task.answer)
        self._take_readings(intakes.readings)
        self.go_on()
        self._write()

    def _take(self, event: Event, device: DeviceFacts | None, key: bytes) -> None:
        if device is not None:
            event = self._placing.placed(device, event)
            self._noted.append((device, event, 0))
        if isinstance(event, Canary):
            body = msgspec.json.encode({"lane": event.lane, "number": event.number}).decode()
            self._passing.append(feed.FeedRow(0, event.site, self.now, "canary", body))
            return
        kept = not isinstance(event, NOT_HISTORY)
        if kept:
            self._events.add(event, device, key)
        follow(self, event, self.go_on)
        self.decide(event, key if kept else None)

    def _take_readings(self, rows: Sequence[tuple[MeterReading, DeviceFacts, int]]) -> None:
        """Store the readings of the batch at once, then let the rules see those that are new, in order."""
        board = self._core.board
        fresh: dict[tuple[int, int, int], tuple[MeterReading, DeviceFacts]] = {}
        doubtful = [(device.pk, key, event) for event, device, key in rows if self._placing.doubts(device, event)]
        again = readings.stored_under_arrival(self._connection, doubtful)
        for event, device, key in rows:
            self.go_on()
            repeated = bool(event.source_key) and board.repeats_last(device, key)
            if not repeated and (device.pk, key) not in again:
                placed = self._placing.placed(device, event)
                assert isinstance(placed, MeterReading)
                fresh.setdefault((device.pk, placed.occurred_at, key), (placed, device))
                if placed.clock is Clock.SKEWED and event.source_key:
                    again.add((device.pk, key))
        table = [
            readings.row_of(event, device.pk, identity[2], late=event.late)
            for identity, (event, device) in fresh.items()
        ]
        known = readings.insert_new(self._connection, table)
        for identity, (event, device) in fresh.items():
            self.go_on()
            if identity in known:
                continue
            if event.late:
                self._late_hours.append((device.pk, event.occurred_at - event.occurred_at % HOUR_MS))
            self._noted.append((device, event, identity[2]))
            self.decide(event, None)

    def site(self, site: str) -> SiteFacts:
        """A site's facts. Raises KeyError."""
        found = self._core.world.site(site)
        if found is None:
            raise KeyError(site)
        return found

    def devices_of(self, site: str) -> Mapping[str, DeviceFacts]:
        """All devices of a site."""
        return self._core.world.devices_of(site)

    def happen(self, event: Event) -> None:
        """Something that comes from inside or from people, kept and decided on; not a sign of life of its device."""
        device = self._core.world.device(event.site, event.device) if event.device else None
        if device is not None or not event.device:
            key = history.event_key(event)
            self._events.add(event, device, key)
            self.decide(event, key)

    # --- rules ------------------------------------------------------------------------------------------

    def decide(self, event: Event, key: bytes | None) -> None:
        """Let the rules decide on an event, and on what they derive from it."""
        self._decide_one(event, key)
        count = 0
        while self._derived:
            count += 1
            if count > MAX_DERIVED:
                self._derived.clear()
                self._rule_failed(
                    RuleFailure("derive", event.subject(), f"more than {MAX_DERIVED} events derived from one")
                )
                return
            derived = self._derived.popleft()
            follow(self, derived)
            self._decide_one(derived, key)

    def _decide_one(self, event: Event, key: bytes | None) -> None:
        for outcome in self._core.rules.decide(event, self._overlay, self.now):
            if isinstance(outcome, RuleFailure):
                self._rule_failed(outcome)
                continue
            for decision in outcome.decisions:
                self._apply(decision, outcome, key)

    def carry_out(self, decisions: Iterable[Decision], by: str, subject: Subject) -> None:
        """What the hub itself decides on something that it follows."""
        for decision in decisions:
            self._apply(decision, Decided(by, subject, ()), None)

    def _apply(self, decision: Decision, by: Decided, key: bytes | None) -> None:
        match decision:
            case Verdict():
                pass  # kept by the rule book
            case RaiseTicket():
                self._desk.raise_ticket(decision, f"rule:{by.rule}", key)
            case MoveTicket():
                self._desk.move_ticket(decision, f"rule:{by.rule}", key)
            case SetTimer():
                self._timers[TimerKey(by.rule, by.subject, decision.key)] = decision.due_at
            case CancelTimer():
                self._timers[TimerKey(by.rule, by.subject, decision.key)] = None
            case Derive():
                self._derived.append(decision.event)
            case RaiseProblem():
                self.raise_problem(decision)
            case ClearProblem():
                self.clear_problem(decision)
            case SendCommand():
                self.commands.send(decision)
            case Notify():
                self._orders += self._order(decision, by.rule)
            case WithdrawNotices():
                orders.withdraw(self._connection, decision, by.rule, self.now)

    def _order(self, notify: Notify, rule: str) -> int:
        new = orders.order(self._connection, notify, rule, self.now)
        why = self._desk.holds_back(notify) if new else None
        if why is not None:  # on record, and not sent later
            held = WithdrawNotices(key_prefix=notify.key, subject=notify.subject, reason=why)
            orders.withdraw(self._connection, held, rule, self.now)
        return new and why is None

    def _rule_failed(self, failure: RuleFailure) -> None:
        detail = {"rule": failure.rule, "error": failure.error[:300]}
        self.raise_problem(
            RaiseProblem(code="rule_failed", subject=failure.subject, severity=Severity.HIGH, detail=detail)
        )

    def _fire(self, due_at: UtcMs, key: TimerKey) -> None:
        if self._timers.get(key, due_at) != due_at:
            return
        self._timers[key] = None
        if fire(self, key, due_at):
            return
        device = key.subject.id if key.subject.type is SubjectType.DEVICE else ""
        self.decide(
            TimerFired(
                site=key.subject.site,
                device=device,
                source_key=f"{key.rule}/{key.key}/{due_at}",
                occurred_at=due_at,
                received_at=self.now,
                rule=key.rule,
                key=key.key,
                about=key.subject,
            ),
            None,
        )

    # --- the hub's own concerns -------------------------------------------------------------------------

    @property
    def desk(self) -> Desk:
        """The step's desk."""
        return self._desk

    @property
    def connection(self) -> Connection:
        """The step's transaction."""
        return self._connection

    def raise_ticket(self, raised: RaiseTicket) -> None:
        """A ticket about the hub itself."""
        self._desk.raise_ticket(raised, "hub")

    def move_ticket(self, move: MoveTicket) -> None:
        """What a ticket about the hub itself was raised for is over."""
        self._desk.move_ticket(move, "hub")

    def raise_problem(self, raised: RaiseProblem) -> None:
        """A problem comes up, or again; announced only when it is new."""
        change = problems.raise_problem(self._connection, raised, self.now)
        if change.count == 1:
            self._feed.append((raised.subject.site, self.now, "problem_raised", change))

    def clear_problem(self, cleared: ClearProblem) -> None:
        """A problem is over."""
        change = problems.clear_problem(self._connection, cleared, self.now)
        if change is not None:
            self._feed.append((cleared.subject.site, self.now, "problem_cleared", change))

    def reject(self, message: RawMessage, why: Any) -> None:
        """Put input aside; announced when it is new."""
        if message.replay_of is not None:
            rejects.settle(self._connection, message.replay_of, str(why.reason), self.now)
            return
        row, is_new = rejects.keep(self._connection, message, why)
        if is_new:
            body = {
                "id": row,
                "site": why.site,
                "device": why.device,
                "reason": str(why.reason),
                "detail": why.detail[:300],
            }
            self._feed.append((why.site, self.now, "rejected", body))

    # --- people -----------------------------------------------------------------------------------------

    def _do(self, run: Any, answer: Future[Any]) -> None:
        """A person's wish. A refusal is an answer, and must not spoil the others' step: it happens before any write."""
        try:
            self._answers.append((answer, run(self)))
        except Refused as refusal:
            self._answers.append((answer, refusal))

    def act(self, ticket_id: int, action: str, fields: dict[str, Any], actor: Actor, if_match: int | None) -> Ticket:
        """A person's action on a ticket; rules that follow the ticket hear of it. Raises Refused."""
        ticket = self._desk.act(ticket_id, action, fields, actor, if_match)
        self._tell_rules(ticket, action, actor.name)
        return ticket

    def open_by_hand(self, raised: RaiseTicket, actor: Actor) -> Ticket:
        """A ticket raised by a person."""
        ticket = self._desk.raise_ticket(raised, actor.name)
        self._tell_rules(ticket, "raised_by_hand", actor.name)
        return ticket

    def replay_outcome(self, rejected_id: int) -> str:
        """What came of a replay that went through in this step or before."""
        return rejects.outcome(self._connection, rejected_id)

    def knows(self, subject: Subject) -> bool:
        """Whether a ticket may be raised about this subject by hand."""
        return knows(self._core.world, subject)

    def _tell_rules(self, ticket: Ticket, action: str, by: str) -> None:
        for event in heard(ticket, action, by, self.now):
            self.decide(event, None)

    # --- the end ----------------------------------------------------------------------------------------

    def _write(self) -> None:
        connection, core = self._connection, self._core
        for device, lag_ms in self._placing.set_back.items():
            detail = {"behind_s": lag_ms // 1000}
            self.raise_problem(RaiseProblem(code="clock_set_back", subject=device_subject(device), detail=detail))
        for device in self._placing.right_again:
            self.clear_problem(ClearProblem(code="clock_set_back", subject=device_subject(device)))
        self._events.write(connection)
        core.rules.write(connection, self._overlay, self.now)
        self._timers |= own_deadlines(self._desk)
        core.timers.write(connection, self._timers, self.now)
        self._orders += orders.carry_out(connection, self._desk.notices, DESK, self.now)
        self.commands.write(connection)
        readings.mark_late(connection, self._late_hours)
        self._flushes = core.board.flush_due(self.now)
        if self._flushes:
            core.board.flush(connection)
        self._feed += announced(self._desk, core.zone, self.now)
        self._rows = feed.append(connection, self._feed)

    def committed(self) -> None:
        """The transaction is in the database: now memory follows, answers are given, listeners are told."""
        core = self._core
        core.rules.apply(self._overlay)
        self._placing.apply()
        core.timers.apply(self._timers)
        if self._flushes:
            core.board.flushed(self.now)
        for device, event, key in self._noted:
            core.board.note(device, event, key)
        core.feed.publish([*self._rows, *self._passing])
        for answer, result in self._answers:
            if not answer.set_running_or_notify_cancel():
                continue
            if isinstance(result, Refused):
                answer.set_exception(result)
            else:
                answer.set_result(result)
        core.dispatch(self.commands.to_send)
        if self._orders:
            core.notices_ordered()
