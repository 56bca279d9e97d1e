"""A ticket as a value, and what a move leaves behind: the words that the lifecycle, the desk and the views share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from hub.tickets.kind import OPENED, REOPENED, Tell, Trait
from hub.vocabulary.decisions import Severity
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.roles import Role

EntryWord: TypeAlias = Literal["raised", "repeat", "signal", "action", "clock", "quiet"]
"""`quiet`: something was kept quiet, or is so no more (hub.tickets.suppression)."""


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
    milestones: frozenset[str] = frozenset()  # names reached so far, see `standing`
    shelved_until: UtcMs | None = None
    maintenance: bool = False  # raised under maintenance: recorded and shown, but it pages nobody
    parent_id: int | None = None  # the roll-up or the case of the whole site that it belongs to


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the timeline; never edited."""

    entry: EntryWord
    name: str
    reason: str
    by: str
    occurred_at: UtcMs
    state_from: str | None
    state_to: str
    data: Mapping[str, Any]


class ClockStart(msgspec.Struct, frozen=True):
    """A clock begins to run: `due_at` is its limit, `next_at` the first moment at which something happens."""

    name: str
    due_at: UtcMs
    started_at: UtcMs
    next_at: UtcMs


class Occasion(msgspec.Struct, frozen=True):
    """A notice that a move gives rise to; `name` says once per ticket which."""

    name: str
    tell: Tell


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a move leaves behind: the ticket as it is now, a line for the timeline, milestones and clocks."""

    ticket: Ticket
    entry: Entry
    milestones: tuple[str, ...] = ()
    started: tuple[ClockStart, ...] = ()
    stopped: tuple[str, ...] = ()  # clocks whose milestone was reached
    occasions: tuple[Occasion, ...] = ()


def standing(reached: Iterable[str]) -> frozenset[str]:
    """The milestones that count, of those reached in this order: a case that began anew begins with nothing done."""
    names: set[str] = set()
    for name in reached:
        if name == REOPENED:
            names = {OPENED}
        names.add(name)
    return frozenset(names)


def traits(subject_type: str, severity: str, *, shelved: bool, drill: bool) -> frozenset[Trait]:
    """What a ticket is beside its state."""
    known = {
        Trait.CRITICAL: severity == Severity.CRITICAL,
        Trait.SHELVED: shelved,
        Trait.MASS: subject_type == SubjectType.SITE,
        Trait.DRILL: drill,
    }
    return frozenset(trait for trait, holds in known.items() if holds)


def traits_of(ticket: Ticket) -> frozenset[Trait]:
    """Those of a ticket."""
    shelved = ticket.shelved_until is not None
    return traits(ticket.subject.type, ticket.severity, shelved=shelved, drill=ticket.drill)
