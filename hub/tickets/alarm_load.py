"""How much a control room has to take in: chattering, floods, stale alarms and rates, as pure functions of what was raised.

Limits are data, after ISA-18.2 (domain/elevator.md 1.4): at most 150 alarms a day are manageable, 300 call for action; more than
ten in ten minutes are a flood, until fewer than five; three times within a minute is chattering; a day without movement is stale.
Drills and roll-ups are not counted: a drill is no alarm, and what a roll-up gathers counts by itself.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from hub.tickets.rollup import FLOOD_ABOVE, FLOOD_ENDS_BELOW, FLOOD_WINDOW_MS
from hub.vocabulary.decisions import Severity
from hub.vocabulary.instants import DAY_MS, MINUTE_MS, UtcMs


class LoadLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Where load begins to be too much."""

    flood_above: int = FLOOD_ABOVE
    flood_ends_below: int = FLOOD_ENDS_BELOW
    flood_window_ms: int = FLOOD_WINDOW_MS
    chatter_times: int = 3
    chatter_window_ms: int = MINUTE_MS
    stale_after_ms: int = DAY_MS
    manageable_per_day: int = 150
    act_per_day: int = 300
    critical_percent: float = 5.0


LIMITS = LoadLimits()


class Grade(StrEnum):
    """What the rate per day calls for."""

    MANAGEABLE = "manageable"
    DEMANDING = "demanding"
    ACT = "act"


class Raising(msgspec.Struct, frozen=True, kw_only=True):
    """A signal that raised a ticket (`new`) or was counted on one."""

    at: UtcMs
    site: str
    kind: str
    subject: str
    name: str  # the subject's
    severity: Severity
    new: bool


class Chatter(msgspec.Struct, frozen=True, kw_only=True):
    """One subject and kind that came again and again. `most` within one window, `total` in the whole time."""

    site: str
    kind: str
    subject: str
    name: str
    total: int
    most: int
    since: UtcMs
    until: UtcMs


class Flood(msgspec.Struct, frozen=True, kw_only=True):
    """From the first of the alarms that made it one to the last before it ended; `peak` within one window."""

    since: UtcMs
    until: UtcMs
    tickets: int
    peak: int


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """The load of a site, or of an operator's position. Shares are percent with one decimal; None: of nothing."""

    tickets: int
    signals: int  # tickets and repeats
    per_day: float
    grade: Grade
    busiest_10_min: int
    floods: int
    flood_percent: float  # of the time
    critical_percent: float | None
    too_many_critical: bool
    chattering: int
    stale: int


def chattering(raisings: Iterable[Raising], limits: LoadLimits = LIMITS) -> list[Chatter]:
    """Who chattered, worst first. `raisings` in order of time."""
    by_source: dict[tuple[str, str, str], list[Raising]] = defaultdict(list)
    for each in raisings:
        by_source[each.site, each.kind, each.subject].append(each)
    found = []
    for (site, kind, subject), mine in by_source.items():
        most = _most_within([each.at for each in mine], limits.chatter_window_ms)
        if most >= limits.chatter_times:
            chatter = Chatter(
                site=site,
                kind=kind,
                subject=subject,
                name=mine[-1].name,
                total=len(mine),
                most=most,
                since=mine[0].at,
                until=mine[-1].at,
            )
            found.append(chatter)
    return sorted(found, key=lambda each: (-each.most, -each.total, each.site, each.kind, each.subject))


def floods(times: Sequence[UtcMs], limits: LoadLimits = LIMITS) -> list[Flood]:
    """Floods among the times at which tickets were opened, in order."""
    found: list[Flood] = []
    window: deque[UtcMs] = deque()
    flood: list[UtcMs] = []
    peak = 0
    for at in times:
        while window and window[0] <= at - limits.flood_window_ms:
            window.popleft()
        if flood and len(window) + 1 < limits.flood_ends_below:
            found.append(_flood(flood, peak))
            flood, peak = [], 0
        window.append(at)
        if flood:
            flood.append(at)
        elif len(window) > limits.flood_above:
            flood = list(window)
        peak = max(peak, len(window)) if flood else 0
    return [*found, _flood(flood, peak)] if flood else found


def load(raisings: Sequence[Raising], stale: int, since: UtcMs, until: UtcMs, limits: LoadLimits = LIMITS) -> Load:
    """The figures of a time, from `since` up to but without `until`. `raisings` in order of time."""
    opened = [each for each in raisings if each.new]
    times = [each.at for each in opened]
    per_day = round(len(opened) * DAY_MS / max(1, until - since), 1)
    critical = sum(each.severity is Severity.CRITICAL for each in opened)
    share = round(100 * critical / len(opened), 1) if opened else None
    flooded = floods(times, limits)
    flood_ms = sum(each.until - each.since for each in flooded)
    return Load(
        tickets=len(opened),
        signals=len(raisings),
        per_day=per_day,
        grade=grade(per_day, limits),
        busiest_10_min=_most_within(times, limits.flood_window_ms),
        floods=len(flooded),
        flood_percent=round(100 * flood_ms / max(1, until - since), 1),
        critical_percent=share,
        too_many_critical=share is not None and share > limits.critical_percent,
        chattering=len(chattering(raisings, limits)),
        stale=stale,
    )


def grade(per_day: float, limits: LoadLimits = LIMITS) -> Grade:
    """What this many a day call for."""
    if per_day >= limits.act_per_day:
        return Grade.ACT
    return Grade.MANAGEABLE if per_day <= limits.manageable_per_day else Grade.DEMANDING


def _flood(times: Sequence[UtcMs], peak: int) -> Flood:
    return Flood(since=times[0], until=times[-1], tickets=len(times), peak=peak)


def _most_within(times: Sequence[UtcMs], window_ms: int) -> int:
    """The largest number within any window of this length."""
    most, first = 0, 0
    for last, at in enumerate(times):
        while times[first] <= at - window_ms:
            first += 1
        most = max(most, last - first + 1)
    return most
