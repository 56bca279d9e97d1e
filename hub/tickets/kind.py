"""What a kind of ticket is made of: states, actions, triggers, clocks with what happens when they run out, whom to tell.

These are words for data (hub.tickets.kinds, hub.tickets.entrapment); what they mean is in lifecycle and escalation.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from hub.vocabulary.decisions import Audience, Severity, TicketKind, Urgency
from hub.vocabulary.roles import Role

ANY_STATE: Final = ("*",)
OPENED: Final = "opened"
REOPENED: Final = "reopened"


class Trait(StrEnum):
    """What a ticket is beside its state; an action may need one, or be impossible with one."""

    CRITICAL = "critical"
    SHELVED = "shelved"
    MASS = "mass"  # about a whole site: the case of many cars
    DRILL = "drill"


class Field(msgspec.Struct, frozen=True):
    """One field of an action.

    `type` is `text`, `count` (integer ≥ 0), `flag`, `device` (id of a device of the site), `devices` (a list of them),
    `choice` (one word of `choices`), `choices` (several of them) or `instant` (ISO 8601 with offset). `also`: words that
    are taken as well, for callers from before, but offered to nobody.
    """

    name: str
    type: str = "text"
    required: bool = False
    choices: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What people may do: who, from which states, to which state (None: stays), and the milestone that it sets.

    `requires`: milestones without which it cannot be done yet; `needs`: a trait of the ticket; `never`: with these traits.
    """

    roles: frozenset[Role]
    from_states: tuple[str, ...]
    to_state: str | None = None
    milestone: str | None = None
    fields: tuple[Field, ...] = ()
    once: bool = False
    requires: tuple[str, ...] = ()
    needs: Trait | None = None
    never: frozenset[Trait] = frozenset()


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule may report on an active ticket."""

    from_states: tuple[str, ...] = ANY_STATE
    to_state: str | None = None
    milestone: str | None = None


class Tell(msgspec.Struct, frozen=True, kw_only=True):
    """One order of a notice. It is ordered once per ticket and occasion; `once_as` joins occasions, `every` parts them.

    `after`: only where this milestone has been reached.
    """

    audience: Audience
    template: str
    urgency: Urgency = Urgency.CRITICAL
    once_as: str = ""
    every: bool = False
    after: str | None = None


class Escalation(msgspec.Struct, frozen=True, kw_only=True):
    """What happens at one moment of a clock.

    `severity` is raised to; `flag` becomes a field of the ticket and a milestone, and is never taken back; nothing
    happens `unless_reached` is reached; `only_critical`: nobody is told of a ticket of lower severity.
    """

    tell: tuple[Tell, ...] = ()
    severity: Severity | None = None
    flag: str | None = None
    unless_reached: str | None = None
    only_critical: bool = False


class ClockSpec(msgspec.Struct, frozen=True, kw_only=True):
    """From milestone `start`, milestone `stop` within `within_s`, `otherwise` …; and before that, `warnings` (seconds → what).

    After the breach `otherwise` again every `every_s`, `times` times, until `stop` is reached. A clock that starts with
    `opened` starts again with `reopened`.
    """

    start: str
    stop: str
    within_s: int
    otherwise: Escalation = Escalation()
    warnings: Mapping[int, Escalation] = {}
    every_s: int = 0
    times: int = 0
    once: bool = False  # a second `start` does not set it back: the law counts from the first
    from_occurrence: bool = False  # runs from when it happened, not from when the hub heard of it
    restarts: bool = False  # whatever people do sets it back: it measures that nothing moves
    survives_end: bool = False  # runs on when the ticket is no longer active
    at_least: Severity | None = None  # runs only on tickets of this severity or a higher one


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of ticket. `on_repeat` says where a further signal moves it; `fields` is merged as it comes.

    `done_states`: a further signal that leads out of one of them begins the case anew (milestone `reopened`).
    """

    name: TicketKind
    title: Mapping[str, str]
    severity: Severity  # of tickets raised by hand
    initial: str
    states: tuple[str, ...]
    active_states: frozenset[str]
    actions: Mapping[str, Action]
    triggers: Mapping[str, Trigger]
    on_repeat: Mapping[str, str] = {}
    done_states: frozenset[str] = frozenset()
    clocks: Mapping[str, ClockSpec] = {}
    tells: Mapping[str, tuple[Tell, ...]] = {}  # milestone → whom to tell, in the transaction that sets it
