"""Access controllers over HTTP: how full, how well read, and which cards are on them that nobody has issued."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import Connection, Row

from api import shapes
from api.auth import ForCardWatchers, services_of
from api.openapi import answers
from api.requests import Json, Site
from api.routing import noun_router
from api.services import Services
from api.shapes_access import AccessController, AccessControllerList, ForeignCard, HubOpening
from hub.cards import controllers

router = noun_router("cards", "/access-controllers")


@router.get("", responses=answers(AccessControllerList))
def list_controllers(request: Request, principal: ForCardWatchers, site: Site = None) -> Response:
    """Every controller that has said something, in the order of their ids; `hub_decides` says how its doors fail."""
    services = services_of(request)
    openings = _openings(services)
    with services.store.read() as connection:
        found = tuple(
            _shape(services, connection, row, openings.get((row.site, row.device), ()))
            for row in sorted(controllers.everywhere(connection), key=lambda row: (row.site, row.device))
            if principal.may_see(row.site) and site in {None, row.site}
        )
    return Json(msgspec.json.encode(AccessControllerList(items=found)))


def _openings(services: Services) -> dict[tuple[str, str], tuple[HubOpening, ...]]:
    """(site, device) → its doors at which the hub decides, as the running hub knows them."""
    sites = [site.id for site in services.sites]
    known = services.door.ask(
        lambda step: {(site, each.id): each.openings for site in sites for each in step.devices_of(site).values()}
    )
    return {
        key: tuple(
            HubOpening(
                door=door,
                fail_policy=each.fail_policy,
                hub_away=each.hub_away,
                decide_within_ms=each.decide_within_ms,
                open_ms=each.open_ms,
                allowed_by=each.allowed_by,
            )
            for door, each in doors
        )
        for key, doors in known.items()
        if doors
    }


def _shape(
    services: Services, connection: Connection, row: Row[Any], openings: tuple[HubOpening, ...]
) -> AccessController:
    zone = services.zone(row.site)
    standing = controllers.standing(connection, row.site, row.device)
    return AccessController(
        id=row.device,
        site=row.site,
        epoch=row.epoch,
        epoch_since=shapes.instant(row.epoch_at, zone),
        epoch_why=row.epoch_why,
        serial=row.serial,
        cards=row.cards,
        cards_at=shapes.instant(row.cards_at, zone),
        capacity=services.card_capacity(row.site, row.device),
        wanted=standing.wanted,
        unproved=standing.unproved,
        listed_at=shapes.instant(row.listed_at, zone),
        foreign=tuple(
            ForeignCard(format=each["format"], value=each["value"], doors=tuple(each["doors"]))
            for each in controllers.foreign_of(row)
        ),
        last_index=row.last_index,
        missed=row.missed,
        missed_at=shapes.instant(row.missed_at, zone),
        clock_offset_ms=row.clock_offset_ms,
        clock_at=shapes.instant(row.clock_at, zone),
        hub_decides=openings,
    )
