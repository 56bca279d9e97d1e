"""Alarm load as the API answers it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from api.shapes import Instant, Shape
from hub.tickets.alarm_load import Load, LoadLimits
from hub.vocabulary.decisions import Severity, TicketKind


class LoadLine(Shape, frozen=True):
    """A site's load, or that of an operator's position: the sites that it watches, separated by spaces."""

    what: Literal["site", "position"]
    sites: str
    since: Instant = msgspec.field(name="from")
    until: Instant = msgspec.field(name="to")
    figures: Load


class FloodLine(Shape, frozen=True):
    """More than ten tickets in ten minutes, until fewer than five."""

    site: str
    since: Instant
    until: Instant
    tickets: int
    peak: int


class Chattering(Shape, frozen=True):
    """A subject that raised one kind again and again."""

    site: str
    kind: TicketKind
    subject: str
    name: str
    total: int
    most_in_a_minute: int
    since: Instant
    until: Instant


class StaleLine(Shape, frozen=True):
    """An active ticket that has not moved for a day, now."""

    id: int
    number: str
    site: str
    kind: TicketKind
    name: str
    severity: Severity
    updated_at: Instant


class AlarmLoad(Shape, frozen=True):
    """Each site's line, then each position's; what made them so. Drills and roll-ups are not counted."""

    items: Sequence[LoadLine]
    floods: Sequence[FloodLine]
    chattering: Sequence[Chattering]
    stale: Sequence[StaleLine]
    limits: LoadLimits
    next: str | None = None


ANSWERS = (AlarmLoad,)
