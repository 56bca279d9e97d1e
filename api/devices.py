"""Devices over HTTP: what they said last, how far that can be believed, and why the rules did nothing."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, Any

import msgspec
from fastapi import Path, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Row

from api import shapes
from api.auth import ForStaff, services_of
from api.openapi import answers
from api.problem_details import ProblemError, not_found
from api.problems import problem_shape
from api.requests import Cursor, Id, Json, Limit, Site, before, one_page
from api.routing import noun_router
from api.services import Services
from hub.pipeline import problem_queries
from hub.registry import device_queries as queries
from hub.registry.device_queries import Quality
from hub.store.accounts import Principal
from hub.vocabulary.events import Event, SubjectType
from hub.vocabulary.facts import DeviceKind

ENVELOPE = frozenset({"event", *Event.__struct_fields__}) - {"extra"}

router = noun_router("devices", "/devices")

DeviceId = Annotated[Id, Path(description="Id of a device, unique within its site.")]


def find_device(
    connection: Connection, principal: Principal, device_id: str, site: str | None, kind: str | None = None
) -> Row[Any]:
    """The device of this id that the caller may see.

    Raises ProblemError: there is none (404), or several sites have one and the caller must say which (409).
    """
    found = queries.named(connection, device_id, site, principal.sites, kind)
    if not found:
        raise not_found("device" if kind is None else kind)
    if len(found) > 1:
        sites = [str(row.site) for row in found]
        raise ProblemError(409, "ambiguous", f"Several sites have {device_id!r}: say which with ?site=.", allowed=sites)
    return found[0]


class Standing:
    """What decides the quality of devices, read once per request."""

    def __init__(self, services: Services, connection: Connection) -> None:
        self._services = services
        self._now = services.now()
        self._down = queries.gateways_down(connection)
        self._silent = queries.silent_devices(connection)

    def quality(self, row: Row[Any]) -> Quality:
        """Quality of one device."""
        return queries.quality(
            row.heard_at,
            row.reachable,
            (row.site, row.gateway) in self._down,
            (row.site, row.id) in self._silent,
            self._services.stale_after_ms.get(row.kind, queries.DEFAULT_STALE_AFTER_MS),
            self._now,
        )


def _said(latest_json: str) -> dict[str, Any]:
    """What the device said, without the envelope of the event that brought it."""
    return {name: value for name, value in msgspec.json.decode(latest_json).items() if name not in ENVELOPE}


def _common(row: Row[Any], zone: tzinfo, quality: Quality, codes: list[str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "site": row.site,
        "kind": row.kind,
        "name": row.name,
        "place": row.place,
        "profile": row.profile,
        "gateway": row.gateway,
        "quality": quality,
        "last_seen": shapes.instant(row.heard_at, zone),
        "reachable": None if row.reachable is None else bool(row.reachable),
        "state": None if row.latest_json is None else _said(row.latest_json),
        "state_at": shapes.instant(row.latest_at, zone),
        "problems": codes,
        "retired": row.retired_at is not None,
    }


@router.get("", responses=answers(shapes.DeviceList))
def list_devices(
    request: Request,
    principal: ForStaff,
    kind: DeviceKind | None = None,
    site: Site = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Devices that are in use, in the order of their registration."""
    services = services_of(request)
    with services.store.read() as connection:
        rows = queries.page(connection, kind, site, principal.sites, before(cursor), limit + 1)
        codes = queries.problem_codes(connection, principal.sites)
        standing = Standing(services, connection)
    shown, following = one_page(rows, limit, lambda row: row.pk)
    items = [
        shapes.Device(**_common(row, services.zone(row.site), standing.quality(row), codes.get((row.site, row.id), [])))
        for row in shown
    ]
    return Json(msgspec.json.encode(shapes.DeviceList(items=items, next=following)))


@router.get("/{device_id}", responses=answers(shapes.DeviceDetail))
def show_device(request: Request, principal: ForStaff, device_id: DeviceId, site: Site = None) -> Response:
    """A device with its problems and the rules' last evaluations. 409 where several sites have this id: give `site`."""
    services = services_of(request)
    with services.store.read() as connection:
        row = find_device(connection, principal, device_id, site)
        quality = Standing(services, connection).quality(row)
        about = problem_queries.active_about(connection, row.site, SubjectType.DEVICE, row.id)
    zone = services.zone(row.site)
    found = shapes.DeviceDetail(
        **_common(row, zone, quality, [str(problem.code) for problem in about]),
        problem_details=[problem_shape(problem, zone) for problem in about],
        evaluations=services.why(row.site, row.id),
    )
    return Json(msgspec.json.encode(found))
