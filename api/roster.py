"""People on duty over HTTP: who is, at any moment; shifts and assignments, which are taken back and never edited."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import msgspec
from fastapi import Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection, Row

from api import shapes, shapes_duty
from api.auth import ForRosterEditors, ForStaff, services_of
from api.openapi import answers
from api.people import refused_field
from api.problem_details import ProblemError, invalid, not_found
from api.requests import (
    MAX_ID,
    Cursor,
    Id,
    IdempotencyKey,
    InstantIn,
    Json,
    Limit,
    RowId,
    Site,
    before,
    once,
    one_page,
)
from api.routing import noun_router
from api.services import Services
from hub.registry import people, roster_rows
from hub.registry.people import FieldError
from hub.registry.roster import Duty, Shift, minutes_text, on_duty
from hub.registry.roster_rows import AssignmentEdit
from hub.store.accounts import Principal
from hub.store.schema import duty_assignments
from hub.vocabulary.instants import iso
from hub.vocabulary.roles import Role

router = noun_router("roster", "/roster")

TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
ShiftName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
WallTime = Annotated[str, StringConstraints(pattern=TIME)]
Person = Annotated[int, Field(ge=1, le=MAX_ID)]
Zone = Annotated[list[Id], Field(max_length=100)]


class ShiftIn(BaseModel):
    """A shift by the clock on the site's wall; an end that is not later is on the next day, the same: 24 hours."""

    model_config = ConfigDict(extra="forbid")

    start: WallTime
    end: WallTime


class NewAssignment(BaseModel):
    """A person in a shift. `role` none: the person's own; `weekdays` none: every day; `zone` none: the whole site."""

    model_config = ConfigDict(extra="forbid")

    site: Id
    person: Person
    role: Role | None = None
    shift: Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9:_-]+$")]
    weekdays: Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(max_length=7)] = []
    zone: Zone = []
    valid_from: Id | None = None
    valid_until: Id | None = None


# --- who is on duty ---------------------------------------------------------------------------------------


@router.get("/on-duty", responses=answers(shapes_duty.DutyNow))
def who_is_on_duty(
    request: Request,
    principal: ForStaff,
    site: Site = None,
    role: Annotated[Role | None, Query(description="One role; none: every role with a roster.")] = None,
    building: Annotated[Id | None, Query(description="Whoever is on duty for this building.")] = None,
    at: Annotated[InstantIn | None, Query(description="A moment, ISO 8601 with offset; none: now.")] = None,
) -> Response:
    """Who is on duty, now or at a moment; past moments as the roster stood then."""
    services = services_of(request)
    where = site_of(services, principal, site)
    moment = services.now() if at is None else at
    with services.store.read() as connection:
        roster = roster_rows.load(connection, where, services.zone(where), moment)
        added = {each.role for each in roster.overrides if each.role is not None}
        roles = [str(role)] if role else sorted({each.role for each in roster.assignments} | added)
        found = {each: on_duty(roster, each, building, moment) for each in roles}
        told = {duty.person_id for duties in found.values() for duty in duties}
        told |= {duty.instead_of for duties in found.values() for duty in duties if duty.instead_of is not None}
        named = roster_rows.names(connection, told)
    zone = services.zone(where)

    def shape(duty: Duty) -> shapes_duty.OnDuty:
        return shapes_duty.OnDuty(
            person=person_shape(named[duty.person_id]),
            role=duty.role,
            shift=duty.shift,
            zone=list(duty.zone),
            since=iso(duty.since, zone),
            until=iso(duty.until, zone),
            instead_of=None if duty.instead_of is None else person_shape(named[duty.instead_of]),
        )

    answer = shapes_duty.DutyNow(
        site=where,
        at=iso(moment, zone),
        roles=[
            shapes_duty.RoleDuty(role=each, on_duty=[shape(duty) for duty in duties], everybody=not duties)
            for each, duties in found.items()
        ],
    )
    return Json(msgspec.json.encode(answer))


def site_of(services: Services, principal: Principal, site: str | None) -> str:
    """The site that is meant; none needs to be named where the caller sees one only. Raises ProblemError."""
    mine = [each.id for each in services.sites if principal.may_see(each.id)]
    if site is None and len(mine) == 1:
        return mine[0]
    if site is None:
        raise invalid(("site", f"missing; one of: {', '.join(mine)}"))
    if site not in mine:
        raise not_found("site")
    return site


def person_shape(row: Any) -> shapes_duty.DutyPerson:
    """A row with id, code and name."""
    return shapes_duty.DutyPerson(id=row.id, code=row.code, name=row.name)


# --- shifts -----------------------------------------------------------------------------------------------


@router.get("/shifts", responses=answers(shapes_duty.ShiftList))
def list_shifts(request: Request, principal: ForStaff, site: Site = None) -> Response:
    """The site's shifts: those that every site has, and its own."""
    services = services_of(request)
    where = site_of(services, principal, site)
    with services.store.read() as connection:
        shifts = roster_rows.shifts_of(connection, where)
    found = shapes_duty.ShiftList(site=where, items=[_shift(shift) for shift in shifts.values()])
    return Json(msgspec.json.encode(found))


def _shift(shift: Shift) -> shapes_duty.ShiftShape:
    return shapes_duty.ShiftShape(name=shift.name, start=minutes_text(shift.start), end=minutes_text(shift.end))


