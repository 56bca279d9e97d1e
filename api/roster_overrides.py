"""Exceptions of the roster over HTTP: replacements, additions and absences; entered and taken back, never edited."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import Row

from api import shapes, shapes_duty
from api.auth import ForRosterEditors, ForStaff, services_of
from api.openapi import answers
from api.people import refused_field
from api.requests import Cursor, Id, IdempotencyKey, InstantIn, Json, Limit, RowId, Site, before, once, one_page
from api.roster import Person, Zone, end_row, find_row, person_shape, site_of, zone_of
from api.routing import noun_router
from api.services import Services
from hub.registry import roster_rows
from hub.registry.people import FieldError
from hub.registry.roster import OverrideKind
from hub.registry.roster_rows import OverrideEdit
from hub.store.schema import duty_overrides
from hub.vocabulary.instants import iso
from hub.vocabulary.roles import Role

router = noun_router("roster", "/roster/overrides")

Note = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]


class NewOverride(BaseModel):
    """An exception: `replace` the person by `by_person`, `add` them for a role, or they are `absent`."""

    model_config = ConfigDict(extra="forbid")

    site: Id
    kind: OverrideKind
    person: Person
    by_person: Person | None = None
    role: Role | None = None
    zone: Zone = []
    from_at: InstantIn
    until_at: InstantIn
    note: Note = ""


def _override(services: Services, row: Row[Any], named: Any) -> shapes_duty.DutyOverride:
    zone = services.zone(row.site)
    return shapes_duty.DutyOverride(
        id=row.id,
        site=row.site,
        kind=OverrideKind(row.kind),
        person=shapes_duty.DutyPerson(id=row.person_id, code=row.person_code, name=row.person_name),
        by_person=None if row.by_person_id is None else person_shape(named[row.by_person_id]),
        role=row.role,
        zone=row.zone.split(),
        from_at=iso(row.from_at, zone),
        until_at=iso(row.until_at, zone),
        note=row.note,
        created_at=iso(row.created_at, zone),
        created_by=row.created_by,
        ended_at=shapes.instant(row.ended_at, zone),
        ended_by=row.ended_by,
    )


def _overrides(services: Services, rows: Any) -> list[shapes_duty.DutyOverride]:
    with services.store.read() as connection:
        named = roster_rows.names(connection, {row.by_person_id for row in rows if row.by_person_id is not None})
    return [_override(services, row, named) for row in rows]


@router.get("", responses=answers(shapes_duty.DutyOverrideList))
def list_overrides(
    request: Request, principal: ForStaff, site: Site = None, cursor: Cursor = None, limit: Limit = 100
) -> Response:
    """Overrides that stand and are not over, in the order in which they were entered."""
    services = services_of(request)
    with services.store.read() as connection:
        rows = roster_rows.page_of_overrides(
            connection, principal.sites, site, services.now(), before(cursor), limit + 1
        )
    shown, following = one_page(rows, limit)
    items = _overrides(services, shown)
    return Json(msgspec.json.encode(shapes_duty.DutyOverrideList(items=items, next=following)))


@router.post("", status_code=201, responses=answers(shapes_duty.DutyOverride, created=True))
def add_override(
    request: Request, principal: ForRosterEditors, new: NewOverride, idempotency_key: IdempotencyKey = None
) -> Response:
    """Enter an exception; where two meet, the one that was entered later wins."""
    services = services_of(request)
    site = site_of(services, principal, new.site)

    def write() -> Response:
        try:
            edit = OverrideEdit(
                kind=new.kind,
                person_id=new.person,
                role=None if new.role is None else str(new.role),
                by_person_id=new.by_person,
                zone=zone_of(new.zone),
                from_at=new.from_at,
                until_at=new.until_at,
                note=new.note,
            )
            with services.store.write() as connection:
                row_id = roster_rows.put_override(connection, site, edit, principal.name, services.now())
        except FieldError as error:
            raise refused_field(error) from error
        row = find_row(services, principal, duty_overrides, row_id, "override")
        place = {"Location": f"/api/v1/roster/overrides/{row_id}"}
        return Json(msgspec.json.encode(_overrides(services, [row])[0]), 201, place)

    return once(request, services, principal, idempotency_key, new.model_dump(mode="json"), write)


@router.get("/{row_id}", responses=answers(shapes_duty.DutyOverride))
def show_override(request: Request, principal: ForStaff, row_id: RowId) -> Response:
    """One override, also one that was taken back."""
    services = services_of(request)
    row = find_row(services, principal, duty_overrides, row_id, "override")
    return Json(msgspec.json.encode(_overrides(services, [row])[0]))


@router.delete("/{row_id}", responses=answers(shapes_duty.DutyOverride, conflict=True))
def end_override(request: Request, principal: ForRosterEditors, row_id: RowId) -> Response:
    """Take an override back as of now."""
    services = services_of(request)
    row = end_row(services, principal, duty_overrides, row_id, "override")
    return Json(msgspec.json.encode(_overrides(services, [row])[0]))
