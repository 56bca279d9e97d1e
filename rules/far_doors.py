"""One card at two doors that nobody can walk between in that time: a copy is about, or a clock is wrong.

Only doors that the site names are compared, with the time that the way takes at least; two uses count, whether refused or
let in. Controllers' clocks may differ by half a minute each: say a minute less than the way takes.
Source: domain/access.md 3 'Cloning'.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec

from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import AccessEvent, AccessResult, Clock, Event, Subject, SubjectType
from hub.vocabulary.facts import Facts
from hub.vocabulary.instants import SECOND_MS, UtcMs
from hub.vocabulary.rule import Outcome

TAIL: Final = 4
SEPARATOR: Final = " - "


class FarDoorsReason(StrEnum):
    """Why."""

    TWO_FAR_DOORS = "two_far_doors"


class FarDoorsLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`walks`: `door - door` → seconds that the way takes at least, either way. Empty: nothing is compared."""

    walks: dict[str, int] = {}

    def __post_init__(self) -> None:
        for way, seconds in self.walks.items():
            first, _, second = way.partition(SEPARATOR)
            if not first or not second or first == second:
                raise ValueError(f"{way!r} names no way; allowed: 'door{SEPARATOR}door'")
            if not 60 <= seconds <= 86_400:
                raise ValueError(
                    f"{way!r}: {seconds} s; allowed: 60 to 86400, because clocks may differ by half a minute each"
                )


class FarDoorsState(msgspec.Struct, frozen=True, kw_only=True):
    """Where this card was seen last, of the doors that are compared."""

    door: str = ""
    at: UtcMs = 0


class FarDoors:
    """The rule. State per card, as its reader spells it; tickets are about the site, which has both doors."""

    name: str = "far_doors"
    version: int = 1
    wants: tuple[type[Event], ...] = (AccessEvent,)
    state_type: type[msgspec.Struct] = FarDoorsState
    limits_type: type[msgspec.Struct] = FarDoorsLimits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """The card, where its door is compared with another; else nothing is remembered of anybody's ways."""
        assert isinstance(event, AccessEvent)
        if event.card is None or not any(event.door in way.split(SEPARATOR) for way in facts.limits.walks):
            return None
        return Subject(event.site, SubjectType.CARD, f"{event.card.format}:{event.card.value}")

    def migrate(self, version: int, stored: dict[str, Any]) -> msgspec.Struct | None:
        """There is no older version."""
        return None

    def decide(self, event: Event, state: FarDoorsState, facts: Facts, now: UtcMs) -> Outcome:
        """Compare with where it was last; a use whose time nobody believes compares with nothing."""
        assert isinstance(event, AccessEvent)
        if event.clock is not Clock.DEVICE or not event.live or event.occurred_at < state.at:
            return Outcome(state)
        seen = FarDoorsState(door=event.door, at=event.occurred_at)
        least_s = _walk(facts.limits, state.door, event.door)
        apart_s = (event.occurred_at - state.at) / SECOND_MS
        if not state.door or least_s is None or apart_s >= least_s:
            return Outcome(seen)
        card = event.card.value[-TAIL:] if event.card is not None else ""
        said = {
            "door": event.door,
            "other_door": state.door,
            "card": f"…{card}",
            "apart_s": round(apart_s),
            "least_s": least_s,
        }
        raised = RaiseTicket(
            kind=TicketKind.DOOR_ALARM,
            subject=Subject(event.site, SubjectType.SITE, event.site),
            reason=FarDoorsReason.TWO_FAR_DOORS,
            severity=Severity.HIGH if event.result is AccessResult.GRANTED else Severity.MEDIUM,
            occurred_at=event.occurred_at,
            fields=said,
            evidence=said,
        )
        return Outcome(seen, [raised])


def _walk(limits: FarDoorsLimits, one: str, other: str) -> int | None:
    """Seconds between two doors; None: they are not compared."""
    ways = (f"{one}{SEPARATOR}{other}", f"{other}{SEPARATOR}{one}")
    return next((limits.walks[way] for way in ways if way in limits.walks), None)
