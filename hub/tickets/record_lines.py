"""What a record is made of: lines of the course, and points in time."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from hub.vocabulary.instants import UtcMs


class LineKind(StrEnum):
    """What a line of the course is."""

    SIGNAL = "signal"  # what a device said
    DECISION = "decision"  # what a rule made of it, with its reason
    ACTION = "action"  # what a person did
    CLOCK = "clock"  # a deadline that fell due
    NOTICE = "notice"  # what was sent to whom, and what came of it
    REPORT = "report"  # a form was saved or signed


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the course. `at` is when the hub wrote it down, `occurred_at` when it happened at its source."""

    at: UtcMs
    occurred_at: UtcMs
    kind: LineKind
    name: str
    reason: str = ""
    by: str = ""
    state_from: str | None = None
    state_to: str | None = None
    data: dict[str, Any] = {}


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One of the record's times; `at` None: it did not happen, or nobody wrote it down."""

    name: str
    at: UtcMs | None
    by: str = ""
