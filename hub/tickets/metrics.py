"""Figures of entrapments by month, site and lift: how long each step took, counted from the milestones.

Unknown is no figure: a case without a milestone is left out of that mean and its number is told (`n`). Drills are apart.
An event is one car: a power cut that stops many is counted apart, its cars are the events.
Source: domain/elevator.md 4.3; the legal 30 minutes run from the firm being told (1.2), our own delay before is its own figure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, select

from hub.store.schema import case_reports, devices, ticket_milestones, tickets
from hub.tickets.forms import CauseKind, Classification, FormName
from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.events import SubjectType
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.instants import DAY_MS, MINUTE_MS, SECOND_MS, UtcMs

ARRIVAL_LIMIT_MS: Final = 30 * MINUTE_MS
REPEAT_WITHIN_MS: Final = 30 * DAY_MS
NOT_KNOWN: Final = "not_known"
"""Cause of a case about which no report is signed."""


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
    arrival_late: bool = False
    cause: str | None = None  # of the newest signed report
    accident: bool = False  # classified so in the newest signed report
    of_lift: bool = True  # False: of a whole site


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Whole seconds over `n` cases; None where there is none."""

    n: int = 0
    mean_s: int | None = None
    max_s: int | None = None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What can be said of some cases. Shares are percent with one decimal; None: of nothing there is no share."""

    events: int
    events_per_100_lifts: float | None  # None: of a single lift
    trapped: int  # somebody was counted
    not_trapped: int  # counted, and nobody was; or a false alarm
    trapped_not_known: int
    mass_outages: int  # cases of a whole site; their cars are among `events`
    acknowledged: Spread  # since the hub opened the case
    voice_contact: Spread  # since the hub opened the case
    guard_arrived: Spread  # since the guard was sent
    firm_told: Spread  # since it occurred: our own delay
    firm_answered: Spread  # since the firm was told
    arrived: Spread  # since the firm was told
    released: Spread  # since it occurred
    released_on_site: Spread  # since the technician arrived
    reported: Spread  # since the release
    arrived_within_30_min_percent: float | None  # of all where the firm was told, also where nobody came
    arrivals_late: int  # after this site's own legal time
    people: int
    people_per_event: float | None  # of those where people were counted
    false_alarms: int
    false_alarm_percent: float | None
    auto_resolved: int  # the signal cleared before any technician came
    auto_resolved_percent: float | None
    repeats_within_30_days: int
    accident_candidates: int
    accidents: int  # classified so by a person, in a signed report
    causes: Mapping[str, int]  # every kind of cause, and `not_known`
    by_hour: Mapping[str, int]  # `00` … `23` of the site's clock, in which they occurred


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
    reports = _reports(connection, list(at))
    found = []
    for row in connection.execute(select(tickets).where(of_site).order_by(tickets.c.occurred_at, tickets.c.id)):
        fields, report = msgspec.json.decode(row.fields_json), reports.get(row.id, {})
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
                arrival_late=fields.get("arrival_late") is True,
                cause=report.get("cause_kind"),
                accident=report.get("classification") == Classification.ACCIDENT,
                of_lift=row.subject_type == SubjectType.DEVICE,
            )
        )
    return found


def _reports(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Ticket → the fields of its newest signed report."""
    reports = case_reports.c
    statement = (
        select(reports.ticket_id, reports.fields_json)
        .where(reports.ticket_id.in_(ids), reports.form == str(FormName.MAJOR_INCIDENT), reports.signed)
        .order_by(reports.id)
    )
    return {row.ticket_id: msgspec.json.decode(row.fields_json) for row in connection.execute(statement)}


def lifts_of(connection: Connection, site: str) -> int:
    """How many elevators a site has now."""
    mine = (devices.c.site == site, devices.c.kind == str(DeviceKind.ELEVATOR), devices.c.retired_at.is_(None))
    return int(connection.execute(select(func.count()).select_from(devices).where(*mine)).scalar_one())


def _people(fields: Mapping[str, object]) -> int | None:
    """Counted out, else counted inside."""
    inside = fields.get("people")
    counted = fields.get("people_out", inside.get("inside") if isinstance(inside, Mapping) else None)
    return counted if isinstance(counted, int) and not isinstance(counted, bool) else None


def figures(of: Sequence[Case], earlier: Iterable[Case], zone: tzinfo = UTC, lifts: int | None = None) -> Figures:
    """The figures of these cases; `earlier` (they may be among them) are looked through for repeats.

    `zone`: whose hours are counted; `lifts`: how many there are, None for the figures of one.
    """
    before = [case for case in earlier if case.of_lift]
    mass, of = sum(not case.of_lift for case in of), [case for case in of if case.of_lift]
    told = [case for case in of if "firm_told" in case.at]
    in_time = sum((took := _took(case, "firm_told", "technician_arrived")) is not None and took <= ARRIVAL_LIMIT_MS
                  for case in told)  # fmt: skip
    counted = [case.people for case in of if case.people is not None]
    false_alarms = sum(case.state == "false_alarm" for case in of)
    trapped = sum(bool(case.people) and case.state != "false_alarm" for case in of)
    not_trapped = sum(case.people == 0 or case.state == "false_alarm" for case in of)
    auto = sum(_auto_resolved(case) for case in of)
    return Figures(
        events=len(of),
        events_per_100_lifts=round(100 * len(of) / lifts, 2) if lifts else None,
        trapped=trapped,
        not_trapped=not_trapped,
        trapped_not_known=len(of) - trapped - not_trapped,
        mass_outages=mass,
        acknowledged=_spread(_took(case, "opened", "acknowledged") for case in of),
        voice_contact=_spread(_took(case, "opened", "voice_contact") for case in of),
        guard_arrived=_spread(_took(case, "guard_sent", "guard_arrived") for case in of),
        firm_told=_spread(_took(case, "occurred", "firm_told") for case in of),
        firm_answered=_spread(_took(case, "firm_told", "firm_answered") for case in of),
        arrived=_spread(_took(case, "firm_told", "technician_arrived") for case in of),
        released=_spread(_took(case, "occurred", "released") for case in of),
        released_on_site=_spread(_took(case, "technician_arrived", "released") for case in of),
        reported=_spread(_took(case, "released", "report") for case in of),
        arrived_within_30_min_percent=_percent(in_time, len(told)),
        arrivals_late=sum(case.arrival_late for case in of),
        people=sum(counted),
        people_per_event=round(sum(counted) / len(counted), 2) if counted else None,
        false_alarms=false_alarms,
        false_alarm_percent=_percent(false_alarms, len(of)),
        auto_resolved=auto,
        auto_resolved_percent=_percent(auto, len(of)),
        repeats_within_30_days=sum(_is_repeat(case, before) for case in of),
        accident_candidates=sum(case.accident_candidate for case in of),
        accidents=sum(case.accident for case in of),
        causes=_by_cause(of),
        by_hour=_by_hour(of, zone),
    )


def _by_cause(of: Iterable[Case]) -> dict[str, int]:
    counts = Counter(case.cause or NOT_KNOWN for case in of if case.state != "false_alarm")
    return {cause: counts[cause] for cause in (*map(str, CauseKind), NOT_KNOWN)}


def _by_hour(of: Iterable[Case], zone: tzinfo) -> dict[str, int]:
    counts = Counter(datetime.fromtimestamp(case.occurred_at / 1000, zone).strftime("%H") for case in of)
    return {f"{hour:02d}": counts[f"{hour:02d}"] for hour in range(24)}


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
