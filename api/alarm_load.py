"""Alarm load over HTTP: by site and by operator's position, as JSON and as a sheet."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response

from api.auth import services_of
from api.openapi import answers
from api.problem_details import invalid
from api.requests import InstantIn, Json, Site
from api.routing import noun_router
from api.services import Services
from api.shapes_alarm_load import AlarmLoad, Chattering, FloodLine, LoadLine, StaleLine
from api.statistics import ForEmergencyStaff, Format, sheet
from hub.tickets import alarm_load, load_queries
from hub.tickets.alarm_load import Raising
from hub.tickets.load_queries import StaleTicket
from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.instants import DAY_MS, UtcMs, iso

router = noun_router("statistics", "/statistics")

LONGEST_MS = 31 * DAY_MS

From = Annotated[InstantIn | None, Query(alias="from", description="A day before `to` where it is left out.")]
To = Annotated[InstantIn | None, Query(description="Now where it is left out; at most 31 days after `from`.")]

_ANSWERS = answers(AlarmLoad)
_ANSWERS[200]["content"]["text/csv"] = {"schema": {"type": "string"}}


@router.get("/alarm-load", responses=_ANSWERS)
def show_alarm_load(
    request: Request,
    principal: ForEmergencyStaff,
    site: Site = None,
    since: From = None,
    to: To = None,
    format: Format = Format.JSON,
) -> Response:
    """Tickets and repeats raised in a time: rates, floods, chattering; and what has not moved for a day now."""
    services = services_of(request)
    until = services.now() if to is None else to
    since = until - DAY_MS if since is None else since
    if not since < until <= since + LONGEST_MS:
        raise invalid(("from", "must be before `to`, and at most 31 days before it"))
    mine = [each.id for each in services.sites if principal.may_see(each.id) and site in {None, each.id}]
    with services.store.read() as connection:
        raised = load_queries.raisings(connection, mine, since, until)
        stale = load_queries.stale(connection, mine, services.now())
        watched = load_queries.positions(connection, [each.id for each in services.sites])
    groups: list[tuple[str, tuple[str, ...]]] = [(f"site {each}", (each,)) for each in mine]
    groups += [(f"position {' '.join(each)}", each) for each in watched if set(each) <= set(mine)]
    lines = tuple(_line(name, sites, raised, stale, since, until) for name, sites in groups)
    if format is Format.CSV:
        return Response(
            sheet(lines, ("what", "sites", "from", "to")),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="alarm-load.csv"'},
        )
    return Json(msgspec.json.encode(_answer(services, lines, mine, raised, stale)))


def _line(
    name: str, sites: tuple[str, ...], raised: list[Raising], stale: list[StaleTicket], since: UtcMs, until: UtcMs
) -> LoadLine:
    ours = [each for each in raised if each.site in sites]
    waiting = sum(each.site in sites for each in stale)
    return LoadLine(
        what="site" if name.startswith("site ") else "position",
        sites=" ".join(sites),
        since=iso(since),
        until=iso(until),
        figures=alarm_load.load(ours, waiting, since, until),
    )


def _answer(
    services: Services, lines: tuple[LoadLine, ...], sites: list[str], raised: list[Raising], stale: list[StaleTicket]
) -> AlarmLoad:
    floods = [
        FloodLine(
            site=site,
            since=iso(flood.since, services.zone(site)),
            until=iso(flood.until, services.zone(site)),
            tickets=flood.tickets,
            peak=flood.peak,
        )
        for site in sites
        for flood in alarm_load.floods([each.at for each in raised if each.new and each.site == site])
    ]
    chatter = [
        Chattering(
            site=each.site,
            kind=TicketKind(each.kind),
            subject=each.subject,
            name=each.name,
            total=each.total,
            most_in_a_minute=each.most,
            since=iso(each.since, services.zone(each.site)),
            until=iso(each.until, services.zone(each.site)),
        )
        for each in alarm_load.chattering(raised)
    ]
    still = [
        StaleLine(
            id=each.id,
            number=each.number,
            site=each.site,
            kind=TicketKind(each.kind),
            name=each.name,
            severity=Severity(each.severity),
            updated_at=iso(each.updated_at, services.zone(each.site)),
        )
        for each in stale
    ]
    return AlarmLoad(items=lines, floods=floods, chattering=chatter, stale=still, limits=alarm_load.LIMITS)
