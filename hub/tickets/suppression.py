"""What is kept quiet for a while, after ISA-18.2: a shelved ticket, a silenced kind or subject, maintenance of a device or building.

Pure. What a maintainer must keep: everything is recorded, nothing is dropped; it is always timed; a critical ticket is never
shelved or silenced; whoever pressed the button in a car, or was found inside, is never under maintenance (EN 81-28 4.1.2); and
residents are told whatever the control room keeps quiet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from hub.tickets.refusals import WRONG, Refused, Said
from hub.vocabulary.decisions import Audience, Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import MINUTE_MS, UtcMs
from hub.vocabulary.roles import Role


class Suppressed(StrEnum):
    """What is done; also the reason on the timeline of a ticket whose notice was held back."""

    SHELF = "shelf"
    SILENCE = "silence"
    MAINTENANCE = "maintenance"


class EndReason(StrEnum):
    """Why a suppression is over."""

    DUE = "due"
    BY_HAND = "by_hand"
    TICKET_OVER = "ticket_over"
    CRITICAL = "critical"
    RENEWED = "renewed"


SHELF_LIMIT_MIN: Final[Mapping[Severity, int]] = {
    Severity.HIGH: 2 * 60,
    Severity.MEDIUM: 8 * 60,
    Severity.LOW: 24 * 60,
}
"""Longest time on the shelf; what is not here is never shelved."""
LIMIT_MIN: Final[Mapping[Suppressed, int]] = {Suppressed.SILENCE: 4 * 60, Suppressed.MAINTENANCE: 24 * 60}
NEVER_QUIET: Final = frozenset({TicketKind.ENTRAPMENT})
"""Kinds in which people may be in danger however sure we are: never shelved, silenced or rolled up."""
INFERRED: Final = frozenset({"inferred", "power", "comms"})
"""Sources of an entrapment that say nothing of a person: the only ones that maintenance explains."""

OPERATORS: Final = frozenset(
    {Role.CONTROL_ROOM, Role.DUTY_SUPERVISOR, Role.DEPARTMENT_MANAGER, Role.MANAGER, Role.ADMIN}
)
MAINTAINERS: Final = OPERATORS | {Role.TECHNICIAN, Role.INTEGRATOR}
ROLES: Final[Mapping[Suppressed, frozenset[Role]]] = {
    Suppressed.SHELF: OPERATORS,
    Suppressed.SILENCE: OPERATORS,
    Suppressed.MAINTENANCE: MAINTAINERS,
}


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """One that runs, or ran. A shelf has a `ticket_id`; `subject` and `kind` None: every one of the site."""

    id: int = 0
    site: str
    what: Suppressed
    ticket_id: int | None = None
    subject: Subject | None = None
    kind: str | None = None
    reason: str
    by: str
    since: UtcMs
    until: UtcMs

    def covers(self, subject: Subject, building: str, kind: str, now: UtcMs) -> bool:
        """Whether it is about this, and has not run out. `building` is that of the subject, empty where it has none."""
        if (
            self.site != subject.site
            or self.ticket_id is not None
            or now >= self.until
            or self.kind not in {None, kind}
        ):
            return False
        mine = self.subject
        if mine is None or mine.type is SubjectType.SITE:
            return True
        return mine == subject or (mine.type is SubjectType.BUILDING and mine.id == building)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Of a ticket, what decides whether it may be kept quiet."""

    kind: str
    subject: Subject
    building: str
    severity: Severity
    shelved_until: UtcMs | None = None
    maintenance: bool = False
    acknowledged: bool = False

    @property
    def may_be_quiet(self) -> bool:
        """Neither critical nor about people in danger."""
        return self.severity is not Severity.CRITICAL and self.kind not in NEVER_QUIET


def shelf_until(kind: str, severity: Severity, minutes: int, now: UtcMs) -> UtcMs:
    """When a ticket that is shelved now comes back. Raises Refused."""
    longest = None if kind in NEVER_QUIET else SHELF_LIMIT_MIN.get(severity)
    if longest is None:
        never = f"A ticket of kind {kind} and severity {severity} is never shelved."
        raise Refused("conflict", Said("never_shelved_so", never, kind=str(kind), severity=str(severity)))
    _demand_length(minutes, longest)
    return now + minutes * MINUTE_MS


def demand(what: Suppressed, roles: frozenset[Role], subject: Subject | None, kind: str | None, minutes: int) -> None:
    """A silence or maintenance that may begin. Raises Refused."""
    if not roles & ROLES[what]:
        allowed = tuple(sorted(map(str, ROLES[what])))
        raise Refused("not_allowed", Said("your_roles", f"{what} is not for your roles.", quiet=str(what)), allowed)
    if what is Suppressed.SILENCE:
        if subject is None and kind is None:
            raise _invalid("subject", Said("silence_of", "a silence names a subject, a kind, or both"))
        if kind in NEVER_QUIET:
            never = f"tickets of kind {kind} are never silenced: people may be in danger"
            raise _invalid("kind", Said("never_silenced", never, kind=str(kind)))
    elif subject is None or subject.type not in {SubjectType.DEVICE, SubjectType.BUILDING}:
        raise _invalid("subject", Said("maintenance_of", "maintenance is of a device or a building"))
    elif kind is not None:
        raise _invalid(
            "kind", Said("maintenance_all", "maintenance is of a device or a building with all that it reports")
        )
    _demand_length(minutes, LIMIT_MIN[what])


def explained_by_maintenance(
    kind: str, fields: Mapping[str, Any], subject: Subject, building: str, running: Iterable[Suppression], now: UtcMs
) -> bool:
    """Whether a new signal is raised under the mark `maintenance`. One that comes from a person never is."""
    if kind in NEVER_QUIET:
        sources = fields.get("sources")
        if not isinstance(sources, list) or not sources or not INFERRED.issuperset(sources):
            return False
    return any(each.what is Suppressed.MAINTENANCE and each.covers(subject, building, kind, now) for each in running)


def held_back(
    audience: Audience, ticket: Standing | None, about: Standing, running: Iterable[Suppression], now: UtcMs
) -> Suppressed | None:
    """Why a notice is not sent; None: it is sent. `about` is what it is about where no ticket is active."""
    if audience is Audience.HOUSEHOLD:
        return None
    standing = ticket or about
    if standing.maintenance and not standing.acknowledged:
        return Suppressed.MAINTENANCE
    if not standing.may_be_quiet:
        return None
    if standing.shelved_until is not None and now < standing.shelved_until:
        return Suppressed.SHELF
    return Suppressed.SILENCE if silenced_until(standing, running, now) else None


def silenced_until(ticket: Standing, running: Iterable[Suppression], now: UtcMs) -> UtcMs | None:
    """Until when the ticket makes no sound and tells nobody; None: it is not silenced."""
    if not ticket.may_be_quiet:
        return None
    ends = [
        each.until
        for each in running
        if each.what is Suppressed.SILENCE and each.covers(ticket.subject, ticket.building, ticket.kind, now)
    ]
    return max(ends, default=None)


def _demand_length(minutes: int, longest: int) -> None:
    if not 1 <= minutes <= longest:
        raise _invalid("minutes", Said("range", f"1 to {longest}", least=1, most=longest))


def _invalid(field: str, problem: str) -> Refused:
    return Refused("invalid", WRONG, errors=((field, problem),))
