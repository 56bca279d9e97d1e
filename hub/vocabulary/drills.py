"""What rules hear of drills."""

from __future__ import annotations

from hub.vocabulary.events import Event, Subject, SubjectType


class DrillHeld(Event, frozen=True, kw_only=True):
    """A drill was evaluated and signed: it counts as held when it was opened (`occurred_at`)."""

    ticket: str
    by: str

    def subject(self) -> Subject:
        """The site: drills are due by site."""
        return Subject(self.site, SubjectType.SITE, self.site)
