"""Top-ups over HTTP: vending systems report them, clerks look where one is. Repeats and overtaken states change nothing."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import Row

from api import shapes, shapes_meters
from api.auth import ForMeterStaff, ForTopUps, services_of, visible
from api.devices import find_device
from api.openapi import answers
from api.problem_details import not_found
from api.requests import Cursor, Filter, Id, IdempotencyKey, InstantIn, Json, Limit, RowId, Site, before, once, one_page
from api.routing import noun_router
from api.services import Services
from hub.meters import topups
from hub.pipeline.meter_desk import Meter, report_topup
from hub.vocabulary.events import TopUpProof, TopUpState
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.instants import iso
from hub.vocabulary.units import BalanceUnit, credit_text, to_credit

router = noun_router("topups", "/topups")

Amount = Annotated[
    str, StringConstraints(pattern=r"^([1-9][0-9]{0,6}(\.[0-9]{1,2})?|0\.([1-9][0-9]?|0[1-9]))$", max_length=10)
]


class MoneyIn(BaseModel):
    """Money, more than none."""

    model_config = ConfigDict(extra="forbid")

    amount: Amount
    currency: Literal["CNY"]


class NewTopUp(BaseModel):
    """A top-up, or how far it has come. `reference` is the vending system's own number."""

    model_config = ConfigDict(extra="forbid")

    meter: Id
    amount: MoneyIn
    reference: Id
    site: Id | None = None
    paid_at: InstantIn | None = None
    state: TopUpState = TopUpState.PAID


def _shape(services: Services, row: Row[Any]) -> shapes_meters.TopUp:
    zone = services.zone(row.site)
    return shapes_meters.TopUp(
        id=row.id,
        site=row.site,
        meter=row.meter,
        reference=row.reference,
        amount=shapes_meters.Money(amount=credit_text(row.amount_fen, BalanceUnit.CNY), currency="CNY"),
        state=TopUpState(row.state),
        paid_at=iso(row.paid_at, zone),
        updated_at=iso(row.updated_at, zone),
        confirmed_at=shapes.instant(row.confirmed_at, zone),
        proof=None if row.proof is None else TopUpProof(row.proof),
    )


@router.get("", responses=answers(shapes_meters.TopUpList))
def list_topups(
    request: Request,
    principal: ForMeterStaff,
    meter: Filter = None,
    state: TopUpState | None = None,
    site: Site = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Top-ups, newest first."""
    services = services_of(request)
    with services.store.read() as connection:
        rows = topups.page(connection, principal.sites, site, meter, state, before(cursor), limit + 1)
    shown, following = one_page(rows, limit)
    items = [_shape(services, row) for row in shown]
    return Json(msgspec.json.encode(shapes_meters.TopUpList(items=items, next=following)))


@router.get("/{topup_id}", responses=answers(shapes_meters.TopUp))
def show_topup(request: Request, principal: ForMeterStaff, topup_id: RowId) -> Response:
    """One top-up."""
    services = services_of(request)
    with services.store.read() as connection:
        row = topups.one(connection, topup_id)
    if row is None or not visible(principal, row.site):
        raise not_found("top-up")
    return Json(msgspec.json.encode(_shape(services, row)))


@router.post("", status_code=201, responses=answers(shapes_meters.TopUp, counted=shapes_meters.TopUp))
def report(request: Request, principal: ForTopUps, new: NewTopUp, idempotency_key: IdempotencyKey = None) -> Response:
    """Report a top-up, or that it has come further: paid, booked, issued, confirmed; or failed.

    The same reference again is the same top-up (200): a state that goes back changes nothing, another amount or meter is
    409. Where the meter itself shows it, the hub confirms it without being told.
    """
    services = services_of(request)

    def write() -> Response:
        with services.store.read() as connection:
            row = find_device(connection, principal, new.meter, new.site, DeviceKind.METER)
        now = services.now()
        told = topups.TopUp(
            site=row.site,
            device_pk=row.pk,
            reference=new.reference,
            amount_fen=to_credit(new.amount.amount, BalanceUnit.CNY),
            state=new.state,
            # A vending system's clock may be a little ahead; nobody pays in the future.
            paid_at=now if new.paid_at is None else min(new.paid_at, now),
        )
        meter = Meter(row.site, row.id, row.pk)
        topup_id, is_new = services.door.ask(lambda step: report_topup(step, meter, told))
        with services.store.read() as connection:
            kept = topups.one(connection, topup_id)
        assert kept is not None
        headers = {"Location": f"/api/v1/topups/{topup_id}"} if is_new else None
        return Json(msgspec.json.encode(_shape(services, kept)), 201 if is_new else 200, headers)

    return once(request, services, principal, idempotency_key, new.model_dump(mode="json"), write)
