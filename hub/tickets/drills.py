"""Drills: the mark on everything that is said of one, and the evaluation that counts it as held. Pure.

A drill is a full case: the same clocks, the same people, the same record. What a maintainer must keep: nobody can take it for real
and nobody can take a real alarm for a drill, so the mark is on the title itself and leaves with the flag.
Source: TSG T5002-2017 Art. 5(3), a drill every half year (domain/elevator.md 1.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from hub.tickets.refusals import WRONG, Refused, Said
from hub.tickets.ticket import Ticket
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.roles import Role

MARK: Final[Mapping[str, str]] = {"zh-CN": "【演练】", "en": "[DRILL] "}
STARTERS: Final = frozenset(
    {Role.CONTROL_ROOM, Role.DUTY_SUPERVISOR, Role.DEPARTMENT_MANAGER, Role.MANAGER, Role.ADMIN}
)
EVALUATORS: Final = STARTERS - {Role.CONTROL_ROOM}
"""Whoever evaluates a drill answers for it: not the operators who were drilled."""
EVALUATE: Final = "evaluate"
BEST_SCORE: Final = 100


class ClockSeen(msgspec.Struct, frozen=True):
    """A clock of the drill's case."""

    name: str
    state: str


def marked(title: str, locale: str) -> str:
    """The title of a drill."""
    return MARK.get(locale, MARK["en"]) + title


def unmarked(title: str) -> str:
    """The title without the mark: where what says it is marked itself, and when the drill has turned real."""
    for mark in MARK.values():
        title = title.removeprefix(mark)
    return title


def demand_score(given: Mapping[str, Any]) -> None:
    """Raises Refused for a score that is none."""
    if (given.get("score") or 0) > BEST_SCORE:
        raise Refused(
            "invalid",
            WRONG,
            errors=(("score", Said("range", f"0 to {BEST_SCORE}", least=0, most=BEST_SCORE)),),
        )


def evaluated(ticket: Ticket, given: Mapping[str, Any], clocks: Sequence[ClockSeen], by: str, now: UtcMs) -> Ticket:
    """The drill with its evaluation: which clocks were met, the share of them, what the evaluator says, signed by name.

    A clock that neither was met nor ran out says nothing and is not counted; where none did, the share is unknown.
    """
    met = [clock.name for clock in clocks if clock.state == "met"]
    breached = [clock.name for clock in clocks if clock.state == "breached"]
    decided = len(met) + len(breached)
    evaluation = {
        "clocks_met": sorted(met),
        "clocks_breached": sorted(breached),
        "met_percent": round(100 * len(met) / decided, 1) if decided else None,
        "score": given.get("score"),
        "remarks": given["remarks"],
        "participants": given.get("participants"),
        "signed_by": by,
        "signed_at": now,
    }
    return msgspec.structs.replace(ticket, fields={**ticket.fields, "evaluation": evaluation})
