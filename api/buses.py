"""Buses over HTTP: how busy each is, what answers late, and which devices do not answer at all."""

from __future__ import annotations

import msgspec
from fastapi import Request
from fastapi.responses import Response

from api.auth import ForInputStaff, services_of
from api.openapi import answers
from api.requests import Json, Site
from api.routing import noun_router
from api.shapes_buses import BusList

router = noun_router("buses", "/buses")


@router.get("", responses=answers(BusList))
def list_buses(request: Request, principal: ForInputStaff, site: Site = None) -> Response:
    """Every bus as it stands now."""
    found = [
        bus for bus in services_of(request).buses() if principal.may_see(bus["site"]) and site in {None, bus["site"]}
    ]
    return Json(msgspec.json.encode(msgspec.convert({"items": found}, BusList)))
