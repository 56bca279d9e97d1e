"""Households over HTTP: who lives where, moving in and out. A move goes through the pipeline, so that the rules hear of it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from api import shapes, shapes_notices
from api.audited import record
from api.auth import ForPeopleStaff, services_of
from api.openapi import answers
from api.people import check_revision, revision_of
from api.problem_details import invalid, not_found
from api.requests import (
    Cursor,
    Filter,
    Id,
    IdempotencyKey,
    IfMatch,
    Json,
    Limit,
    RowId,
    Site,
    before,
    once,
    one_page,
    versioned,
)
from api.routing import noun_router
from api.services import Services
from hub.cards.audit import Action
from hub.pipeline import moves
from hub.registry import households
from hub.registry.households import HouseholdView, Member, MemberRole
from hub.registry.people import FieldError
from hub.store.accounts import Principal
from hub.vocabulary.instants import iso

router = noun_router("people")


class MemberIn(BaseModel):
    """A person in a household; `notified`: power notices go to them."""

    model_config = ConfigDict(extra="forbid")

    person: Annotated[int, Field(ge=1, le=2**53 - 1)]
    role: MemberRole = MemberRole.OWNER
    notified: bool = True


Members = Annotated[list[MemberIn], Field(min_length=1, max_length=50)]


class MoveIn(BaseModel):
    """A household moves into a vacant unit."""

    model_config = ConfigDict(extra="forbid")

    site: Id
    unit: Id
    members: Members


class MoveOut(BaseModel):
    """The household of a unit leaves."""

    model_config = ConfigDict(extra="forbid")

    site: Id
    unit: Id


class HouseholdPatch(BaseModel):
    """Exactly these members from now on; whoever owns the unit now moves in instead."""

    model_config = ConfigDict(extra="forbid")

    members: Members


def _shape(services: Services, view: HouseholdView) -> shapes_notices.Household:
    row = view.household
    zone = services.zone(row.site)
    return shapes_notices.Household(
        id=row.id,
        site=row.site,
        unit=row.unit,
        since=iso(row.since, zone),
        until=shapes.instant(row.until, zone),
        members=[
            shapes_notices.HouseholdMember(
                person=each.person_id, name=each.name, role=each.role, notified=bool(each.notified)
            )
            for each in view.members
        ],
    )


def _members(members: list[MemberIn]) -> list[Member]:
    return [Member(each.person, each.role, each.notified) for each in members]


def _find(services: Services, principal: Principal, household_id: int) -> HouseholdView:
    with services.store.read() as connection:
        view = households.one(connection, household_id)
    if view is None or not principal.may_see(view.household.site):
        raise not_found("household")
    return view


def _answer(services: Services, principal: Principal, household_id: int, status: int = 200) -> Response:
    body = msgspec.json.encode(_shape(services, _find(services, principal, household_id)))
    return versioned(body, revision_of(body), f"/api/v1/households/{household_id}", status)


def _check_unit(services: Services, principal: Principal, site: str, unit: str) -> None:
    if site not in {each.id for each in services.sites if principal.may_see(each.id)}:
        raise not_found("site")
    if not services.knows_unit(site, unit):
        raise invalid(("unit", f"site {site!r} has no unit {unit!r}; units are written as in the site file: b1/0101"))


@router.get("/households", responses=answers(shapes_notices.HouseholdList))
def list_households(
    request: Request,
    principal: ForPeopleStaff,
    unit: Filter = None,
    current: Annotated[bool, Query(description="Only those who live there now; false: past ones too.")] = True,
    site: Site = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Households, newest first. A unit without a current one is vacant."""
    services = services_of(request)
    asked = {"unit": unit, "current": current, "page": cursor}
    record(services, principal, Action.LIST, "households", site=site or "", detail=asked)
    with services.store.read() as connection:
        views = households.page(connection, site, unit, current, principal.sites, before(cursor), limit + 1)
    shown, following = one_page(views, limit, lambda view: view.household.id)
    items = [_shape(services, view) for view in shown]
    found = shapes_notices.HouseholdList(items=items, next=following)
    return Json(msgspec.json.encode(found))


@router.get("/households/{household_id}", responses=answers(shapes_notices.Household))
def show_household(request: Request, principal: ForPeopleStaff, household_id: RowId) -> Response:
    """One household, also a past one; the ETag is for an edit."""
    services = services_of(request)
    site = _find(services, principal, household_id).household.site
    record(services, principal, Action.READ, f"households/{household_id}", site=site)
    return _answer(services, principal, household_id)


@router.post("/units/move-in", status_code=201, responses=answers(shapes_notices.Household, created=True))
def move_in(
    request: Request, principal: ForPeopleStaff, move: MoveIn, idempotency_key: IdempotencyKey = None
) -> Response:
    """A household moves in. 409 where the unit is not vacant."""
    services = services_of(request)
    _check_unit(services, principal, move.site, move.unit)

    def write() -> Response:
        members = _members(move.members)
        household = services.door.ask(lambda step: moves.move_in(step, move.site, move.unit, members))
        return _answer(services, principal, household, 201)

    return once(request, services, principal, idempotency_key, move.model_dump(mode="json"), write)


@router.post("/units/move-out", responses=answers(shapes_notices.Household, conflict=True))
def move_out(
    request: Request, principal: ForPeopleStaff, move: MoveOut, idempotency_key: IdempotencyKey = None
) -> Response:
    """The household of a unit leaves; nobody of it is told any more. 409 where the unit is vacant."""
    services = services_of(request)
    _check_unit(services, principal, move.site, move.unit)

    def write() -> Response:
        household = services.door.ask(lambda step: moves.move_out(step, move.site, move.unit, principal.name))
        return _answer(services, principal, household)

    return once(request, services, principal, idempotency_key, move.model_dump(mode="json"), write)


@router.patch("/households/{household_id}", responses=answers(shapes_notices.Household, conflict=True))
def edit_household(
    request: Request,
    principal: ForPeopleStaff,
    household_id: RowId,
    patch: HouseholdPatch,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Set the members of a household that lives there now. 412 where it was changed since the ETag of If-Match."""
    services = services_of(request)
    site = _find(services, principal, household_id).household.site

    def write() -> Response:
        members = _members(patch.members)
        try:
            with services.store.write() as connection:
                view = households.one(connection, household_id)
                if view is None or view.household.until is not None:
                    raise not_found("household that lives there now")
                check_revision(if_match, msgspec.json.encode(_shape(services, view)))
                households.check_members(connection, site, members)
                households.put_members(connection, household_id, members)
        except FieldError as error:
            raise invalid((error.field, error.problem)) from error
        return _answer(services, principal, household_id)

    return once(request, services, principal, idempotency_key, [patch.model_dump(mode="json"), if_match], write)
