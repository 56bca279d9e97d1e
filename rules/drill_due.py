"""When a site's next rescue drill is due: half a year after the last one that was evaluated and signed.

TSG T5002-2017 Art. 5(3) wants a drill every half year (domain/elevator.md 1.2). The last one is what the hub was told since it
runs, else what the site file says, else nothing is known: then half a year from when the hub first saw the site, and the problem
says that no drill is known.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec.structs import replace

from hub.vocabulary.decisions import ClearProblem, RaiseProblem, Severity
from hub.vocabulary.drills import DrillHeld
from hub.vocabulary.events import Event, Subject, SubjectType, SupervisionTick
from hub.vocabulary.facts import DeviceKind, Facts
from hub.vocabulary.instants import DAY_MS, UtcMs, iso, parse_iso
from hub.vocabulary.rule import Outcome

NAME: Final = "drill_due"


class DrillReason(StrEnum):
    """From what the next drill is counted."""

    DRILL_HELD = "drill_held"
    DRILL_IN_SITE_FILE = "drill_in_site_file"
    NO_DRILL_KNOWN = "no_drill_known"


class DrillDueLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`every_days`: 0 switches the rule off. `last_drill`: held before the hub knew of it, `"2026-05-12"`."""

    every_days: Annotated[int, msgspec.Meta(ge=0, le=3_660)] = 182
    warn_days: Annotated[int, msgspec.Meta(ge=0, le=365)] = 14
    last_drill: Annotated[str, msgspec.Meta(pattern=r"^(20[2-9][0-9]-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))?$")] = ""

    def __post_init__(self) -> None:
        """A date that the calendar does not have is a mistake of the file."""
        if self.last_drill:
            parse_iso(f"{self.last_drill}T00:00:00+00:00")


class DrillDueState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`told_for`: the due time of which people were told, in advance (`overdue` False) or after it."""

    first_seen: UtcMs = 0
    last: UtcMs = 0
    told_for: UtcMs = 0
    overdue: bool = False


class DrillDue:
    """The rule, as `hub.vocabulary.rule.Rule` wants it. Its subject is the site."""

    name = NAME
    version = 1
    wants: tuple[type[Event], ...] = (DrillHeld, SupervisionTick)
    state_type: type[msgspec.Struct] = DrillDueState
    limits_type: type[msgspec.Struct] = DrillDueLimits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """The site, where it has an elevator."""
        if not any(device.kind is DeviceKind.ELEVATOR for device in facts.devices.values()):
            return None
        return Subject(event.site, SubjectType.SITE, event.site)

    def decide(self, event: Event, state: DrillDueState, facts: Facts, now: UtcMs) -> Outcome:
        """Count from the last drill; say so once in advance and once when it is overdue."""
        subject = Subject(event.site, SubjectType.SITE, event.site)
        if isinstance(event, DrillHeld):
            last = max(state.last, event.occurred_at)
            after = replace(state, last=last, told_for=0, overdue=False)
            return Outcome(after if after != state else state, (ClearProblem(code="drill_due", subject=subject),))
        seen = state if state.first_seen else replace(state, first_seen=now)
        return _judge(seen, state, subject, facts.limits, now)

    def migrate(self, version: int, stored: dict[str, Any]) -> DrillDueState | None:
        """There is no older version."""
        return None


def due_at(state: DrillDueState, limits: DrillDueLimits) -> tuple[UtcMs, UtcMs, DrillReason]:
    """When the next drill is due, when the last one was (0: not known), and how that is known."""
    in_file = parse_iso(f"{limits.last_drill}T00:00:00+00:00") if limits.last_drill else 0
    last = max(state.last, in_file)
    if not last:
        return state.first_seen + limits.every_days * DAY_MS, 0, DrillReason.NO_DRILL_KNOWN
    why = DrillReason.DRILL_HELD if state.last >= in_file else DrillReason.DRILL_IN_SITE_FILE
    return last + limits.every_days * DAY_MS, last, why


def _judge(seen: DrillDueState, before: DrillDueState, subject: Subject, limits: DrillDueLimits, now: UtcMs) -> Outcome:
    if not limits.every_days:
        if not before.told_for:
            return Outcome(before)
        return Outcome(replace(before, told_for=0, overdue=False), (ClearProblem(code="drill_due", subject=subject),))
    due, last, why = due_at(seen, limits)
    overdue = now >= due
    if now < due - limits.warn_days * DAY_MS:
        if seen.told_for:  # the file names a later drill now, or another interval
            return Outcome(replace(seen, told_for=0, overdue=False), (ClearProblem(code="drill_due", subject=subject),))
        return Outcome(seen)
    if (seen.told_for, seen.overdue) == (due, overdue):
        return Outcome(seen)
    detail = {"due": iso(due)[:10], "last": iso(last)[:10] if last else None, "basis": why, "overdue": overdue}
    severity = Severity.MEDIUM if overdue else Severity.LOW
    told = RaiseProblem(code="drill_due", subject=subject, severity=severity, detail=detail)
    return Outcome(replace(seen, told_for=due, overdue=overdue), (told,))
