"""What the API answers about people on duty and notes from shift to shift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from api.shapes import Instant, Shape
from hub.registry.roster import OverrideKind


class DutyPerson(Shape, frozen=True):
    """A member of staff."""

    id: int
    code: str
    name: str


class OnDuty(Shape, frozen=True):
    """A person on duty. `shift` null: an override put them there; `instead_of`: for whom they stand in."""

    person: DutyPerson
    role: str
    shift: str | None
    zone: Sequence[str]
    since: Instant
    until: Instant
    instead_of: DutyPerson | None


class RoleDuty(Shape, frozen=True):
    """Who is on duty for a role. Nobody: then everybody of the role is told, and `everybody` is true."""

    role: str
    on_duty: Sequence[OnDuty]
    everybody: bool


class DutyNow(Shape, frozen=True):
    """Who is on duty at a site at a moment, by role."""

    site: str
    at: Instant
    roles: Sequence[RoleDuty]


class ShiftShape(Shape, frozen=True):
    """A shift; an end that is not later than the start is on the next day."""

    name: str
    start: str
    end: str


class ShiftList(Shape, frozen=True):
    """All shifts of a site."""

    site: str
    items: Sequence[ShiftShape]


class DutyAssignment(Shape, frozen=True):
    """A person in a shift, for a role. `weekdays`: 1 is Monday; none: every day. `zone` none: the whole site."""

    id: int
    site: str
    person: DutyPerson
    role: str
    shift: str
    weekdays: Sequence[int]
    zone: Sequence[str]
    valid_from: str
    valid_until: str | None
    created_at: Instant
    created_by: str
    ended_at: Instant | None
    ended_by: str | None


class DutyAssignmentList(Shape, frozen=True):
    """A page."""

    items: Sequence[DutyAssignment]
    next: str | None


class DutyOverride(Shape, frozen=True):
    """An exception with a beginning and an end. `role` null: every role of the person."""

    id: int
    site: str
    kind: OverrideKind
    person: DutyPerson
    by_person: DutyPerson | None
    role: str | None
    zone: Sequence[str]
    from_at: Instant
    until_at: Instant
    note: str
    created_at: Instant
    created_by: str
    ended_at: Instant | None
    ended_by: str | None


class DutyOverrideList(Shape, frozen=True):
    """A page."""

    items: Sequence[DutyOverride]
    next: str | None


class OpenCase(Shape, frozen=True):
    """A ticket as it stood when the shift was handed over."""

    id: int
    number: str
    kind: str
    title: str
    place: str
    state: str
    severity: str
    opened_at: Instant
    assignee: str | None
    drill: bool


class CountedItem(Shape, frozen=True):
    """Something that is handed over: so many were there."""

    name: str
    count: int
    expected: int | None
    note: str


class Signature(Shape, frozen=True):
    """Who signed, as what, when; `remark` of whoever took over."""

    part: Literal["given", "taken"]
    by: str
    at: Instant
    remark: str


class HandOver(Shape, frozen=True):
    """A note from one shift to the next; never edited. `complete`: both have signed."""

    id: int
    site: str
    desk: str
    shift: str
    at: Instant
    cases: Sequence[OpenCase]
    cases_total: int
    items: Sequence[CountedItem]
    instructions: str
    signatures: Sequence[Signature]
    complete: bool


class HandOverList(Shape, frozen=True):
    """A page."""

    items: Sequence[HandOver]
    next: str | None


class Acknowledged(Shape, frozen=True):
    """What a webhook's answer did to its ticket."""

    ticket: int
    number: str
    action: str
    person: str


ANSWERS = (
    DutyNow,
    ShiftShape,
    ShiftList,
    DutyAssignment,
    DutyAssignmentList,
    DutyOverride,
    DutyOverrideList,
    HandOver,
    HandOverList,
    Acknowledged,
)
