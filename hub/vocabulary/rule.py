"""What a rule is: a pure decision with a name, a version of its state, and limits that are data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from hub.vocabulary.decisions import Decision
from hub.vocabulary.events import Event, Subject
from hub.vocabulary.facts import Facts
from hub.vocabulary.instants import UtcMs


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """New state (the same object where nothing changed, None to forget it) and what is to be done, in order."""

    state: Any
    decisions: Sequence[Decision] = ()


class Rule(Protocol):
    """One rule. `state_type` and `limits_type` are msgspec Structs whose fields all have defaults.

    `version` counts up when the meaning of the stored state changes; `migrate` then gets the old struct's dict.
    """

    name: str
    version: int
    wants: tuple[type[Event], ...]
    state_type: type[msgspec.Struct]
    limits_type: type[msgspec.Struct]

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """Whose state this event concerns; None where the rule has nothing to say (wrong kind of device …)."""

    def decide(self, event: Event, state: Any, facts: Facts, now: UtcMs) -> Outcome:
        """Decide. `state` is a `state_type` (its default where none is stored). Pure: same in, same out."""

    def migrate(self, version: int, stored: dict[str, Any]) -> msgspec.Struct | None:
        """State of an older version in today's shape; None: start afresh."""