@router.put("/shifts/{site}/{name}", responses=answers(shapes_duty.ShiftShape))
def put_shift(
    request: Request,
    principal: ForRosterEditors,
    site: Annotated[Id, Path()],
    name: Annotated[ShiftName, Path()],
    wanted: ShiftIn,
) -> Response:
    """The site's own shift of this name, from now on; one that every site has may be replaced."""
    services = services_of(request)
    where = site_of(services, principal, site)
    shift = Shift(name, _minutes(wanted.start), _minutes(wanted.end))
    with services.store.write() as connection:
        roster_rows.put_shift(connection, where, shift)
    return Json(msgspec.json.encode(_shift(shift)))


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


# --- assignments ------------------------------------------------------------------------------------------


def _assignment(services: Services, row: Row[Any]) -> shapes_duty.DutyAssignment:
    zone = services.zone(row.site)
    return shapes_duty.DutyAssignment(
        id=row.id,
        site=row.site,
        person=shapes_duty.DutyPerson(id=row.person_id, code=row.person_code, name=row.person_name),
        role=row.role,
        shift=row.shift,
        weekdays=[int(day) for day in row.weekdays],
        zone=row.zone.split(),
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        created_at=iso(row.created_at, zone),
        created_by=row.created_by,
        ended_at=shapes.instant(row.ended_at, zone),
        ended_by=row.ended_by,
    )


@router.get("/assignments", responses=answers(shapes_duty.DutyAssignmentList))
def list_assignments(
    request: Request,
    principal: ForStaff,
    site: Site = None,
    role: Role | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Assignments that stand, oldest first."""
    services = services_of(request)
    with services.store.read() as connection:
        rows = roster_rows.page_of_assignments(connection, principal.sites, site, role, before(cursor), limit + 1)
    shown, following = one_page(rows, limit)
    items = [_assignment(services, row) for row in shown]
    return Json(msgspec.json.encode(shapes_duty.DutyAssignmentList(items=items, next=following)))


@router.post("/assignments", status_code=201, responses=answers(shapes_duty.DutyAssignment, created=True))
def add_assignment(
    request: Request, principal: ForRosterEditors, new: NewAssignment, idempotency_key: IdempotencyKey = None
) -> Response:
    """Put a person into a shift."""
    services = services_of(request)
    site = site_of(services, principal, new.site)
    today = iso(services.now(), services.zone(site))[:10]

    def write() -> Response:
        try:
            with services.store.write() as connection:
                edit = AssignmentEdit(
                    person_id=new.person,
                    role=str(new.role) if new.role else _own_role(connection, site, new.person),
                    shift=new.shift,
                    weekdays="".join(map(str, new.weekdays)),
                    zone=zone_of(new.zone),
                    valid_from=_day("valid_from", new.valid_from or today),
                    valid_until=None if new.valid_until is None else _day("valid_until", new.valid_until),
                )
                row_id = roster_rows.assign(connection, site, edit, principal.name, services.now())
                row = roster_rows.find(connection, duty_assignments, row_id)
        except FieldError as error:
            raise refused_field(error) from error
        assert row is not None
        place = {"Location": f"/api/v1/roster/assignments/{row_id}"}
        return Json(msgspec.json.encode(_assignment(services, row)), 201, place)

    return once(request, services, principal, idempotency_key, new.model_dump(mode="json"), write)


def _own_role(connection: Connection, site: str, person_id: int) -> str:
    role = roster_rows.role_of(connection, site, person_id)
    if role is None:
        raise FieldError("person", f"there is no member of staff {person_id} at {site!r}")
    return role


def zone_of(zone: list[str]) -> tuple[str, ...]:
    """Ids of buildings; what no building could be called is refused before it is stored."""
    for each in zone:
        if not people.WORD.fullmatch(each):
            raise FieldError("zone", "ids of buildings")
    return tuple(dict.fromkeys(zone))


def _day(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text) if len(text) == len("2026-11-21") else date.fromisoformat("")
    except ValueError:
        raise FieldError(field, "must be a day, 2026-11-21") from None


@router.get("/assignments/{row_id}", responses=answers(shapes_duty.DutyAssignment))
def show_assignment(request: Request, principal: ForStaff, row_id: RowId) -> Response:
    """One assignment, also one that was taken back."""
    services = services_of(request)
    row = find_row(services, principal, duty_assignments, row_id, "assignment")
    return Json(msgspec.json.encode(_assignment(services, row)))


@router.delete("/assignments/{row_id}", responses=answers(shapes_duty.DutyAssignment, conflict=True))
def end_assignment(request: Request, principal: ForRosterEditors, row_id: RowId) -> Response:
    """Take an assignment back as of now; what it was before stays."""
    services = services_of(request)
    row = end_row(services, principal, duty_assignments, row_id, "assignment")
    return Json(msgspec.json.encode(_assignment(services, row)))


def find_row(services: Services, principal: Principal, table: Any, row_id: int, what: str) -> Row[Any]:
    """An assignment or override that the caller may see. Raises ProblemError."""
    with services.store.read() as connection:
        row = roster_rows.find(connection, table, row_id)
    if row is None or not principal.may_see(row.site):
        raise not_found(what)
    return row


def end_row(services: Services, principal: Principal, table: Any, row_id: int, what: str) -> Row[Any]:
    """Take it back as of now; 409 where it was before. Raises ProblemError."""
    find_row(services, principal, table, row_id, what)
    with services.store.write() as connection:
        ended = roster_rows.take_back(connection, table, row_id, principal.name, services.now())
    if not ended:
        raise ProblemError(409, "conflict", f"This {what} was taken back before.")
    return find_row(services, principal, table, row_id, what)
