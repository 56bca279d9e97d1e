"""Buses as the API answers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from api.shapes import Shape


class DeadUnit(Shape, frozen=True):
    """A device that does not answer, and when it is asked again. `suspect`: for a moment; `quarantined`: three times and more."""

    device: str
    health: Literal["suspect", "quarantined"]
    cause: str | None
    next_probe_ms: int | None


class Bus(Shape, frozen=True):
    """One bus. `up` is null while nothing is known; `utilisation` 0 … 1 over the last minute."""

    id: str
    site: str
    url: str
    up: bool | None
    cause: str
    cycle_ms: int
    alarm_gap_ms: int  # longest recent time in which an alarm point was not looked at
    utilisation: float
    quiet_ms: int  # so long the bus keeps silent after a missing reply
    answers: int
    failures: int
    late_replies: int
    devices: int
    dead: tuple[DeadUnit, ...]
    unsupported: Mapping[str, tuple[str, ...]]  # device → fields that it does not know


class BusList(Shape, frozen=True):
    """All buses that the caller may see."""

    items: tuple[Bus, ...]
    next: str | None = None


ANSWERS = (BusList,)
