"""Compares the tickets of a hub with what a scenario expects; pure, so that the judging itself can be tested.

Only tickets that were opened since the start are given to it. An expectation is decided once; a ticket that nothing expects
or allows is a failure of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from simulators.scenario import Expectation, Script

Ticket = Mapping[str, Any]


class Outcome(StrEnum):
    """What is known about an expectation."""

    WAITING = "waiting"
    PASSED = "passed"
    FAILED = "failed"


@dataclass
class Verdict:
    """One expectation with what was seen last and how it came out."""

    expectation: Expectation
    outcome: Outcome = Outcome.WAITING
    seen: int = 0

    def look(self, tickets: Sequence[Ticket], from_s: float, until_s: float) -> None:
        """Judge one look at the tickets that was taken between these two times of the scenario.

        `from_s` is when the look was asked for, `until_s` when its answer was there, minus the allowance for delay.
        """
        expectation = self.expectation
        if self.outcome is not Outcome.WAITING or until_s < expectation.from_s:
            return
        if from_s > expectation.by_s:
            self.outcome = Outcome.PASSED if expectation.hold else Outcome.FAILED
            return
        self.seen = len(matching(expectation, tickets))
        fits = expectation.count_min <= self.seen <= expectation.count_max
        if expectation.hold and not fits:
            self.outcome = Outcome.FAILED
        elif fits and not expectation.hold:
            self.outcome = Outcome.PASSED

    def close(self) -> None:
        """The scenario is over: what held until here has passed, what is still missing has failed."""
        if self.outcome is Outcome.WAITING:
            self.outcome = Outcome.PASSED if self.expectation.hold else Outcome.FAILED


def matching(expectation: Expectation, tickets: Iterable[Ticket]) -> list[Ticket]:
    """The tickets that count for this expectation."""
    return [
        ticket
        for ticket in tickets
        if ticket["kind"] == expectation.kind
        and ticket["subject"]["id"] in expectation.subjects
        and expectation.active in {None, ticket["active"]}
        and (not expectation.states or ticket["state"] in expectation.states)
        and ticket.get("count", 1) >= expectation.repeats_min
    ]


def unexpected(script: Script, tickets: Iterable[Ticket]) -> list[Ticket]:
    """Tickets about the scenario's own subjects that nothing expects or allows, or more of them than expected."""
    subjects = {target.id for target in script.targets}
    room: dict[tuple[str, tuple[str, ...]], int] = {}
    for item in script.expectations:
        key = (item.kind, item.subjects)
        room[key] = max(room.get(key, 0), item.count_max)
    extra = []
    for ticket in tickets:
        kind, subject = ticket["kind"], ticket["subject"]["id"]
        if subject not in subjects or (kind, subject) in script.allowed:
            continue
        fitting = [key for key, left in room.items() if key[0] == kind and subject in key[1] and left > 0]
        if fitting:
            room[fitting[0]] -= 1
        else:
            extra.append(ticket)
    return extra
