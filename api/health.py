"""Whether the hub lives and works, for probes and Prometheus. Ready means that messages come through, not that sockets are open."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api import shapes
from api.auth import ForProbes, services_of
from api.openapi import answers
from api.requests import Json
from api.services import Services
from hub.vocabulary.instants import iso

router = APIRouter(tags=["health"])


def readiness(services: Services) -> shapes.Readiness:
    """How the hub is now; a health check that fails is itself a reason not to be ready."""
    now = iso(services.now())
    try:
        health = services.health()
    except Exception as error:  # noqa: BLE001  whatever it is, the answer is: not ready
        failed = shapes.HealthPart(name="health", id="", ok=False, required=True, why=type(error).__name__)
        return shapes.Readiness(
            ready=False,
            parts=[failed],
            canary_age_ms={},
            oldest_unacked_ms=None,
            last_event_at=None,
            version=services.version,
            now=now,
        )
    return shapes.Readiness(
        ready=health.ready,
        parts=[
            shapes.HealthPart(name=part.name, id=part.id, ok=part.ok, required=part.required, why=part.why)
            for part in health.parts
        ],
        canary_age_ms=health.canary_age_ms,
        oldest_unacked_ms=health.oldest_unacked_ms,
        last_event_at=shapes.instant(health.last_event_at),
        version=services.version,
        now=now,
    )


@router.get("/healthz", responses=answers(shapes.Alive))
async def healthz(request: Request, principal: ForProbes) -> Response:
    """The process answers."""
    return Json(msgspec.json.encode(shapes.Alive(status="alive", version=services_of(request).version)))


@router.get(
    "/readyz",
    responses={
        **answers(shapes.Readiness),
        503: {"description": "Not ready.", "content": answers(shapes.Readiness)[200]["content"]},
    },
)
def readyz(request: Request, principal: ForProbes) -> Response:
    """Intake works and the canary was seen: 200; else 503 with what is wrong."""
    found = readiness(services_of(request))
    return Json(msgspec.json.encode(found), 200 if found.ready else 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Prometheus text.", "content": {"text/plain": {}}}},
)
def metrics(request: Request, principal: ForProbes) -> Response:
    """Prometheus metrics."""
    return Response(generate_latest(services_of(request).metrics_registry), media_type=CONTENT_TYPE_LATEST)
