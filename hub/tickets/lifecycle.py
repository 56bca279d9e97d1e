"""How a ticket moves: pure functions of a ticket, what happened, and now. The table in `kinds` is the only authority."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from hub.tickets.kinds import ANY_STATE, KINDS, Field, Kind
from hub.vocabulary.decisions import SEVERITY_RANK, MoveTicket, RaiseTicket, Severity
from hub.vocabulary.events import Subject
from hub.vocabulary.instants import SECOND_MS, UtcMs
from hub.vocabulary.roles import Role

MAX_TEXT = 4_000
MAX_LISTED_SOURCES = 20


class Refused(Exception):  # noqa: N818  what a person asked cannot be done: an answer, not a fault
    """`status` says which answer; `allowed` what could be done instead; `errors` names each field with its problem."""

    def __init__(
        self,
        status: Literal["not_found", "not_allowed", "conflict", "stale", "invalid", "unavailable"],
        detail: str,
        allowed: tuple[str, ...] = (),
        errors: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.allowed = allowed
        self.errors = errors


class Actor(msgspec.Struct, frozen=True):
    """Who acts: a person or a machine client."""

    name: str
    roles: frozenset[Role]


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket as it stands. `id` is 0 until it is stored."""

    id: int = 0
    number: str = ""
    kind: str
    subject: Subject
    subject_name: str
    place: str
    state: str
    active: bool
    severity: Severity
    reason: str
    title: str
    occurred_at: UtcMs
    opened_at: UtcMs
    updated_at: UtcMs
    ended_at: UtcMs | None = None
    count: int = 1
    assignee: str | None = None
    fields: Mapping[str, Any] = {}
    drill: bool = False
    revision: int = 1
    milestones: frozenset[str] = frozenset()  # names reached so far


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the timeline; never edited."""

    entry: Literal["raised", "repeat", "signal", "action", "clock"]
    name: str
    reason: str
    by: str
    occurred_at: UtcMs
    state_from: str | None
    state_to: str
    data: Mapping[str, Any]


class ClockStart(msgspec.Struct, frozen=True):
    """A clock begins to run."""

    name: str
    due_at: UtcMs


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a move leaves behind: the ticket as it is now, a line for the timeline, milestones and clocks."""

    ticket: Ticket
    entry: Entry
    milestones: tuple[str, ...] = ()
    started: tuple[ClockStart, ...] = ()
    stopped: tuple[str, ...] = ()  # clocks whose milestone was reached


def allowed_actions(
    kind: str, state: str, roles: frozenset[Role], milestones: frozenset[str] = frozenset()
) -> tuple[str, ...]:
    """Names of the actions that these roles may take from this state; what comes once and was done is not among them."""
    return tuple(
        name
        for name, action in KINDS[kind].actions.items()
        if _from(action.from_states, state)
        and action.roles & roles
        and not (action.once and action.milestone in milestones)
    )


def opened(raised: RaiseTicket, by: str, named: tuple[str, str, str], now: UtcMs) -> Change:
    """A new ticket; `named` is the subject's name, its place, and the title."""
    kind = KINDS[raised.kind]
    name, place, title = named
    ticket = Ticket(
        kind=kind.name,
        subject=raised.subject,
        subject_name=name,
        place=place,
        state=kind.initial,
        active=True,
        severity=raised.severity,
        reason=str(raised.reason),
        title=title,
        occurred_at=raised.occurred_at,
        opened_at=now,
        updated_at=now,
        fields=dict(raised.fields),
        drill=raised.drill,
    )
    entry = _entry("raised", kind.name, raised.reason, by, raised.occurred_at, None, kind.initial, raised.evidence)
    return _with_milestones(ticket, entry, ("opened",), now)


def repeated(ticket: Ticket, raised: RaiseTicket, by: str, now: UtcMs) -> Change:
    """A further signal of what is open already: counted, merged, severity never lowered by a machine."""
    kind = KINDS[ticket.kind]
    state = kind.on_repeat.get(ticket.state, ticket.state)
    worse = SEVERITY_RANK[raised.severity] < SEVERITY_RANK[ticket.severity]
    after = msgspec.structs.replace(
        ticket,
        state=state,
        severity=raised.severity if worse else ticket.severity,
        count=ticket.count + (1 if raised.count else 0),
        fields=merged(ticket.fields, raised.fields),
        updated_at=now,
        revision=ticket.revision + 1,
    )
    word: Literal["repeat", "signal"] = "repeat" if raised.count else "signal"
    entry = _entry(word, ticket.kind, raised.reason, by, raised.occurred_at, ticket.state, state, raised.evidence)
    return Change(ticket=after, entry=entry)


def triggered(ticket: Ticket, move: MoveTicket, by: str, now: UtcMs) -> Change | None:
    """What a rule reports on an active ticket; None where the table has no such move from this state."""
    trigger = KINDS[ticket.kind].triggers[move.trigger]
    if not _from(trigger.from_states, ticket.state):
        return None
    after = _moved(ticket, trigger.to_state, merged(ticket.fields, move.fields), now)
    entry = _entry("signal", move.trigger, move.reason, by, move.occurred_at, ticket.state, after.state, move.evidence)
    return _with_milestones(after, entry, (trigger.milestone,) if trigger.milestone else (), now)


