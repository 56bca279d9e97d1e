"""The OpenAPI document: FastAPI's routes with the schemas of our structs, and problem details for every error."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api import (
    action_schema,
    auth,
    problem_details,
    shapes,
    shapes_access,
    shapes_alarm_load,
    shapes_buses,
    shapes_cards,
    shapes_desk,
    shapes_drills,
    shapes_duty,
    shapes_mass,
    shapes_meters,
    shapes_notices,
    shapes_privacy,
    shapes_records,
    shapes_statistics,
    shapes_suppressions,
    shapes_webhooks,
)

OPEN_ON_LOOPBACK = frozenset({"/healthz", "/readyz", "/metrics"})
ACTIONS = "/api/v1/tickets/{ticket_id}/actions/{action}"
REF = "#/components/schemas/{name}"

_ERRORS = {
    "400": "The request cannot be read.",
    "401": "Not signed in.",
    "403": "Not for these roles.",
    "404": "There is none, or none that this caller may see.",
    "409": "Not possible now; `allowed` says what is, where that is known.",
    "412": "The ETag of If-Match is not the current one.",
    "413": "The body is larger than 64 kB.",
    "422": "Fields are missing or wrong; `errors` names each.",
    "429": "Too many attempts; Retry-After says when to try again.",
    "500": "A defect of the hub.",
    "503": "The hub cannot do it now.",
}

DESCRIPTION = """
Tickets, devices, meters, top-ups, cards, notices, people, households, the feed and what could not be used.

Lists answer `{"items": […], "next": cursor or null}`. Times are ISO 8601 with offset; money is decimal text with its
currency; enums are lower_snake words. Writes take `Idempotency-Key`, edits take `If-Match` with the ETag. The body of
an action is one JSON object with the action's fields. Errors are `application/problem+json` (RFC 9457).
"""


def _content(shape: type) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REF.format(name=shape.__name__)}}}


def answers(
    shape: type, *, counted: type | None = None, conflict: bool = False, created: bool = False
) -> dict[int | str, dict[str, Any]]:
    """What a route answers: 200 (or 201, and 200 where it was counted) with this shape."""
    if created:
        return {201: {"description": "Entered.", "content": _content(shape)}}
    if counted is None:
        return {200: {"description": "Done." if conflict else "Found.", "content": _content(shape)}}
    return {
        201: {"description": "Opened.", "content": _content(shape)},
        200: {"description": "Counted on the one that was active.", "content": _content(counted)},
    }


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter may be missing, which is not the word `null`."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) != 1:
        return schema
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **choices[0]}


def install(app: FastAPI) -> None:
    """Serve this document as the app's own (`app.openapi()`)."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def build(app: FastAPI) -> dict[str, Any]:
    """The document."""
    document = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    document.setdefault("components", {})["securitySchemes"] = auth.SCHEMES
    schemas = document["components"].setdefault("schemas", {})
    ours, components = msgspec.json.schema_components(
        (
            *shapes.ANSWERS,
            *shapes_meters.ANSWERS,
            *shapes_access.ANSWERS,
            *shapes_buses.ANSWERS,
            *shapes_notices.ANSWERS,
            *shapes_cards.ANSWERS,
            *shapes_desk.ANSWERS,
            *shapes_privacy.ANSWERS,
            *shapes_duty.ANSWERS,
            *shapes_statistics.ANSWERS,
            *shapes_suppressions.ANSWERS,
            *shapes_alarm_load.ANSWERS,
            *shapes_mass.ANSWERS,
            *shapes_drills.ANSWERS,
            *shapes_records.ANSWERS,
            *shapes_webhooks.ANSWERS,
            problem_details.ProblemDetails,
        ),
        ref_template=REF,
    )
    del ours
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas.update(components)
    schemas[action_schema.NAME] = action_schema.action_fields()
    acting = document["paths"][ACTIONS]["post"]["requestBody"]["content"]["application/json"]
    acting["schema"] = {"anyOf": [{"$ref": REF.format(name=action_schema.NAME)}, {"type": "null"}]}
    problem = {"application/problem+json": {"schema": {"$ref": REF.format(name="ProblemDetails")}}}
    guarded = {(route.path, verb.lower()) for route in auth.guarded(app) for verb in route.methods or ()}
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            if (path, verb) in guarded:
                operation["security"] = [{name: []} for name in auth.SCHEMES]
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _without_null(parameter["schema"])
            if path in OPEN_ON_LOOPBACK:
                operation["security"].insert(0, {})
            for status, description in _ERRORS.items():
                operation["responses"].setdefault(status, {"description": description})["content"] = problem
    return document
