"""People over HTTP: residents and staff with their channels and consent. Personal data: only for those who need it."""

from __future__ import annotations

import zlib
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from api import shapes, shapes_notices
from api.audited import record
from api.auth import ForPeopleStaff, services_of
from api.openapi import answers
from api.problem_details import ProblemError, invalid, not_found
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
    revision,
    versioned,
)
from api.routing import noun_router
from api.services import Services
from hub.cards.audit import Action
from hub.registry import people
from hub.registry.people import ChannelEdit, FieldError, PersonEdit, PersonView, TakenError
from hub.store.accounts import Principal
from hub.vocabulary.instants import iso
from hub.vocabulary.roles import Role

router = noun_router("people", "/people")

Locale = Literal["zh-CN", "en"]


class ChannelIn(BaseModel):
    """A way to the person; their order is the order in which they are tried."""

    model_config = ConfigDict(extra="forbid")

    channel: Id
    address: Id
    consent: bool = False


Channels = Annotated[list[ChannelIn], Field(max_length=people.MOST_CHANNELS)]
Zone = Annotated[list[Id], Field(max_length=100)]


class NewPerson(BaseModel):
    """A person; `role` makes them staff, `zone` are the buildings that they look after (none: all)."""

    model_config = ConfigDict(extra="forbid")

    site: Id
    code: Id
    name: Id
    locale: Locale = "zh-CN"
    role: Role | None = None
    zone: Zone = []
    channels: Channels = []


class PersonPatch(BaseModel):
    """What is to be different; what is left out stays. `role` null: no staff any more. `retired`: has left."""

    model_config = ConfigDict(extra="forbid")

    code: Id | None = None
    name: Id | None = None
    locale: Locale | None = None
    role: Role | None = None
    zone: Zone | None = None
    channels: Channels | None = None
    retired: bool | None = None


def _shape(services: Services, view: PersonView) -> shapes_notices.Person:
    row = view.person
    zone = services.zone(row.site)
    return shapes_notices.Person(
        id=row.id,
        site=row.site,
        code=row.code,
        name=row.name,
        locale=row.locale,
        role=row.role,
        zone=row.zone.split(),
        channels=[
            shapes_notices.PersonChannel(
                channel=each.channel,
                address=each.address,
                consent=each.consent_at is not None,
                consent_at=shapes.instant(each.consent_at, zone),
            )
            for each in view.channels
        ],
        homes=[
            shapes_notices.Home(unit=home.unit, role=home.role, notified=bool(home.notified)) for home in view.homes
        ],
        created_at=iso(row.created_at, zone),
        retired_at=shapes.instant(row.retired_at, zone),
    )


def revision_of(body: bytes) -> int:
    """A number that changes with what is answered: these rows carry no counter of their own."""
    return zlib.crc32(body) % 1_000_000_000


def check_revision(if_match: str | None, body: bytes) -> None:
    """Raise ProblemError (412) when the caller's edit is based on something else."""
    wanted = revision(if_match)
    if wanted is not None and wanted != revision_of(body):
        raise ProblemError(412, "stale", "It was changed meanwhile: read it again.")


def refused_field(error: FieldError) -> ProblemError:
    """A code that is taken is a conflict, everything else a wrong field."""
    if isinstance(error, TakenError):
        return ProblemError(409, "conflict", f"{error.problem}.")
    return invalid((error.field, error.problem))


def _body(services: Services, view: PersonView) -> bytes:
    return msgspec.json.encode(_shape(services, view))


def _find(services: Services, principal: Principal, person_id: int) -> PersonView:
    with services.store.read() as connection:
        view = people.one(connection, person_id)
    if view is None or not principal.may_see(view.person.site):
        raise not_found("person")
    return view


def _answer(services: Services, principal: Principal, person_id: int, status: int = 200) -> Response:
    body = _body(services, _find(services, principal, person_id))
    return versioned(body, revision_of(body), f"/api/v1/people/{person_id}", status)


def _channels(channels: list[ChannelIn]) -> tuple[ChannelEdit, ...]:
    return tuple(ChannelEdit(each.channel, each.address, each.consent) for each in channels)


@router.get("", responses=answers(shapes_notices.PersonList))
def list_people(
    request: Request,
    principal: ForPeopleStaff,
    role: Annotated[Role | None, Query(description="Staff of this role.")] = None,
    unit: Filter = None,
    site: Site = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """People who have not left, in the order in which they were entered; `unit`: those who live there now."""
    services = services_of(request)
    record(
        services, principal, Action.LIST, "people", site=site or "", detail={"role": role, "unit": unit, "page": cursor}
    )
    with services.store.read() as connection:
        views = people.page(connection, site, role, unit, principal.sites, before(cursor), limit + 1)
    shown, following = one_page(views, limit, lambda view: view.person.id)
    items = [_shape(services, view) for view in shown]
    found = shapes_notices.PersonList(items=items, next=following)
    return Json(msgspec.json.encode(found))


@router.get("/{person_id}", responses=answers(shapes_notices.Person))
def show_person(request: Request, principal: ForPeopleStaff, person_id: RowId) -> Response:
    """One person, also one who has left; the ETag is for an edit."""
    services = services_of(request)
    site = _find(services, principal, person_id).person.site
    record(services, principal, Action.READ, f"people/{person_id}", site=site)
    return _answer(services, principal, person_id)


@router.post("", status_code=201, responses=answers(shapes_notices.Person, created=True))
def add_person(
    request: Request, principal: ForPeopleStaff, new: NewPerson, idempotency_key: IdempotencyKey = None
) -> Response:
    """Enter a person. 422 where the code is somebody else's."""
    services = services_of(request)
    if new.site not in {site.id for site in services.sites if principal.may_see(site.id)}:
        raise not_found("site")

    def write() -> Response:
        edit = PersonEdit(
            code=new.code,
            name=new.name,
            locale=new.locale,
            role=new.role,
            zone=tuple(new.zone),
            channels=_channels(new.channels),
        )
        try:
            with services.store.write() as connection:
                person_id = people.create(connection, new.site, edit, services.now())
        except FieldError as error:
            raise refused_field(error) from error
        return _answer(services, principal, person_id, 201)

    return once(request, services, principal, idempotency_key, new.model_dump(mode="json"), write)


@router.patch("/{person_id}", responses=answers(shapes_notices.Person, conflict=True))
def edit_person(
    request: Request,
    principal: ForPeopleStaff,
    person_id: RowId,
    patch: PersonPatch,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Change a person; 412 where they were changed since the ETag of If-Match."""
    services = services_of(request)
    _find(services, principal, person_id)

    def write() -> Response:
        try:
            with services.store.write() as connection:
                view = people.one(connection, person_id)
                if view is None:
                    raise not_found("person")
                check_revision(if_match, _body(services, view))
                edit = msgspec.structs.replace(view.as_edit(), **_given(patch))
                people.change(connection, person_id, edit, services.now())
        except FieldError as error:
            raise refused_field(error) from error
        return _answer(services, principal, person_id)

    return once(request, services, principal, idempotency_key, [patch.model_dump(mode="json"), if_match], write)


def _given(patch: PersonPatch) -> dict[str, Any]:
    given: dict[str, Any] = {
        name: getattr(patch, name)
        for name in patch.model_fields_set
        if name == "role" or getattr(patch, name) is not None
    }
    if "zone" in given:
        given["zone"] = tuple(given["zone"])
    if "channels" in given:
        given["channels"] = _channels(given["channels"])
    return given
