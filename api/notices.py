"""Notices over HTTP: who was told what, how, and what came of it; providers' receipts."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from api import shapes, shapes_notices
from api.auth import ForMeterStaff, ForReceipts, reads_personal_data, services_of
from api.openapi import answers
from api.problem_details import not_found
from api.requests import (
    MAX_ID,
    Cursor,
    Filter,
    Id,
    IdempotencyKey,
    Json,
    Limit,
    RowId,
    Site,
    Words,
    before,
    once,
    one_page,
)
from api.routing import noun_router
from api.services import Services
from hub.notices import queries
from hub.notices.plan import NoticeState
from hub.notices.queries import NoticeFilter, NoticeView
from hub.settings.notifiers import HOUSEKEEPER_LIST
from hub.store.accounts import Principal
from hub.vocabulary.events import SubjectType
from hub.vocabulary.instants import iso

router = noun_router("notices")

TicketFilter = Annotated[int | None, Query(ge=1, le=MAX_ID, description="Id of a ticket.")]


class ReceiptIn(BaseModel):
    """What a provider tells of a notice: `delivered`, or why not."""

    model_config = ConfigDict(extra="forbid")

    site: Id
    channel: Id
    provider_id: Id
    delivered: bool
    detail: Words | None = None


def masked_name(name: str) -> str:
    """The first character; how long a name is says little."""
    return name[:1] + "*" * max(1, min(len(name) - 1, 3))


def masked_address(address: str) -> str:
    """Enough to tell two apart: three and four characters of a number, two of anything else."""
    if address.lstrip("+").isdigit() and len(address) >= 9:
        return f"{address[:3]}****{address[-4:]}"
    return f"{address[:2]}***"


def _common(services: Services, principal: Principal, view: NoticeView) -> dict[str, Any]:
    row = view.notice
    zone = services.zone(row.site)
    open_to_all = row.channel == HOUSEKEEPER_LIST
    masked = not (reads_personal_data(principal) or open_to_all)
    return {
        "id": row.id,
        "site": row.site,
        "ticket": row.ticket_id,
        "subject": shapes.Subject(type=SubjectType(row.subject_type), id=row.subject_id),
        "rule": row.rule,
        "key": row.key,
        "merged_keys": list(view.merged),
        "audience": row.audience,
        "template": row.template,
        "urgency": row.urgency,
        "drill": bool(row.drill),
        "recipient": masked_name(row.recipient) if masked else row.recipient,
        "channel": row.channel,
        "address": masked_address(row.address) if masked else row.address,
        "masked": masked,
        "title": row.title,
        "body": row.body,
        "state": row.state,
        "outcome": row.outcome,
        "attempts": row.attempts,
        "created_at": iso(row.created_at, zone),
        "next_try_at": shapes.instant(row.next_try_at, zone),
        "sent_at": shapes.instant(row.sent_at, zone),
        "delivered_at": shapes.instant(row.delivered_at, zone),
    }


@router.get("/notices", responses=answers(shapes_notices.NoticeList))
def list_notices(
    request: Request,
    principal: ForMeterStaff,
    ticket: TicketFilter = None,
    subject: Filter = None,
    state: NoticeState | None = None,
    site: Site = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Notices, newest first; one per recipient and channel."""
    services = services_of(request)
    wanted = NoticeFilter(ticket=ticket, subject=subject, state=state, site=site, sites=principal.sites)
    with services.store.read() as connection:
        views = queries.page(connection, wanted, before(cursor), limit + 1)
    shown, following = one_page(views, limit, lambda view: view.notice.id)
    items = [shapes_notices.Notice(**_common(services, principal, view)) for view in shown]
    found = shapes_notices.NoticeList(items=items, next=following)
    return Json(msgspec.json.encode(found))


@router.get("/notices/{notice_id}", responses=answers(shapes_notices.NoticeDetail))
def show_notice(request: Request, principal: ForMeterStaff, notice_id: RowId) -> Response:
    """A notice with every attempt and the provider's answer."""
    services = services_of(request)
    with services.store.read() as connection:
        view = queries.one(connection, notice_id)
        if view is None or not principal.may_see(view.notice.site):
            raise not_found("notice")
        history = queries.attempts(connection, notice_id)
    zone = services.zone(view.notice.site)
    found = shapes_notices.NoticeDetail(
        **_common(services, principal, view),
        history=[
            shapes_notices.Attempt(at=iso(row.at, zone), ok=bool(row.ok), retry=bool(row.retry), answer=row.answer)
            for row in history
        ],
    )
    return Json(msgspec.json.encode(found))


@router.post("/notice-receipts", responses=answers(shapes_notices.ReceiptTaken, conflict=True))
def take_receipt(
    request: Request, principal: ForReceipts, receipt: ReceiptIn, idempotency_key: IdempotencyKey = None
) -> Response:
    """A provider's receipt. Not delivered: the person's next channel is tried. 404: no such notice was sent (yet)."""
    services = services_of(request)
    if not principal.may_see(receipt.site):
        raise not_found("notice")

    def write() -> Response:
        detail = None if receipt.delivered else receipt.detail or "not delivered"
        if not services.receipt(receipt.site, receipt.channel, receipt.provider_id, detail):
            raise not_found("notice")
        return Json(msgspec.json.encode(shapes_notices.ReceiptTaken(taken=True)))

    return once(request, services, principal, idempotency_key, receipt.model_dump(mode="json"), write)
