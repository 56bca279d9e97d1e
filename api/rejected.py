"""Rejected input over HTTP: the bytes as they came, why they could not be used, and another try after a fix."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response
from sqlalchemy import Row

from api import shapes
from api.auth import ForInputStaff, actor, services_of
from api.openapi import answers
from api.problem_details import not_found
from api.requests import Cursor, IdempotencyKey, Json, Limit, RowId, Site, before, once, one_page
from api.routing import noun_router
from hub.pipeline import rejected_queries as queries
from hub.store.accounts import Principal
from hub.vocabulary.instants import iso
from hub.vocabulary.rejected import RejectReason

router = noun_router("rejected", "/rejected")

PREVIEW_CHARS = 500


def _shape(row: Row[Any]) -> shapes.Rejected:
    payload = bytes(row.payload or b"")  # SQLite: the beginning of nothing is null
    return shapes.Rejected(
        id=row.id,
        site=row.site,
        device=row.device,
        channel=row.channel,
        address=row.address,
        reason=row.reason,
        detail=row.detail,
        received_at=iso(row.received_at),
        last_at=iso(row.last_at),
        count=row.times,
        size=row.size,
        payload_base64=base64.b64encode(payload).decode(),
        payload_text=preview(payload),
        truncated=len(payload) < row.size,
        replayed_at=shapes.instant(row.replayed_at),
        outcome=row.outcome,
    )


def preview(payload: bytes) -> str:
    """The beginning as text; what cannot be shown (control characters, bytes that are no text) is written as an escape."""
    text = payload[: 4 * PREVIEW_CHARS].decode("utf-8", "backslashreplace")[:PREVIEW_CHARS]
    return "".join(char if char.isprintable() or char in "\n\t" else f"\\u{ord(char):04x}" for char in text)


def _mine(principal: Principal, site: str) -> bool:
    """What is of no known site may be anybody's: only those who see all sites see it."""
    return principal.may_see(site)


@router.get("", responses=answers(shapes.RejectedList))
def list_rejected(
    request: Request,
    principal: ForInputStaff,
    site: Site = None,
    reason: RejectReason | None = None,
    waiting: Annotated[bool | None, Query(description="Only what nothing has come of yet, or only the rest.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Rejected input, newest first; long payloads are cut (`truncated`)."""
    with services_of(request).store.read() as connection:
        rows = queries.page(connection, site, reason, waiting, principal.sites, before(cursor), limit + 1)
    shown, following = one_page(rows, limit)
    items = [_shape(row) for row in shown]
    found = shapes.RejectedList(items=items, next=following)
    return Json(msgspec.json.encode(found))


@router.get("/{rejected_id}", responses=answers(shapes.Rejected))
def show_rejected(request: Request, principal: ForInputStaff, rejected_id: RowId) -> Response:
    """One with its whole payload."""
    with services_of(request).store.read() as connection:
        row = queries.one(connection, rejected_id)
    if row is None or not _mine(principal, row.site):
        raise not_found("rejected message")
    return Json(msgspec.json.encode(_shape(row)))


@router.post("/{rejected_id}/replay", responses=answers(shapes.Replayed, conflict=True))
def replay(
    request: Request, principal: ForInputStaff, rejected_id: RowId, idempotency_key: IdempotencyKey = None
) -> Response:
    """Offer it to the pipeline again: `accepted`, or the reason why it still cannot be used."""
    services = services_of(request)
    with services.store.read() as connection:
        row = queries.one(connection, rejected_id)
    if row is None or not _mine(principal, row.site):
        raise not_found("rejected message")

    def write() -> Response:
        outcome = services.door.replay(rejected_id, actor(principal))
        return Json(msgspec.json.encode(shapes.Replayed(id=rejected_id, outcome=outcome)))

    return once(request, services, principal, idempotency_key, rejected_id, write)
