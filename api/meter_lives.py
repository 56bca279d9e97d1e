"""The lives of meters over HTTP: replaced, handed over, and what its counter did that nobody wrote down."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, Any

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import Connection, Row

from api import shapes, shapes_meters
from api.auth import ForMeterStaff, ForMeterWork, services_of
from api.devices import DeviceId, find_device
from api.openapi import answers
from api.problem_details import invalid
from api.requests import Id, IdempotencyKey, InstantIn, Json, Site, Words, once
from api.routing import noun_router
from api.services import Services
from hub.meters import lives, reading_queries
from hub.meters.lives import CounterBreak, Entry, Life
from hub.pipeline.meter_desk import Meter, Replacement, hand_over, replace_meter
from hub.store.accounts import Principal
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.instants import HOUR_MS, UtcMs, iso
from hub.vocabulary.units import BalanceUnit, to_credit

router = noun_router("meters", "/meters")

FRESH_MS = HOUR_MS

Kwh = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}(\.[0-9]{1,3})?$")]
BalanceIn = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,7}(\.[0-9]{1,2})?$")]


class Replaced(BaseModel):
    """Another meter hangs there. Decimal text in kWh; the balance in the meter's own unit. What is not known is left out."""

    model_config = ConfigDict(extra="forbid")

    old_serial: Id | None = None
    new_serial: Id | None = None
    end_energy_kwh: Kwh | None = None
    begin_energy_kwh: Kwh | None = None
    carried_balance: BalanceIn | None = None
    at: InstantIn | None = None
    note: Words | None = None


class HandedOver(BaseModel):
    """Base readings when a unit is handed over. Left out: what the meter itself said within the last hour."""

    model_config = ConfigDict(extra="forbid")

    energy_kwh: Kwh | None = None
    balance: BalanceIn | None = None
    at: InstantIn | None = None
    note: Words | None = None


@router.get("/{device_id}/lives", responses=answers(shapes_meters.MeterLives))
def show_lives(request: Request, principal: ForMeterStaff, device_id: DeviceId, site: Site = None) -> Response:
    """What hung there from when on, with end and begin readings, and breaks of the counter that nobody wrote down."""
    services = services_of(request)
    with services.store.read() as connection:
        row = find_device(connection, principal, device_id, site, DeviceKind.METER)
        return _lives(services, connection, row)


@router.post("/{device_id}/replace", status_code=201, responses=answers(shapes_meters.MeterLives, created=True))
def replaced(
    request: Request,
    principal: ForMeterWork,
    device_id: DeviceId,
    told: Replaced,
    site: Site = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """A meter was replaced: its open episode ends, limits stay, and the new serial number's readings count from now on."""
    services = services_of(request)

    def write() -> Response:
        row, unit = _meter(services, principal, device_id, site)
        swap = Replacement(
            at=_past(services, told.at),
            old_serial=told.old_serial,
            new_serial=told.new_serial,
            end_energy_wh=_wh(told.end_energy_kwh),
            begin_energy_wh=_wh(told.begin_energy_kwh),
            carried_credit=_credit(told.carried_balance, unit),
            note=told.note or "",
            by=principal.name,
        )
        services.door.ask(lambda step: replace_meter(step, Meter(row.site, row.id, row.pk), swap))
        return _entered(services, row)

    return once(request, services, principal, idempotency_key, told.model_dump(mode="json"), write)


@router.post("/{device_id}/handover", status_code=201, responses=answers(shapes_meters.MeterLives, created=True))
def handed_over(
    request: Request,
    principal: ForMeterWork,
    device_id: DeviceId,
    told: HandedOver,
    site: Site = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Base readings at the hand-over of a unit; 422 where none is given and the meter has said none within the last hour."""
    services = services_of(request)

    def write() -> Response:
        row, unit = _meter(services, principal, device_id, site)
        energy, credit = _wh(told.energy_kwh), _credit(told.balance, unit)
        if told.at is None:
            read_energy, read_credit = _just_read(services, row.pk)
            energy = read_energy if energy is None else energy
            credit = read_credit if credit is None else credit
        if energy is None:
            raise invalid(("energy_kwh", "missing, and the meter was not read within the last hour"))
        life = Life(
            device_pk=row.pk,
            entry=Entry.HANDED_OVER,
            at=_past(services, told.at),
            begin_energy_wh=energy,
            credit=credit,
            by=principal.name,
            note=told.note or "",
        )
        services.door.ask(lambda step: hand_over(step, life))
        return _entered(services, row)

    return once(request, services, principal, idempotency_key, told.model_dump(mode="json"), write)


def _meter(services: Services, principal: Principal, device_id: str, site: str | None) -> tuple[Row[Any], BalanceUnit]:
    with services.store.read() as connection:
        row = find_device(connection, principal, device_id, site, DeviceKind.METER)
        return row, _unit(connection, row.pk)


def _unit(connection: Connection, device_pk: int) -> BalanceUnit:
    """The unit in which the meter counts; money where it has said nothing yet."""
    newest, _ = reading_queries.latest(connection, device_pk)
    return BalanceUnit.CNY if newest is None else reading_queries.unit_of(newest)


def _past(services: Services, at: UtcMs | None) -> UtcMs:
    now = services.now()
    return now if at is None else min(at, now)


def _wh(kwh: str | None) -> int | None:
    return None if kwh is None else to_credit(kwh, BalanceUnit.KWH)


def _credit(balance: str | None, unit: BalanceUnit) -> int | None:
    return None if balance is None else to_credit(balance, unit)


def _just_read(services: Services, device_pk: int) -> tuple[int | None, int | None]:
    with services.store.read() as connection:
        newest, _ = reading_queries.latest(connection, device_pk)
    if newest is None or services.now() - newest.at > FRESH_MS:
        return None, None
    return newest.energy_wh, newest.credit


def _entered(services: Services, row: Row[Any]) -> Response:
    with services.store.read() as connection:
        answer = _lives(services, connection, row)
    answer.status_code = 201
    return answer


def _lives(services: Services, connection: Connection, row: Row[Any]) -> Response:
    zone, unit = services.zone(row.site), _unit(connection, row.pk)
    found = shapes_meters.MeterLives(
        site=row.site,
        meter=row.id,
        installed_serial=lives.installed_serial(connection, row.pk),
        items=[_life(each, unit, zone) for each in lives.of(connection, row.pk)],
        counter_breaks=[_break(each, zone) for each in lives.counter_breaks(connection, row.pk)],
    )
    return Json(msgspec.json.encode(found))


def _life(row: Row[Any], unit: BalanceUnit, zone: tzinfo) -> shapes_meters.MeterLife:
    return shapes_meters.MeterLife(
        id=row.id,
        entry=Entry(row.entry),
        at=iso(row.at, zone),
        serial=row.serial,
        end_energy=shapes.energy(row.end_energy_wh),
        begin_energy=shapes.energy(row.begin_energy_wh),
        balance=shapes.balance(row.credit, unit),
        by=row.by,
        note=row.note,
    )


def _break(found: CounterBreak, zone: tzinfo) -> shapes_meters.CounterBreak:
    before, after = shapes.energy(found.before_wh), shapes.energy(found.after_wh)
    assert before is not None
    assert after is not None
    return shapes_meters.CounterBreak(
        step=found.step.value,  # type: ignore[arg-type]
        before_at=iso(found.before_at, zone),
        at=iso(found.at, zone),
        before=before,
        after=after,
    )
