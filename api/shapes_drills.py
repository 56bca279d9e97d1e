"""Drills, as the API answers them."""

from __future__ import annotations

from collections.abc import Sequence

from api.shapes import Instant, Shape


class Evaluation(Shape, frozen=True):
    """What came of a drill. `met_percent`: of the clocks that were met or ran out; `score` is the evaluator's, of 100."""

    clocks_met: Sequence[str]
    clocks_breached: Sequence[str]
    met_percent: float | None
    score: int | None
    remarks: str
    participants: str | None
    signed_by: str
    signed_at: Instant


class Drill(Shape, frozen=True):
    """A drill; `evaluation` is null until somebody has signed it."""

    ticket: int
    number: str
    site: str
    device: str
    name: str
    scenario: str | None
    state: str
    active: bool
    opened_at: Instant
    evaluation: Evaluation | None


class DrillList(Shape, frozen=True):
    """A page, newest first."""

    items: Sequence[Drill]
    next: str | None


ANSWERS = (DrillList, Drill)
