"""Renovations over HTTP: a permit groups the passes issued for it; acceptance ends them, and they have to come back."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Request
from fastapi.responses import Response
from sqlalchemy import Connection, Row

from api import shapes, shapes_desk
from api.auth import ForCards, ForMoney, services_of, visible
from api.cards import Body, Short, money, site_of
from api.deposits import outstanding_shape
from api.openapi import answers
from api.problem_details import not_found
from api.requests import (
    Cursor,
    Filter,
    Id,
    IdempotencyKey,
    IfMatch,
    InstantIn,
    Json,
    Limit,
    RowId,
    Site,
    before,
    once,
    one_page,
    revision,
    versioned,
)
from api.routing import noun_router
from api.services import Services
from hub.cards import deposits, works
from hub.pipeline import card_ends
from hub.store.accounts import Principal
from hub.vocabulary.instants import iso

router = noun_router("cards", "/works")


class NewWorks(Body):
    """A renovation as its permit describes it; `reference` is the permit's number."""

    unit: Id
    reference: Short
    contractor: Short | None = None
    until: InstantIn | None = None
    site: Id | None = None


def _shape(services: Services, connection: Connection, principal: Principal, row: Row[Any]) -> shapes_desk.Works:
    zone = services.zone(row.site)
    passes = works.passes(connection, row.id)
    lines = {deposits.line_of(connection, each.id) for each in passes}
    held = sum(deposits.balance(deposits.rows_of(connection, line)).held_fen for line in lines)
    return shapes_desk.Works(
        id=row.id,
        site=row.site,
        unit=row.unit,
        reference=row.reference,
        contractor=row.contractor,
        until=shapes.instant(row.until, zone),
        opened_at=iso(row.opened_at, zone),
        opened_by=row.opened_by,
        accepted_at=shapes.instant(row.accepted_at, zone),
        accepted_by=row.accepted_by,
        passes=[each.id for each in passes],
        outstanding=[outstanding_shape(principal, each) for each in works.unsettled(connection, passes)],
        held=money(held),
    )


def _answer(services: Services, principal: Principal, key: int, status: int = 200) -> Response:
    with services.store.read() as connection:
        row = _find(connection, principal, key)
        shape = _shape(services, connection, principal, row)
    return versioned(msgspec.json.encode(shape), row.revision, f"/api/v1/works/{key}", status)


def _find(connection: Connection, principal: Principal, key: int) -> Row[Any]:
    row = works.one(connection, key)
    if row is None or not visible(principal, row.site):
        raise not_found("renovation")
    return row


@router.get("", responses=answers(shapes_desk.WorksList))
def list_works(
    request: Request,
    principal: ForMoney,
    unit: Filter = None,
    site: Site = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Renovations, newest first."""
    services = services_of(request)
    with services.store.read() as connection:
        rows = works.page(connection, principal.sites, site, unit, before(cursor), limit + 1)
        shown, following = one_page(rows, limit)
        items = [_shape(services, connection, principal, row) for row in shown]
    return Json(msgspec.json.encode(shapes_desk.WorksList(items=items, next=following)))


@router.post("", status_code=201, responses=answers(shapes_desk.Works, created=True))
def open_works(
    request: Request, principal: ForCards, new: NewWorks, idempotency_key: IdempotencyKey = None
) -> Response:
    """A renovation begins. 409 where the permit is known already."""
    services = services_of(request)

    def write() -> Response:
        site = site_of(services, principal, new.unit, new.site)
        wanted = works.NewWorks(
            site=site.id,
            unit=new.unit,
            reference=new.reference,
            contractor=new.contractor or "",
            until=new.until,
        )
        key = services.door.ask(lambda step: card_ends.open_works(step, wanted, principal.name))
        return _answer(services, principal, key, 201)

    return once(request, services, principal, idempotency_key, new.model_dump(mode="json"), write)


@router.get("/{works_id}", responses=answers(shapes_desk.Works))
def show_works(request: Request, principal: ForMoney, works_id: RowId) -> Response:
    """One renovation: its passes, what is not back, what is held."""
    return _answer(services_of(request), principal, works_id)


@router.post("/{works_id}/accept", responses=answers(shapes_desk.Works))
def accept(
    request: Request,
    principal: ForCards,
    works_id: RowId,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """The works are accepted: every pass opens no door any more; `outstanding` has to come back before money does."""
    services = services_of(request)

    def write() -> Response:
        with services.store.read() as connection:
            _find(connection, principal, works_id)
        services.door.ask(lambda step: card_ends.accept_works(step, works_id, principal.name, revision(if_match)))
        return _answer(services, principal, works_id)

    return once(request, services, principal, idempotency_key, None, write)
