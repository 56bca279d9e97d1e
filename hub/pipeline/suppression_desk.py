"""Silences and maintenance begun and ended within a step, by people or by their deadline. Shelves are actions on tickets.

Everything that can be refused is refused before anything is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hub.tickets import suppression
from hub.tickets.lifecycle import Actor, Refused
from hub.tickets.refusals import Said
from hub.tickets.suppression import EndReason, Suppressed, Suppression
from hub.vocabulary.events import Subject
from hub.vocabulary.instants import MINUTE_MS

if TYPE_CHECKING:
    from hub.pipeline.step import Step

BY_CLOCK: Final = "clock"


def begin(
    step: Step,
    what: Suppressed,
    site: str,
    subject: Subject | None,
    kind: str | None,
    minutes: int,
    reason: str,
    actor: Actor,
) -> int:
    """Begin a silence or maintenance; its id. The same again sets a new end. Raises Refused."""
    suppression.demand(what, actor.roles, subject, kind, minutes)
    if subject is not None and not step.knows(subject):
        problem = Said("subject", f"no {subject.type} {subject.id!r} in site {site!r}")
        raise Refused("invalid", "Some fields are wrong.", errors=(("subject", problem),))
    quiet = step.desk.quiet
    new = Suppression(
        site=site,
        what=what,
        subject=subject,
        kind=kind,
        reason=reason,
        by=actor.name,
        since=step.now,
        until=step.now + minutes * MINUTE_MS,
    )
    same = [
        each for each in quiet.running if (each.what, each.site, each.subject, each.kind) == (what, site, subject, kind)
    ]
    begun = quiet.begin(new)  # before the old one ends: there is no moment between them
    for each in same:
        quiet.end(each, EndReason.RENEWED, actor.name)
    return begun.id


def end(step: Step, suppression_id: int, actor: Actor) -> None:
    """A person ends one early; of a shelf, the ticket comes back. Raises Refused."""
    found = _running(step, suppression_id)
    if found is None:
        raise Refused("conflict", Said("over", "It is over already."))
    if not actor.roles & suppression.ROLES[found.what]:
        allowed = tuple(sorted(map(str, suppression.ROLES[found.what])))
        said = Said("your_roles", f"{found.what} is not for the roles of {actor.name}.", quiet=str(found.what))
        raise Refused("not_allowed", said, allowed)
    _finish(step, found, EndReason.BY_HAND, actor.name)


def fall_due(step: Step, suppression_id: int) -> None:
    """Its time is over."""
    found = _running(step, suppression_id)
    if found is not None:
        _finish(step, found, EndReason.DUE, BY_CLOCK)


def _running(step: Step, suppression_id: int) -> Suppression | None:
    return next((each for each in step.desk.quiet.running if each.id == suppression_id), None)


def _finish(step: Step, found: Suppression, why: EndReason, by: str) -> None:
    step.desk.quiet.end(found, why, by)
    if found.what is Suppressed.SHELF and found.ticket_id is not None:
        step.desk.come_back(found.ticket_id, why, by)
    elif found.what is Suppressed.MAINTENANCE:
        step.desk.end_maintenance(found.site, why, by)
