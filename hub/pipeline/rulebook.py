"""Rules at work: which rule wants which event, its state, its facts, and what it has concluded lately.

States are kept in memory in full (one process holds a site) and written with the step that changed them; a step works
on an overlay that counts only after its commit, so a failed step leaves no trace here either.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from hub.pipeline.world import FactsBook
from hub.store.bulk import Upsert
from hub.store.schema import rule_state
from hub.vocabulary.decisions import Decision, MoveTicket, RaiseTicket, Verdict
from hub.vocabulary.events import Event, Subject, SubjectType, TimerFired
from hub.vocabulary.facts import Facts
from hub.vocabulary.instants import UtcMs, iso
from hub.vocabulary.rule import Rule

log = logging.getLogger(__name__)

EVALUATIONS_KEPT = 5
_UPSERT = Upsert(
    rule_state,
    ("rule", "site", "subject_type", "subject_id"),
    ("rule", "site", "subject_type", "subject_id", "version", "body", "updated_at"),
)


class StateKey(NamedTuple):
    """Whose state, of which rule."""

    rule: str
    subject: Subject


class Decided(NamedTuple):
    """What one rule made of one event."""

    rule: str
    subject: Subject
    decisions: Sequence[Decision]


class RuleFailure(NamedTuple):
    """A rule raised an exception: its own defect, the event goes on to the others."""

    rule: str
    subject: Subject
    error: str


class _Slot:
    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.name = rule.name
        self.default = rule.state_type()


class Evaluation(msgspec.Struct):
    """What a rule concluded, how often in a row, and from which facts: the answer to 'why' and 'why not'."""

    rule: str
    reason: str
    fired: bool
    first_at: UtcMs
    last_at: UtcMs
    count: int
    facts: dict[str, Any]


class RuleBook:
    """The rules of this process with their states. Only the engine's thread decides; `why` may be asked from any."""

    def __init__(self, rules: Sequence[Rule], facts: FactsBook) -> None:
        self._facts = facts
        self._slots = [_Slot(rule) for rule in rules]
        self._by_name = {slot.name: slot for slot in self._slots}
        self._wanted: dict[type[Event], list[_Slot]] = {}
        for slot in self._slots:
            for kind in slot.rule.wants:
                self._wanted.setdefault(kind, []).append(slot)
        self._states: dict[StateKey, Any] = {}
        self._evaluations: dict[tuple[str, str], deque[Evaluation]] = {}

    def load(self, connection: Connection) -> list[RuleFailure]:
        """Take up the stored states; those that cannot be read any more start afresh and are reported."""
        failures: list[RuleFailure] = []
        for row in connection.execute(select(rule_state)):
            slot = self._by_name.get(row.rule)
            if slot is None:
                continue
            subject = Subject(row.site, SubjectType(row.subject_type), row.subject_id)
            try:
                self._states[StateKey(row.rule, subject)] = _restored(slot.rule, row.version, bytes(row.body))
            except msgspec.MsgspecError as error:
                failures.append(RuleFailure(row.rule, subject, f"stored state is unreadable: {error}"))
        return failures

    def overlay(self) -> Overlay:
        """A working copy for one step."""
        return Overlay(self._states)

    def decide(self, event: Event, overlay: Overlay, now: UtcMs) -> Iterator[Decided | RuleFailure]:
        """Ask every rule that wants this event, in order."""
        slots = self._wanted.get(type(event), ())
        if type(event) is TimerFired:
            own = self._by_name.get(event.rule)
            slots = [] if own is None else [own]
        for slot in slots:
            facts = self._facts.facts(slot.name, event.site, event.device)
            if facts is None:
                continue
            outcome = self._ask(slot, event, facts, overlay, now)
            if outcome is not None:
                yield outcome

    def _ask(
        self, slot: _Slot, event: Event, facts: Facts, overlay: Overlay, now: UtcMs
    ) -> Decided | RuleFailure | None:
        subject = event.subject()
        try:
            about = slot.rule.subject(event, facts)
            if about is None:
                return None
            subject = about
            if event.device and about.type is not SubjectType.DEVICE:
                facts = self._with_site(slot.name, facts)
            key = StateKey(slot.name, about)
            state = overlay.get(key, slot.default)
            outcome = slot.rule.decide(event, state, facts, now)
        except Exception as error:  # a rule's defect costs its own event only (promise 3)
            log.exception("rule %s failed on %s", slot.name, type(event).__name__)
            return RuleFailure(slot.name, subject, f"{type(error).__name__}: {error}")
        if outcome.state is not state:
            overlay.set(key, slot.default if outcome.state is None else outcome.state)
        if not outcome.decisions:
            return None
        decided = Decided(slot.name, about, outcome.decisions)
        overlay.concluded.append((decided, now))
        return decided

    def _with_site(self, rule: str, facts: Facts) -> Facts:
        """A device's event that concerns its whole site: its own facts, and those of the site's other devices."""
        wide = self._facts.facts(rule, facts.site.id, "")
        if wide is None:
            return facts
        return msgspec.structs.replace(facts, devices=wide.devices, heard=wide.heard, limits_of=wide.limits_of)

    def _remember(self, decided: Decided, now: UtcMs) -> None:
        rule, subject = decided.rule, decided.subject
        for decision in decided.decisions:
            if isinstance(decision, Verdict):
                facts, fired = decision.facts, False
            elif isinstance(decision, (RaiseTicket, MoveTicket)):
                facts, fired = decision.evidence, True
            else:
                continue
            kept = self._evaluations.setdefault((subject.site, subject.id), deque(maxlen=EVALUATIONS_KEPT))
            last = kept[-1] if kept else None
            if last is not None and last.rule == rule and last.reason == decision.reason:
                last.count, last.last_at, last.facts = last.count + 1, now, facts
            else:
                kept.append(Evaluation(rule, str(decision.reason), fired, now, now, 1, facts))

    def why(self, site: str, subject: str) -> list[dict[str, Any]]:
        """The last conclusions about a device (or gateway, or the site), newest first."""
        kept = list(self._evaluations.get((site, subject), ()))
        return [
            {
                "rule": each.rule,
                "reason": each.reason,
                "fired": each.fired,
                "first_at": iso(each.first_at),
                "last_at": iso(each.last_at),
                "count": each.count,
                "facts": each.facts,
            }
            for each in reversed(kept)
        ]

    def write(self, connection: Connection, overlay: Overlay, now: UtcMs) -> None:
        """Store the states that a step has changed."""
        _UPSERT.run(
            connection,
            [
                (
                    key.rule,
                    key.subject.site,
                    str(key.subject.type),
                    key.subject.id,
                    self._by_name[key.rule].rule.version,
                    msgspec.msgpack.encode(state),
                    now,
                )
                for key, state in overlay.changed.items()
            ],
        )

    def apply(self, overlay: Overlay) -> None:
        """The step was committed."""
        self._states.update(overlay.changed)
        for decided, at in overlay.concluded:
            self._remember(decided, at)


class Overlay:
    """States as one step sees them."""

    def __init__(self, base: dict[StateKey, Any]) -> None:
        self._base = base
        self.changed: dict[StateKey, Any] = {}
        self.concluded: list[tuple[Decided, UtcMs]] = []

    def get(self, key: StateKey, default: Any) -> Any:
        """The state, as changed by this step."""
        found = self.changed.get(key)
        return self._base.get(key, default) if found is None else found

    def set(self, key: StateKey, state: Any) -> None:
        """The step's new state."""
        self.changed[key] = state


def _restored(rule: Rule, version: int, body: bytes) -> Any:
    if version == rule.version:
        return msgspec.msgpack.decode(body, type=rule.state_type)
    migrated = rule.migrate(version, msgspec.msgpack.decode(body))
    return rule.state_type() if migrated is None else migrated
