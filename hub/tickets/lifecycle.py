"""How a ticket moves: pure functions of a ticket, what happened, and now. The table in `kinds` is the only authority."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hub.tickets import drills, escalation, mass, occupants
from hub.tickets.escalation import Fallen, Moment
from hub.tickets.kind import ANY_STATE, OPENED, REOPENED, ClockSpec, Kind, Tell, Trait
from hub.tickets.kinds import KINDS
from hub.tickets.refusals import Refused, Said, checked, demand_all_out, demand_done, demand_traits
from hub.tickets.suppression import NEVER_QUIET, EndReason, shelf_until
from hub.tickets.ticket import Actor, Change, ClockStart, Entry, EntryWord, Occasion, Ticket, standing, traits_of
from hub.vocabulary.decisions import SEVERITY_RANK, MoveTicket, RaiseTicket, Severity
from hub.vocabulary.instants import SECOND_MS, UtcMs
from hub.vocabulary.roles import Role

__all__ = ["Actor", "Change", "Occasion", "Refused", "Ticket", "standing", "traits_of"]

MAX_LISTED_SOURCES = 20


def allowed_actions(
    kind: str,
    state: str,
    roles: frozenset[Role],
    milestones: frozenset[str] = frozenset(),
    traits: frozenset[Trait] = frozenset(),
) -> tuple[str, ...]:
    """Names of the actions that these roles may take from this state; what comes once and was done is not among them.

    Nor is what requires something that has not been done, or what the ticket's traits rule out.
    """
    return tuple(
        name
        for name, action in KINDS[kind].actions.items()
        if _from(action.from_states, state)
        and action.roles & roles
        and not (action.once and action.milestone in milestones)
        and milestones.issuperset(action.requires)
        and (action.needs is None or action.needs in traits)
        and not action.never & traits
    )


def allowed_to(ticket: Ticket, actor: Actor) -> tuple[str, ...]:
    """Names of the actions that this actor may take now."""
    return allowed_actions(ticket.kind, ticket.state, actor.roles, ticket.milestones, traits_of(ticket))


def opened(
    raised: RaiseTicket, by: str, named: tuple[str, str, str], now: UtcMs, *, maintenance: bool = False
) -> Change:
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
        maintenance=maintenance,
    )
    entry = _entry("raised", kind.name, raised.reason, by, raised.occurred_at, None, kind.initial, raised.evidence)
    return _with_milestones(ticket, entry, (OPENED,), now)


def repeated(ticket: Ticket, raised: RaiseTicket, by: str, now: UtcMs, *, maintenance: bool = False) -> Change:
    """A further signal of what is open already: counted, merged, severity never lowered by a machine.

    After a release, or where a drill becomes real or maintenance no longer explains it, the case begins anew: clocks run
    and people are told again.
    """
    kind = KINDS[ticket.kind]
    state = kind.on_repeat.get(ticket.state, ticket.state)
    worse = SEVERITY_RANK[raised.severity] < SEVERITY_RANK[ticket.severity]
    after = msgspec.structs.replace(
        ticket,
        state=state,
        severity=raised.severity if worse else ticket.severity,
        count=ticket.count + (1 if raised.count else 0),
        fields=merged(ticket.fields, raised.fields),
        drill=ticket.drill and raised.drill,
        title=ticket.title if raised.drill else drills.unmarked(ticket.title),
        maintenance=ticket.maintenance and maintenance,
        updated_at=now,
        revision=ticket.revision + 1,
    )
    marks = (ticket.drill, ticket.maintenance) != (after.drill, after.maintenance)
    anew = (state != ticket.state and ticket.state in kind.done_states) or marks
    word: EntryWord = "repeat" if raised.count else "signal"
    entry = _entry(word, ticket.kind, raised.reason, by, raised.occurred_at, ticket.state, state, raised.evidence)
    return _with_milestones(after, entry, (REOPENED,) if anew else (), now, was=ticket.severity)


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
    allowed = allowed_to(ticket, actor)
    if action is None and name == "shelve" and ticket.kind in NEVER_QUIET:
        never = f"A ticket of kind {kind.name} is never shelved: people may be in danger."
        raise Refused("conflict", Said("never_shelved", never, kind=kind.name), allowed)
    if action is None:
        raise Refused("not_found", f"A ticket of kind {kind.name} has no action {name!r}.", tuple(kind.actions))
    if not action.roles & actor.roles:
        roles = Said("roles", f"{name!r} is not for the roles of {actor.name}.", action=name, person=actor.name)
        raise Refused("not_allowed", roles, allowed)
    if not _from(action.from_states, ticket.state):
        now_not = f"{name!r} is not possible while the ticket is {ticket.state}."
        raise Refused("conflict", Said("state", now_not, action=name, state=ticket.state), allowed)
    if action.once and action.milestone in ticket.milestones:
        raise Refused("conflict", Said("done", f"{name!r} has been done already.", action=name), allowed)
    demand_traits(name, action, traits_of(ticket), allowed)
    demand_done(name, action, ticket.milestones, allowed)
    given = checked(action.fields, fields)
    demand_all_out(name, ticket.fields, given)
    occupants.demand_refusal(name, given)
    drills.demand_score(given if name == drills.EVALUATE else {})
    after = _moved(ticket, action.to_state, ticket.fields, now)
    after = _with_action_fields(after, name, given, actor, now)
    entry = _entry("action", name, name, actor.name, now, ticket.state, after.state, given)
    names = (action.milestone,) if action.milestone else ()
    if name == "people" and occupants.needs_help_now(given):
        names = (*names, "medical_need")
    change = _with_milestones(after, entry, names, now, by_hand=bool(names))
    if ticket.maintenance and not after.maintenance:  # somebody is inside: what was held back is told now
        told = tuple(_occasion(REOPENED, tell, after) for tell in kind.tells.get(REOPENED, ()) if _meant(tell, after))
        change = msgspec.structs.replace(change, occasions=(*told, *change.occasions))
    return change


def off_the_shelf(ticket: Ticket, why: EndReason, by: str, now: UtcMs) -> Change:
    """A shelved ticket comes back to the list."""
    after = msgspec.structs.replace(ticket, shelved_until=None, updated_at=now, revision=ticket.revision + 1)
    entry = _entry("quiet", "unshelved", why, by, now, ticket.state, ticket.state, {})
    return _with_milestones(after, entry, (), now)


def maintenance_over(ticket: Ticket, why: EndReason, by: str, now: UtcMs) -> Change:
    """What was raised under maintenance and still stands is an alarm like any other from now on."""
    after = msgspec.structs.replace(ticket, maintenance=False, updated_at=now, revision=ticket.revision + 1)
    entry = _entry("quiet", "maintenance_over", why, by, now, ticket.state, ticket.state, {})
    anew = "acknowledged" not in ticket.milestones
    return _with_milestones(after, entry, (REOPENED,) if anew else (), now)


def fell_due(ticket: Ticket, clock: str, what: Fallen, due_at: UtcMs, now: UtcMs) -> Change | None:
    """A moment of a clock came before its milestone; None where there is nothing to say."""
    act = what.escalation
    spared = act.unless_reached is not None and act.unless_reached in ticket.milestones
    if spared and what.moment is not Moment.BREACHED:
        return None
    after = msgspec.structs.replace(ticket, updated_at=now, revision=ticket.revision + 1)
    flags: tuple[str, ...] = ()
    if what.moment is Moment.BREACHED and not spared:
        flags = (act.flag,) if act.flag else ()
        worse = act.severity is not None and SEVERITY_RANK[act.severity] < SEVERITY_RANK[ticket.severity]
        after = msgspec.structs.replace(
            after,
            severity=act.severity if worse and act.severity else ticket.severity,
            fields={**ticket.fields, **dict.fromkeys(flags, True)},
        )
    entry = _entry("clock", clock, what.moment, "clock", due_at, ticket.state, ticket.state, {"due_at": due_at})
    change = _with_milestones(after, entry, flags, now)
    quiet = spared or (act.only_critical and after.severity is not Severity.CRITICAL)
    told = (
        () if quiet else tuple(_occasion(f"{clock}@{due_at}", tell, after) for tell in act.tell if _meant(tell, after))
    )
    return msgspec.structs.replace(change, occasions=(*change.occasions, *told))


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


def _with_action_fields(ticket: Ticket, name: str, given: Mapping[str, Any], actor: Actor, now: UtcMs) -> Ticket:
    if name in {"confirm", "people"} and ticket.maintenance:
        ticket = msgspec.structs.replace(ticket, maintenance=False)
    if name == "shelve":
        until = shelf_until(ticket.kind, ticket.severity, given["minutes"], now)
        return msgspec.structs.replace(ticket, shelved_until=until)
    if name == "assign_round":
        return msgspec.structs.replace(ticket, fields=mass.assigned(ticket, given, actor.name, now))
    if name == "check_cars":
        return msgspec.structs.replace(ticket, fields=mass.found_empty(ticket, given, actor.name, now))
    if name == "unshelve":
        return msgspec.structs.replace(ticket, shelved_until=None)
    if name == "assign":
        return msgspec.structs.replace(ticket, assignee=given["assignee"])
    if name == "acknowledge" and ticket.assignee is None:
        return msgspec.structs.replace(ticket, assignee=actor.name)
    if name == "release" and "people_out" in given:
        return msgspec.structs.replace(ticket, fields=merged(ticket.fields, {"people_out": given["people_out"]}))
    return occupants.noted(ticket, name, given)


def _with_milestones(
    ticket: Ticket,
    entry: Entry,
    names: tuple[str, ...],
    now: UtcMs,
    *,
    by_hand: bool = False,
    was: Severity | None = None,
) -> Change:
    kind = KINDS[ticket.kind]
    after = msgspec.structs.replace(
        ticket, milestones=standing((REOPENED,)) if REOPENED in names else ticket.milestones | frozenset(names)
    )
    started = tuple(
        _start(name, spec, after, names, now)
        for name, spec in kind.clocks.items()
        if _serious(spec, after.severity)
        and (
            _starts(spec, ticket.milestones, after.milestones, names, by_hand=by_hand)
            or _is_serious_now(spec, was, after.milestones)
        )
    )
    stopped = tuple(name for name, spec in kind.clocks.items() if spec.stop in names)
    told = tuple(
        _occasion(name, tell, after) for name in names for tell in kind.tells.get(name, ()) if _meant(tell, after)
    )
    return Change(ticket=after, entry=entry, milestones=names, started=started, stopped=stopped, occasions=told)


def _starts(
    spec: ClockSpec, before: frozenset[str], after: frozenset[str], names: tuple[str, ...], *, by_hand: bool
) -> bool:
    if spec.stop in after:
        return False
    if spec.start in names:
        return not (spec.once and spec.start in before)
    return (REOPENED in names and spec.start == OPENED) or (by_hand and spec.restarts and spec.start in after)


def _serious(spec: ClockSpec, severity: Severity) -> bool:
    return spec.at_least is None or SEVERITY_RANK[severity] <= SEVERITY_RANK[spec.at_least]


def _is_serious_now(spec: ClockSpec, was: Severity | None, reached: frozenset[str]) -> bool:
    """A clock that the ticket's severity kept from running begins when a further signal makes it worse."""
    return was is not None and not _serious(spec, was) and spec.start in reached and spec.stop not in reached


def _start(name: str, spec: ClockSpec, ticket: Ticket, names: tuple[str, ...], now: UtcMs) -> ClockStart:
    at = min(ticket.occurred_at, now) if spec.from_occurrence and REOPENED not in names else now
    return ClockStart(name, at + spec.within_s * SECOND_MS, at, escalation.first_due(spec, at))


def _meant(tell: Tell, ticket: Ticket) -> bool:
    return tell.after is None or tell.after in ticket.milestones


def _occasion(name: str, tell: Tell, ticket: Ticket) -> Occasion:
    stem = tell.once_as or name
    return Occasion(f"{stem}#{ticket.revision}" if tell.every else stem, tell)


def _entry(
    entry: EntryWord,
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
