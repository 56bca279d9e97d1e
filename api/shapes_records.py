"""Case records and the forms about them, as the API answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from api.shapes import Instant, Shape
from hub.tickets.forms import FieldType, FormName
from hub.tickets.record_lines import LineKind


class RecordSubject(Shape, frozen=True):
    """The lift, as it was called when the case was opened."""

    type: str
    id: str
    name: str
    place: str


class RecordTime(Shape, frozen=True):
    """One time of the record; null: it did not happen, or nobody wrote it down."""

    name: str
    at: Instant | None
    by: str


class RecordClock(Shape, frozen=True):
    """A clock with what became of it; `ended`: the case was over before it was met or ran out."""

    name: str
    started_at: Instant
    due_at: Instant
    state: Literal["running", "met", "breached", "ended"]


class CourseLine(Shape, frozen=True):
    """One line of the course: a signal, a decision with its reason, an action with a name, a deadline, a notice, a report."""

    at: Instant
    occurred_at: Instant
    kind: LineKind
    name: str
    reason: str
    by: str
    state_from: str | None
    state_to: str | None
    data: Mapping[str, Any]


class CaseRecord(Shape, frozen=True):
    """Everything that is kept of a case."""

    number: str
    kind: str
    site: str
    subject: RecordSubject
    lift: Mapping[str, str]  # its papers, as the site's file has them
    state: str
    severity: str
    reason: str
    title: str
    drill: bool
    count: int
    occurred_at: Instant
    ended_at: Instant | None
    fields: Mapping[str, Any]
    times: Sequence[RecordTime]
    clocks: Sequence[RecordClock]
    course: Sequence[CourseLine]


class ReportField(Shape, frozen=True):
    """A field of a form; `required` for a signature."""

    name: str
    type: FieldType
    required: bool
    choices: Sequence[str]


class Report(Shape, frozen=True):
    """A version of a form. Version 0 was never saved: its fields are filled in from the case.

    `may_write`, `may_sign`: this caller. `intact`: every version up to the newest is as it was saved.
    """

    ticket: int
    form: FormName
    version: int
    newest: int
    signed: bool
    at: Instant | None
    by: str | None
    signatory: str | None
    fields: Mapping[str, Any]
    form_fields: Sequence[ReportField]
    may_write: bool
    may_sign: bool
    intact: bool
    digest: str | None
    record: Mapping[str, Any] | None


class ReportVersion(Shape, frozen=True):
    """One saved version in a list."""

    form: FormName
    version: int
    signed: bool
    at: Instant
    by: str
    signatory: str | None
    digest: str


class ReportVersionList(Shape, frozen=True):
    """Every saved version, oldest first."""

    items: Sequence[ReportVersion]
    next: str | None = None


class PressTest(Shape, frozen=True):
    """A declared test of an elevator's alarm button: presses before `until` are tests."""

    site: str
    device: str
    until: Instant
    by: str


ANSWERS = (CaseRecord, Report, ReportVersionList, PressTest)
