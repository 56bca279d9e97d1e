"""Meters over HTTP: the balance with its age and how long it lasts, and history. A stale balance never looks fresh."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Connection, Row

from api import shapes, shapes_meters
from api.auth import ForMeterStaff, ForReceipts, services_of
from api.devices import DeviceId, Standing, find_device
from api.openapi import answers
from api.problem_details import ProblemError, invalid
from api.requests import MAX_ID, Id, IdempotencyKey, InstantIn, Json, Limit, Site, check_plain, once
from api.routing import noun_router
from api.services import Services
from hub.meters import reading_queries as queries
from hub.pipeline import problem_queries
from hub.registry.device_queries import DEFAULT_STALE_AFTER_MS, Quality
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.instants import DAY_MS, UtcMs, iso
from hub.vocabulary.rejected import RejectReason
from hub.vocabulary.units import BalanceUnit, Relay

router = noun_router("meters", "/meters")


class Step(StrEnum):
    """How fine the history is."""

    RAW = "raw"
    HOUR = "hour"
    DAY = "day"


OTHER_METER = "meter_serial_mismatch"
DEFAULT_SPAN_MS = {Step.RAW: DAY_MS, Step.HOUR: 7 * DAY_MS, Step.DAY: 92 * DAY_MS}
ReadingCursor = Annotated[
    str | None,
    Query(pattern=r"^[0-9]{1,15}(\.-?[0-9]{1,19})?$", description="`next` of the page before; opaque."),
]


@router.get("/{device_id}", responses=answers(shapes.Meter))
def show_meter(request: Request, principal: ForMeterStaff, device_id: DeviceId, site: Site = None) -> Response:
    """A meter's balance. `days_left` is null where it would not be honest; `days_left_unknown` then says why.

    While another meter answers at its address nobody knows its balance: what is shown then has the quality `unknown`.
    """
    services = services_of(request)
    with services.store.read() as connection:
        row = find_device(connection, principal, device_id, site, DeviceKind.METER)
        quality = Standing(services, connection).quality(row)
        codes = {problem.code for problem in problem_queries.active_about(connection, row.site, "device", row.id)}
        found = _meter(services, connection, row, Quality.UNKNOWN if OTHER_METER in codes else quality)
    return Json(msgspec.json.encode(found))


def _meter(services: Services, connection: Connection, row: Row[Any], heard: Quality) -> shapes.Meter:
    now, zone = services.now(), services.zone(row.site)
    newest, readable = queries.latest(connection, row.pk)
    quality = _balance_quality(newest, readable, heard, services.stale_after_ms.get(row.kind), now)
    unit = queries.unit_of(newest) if newest is not None else None
    credit = readable.credit if readable is not None else None
    days = queries.complete_days(connection, row.pk, zone, now) if credit is not None else []
    good = quality is Quality.GOOD
    left, unknown = queries.days_left(credit, unit or BalanceUnit.CNY, days, good=good)
    return shapes.Meter(
        id=row.id,
        site=row.site,
        name=row.name,
        place=row.place,
        unit=unit,
        balance=shapes.balance(credit, queries.unit_of(readable)) if readable is not None else None,
        balance_at=shapes.instant(readable.at if readable is not None else None, zone),
        age_s=max(0, now - readable.at) // 1000 if readable is not None else None,
        quality=quality,
        days_left=float(left) if left is not None else None,
        days_left_unknown=unknown,
        relay=queries.relay_of(newest) if newest is not None else Relay.UNKNOWN,
        meter_alarm=newest.meter_alarm if newest is not None else None,
        purchases=newest.purchases if newest is not None else None,
        energy=shapes.energy(newest.energy_wh) if newest is not None else None,
        last_reading_at=shapes.instant(newest.at if newest is not None else None, zone),
    )


def _balance_quality(
    newest: Row[Any] | None, readable: Row[Any] | None, heard: Quality, stale_after_ms: int | None, now: UtcMs
) -> Quality:
    """Quality of the balance: that of the device, and never good for one that is old or could not be read last time."""
    if newest is None or readable is None or heard is Quality.UNKNOWN:
        return Quality.UNKNOWN
    old = now - readable.at > (stale_after_ms or DEFAULT_STALE_AFTER_MS)
    return Quality.STALE if old or newest is not readable or heard is Quality.STALE else Quality.GOOD


@router.get("/{device_id}/readings", responses=answers(shapes.ReadingList))
def list_readings(
    request: Request,
    principal: ForMeterStaff,
    device_id: DeviceId,
    start: Annotated[InstantIn | None, Query(alias="from", description="First instant; ISO 8601 with offset.")] = None,
    end: Annotated[InstantIn | None, Query(alias="to", description="First instant that is left out.")] = None,
    step: Step = Step.RAW,
    site: Site = None,
    cursor: ReadingCursor = None,
    limit: Limit = 100,
) -> Response:
    """Readings, hours or days of the site's calendar, oldest first; the last day, week or quarter where no span is given."""
    services = services_of(request)
    until = services.now() + 1 if end is None else end
    since = until - DEFAULT_SPAN_MS[step] if start is None else start
    with services.store.read() as connection:
        row = find_device(connection, principal, device_id, site, DeviceKind.METER)
        newest, _ = queries.latest(connection, row.pk)
        if step is Step.RAW:
            rows = queries.raw(connection, row.pk, since, until, _after(cursor), limit + 1)
        else:
            rows = queries.rolled_up(connection, step, row.pk, since, until, (_after(cursor) or (None,))[0], limit + 1)
    unit = queries.unit_of(newest) if newest is not None else BalanceUnit.CNY
    found = _reading_list(step, rows, limit, unit, services.zone(row.site))
    return Json(msgspec.json.encode(found))


