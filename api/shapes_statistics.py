"""Statistics as the API answers them."""

from __future__ import annotations

from typing import Literal

from api.shapes import Shape
from hub.tickets.metrics import Figures


class EntrapmentFigures(Shape, frozen=True):
    """One line: a lift's month (`lift` is its id), or a site's (`lift` is null). Drills have lines of their own."""

    site: str
    month: str
    lift: str | None
    what: Literal["events", "drills"]
    figures: Figures


class EntrapmentStatistics(Shape, frozen=True):
    """A site's own line first, then its lifts that had any event, then its drills."""

    items: tuple[EntrapmentFigures, ...]
    next: str | None = None


ANSWERS = (EntrapmentStatistics,)