def acted(ticket: Ticket, name: str, fields: Mapping[str, Any], actor: Actor, now: UtcMs) -> Change:
    """A person's action. Raises Refused: no such action, not now, not by them, or fields missing."""
    kind = KINDS[ticket.kind]
    action = kind.actions.get(name)
    allowed = allowed_actions(ticket.kind, ticket.state, actor.roles, ticket.milestones)
    if action is None:
        raise Refused("not_found", f"A ticket of kind {kind.name} has no action {name!r}.", tuple(kind.actions))
    if not action.roles & actor.roles:
        raise Refused("not_allowed", f"{name!r} is not for the roles of {actor.name}.", allowed)
    if not _from(action.from_states, ticket.state):
        raise Refused("conflict", f"{name!r} is not possible while the ticket is {ticket.state}.", allowed)
    if action.once and action.milestone in ticket.milestones:
        raise Refused("conflict", f"{name!r} has been done already.", allowed)
    given = _checked(action.fields, fields)
    after = _moved(ticket, action.to_state, ticket.fields, now)
    after = _with_action_fields(after, name, given, actor)
    entry = _entry("action", name, name, actor.name, now, ticket.state, after.state, given)
    return _with_milestones(after, entry, (action.milestone,) if action.milestone else (), now)


def breached(ticket: Ticket, clock: str, due_at: UtcMs, now: UtcMs) -> Change:
    """A clock ran out before its milestone came."""
    after = msgspec.structs.replace(ticket, updated_at=now, revision=ticket.revision + 1)
    entry = _entry("clock", clock, "breached", "clock", due_at, ticket.state, ticket.state, {"due_at": due_at})
    return Change(ticket=after, entry=entry)


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a repeat over those of before; lists (sources …) are united in order, None never wins over a value."""
    result = dict(old)
    for name, value in new.items():
        before = result.get(name)
        if isinstance(before, list) and isinstance(value, list):
            result[name] = (before + [item for item in value if item not in before])[-MAX_LISTED_SOURCES:]
        elif value is not None or before is None:
            result[name] = value
    return result


def _from(states: tuple[str, ...], state: str) -> bool:
    return states == ANY_STATE or state in states


def _moved(ticket: Ticket, to_state: str | None, fields: Mapping[str, Any], now: UtcMs) -> Ticket:
    kind: Kind = KINDS[ticket.kind]
    state = to_state or ticket.state
    active = state in kind.active_states
    return msgspec.structs.replace(
        ticket,
        state=state,
        active=active,
        ended_at=now if ticket.active and not active else (None if active else ticket.ended_at),
        fields=fields,
        updated_at=now,
        revision=ticket.revision + 1,
    )


def _with_action_fields(ticket: Ticket, name: str, given: Mapping[str, Any], actor: Actor) -> Ticket:
    if name == "assign":
        return msgspec.structs.replace(ticket, assignee=given["assignee"])
    if name == "acknowledge" and ticket.assignee is None:
        return msgspec.structs.replace(ticket, assignee=actor.name)
    if name == "people":
        return msgspec.structs.replace(ticket, fields=merged(ticket.fields, {"people": given}))
    return ticket


def _with_milestones(ticket: Ticket, entry: Entry, names: tuple[str, ...], now: UtcMs) -> Change:
    clocks = KINDS[ticket.kind].clocks
    started = tuple(
        ClockStart(name, now + spec.within_s * SECOND_MS)
        for name, spec in clocks.items()
        if spec.start in names and spec.stop not in ticket.milestones
    )
    stopped = tuple(name for name, spec in clocks.items() if spec.stop in names)
    after = msgspec.structs.replace(ticket, milestones=ticket.milestones | frozenset(names))
    return Change(ticket=after, entry=entry, milestones=names, started=started, stopped=stopped)


def _entry(
    entry: Literal["raised", "repeat", "signal", "action", "clock"],
    name: str,
    reason: str,
    by: str,
    occurred_at: UtcMs,
    state_from: str | None,
    state_to: str,
    data: Mapping[str, Any],
) -> Entry:
    return Entry(
        entry=entry,
        name=name,
        reason=str(reason),
        by=by,
        occurred_at=occurred_at,
        state_from=state_from,
        state_to=state_to,
        data=data,
    )


def _checked(specs: tuple[Field, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an action, checked; raises Refused naming each that is missing, unknown or of the wrong type."""
    known = {spec.name: spec for spec in specs}
    errors = [(name, f"unknown; allowed: {', '.join(known) or 'none'}") for name in given if name not in known]
    for spec in specs:
        value = given.get(spec.name)
        if value is None or value == "":
            if spec.required:
                errors.append((spec.name, "missing"))
        elif problem := _field_problem(spec, value):
            errors.append((spec.name, problem))
    if errors:
        raise Refused("invalid", "Some fields are missing or wrong.", errors=tuple(errors))
    return {name: value for name, value in given.items() if value is not None}


def _field_problem(spec: Field, value: Any) -> str | None:
    if spec.type == "count":
        fine = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10_000
        return None if fine else "must be a whole number from 0 to 10000"
    if spec.type == "flag":
        return None if isinstance(value, bool) else "must be true or false"
    if not isinstance(value, str):
        return "must be text"
    if len(value) > MAX_TEXT or "\0" in value:
        return f"must be at most {MAX_TEXT} characters without NUL"
    return None
