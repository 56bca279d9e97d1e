"""Doors that the hub itself opens: what a card reader without a list says, and what the site file allows there.

Such a reader only reads. Nothing opens unless the hub says so, within the time that the file gives it; what happens when the
hub cannot say anything is the file's word too (domain/access.md 2.6). Pure data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from hub.vocabulary.events import Event

OPEN_DOOR: Final = "open_door"
REFUSE_CARD: Final = "refuse_card"
"""Commands to a reader. `args`: `door`, `presentation` (source key of the CardPresented), `until` (UTC ms; acts no later)."""

TOO_LATE: Final = "too_late"
NOT_AS_WRITTEN: Final = "not_as_written"
"""Details of a CommandResult: the time for the decision was over; the relay's read-back is not what was written."""


class FailPolicy(StrEnum):
    """What a door does when nobody can decide. Also which way its relay works: see DoorOpening."""

    FAIL_SECURE = "fail_secure"
    FAIL_SAFE = "fail_safe"


class HubAway(StrEnum):
    """What the lock does when the hub or the bus is away while the reader has power: set at the reader, stated in the file."""

    STAYS_LOCKED = "stays_locked"
    OPENS = "opens"


class RelayRef(msgspec.Struct, frozen=True):
    """A relay of another device: where a reader has none of its own."""

    device: str
    number: int


class DoorOpening(msgspec.Struct, frozen=True, kw_only=True):
    """The standing permission to open one door, given by two people in the site file.

    `fail_secure`: the relay is on while the door is open, so that a cut wire or power loss leaves it locked, and no decision
    in time leaves it locked. `fail_safe`: the relay is on while the door is locked, so that power loss opens it, and no
    decision in time opens it.
    """

    fail_policy: FailPolicy
    hub_away: HubAway
    decide_within_ms: int
    open_ms: int
    allowed_by: tuple[str, ...]
    relay: RelayRef | None = None  # None: the reader's own, by the door's number
    contact: int | None = None  # the reader's input that is on while the door is shut
    exit_button: int | None = None  # and the one that is on while somebody presses it
    held_s: int = 30  # open for so long is left open

    @property
    def locked(self) -> bool:
        """State of the relay while the door is locked."""
        return self.fail_policy is FailPolicy.FAIL_SAFE


class CardPresented(Event, frozen=True, kw_only=True):
    """A card was held to a reader that decides nothing. `raw`: its bits in hex, as the reader orders the bytes.

    None: what was read is no number of the reader's format, `why` says how. Not `live`: it stood in the reader when the hub
    came, or came back; nobody knows since when, and it opens nothing.
    """

    door: str
    format: str
    raw: str | None = None
    why: str | None = None
    registers: str = ""  # as they came, hex


class DecisionMissed(Event, frozen=True, kw_only=True):
    """The hub did not decide on a presented card in time: the door's fail policy was applied."""

    door: str
    presentation: str
    format: str
    raw: str | None = None
    opened: bool


class LockReport(Event, frozen=True, kw_only=True):
    """Whether a door's relay does what it is told; `cause` names what it does not do. `may_be_open`: nobody can say that
    the door is locked.
    """

    door: str
    ok: bool
    cause: str = ""
    may_be_open: bool = False
