"""Tests of an elevator's alarm button over HTTP: declared before somebody presses, for so many minutes, in somebody's name."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Request, Security
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from api import shapes_records
from api.auth import Guard, services_of
from api.devices import DeviceId, find_device
from api.openapi import answers
from api.requests import IdempotencyKey, Json, Site, Words, once
from api.routing import noun_router
from api.services import Services
from hub.store.accounts import Principal
from hub.tickets.suppression import OPERATORS
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.instants import MINUTE_MS, UtcMs, iso
from hub.vocabulary.press_tests import PressTestDeclared
from hub.vocabulary.roles import Role

router = noun_router("devices", "/devices")

LONGEST_MIN = 60
DECLARERS = OPERATORS | {Role.TECHNICIAN}
ForDeclarers = Annotated[Principal, Security(Guard(DECLARERS))]


class PressTestIn(BaseModel):
    """Presses of the next so many minutes are tests; 0: the test is over."""

    model_config = ConfigDict(extra="forbid")

    minutes: Annotated[int, Field(ge=0, le=LONGEST_MIN)] = 15
    reason: Words = "test"


def declare(services: Services, site: str, device: str, minutes: int, reason: str, by: str) -> UtcMs:
    """Presses at this elevator are tests from now on, until the moment that is answered."""
    now = services.now()
    until = now + minutes * MINUTE_MS
    declared = PressTestDeclared(
        site=site,
        device=device,
        source_key=f"press-test/{by}/{now}",
        occurred_at=now,
        received_at=now,
        until=until,
        by=by,
        reason=reason,
    )
    services.door.ask(lambda step: step.happen(declared))
    return until


@router.post("/{device_id}/press-test", responses=answers(shapes_records.PressTest))
def declare_press_test(
    request: Request,
    principal: ForDeclarers,
    device_id: DeviceId,
    given: PressTestIn,
    site: Site = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Say that an elevator's alarm button will be tried. Presses until then are recorded and told to nobody; others are real."""
    services = services_of(request)
    with services.store.read() as connection:
        device = find_device(connection, principal, device_id, site, DeviceKind.ELEVATOR)

    def write() -> Response:
        until = declare(services, device.site, device.id, given.minutes, given.reason, principal.name)
        found = shapes_records.PressTest(
            site=device.site, device=device.id, until=iso(until, services.zone(device.site)), by=principal.name
        )
        return Json(msgspec.json.encode(found))

    return once(request, services, principal, idempotency_key, given.model_dump(mode="json"), write)
