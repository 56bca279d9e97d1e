"""What the hub itself brings: deadlines, people's moves, what came of notices, its own canary.

They take the same way as what devices say: there is one door for change.
"""

from __future__ import annotations

from hub.vocabulary.events.base import Event, Subject


class TimerFired(Event, frozen=True, kw_only=True):
    """A deadline that a rule has set fell due. `received_at` is when it was fired, `occurred_at` when it was due."""

    rule: str
    key: str
    about: Subject

    def subject(self) -> Subject:
        """Whose deadline it is."""
        return self.about


class SupervisionTick(Event, frozen=True, kw_only=True):
    """Time to look whether everything has been heard of; the facts carry when."""


class TicketMoved(Event, frozen=True, kw_only=True):
    """A ticket was moved by a person (or by the desk's clocks), so that rules can follow."""

    kind: str
    about: Subject
    action: str
    state: str
    active: bool
    by: str

    def subject(self) -> Subject:
        """Whom the ticket concerns."""
        return self.about


class NoticeSettled(Event, frozen=True, kw_only=True):
    """What came of a notice that a rule had ordered. `outcome`: `delivered`, `sent` (no receipt to be had), `undelivered`,
    `nobody` (nobody to tell), `expired`, `withdrawn`.
    """

    rule: str
    key: str
    about: Subject
    outcome: str

    def subject(self) -> Subject:
        """Whom the notice was about."""
        return self.about


class OccupancyChanged(Event, frozen=True, kw_only=True):
    """The unit of this device changed hands, or became vacant: whoever was told before is not told any more."""

    vacant: bool


class Canary(Event, frozen=True, kw_only=True):
    """A message of our own on its way through broker, pipeline and feed."""

    lane: str  # which of the two sessions it went through: `alarm` or `telemetry`
    number: int
