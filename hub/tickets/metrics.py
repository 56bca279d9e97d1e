"""Figures of entrapments by month, site and lift: how long each step took, counted from the milestones.

Unknown is no figure: a case without a milestone is left out of that mean and its number is told (`n`). Drills are apart.
Source: domain/elevator.md 4.3; the legal 30 minutes run from the firm being told (1.2), our own delay before is its own figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from hub.store.schema import ticket_milestones, tickets
from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.instants import DAY_MS, MINUTE_MS, SECOND_MS, UtcMs

ARRIVAL_LIMIT_MS: Final = 30 * MINUTE_MS
REPEAT_WITHIN_MS: Final = 30 * DAY_MS


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One entrapment. `at` has the first time of each milestone, and the last of `released`."""

    site: str
    lift: str
    occurred_at: UtcMs
    opened_at: UtcMs
    state: str
    drill: bool
    at: Mapping[str, UtcMs]
    people: int | None
    accident_candidate: bool


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Whole seconds over `n` cases; None where there is none."""

    n: int = 0
    mean_s: int | None = None
    max_s: int | None = None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What can be said of some cases. Shares are percent with one decimal; None: of nothing there is no share."""

    events: int
    acknowledged: Spread  # since the hub opened the case
    voice_contact: Spread  # since the hub opened the case
    firm_told: Spread  # since it occurred: our own delay
    firm_answered: Spread  # since the firm was told
    arrived: Spread  # since the firm was told
    released: Spread  # since it occurred
    released_on_site: Spread  # since the technician arrived
    arrived_within_30_min_percent: float | None  # of all where the firm was told, also where nobody came
    people: int
    people_per_event: float | None  # of those where people were counted
    false_alarms: int
    false_alarm_percent: float | None
    auto_resolved: int  # the signal cleared before any technician came
    auto_resolved_percent: float | None
    repeats_within_30_days: int
    accident_candidates: int


def month_bounds(month: str, zone: tzinfo) -> tuple[UtcMs, UtcMs]:
    """`2026-11` as this zone's calendar has it: from, and up to but without."""
    year, number = int(month[:4]), int(month[5:7])
    following = (year + number // 12, number % 12 + 1)
    first, after = datetime(year, number, 1, tzinfo=zone), datetime(*following, 1, tzinfo=zone)
    return int(first.timestamp() * 1000), int(after.timestamp() * 1000)


def month_of(at: UtcMs, zone: tzinfo) -> str:
    """The month that this zone's calendar shows."""
    return datetime.fromtimestamp(at / 1000, zone).strftime("%Y-%m")


def cases(connection: Connection, site: str, since: UtcMs, until: UtcMs) -> list[Case]:
    """Entrapments of a site that occurred in this time, oldest first."""
    of_site = (
        (tickets.c.kind == str(TicketKind.ENTRAPMENT))
        & (tickets.c.site == site)
        & (tickets.c.occurred_at >= since)
        & (tickets.c.occurred_at < until)
    )
    at: dict[int, dict[str, UtcMs]] = {}
    reached = select(ticket_milestones).join_from(ticket_milestones, tickets).where(of_site)
    for row in connection.execute(reached.order_by(ticket_milestones.c.id)):
        mine = at.setdefault(row.ticket_id, {})
        mine[row.name] = row.at if row.name == "released" else mine.get(row.name, row.at)
    found = []
    for row in connection.execute(select(tickets).where(of_site).order_by(tickets.c.occurred_at, tickets.c.id)):
        fields = msgspec.json.decode(row.fields_json)
        found.append(
            Case(
                site=row.site,
                lift=row.subject_id,
                occurred_at=row.occurred_at,
                opened_at=row.opened_at,
                state=row.state,
                drill=bool(row.drill),
                at=at.get(row.id, {}),
                people=_people(fields),
                accident_candidate=fields.get("accident_candidate") is True,
            )
        )
    return found


def _people(fields: Mapping[str, object]) -> int | None:
    """Counted out, else counted inside."""
    inside = fields.get("people")
    counted = fields.get("people_out", inside.get("inside") if isinstance(inside, Mapping) else None)
    return counted if isinstance(counted, int) and not isinstance(counted, bool) else None


def figures(of: Sequence[Case], earlier: Iterable[Case]) -> Figures:
    """The figures of these cases; `earlier` (they may be among them) are looked through for repeats."""
    before = list(earlier)
    told = [case for case in of if "firm_told" in case.at]
    in_time = sum((took := _took(case, "firm_told", "technician_arrived")) is not None and took <= ARRIVAL_LIMIT_MS
                  for case in told)  # fmt: skip
    counted = [case.people for case in of if case.people is not None]
    false_alarms = sum(case.state == "false_alarm" for case in of)
    auto = sum(_auto_resolved(case) for case in of)
    return Figures(
        events=len(of),
        acknowledged=_spread(_took(case, "opened", "acknowledged") for case in of),
        voice_contact=_spread(_took(case, "opened", "voice_contact") for case in of),
        firm_told=_spread(_took(case, "occurred", "firm_told") for case in of),
        firm_answered=_spread(_took(case, "firm_told", "firm_answered") for case in of),
        arrived=_spread(_took(case, "firm_told", "technician_arrived") for case in of),
        released=_spread(_took(case, "occurred", "released") for case in of),
        released_on_site=_spread(_took(case, "technician_arrived", "released") for case in of),
        arrived_within_30_min_percent=_percent(in_time, len(told)),
        people=sum(counted),
        people_per_event=round(sum(counted) / len(counted), 2) if counted else None,
        false_alarms=false_alarms,
        false_alarm_percent=_percent(false_alarms, len(of)),
        auto_resolved=auto,
        auto_resolved_percent=_percent(auto, len(of)),
        repeats_within_30_days=sum(_is_repeat(case, before) for case in of),
        accident_candidates=sum(case.accident_candidate for case in of),
    )


def _took(case: Case, start: str, end: str) -> int | None:
    """Milliseconds between two milestones; None where one is missing or they came the other way round."""
    started = case.occurred_at if start == "occurred" else case.opened_at if start == "opened" else case.at.get(start)
    ended = case.at.get(end)
    return None if started is None or ended is None or ended < started else ended - started


def _spread(durations: Iterable[int | None]) -> Spread:
    known = [each for each in durations if each is not None]
    if not known:
        return Spread()
    return Spread(n=len(known), mean_s=round(sum(known) / len(known) / SECOND_MS), max_s=max(known) // SECOND_MS)


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 1) if whole else None


def _auto_resolved(case: Case) -> bool:
    cleared, arrived = case.at.get("sensor_clear"), case.at.get("technician_arrived")
    return case.state in {"released", "closed"} and cleared is not None and (arrived is None or cleared < arrived)


def _is_repeat(case: Case, earlier: Sequence[Case]) -> bool:
    return any(
        other.lift == case.lift
        and other.drill == case.drill
        and 0 < case.occurred_at - other.occurred_at <= REPEAT_WITHIN_MS
        for other in earlier
    )
