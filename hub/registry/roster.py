"""Who is on duty: a pure function of shifts, assignments, overrides and a moment, in the site's own zone.

A shift's boundary is the first moment at which the clock on the wall shows it (one that the clock jumps over in spring is
the jump); an end that comes twice in autumn is the second one. So the nights of daylight saving have overlaps, never gaps.
Source: domain/procedures.md 6 (shifts A and B of the front desk, control room round the clock).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Final

import msgspec

from hub.vocabulary.instants import UtcMs

_TIMES: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


class Shift(msgspec.Struct, frozen=True):
    """From `start` to `end`, minutes since midnight on the wall; an end that is not later is on the next day."""

    name: str
    start: int
    end: int


SHIFTS: Final[Mapping[str, Shift]] = {
    shift.name: shift
    for shift in (
        Shift("A", 8 * 60 + 30, 16 * 60),
        Shift("B", 13 * 60, 20 * 60 + 30),
        Shift("round_the_clock", 0, 0),
    )
}
"""What every site has; a site's own shift of the same name stands instead."""


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """A person in a shift, for a role, day after day. `valid_from` to `valid_until`: days on which the shift begins."""

    id: int
    person_id: int
    role: str
    shift: str
    weekdays: frozenset[int] = frozenset()  # ISO, 1 is Monday; empty: every day
    zone: tuple[str, ...] = ()  # buildings; empty: the whole site
    valid_from: date
    valid_until: date | None = None
    ended_at: UtcMs | None = None


