"""A tiny engine for rules: states, timers, tickets and problems in dicts, a clock that a test moves.

It does what the pipeline promises a rule (order of timers, derived events in the same step, late marks, states that
survive a restart) and nothing else, so that a test of a rule reads as a story. It must never be kinder than the pipeline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hub.tickets.kinds import ANY_STATE, KINDS
from hub.tickets.lifecycle import merged
from hub.vocabulary.decisions import (
    SEVERITY_RANK,
    Audience,
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
    TicketKind,
    Verdict,
    WithdrawNotices,
)
from hub.vocabulary.events import (
    DeviceStatus,
    Event,
    Subject,
    SubjectType,
    TicketMoved,
    TimerFired,
    Unreachable,
    with_order,
)
from hub.vocabulary.facts import DeviceFacts, DeviceKind, Facts, SiteFacts
from hub.vocabulary.instants import SECOND_MS, UtcMs
from hub.vocabulary.rule import Outcome, Rule

T0: UtcMs = 1_767_225_600_000
"""2026-01-01T00:00:00Z: where stories begin unless they say otherwise."""

SITE = SiteFacts(id="lakeside", name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")


def device_facts(
    device: str = "b1-e1",
    kind: DeviceKind = DeviceKind.ELEVATOR,
    *,
    pk: int = 1,
    gateway: str = "mqtt",
    **more: Any,
) -> DeviceFacts:
    """Facts of one device of building b1, with what the test cares about replaced."""
    known: dict[str, Any] = {"name": device, "place": "b1", "building": "b1", "profile": "hub-json"}
    return DeviceFacts(pk=pk, site=SITE.id, id=device, kind=kind, gateway=gateway, **(known | more))


def device_subject(device: str = "b1-e1") -> Subject:
    return Subject(SITE.id, SubjectType.DEVICE, device)


SITE_SUBJECT = Subject(SITE.id, SubjectType.SITE, SITE.id)


@dataclass
class Ticket:
    """A ticket as far as rules move it."""

    kind: TicketKind
    subject: Subject
    state: str
    severity: Severity
    opened_at: UtcMs
    occurred_at: UtcMs
    reasons: list[str]
    count: int = 1
    fields: dict[str, Any] = field(default_factory=dict)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    moves: list[tuple[str, str]] = field(default_factory=list)  # (trigger, reason)

    @property
    def active(self) -> bool:
        return self.state in KINDS[self.kind].active_states

    @property
    def reason(self) -> str:
        """Why it was opened."""
        return self.reasons[0]

    @property
    def triggers(self) -> list[str]:
        return [trigger for trigger, _ in self.moves]

    def raised_again(self, decision: RaiseTicket) -> None:
        self.count += decision.count
        if SEVERITY_RANK[decision.severity] < SEVERITY_RANK[self.severity]:
            self.severity = decision.severity
        self.state = KINDS[self.kind].on_repeat.get(self.state, self.state)
        self.told(decision)

    def told(self, decision: RaiseTicket) -> None:
        self.reasons.append(str(decision.reason))
        self.fields = merged(self.fields, decision.fields)
        self.evidence.append(decision.evidence)

    def moved(self, decision: MoveTicket) -> None:
        trigger = KINDS[self.kind].triggers[decision.trigger]
        if trigger.from_states == ANY_STATE or self.state in trigger.from_states:
            self.moves.append((decision.trigger, str(decision.reason)))
            self.fields = merged(self.fields, decision.fields)
            self.state = trigger.to_state or self.state


class Timeline:
    """Runs one or several rules over a story.

    `push` moves the clock to the event's `received_at` (timers that fall due before it fire first) and hands it to every rule that wants it.
    With `restarts`, each state goes through msgpack after every event, as through the database.
    With `mark_late`, a device's event older than one of its kind seen before is marked late, as the pipeline does.
    """

    def __init__(
        self,
        *rules: Rule,
        devices: Iterable[DeviceFacts] = (),
        limits: Mapping[str, Any] | None = None,
        started_at: UtcMs = T0 - 3600 * SECOND_MS,
        restarts: bool = False,
        mark_late: bool = True,
    ) -> None:
        self.rules = rules
        self.now = T0
        self.devices = {device.id: device for device in devices} or {"b1-e1": device_facts()}
        self.device_limits: dict[str, dict[str, Any]] = {}  # of single devices, for rules about the whole site
        self.limits = dict(limits or {})  # one rule's limits by key, or {rule name: {key: value}}
        self.started_at = started_at
        self.restarts = restarts
        self.mark_late = mark_late
        self.heard: dict[str, UtcMs] = {}
        self.newest: dict[tuple[str, type[Event]], UtcMs] = {}
        self.states: dict[tuple[str, Subject], Any] = {}
        self.timers: dict[tuple[str, Subject, str], UtcMs] = {}
        self.tickets: list[Ticket] = []
        self.problems: dict[tuple[str, Subject], RaiseProblem] = {}
        self.commands: list[SendCommand] = []
        self.notices: dict[tuple[str, Subject, str], tuple[UtcMs, Notify]] = {}  # ordered, and not withdrawn
        self.log: list[tuple[UtcMs, Decision]] = []
        self.writes = 0  # states that had changed and would have been written

    # --- telling the story ------------------------------------------------------------------------------------

    def push(self, *events: Event) -> Timeline:
        """These arrive, each at its `received_at`."""
        for event in events:
            self.advance_to(max(event.received_at, self.now))
            self._hear(event)
            self._hand_over(self._ordered(event))
        return self

    def advance_to(self, at: UtcMs) -> Timeline:
        """Let time pass to `at`; deadlines fire when they are due, oldest first."""
        while self.timers:
            (name, about, key), due_at = min(self.timers.items(), key=lambda item: (item[1], item[0]))
            if due_at > at:
                break
            del self.timers[name, about, key]
            self.now = max(self.now, due_at)
            device = about.id if about.type is SubjectType.DEVICE else ""
            self._hand_over(
                TimerFired(
                    site=about.site,
                    device=device,
                    occurred_at=due_at,
                    received_at=self.now,
                    rule=name,
                    key=key,
                    about=about,
                )
            )
        self.now = max(self.now, at)
        return self

    def advance(self, seconds: float) -> Timeline:
        """Let this much time pass."""
        return self.advance_to(self.now + round(seconds * SECOND_MS))

    def restart(self, down_s: float = 0) -> Timeline:
        """The process dies and comes back after `down_s`: states through msgpack, deadlines fire late, a new start-up."""
        self.states = {key: self._through_database(key[0], state) for key, state in self.states.items()}
        self.now = self.started_at = self.now + round(down_s * SECOND_MS)
        return self.advance_to(self.now)

    def people(self, action: str, state: str, kind: TicketKind, about: Subject | None = None) -> Timeline:
        """Somebody moves the newest ticket of this kind and subject to `state`; the rules are told."""
        subject = about or device_subject()
        ticket = next(t for t in reversed(self.tickets) if (t.kind, t.subject) == (kind, subject))
        ticket.state = state
        moved = TicketMoved(
            site=subject.site,
            device=subject.id if subject.type is SubjectType.DEVICE else "",
            occurred_at=self.now,
            received_at=self.now,
            kind=kind.value,
            about=subject,
            action=action,
            state=state,
            active=ticket.active,
            by="wang",
        )
        self._hand_over(moved)
        return self

    # --- reading the outcome ----------------------------------------------------------------------------------

    def active(self, kind: TicketKind | None = None, about: Subject | None = None) -> list[Ticket]:
        """Active tickets, of this kind and subject where they are given."""
        found = [ticket for ticket in self.tickets if ticket.active]
        found = [ticket for ticket in found if kind in {None, ticket.kind}]
        return [ticket for ticket in found if about in {None, ticket.subject}]

    def one(self, kind: TicketKind, about: Subject | None = None) -> Ticket:
        """The only ticket of this kind (and subject) that there ever was."""
        found = [t for t in self.tickets if t.kind is kind and about in {None, t.subject}]
        assert len(found) == 1, f"{len(found)} tickets of {kind}: {found}"
        return found[0]

    def verdicts(self) -> list[str]:
        """Reasons of all verdicts, oldest first."""
        return [str(decision.reason) for _, decision in self.log if isinstance(decision, Verdict)]

    def told(self, audience: Audience | None = None) -> list[str]:
        """Keys of all notices that were ordered, also of those that were withdrawn since, in order."""
        ordered = [d for _, d in self.log if isinstance(d, Notify) and audience in {None, d.audience}]
        return list(dict.fromkeys(decision.key for decision in ordered))

    def waiting(self) -> list[str]:
        """Keys of the notices that would be sent if nothing had been sent so far."""
        return [key for _, _, key in self.notices]

    def state(self, rule: str, about: Subject | None = None) -> Any:
        return self.states.get((rule, about or device_subject()))

    # --- the engine -------------------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        silent = isinstance(event, Unreachable) or (isinstance(event, DeviceStatus) and not event.online)
        if event.device and not silent:
            self.heard[event.device] = event.received_at

    def _ordered(self, event: Event) -> Event:
        if not self.mark_late or not event.device or isinstance(event, TicketMoved | TimerFired):
            return event
        slot = (event.device, type(event))
        newest = self.newest.get(slot, event.occurred_at)
        self.newest[slot] = max(newest, event.occurred_at)
        return with_order(event, late=event.late or event.occurred_at < newest)

    def _hand_over(self, event: Event) -> None:
        for rule in self.rules:
            if isinstance(event, rule.wants) and self._for_rule(rule, event):
                self._step(rule, event)

    @staticmethod
    def _for_rule(rule: Rule, event: Event) -> bool:
        return not isinstance(event, TimerFired) or event.rule == rule.name

    def _facts(self, rule: Rule, event: Event, subject: Subject | None) -> Facts:
        mine = self.limits.get(rule.name, {}) if self._keyed_by_rule() else self.limits
        wide = subject is None or subject.type is not SubjectType.DEVICE
        return Facts(
            site=SITE,
            device=self.devices.get(event.device),
            limits=msgspec.convert(mine, rule.limits_type),
            started_at=self.started_at,
            devices=self.devices if wide else {},
            heard=dict(self.heard) if wide else {},
            limits_of=self._limits_of(rule) if wide else {},
        )

    def _limits_of(self, rule: Rule) -> dict[str, Any]:
        return {name: msgspec.convert(own, rule.limits_type) for name, own in self.device_limits.items()}

    def _keyed_by_rule(self) -> bool:
        return any(name in {rule.name for rule in self.rules} for name in self.limits)

    def _step(self, rule: Rule, event: Event) -> None:
        subject = rule.subject(event, self._facts(rule, event, None))
        if subject is None:
            return
        key = (rule.name, subject)
        before = self.states.get(key)
        given = before if before is not None else rule.state_type()
        outcome = rule.decide(event, given, self._facts(rule, event, subject), self.now)
        self._keep(key, given, outcome)
        for decision in outcome.decisions:
            self.log.append((self.now, decision))
            self._apply(rule, subject, decision)

    def _keep(self, key: tuple[str, Subject], given: Any, outcome: Outcome) -> None:
        self.writes += outcome.state is not given
        if outcome.state is None:
            self.states.pop(key, None)
        elif outcome.state is not given or key in self.states:
            assert outcome.state is given or outcome.state != given, "an unchanged state must be the same object"
            self.states[key] = self._through_database(key[0], outcome.state) if self.restarts else outcome.state

    def _through_database(self, rule: str, state: Any) -> Any:
        state_type = next(r.state_type for r in self.rules if r.name == rule)
        return msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=state_type)

    def _apply(self, rule: Rule, subject: Subject, decision: Decision) -> None:
        match decision:
            case RaiseTicket():
                msgspec.json.encode(decision)  # fields and evidence must be fit for the database
                self._raise(decision)
            case MoveTicket():
                msgspec.json.encode(decision)
                for ticket in self.active(decision.kind, decision.subject):
                    ticket.moved(decision)
            case SetTimer(key=key, due_at=due_at):
                self.timers[rule.name, subject, key] = due_at
            case CancelTimer(key=key):
                self.timers.pop((rule.name, subject, key), None)
            case Derive(event=event):
                self._hand_over(event)
            case RaiseProblem(code=code, subject=about):
                self.problems[code, about] = decision
            case ClearProblem(code=code, subject=about):
                self.problems.pop((code, about), None)
            case SendCommand():
                self.commands.append(decision)
            case Notify():
                msgspec.json.encode(decision.params)
                self.notices.setdefault((rule.name, decision.subject, decision.key), (self.now, decision))
            case WithdrawNotices(key_prefix=prefix, subject=about):
                for found in [k for k in self.notices if k[:2] == (rule.name, about) and k[2].startswith(prefix)]:
                    del self.notices[found]
            case Verdict():
                msgspec.json.encode(decision)

    def _raise(self, decision: RaiseTicket) -> None:
        active = self.active(decision.kind, decision.subject)
        if active:
            active[0].raised_again(decision)
            return
        self.tickets.append(
            Ticket(
                kind=decision.kind,
                subject=decision.subject,
                state=KINDS[decision.kind].initial,
                severity=decision.severity,
                opened_at=self.now,
                occurred_at=decision.occurred_at,
                reasons=[str(decision.reason)],
                fields=dict(decision.fields),
                evidence=[decision.evidence],
            )
        )