class PushedReading(BaseModel):
    """A reading as a platform knows it; the same as the message `reading` of hub-json. `id` is unique per meter."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    id: Id
    at: InstantIn
    balance: float | None
    unit: Literal["CNY", "kWh"]
    overdraft: float | None = None
    energy_kwh: float | None = None
    purchases: Annotated[int, Field(ge=0, le=MAX_ID)] | None = None
    relay: Literal["closed", "open"] | None = None
    meter_alarm: Annotated[int, Field(ge=0, le=3)] | None = None
    serial: Id | None = None

    @model_validator(mode="after")
    def _storable(self) -> PushedReading:
        check_plain(self.model_extra or {})
        return self

    def as_message(self) -> bytes:
        """As it would be published."""
        given = self.model_dump(exclude_none=True) | {"balance": self.balance, "at": iso(self.at, UTC)}
        return msgspec.json.encode(given)


@router.post("/{device_id}/readings", status_code=201, responses=answers(shapes_meters.ReadingTaken, created=True))
def push_reading(
    request: Request,
    principal: ForReceipts,
    device_id: DeviceId,
    told: PushedReading,
    site: Site = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """A billing platform pushes a balance that no register holds. The same `id` again is the same reading.

    409 where the hub reads this meter itself: its balance has one source.
    """
    services = services_of(request)

    def write() -> Response:
        with services.store.read() as connection:
            row = find_device(connection, principal, device_id, site, DeviceKind.METER)
        refused = services.push(row.site, row.id, told.as_message())
        if refused is not None and refused.reason is RejectReason.WRONG_PROFILE:
            raise ProblemError(409, "conflict", f"This meter is not of profile hub-json: {refused.detail}")
        if refused is not None:
            raise invalid((str(refused.reason), refused.detail))
        taken = shapes_meters.ReadingTaken(site=row.site, meter=row.id, id=told.id)
        return Json(msgspec.json.encode(taken), 201)

    return once(request, services, principal, idempotency_key, told.model_dump(mode="json"), write)


def _after(cursor: str | None) -> tuple[UtcMs, int] | None:
    if cursor is None:
        return None
    at, _, key = cursor.partition(".")
    return int(at), max(-MAX_ID, min(MAX_ID, int(key or 0)))  # 19 digits can say more than 64 bits hold


def _reading_list(
    step: Step, rows: Sequence[Row[Any]], limit: int, unit: BalanceUnit, zone: tzinfo
) -> shapes.ReadingList:
    more = len(rows) > limit
    shown = rows[:limit]
    if step is Step.RAW:
        following = f"{shown[-1].at}.{shown[-1].key}" if more else None
        return shapes.ReadingList(items=[_reading(row, zone) for row in shown], next=following)
    shape = shapes.HourOfReadings if step is Step.HOUR else shapes.DayOfReadings
    following = str(shown[-1].start_at) if more else None
    return shapes.ReadingList(items=[shape(**_rolled_up(row, unit, zone)) for row in shown], next=following)


def _reading(row: Row[Any], zone: tzinfo) -> shapes.Reading:
    return shapes.Reading(
        at=iso(row.at, zone),
        received_at=iso(row.at + row.lag_ms, zone),
        balance=shapes.balance(row.credit, queries.unit_of(row)),
        energy=shapes.energy(row.energy_wh),
        purchases=row.purchases,
        relay=queries.relay_of(row),
        meter_alarm=row.meter_alarm,
        late=bool(row.late),
    )


def _rolled_up(row: Row[Any], unit: BalanceUnit, zone: tzinfo) -> dict[str, Any]:
    return {
        "at": iso(row.start_at, zone),
        "balance_first": shapes.balance(row.credit_first, unit),
        "balance_last": shapes.balance(row.credit_last, unit),
        "balance_min": shapes.balance(row.credit_min, unit),
        "balance_max": shapes.balance(row.credit_max, unit),
        "used": shapes.energy(row.used_wh),
        "count": row.times,
    }