class OverrideKind(StrEnum):
    """What an override does within its time."""

    REPLACE = "replace"  # `by_person_id` has the person's duties
    ADD = "add"  # the person is on duty as well
    ABSENT = "absent"  # the person is on no duty


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """An exception with a beginning and an end. `role` None: every role of the person; `add` always has one."""

    id: int
    kind: OverrideKind
    person_id: int
    role: str | None = None
    by_person_id: int | None = None
    zone: tuple[str, ...] = ()
    from_at: UtcMs
    until_at: UtcMs
    ended_at: UtcMs | None = None


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides who is on duty at one site."""

    zone: tzinfo
    shifts: Mapping[str, Shift] = msgspec.field(default_factory=lambda: SHIFTS)
    assignments: Sequence[Assignment] = ()
    overrides: Sequence[Override] = ()


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """A person on duty from `since` to `until`. `shift` None: an override put them there."""

    person_id: int
    role: str
    shift: str | None
    zone: tuple[str, ...]
    since: UtcMs
    until: UtcMs
    instead_of: int | None = None


def on_duty(roster: Roster, role: str, building: str | None, at: UtcMs) -> tuple[Duty, ...]:
    """Who is on duty for a role at a building (None: anywhere on the site) at a moment, each person once.

    Overrides count in the order in which they were entered: the later one wins, so that no two can go round in a circle.
    """
    found = [
        duty
        for each in roster.assignments
        if each.role == role and _stands(each.ended_at, at) and (duty := _duty(roster, each, at)) is not None
    ]
    for override in sorted(roster.overrides, key=lambda each: each.id):
        if _stands(override.ended_at, at) and override.from_at <= at < override.until_at:
            found = _overridden(found, override, role)
    once: dict[int, Duty] = {}
    for duty in found:
        if building is None or not duty.zone or building in duty.zone:
            once.setdefault(duty.person_id, duty)
    return tuple(once.values())


def span(shift: Shift, day: date, zone: tzinfo) -> tuple[UtcMs, UtcMs]:
    """When the shift that begins on this day begins and ends."""
    ends_on = day if shift.end > shift.start else day + timedelta(days=1)
    return _first(day, shift.start, zone), _last(ends_on, shift.end, zone)


def _stands(ended_at: UtcMs | None, at: UtcMs) -> bool:
    """What was taken back later was so at the time."""
    return ended_at is None or at < ended_at


def _duty(roster: Roster, assignment: Assignment, at: UtcMs) -> Duty | None:
    shift = shift_of(assignment.shift, roster.shifts)
    if shift is None:
        return None
    today = datetime.fromtimestamp(at / 1000, UTC).astimezone(roster.zone).date()
    for day in (today, today - timedelta(days=1)):
        if not _works(assignment, day):
            continue
        since, until = span(shift, day, roster.zone)
        if since <= at < until:
            return Duty(
                person_id=assignment.person_id,
                role=assignment.role,
                shift=shift.name,
                zone=assignment.zone,
                since=since,
                until=until,
            )
    return None


def _works(assignment: Assignment, day: date) -> bool:
    valid = assignment.valid_from <= day and (assignment.valid_until is None or day <= assignment.valid_until)
    return valid and (not assignment.weekdays or day.isoweekday() in assignment.weekdays)


def _overridden(found: Iterable[Duty], override: Override, role: str) -> list[Duty]:
    duties = list(found)
    if override.role not in {None, role}:
        return duties
    match override.kind:
        case OverrideKind.ABSENT:
            return [duty for duty in duties if duty.person_id != override.person_id]
        case OverrideKind.REPLACE:
            return [_replaced(duty, override) if duty.person_id == override.person_id else duty for duty in duties]
        case OverrideKind.ADD:
            added = Duty(
                person_id=override.person_id,
                role=role,
                shift=None,
                zone=override.zone,
                since=override.from_at,
                until=override.until_at,
            )
            return duties if override.role is None else [*duties, added]


def _replaced(duty: Duty, override: Override) -> Duty:
    assert override.by_person_id is not None
    return msgspec.structs.replace(
        duty,
        person_id=override.by_person_id,
        instead_of=duty.person_id,
        since=max(duty.since, override.from_at),
        until=min(duty.until, override.until_at),
    )


# --- the clock on the wall --------------------------------------------------------------------------------


def _first(day: date, minute: int, zone: tzinfo) -> UtcMs:
    """The first moment at which the wall shows this time, or the jump that passes over it."""
    return min(_instants(day, minute, zone))


def _last(day: date, minute: int, zone: tzinfo) -> UtcMs:
    """The last moment at which the wall shows this time, or the jump that passes over it."""
    return max(_instants(day, minute, zone))


def _instants(day: date, minute: int, zone: tzinfo) -> tuple[UtcMs, ...]:
    wall = datetime.combine(day, time(minute // 60 % 24, minute % 60), zone)
    early, late = (_ms(wall.replace(fold=fold)) for fold in (0, 1))
    if _shows(early, wall, zone):
        return early, late
    low, high = min(early, late), max(early, late)  # the clock jumps somewhere between the two
    while high - low > 1:
        middle = (low + high) // 2
        if _local(middle, zone) < wall.replace(tzinfo=None):
            low = middle
        else:
            high = middle
    return (high,)


def _ms(moment: datetime) -> UtcMs:
    return round(moment.timestamp() * 1000)


def _local(at: UtcMs, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(zone).replace(tzinfo=None)


def _shows(at: UtcMs, wall: datetime, zone: tzinfo) -> bool:
    return _local(at, zone) == wall.replace(tzinfo=None, fold=0)


# --- words ------------------------------------------------------------------------------------------------


def shift_of(name: str, shifts: Mapping[str, Shift] = SHIFTS) -> Shift | None:
    """The shift of this name; a name such as `22:00-06:00` says its times itself. None: there is none."""
    known = shifts.get(name)
    if known is not None:
        return known
    times = _TIMES.fullmatch(name)
    if times is None:
        return None
    start, end = (int(times[part]) * 60 + int(times[part + 1]) for part in (1, 3))
    return Shift(name, start, end)


def minutes_text(minute: int) -> str:
    """As on the wall: `08:30`."""
    return f"{minute // 60:02d}:{minute % 60:02d}"
