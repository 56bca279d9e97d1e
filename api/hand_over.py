"""Hand-over notes over HTTP: written and signed by whoever hands over, signed by whoever takes over, never edited."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api import shapes_duty
from api.auth import ForStaff, services_of, visible
from api.openapi import answers
from api.problem_details import not_found
from api.requests import Cursor, Id, IdempotencyKey, Json, Limit, RowId, Site, before, once, one_page
from api.roster import site_of
from api.routing import noun_router
from api.services import Services
from hub.store.accounts import Principal
from hub.tickets import hand_over
from hub.tickets.hand_over import Counted, HandOver, Note
from hub.vocabulary.instants import iso
from hub.vocabulary.roles import Role

router = noun_router("hand-overs", "/hand-overs")

MOST_ITEMS = 100
LongText = Annotated[str, StringConstraints(max_length=4_000, pattern=r"^[^\x00]*$")]
ShortText = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]
Count = Annotated[int, Field(ge=0, le=1_000_000)]


class ItemIn(BaseModel):
    """Something that was counted; `expected`: how many there should be."""

    model_config = ConfigDict(extra="forbid")

    name: Id
    count: Count
    expected: Count | None = None
    note: ShortText = ""


class NewHandOver(BaseModel):
    """The end of a shift at a desk. The open cases are added by the hub, as they are at this moment."""

    model_config = ConfigDict(extra="forbid")

    site: Id
    desk: Role
    shift: Id
    items: Annotated[list[ItemIn], Field(max_length=MOST_ITEMS)] = []
    instructions: LongText = ""


class TakeOver(BaseModel):
    """The second signature, with what whoever takes over wants to have on record."""

    model_config = ConfigDict(extra="forbid")

    remark: ShortText = ""


def shape(services: Services, found: HandOver) -> shapes_duty.HandOver:
    """As everybody is shown it; times in the site's zone."""
    zone = services.zone(found.note.site)
    return shapes_duty.HandOver(
        id=found.id,
        site=found.note.site,
        desk=found.note.desk,
        shift=found.note.shift,
        at=iso(found.at, zone),
        cases=[
            shapes_duty.OpenCase(
                id=each.id,
                number=each.number,
                kind=each.kind,
                title=each.title,
                place=each.place,
                state=each.state,
                severity=each.severity,
                opened_at=iso(each.opened_at, zone),
                assignee=each.assignee,
                drill=each.drill,
            )
            for each in found.cases.listed
        ],
        cases_total=found.cases.total,
        items=[
            shapes_duty.CountedItem(name=each.name, count=each.count, expected=each.expected, note=each.note)
            for each in found.note.items
        ],
        instructions=found.note.instructions,
        signatures=[
            shapes_duty.Signature(part=row.part, by=row.by, at=iso(row.at, zone), remark=row.remark)
            for row in found.signatures
        ],
        complete=len(found.signatures) == 2,
    )


def find(services: Services, principal: Principal, hand_over_id: int) -> HandOver:
    """A note that the caller may see. Raises ProblemError."""
    with services.store.read() as connection:
        found = hand_over.one(connection, hand_over_id)
    if found is None or not visible(principal, found.note.site):
        raise not_found("hand-over")
    return found


@router.get("", responses=answers(shapes_duty.HandOverList))
def list_hand_overs(
    request: Request,
    principal: ForStaff,
    site: Site = None,
    desk: Annotated[Role | None, Query(description="One desk's.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Notes, newest first."""
    services = services_of(request)
    with services.store.read() as connection:
        found = hand_over.page(connection, principal.sites, site, desk, before(cursor), limit + 1)
    shown, following = one_page(found, limit)
    items = [shape(services, each) for each in shown]
    return Json(msgspec.json.encode(shapes_duty.HandOverList(items=items, next=following)))


@router.get("/{hand_over_id}", responses=answers(shapes_duty.HandOver))
def show_hand_over(request: Request, principal: ForStaff, hand_over_id: RowId) -> Response:
    """One note."""
    services = services_of(request)
    return Json(msgspec.json.encode(shape(services, find(services, principal, hand_over_id))))


@router.post("", status_code=201, responses=answers(shapes_duty.HandOver, created=True))
def hand_over_shift(
    request: Request, principal: ForStaff, new: NewHandOver, idempotency_key: IdempotencyKey = None
) -> Response:
    """Hand over: the note is written and signed in the caller's name."""
    services = services_of(request)
    note = Note(
        site=site_of(services, principal, new.site),
        desk=str(new.desk),
        shift=new.shift,
        items=tuple(
            Counted(name=each.name, count=each.count, expected=each.expected, note=each.note) for each in new.items
        ),
        instructions=new.instructions,
    )

    def write() -> Response:
        with services.store.write() as connection:
            written = hand_over.write(connection, note, principal.name, services.now())
        found = shape(services, find(services, principal, written))
        return Json(msgspec.json.encode(found), 201, {"Location": f"/api/v1/hand-overs/{written}"})

    return once(request, services, principal, idempotency_key, new.model_dump(mode="json"), write)


@router.post("/{hand_over_id}/take-over", responses=answers(shapes_duty.HandOver, conflict=True))
def take_over(
    request: Request,
    principal: ForStaff,
    hand_over_id: RowId,
    taken: TakeOver,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Take over: the second signature, by somebody else than the first. 409 where it is signed already."""
    services = services_of(request)
    find(services, principal, hand_over_id)

    def write() -> Response:
        with services.store.write() as connection:
            hand_over.take_over(connection, hand_over_id, principal.name, taken.remark, services.now())
        return Json(msgspec.json.encode(shape(services, find(services, principal, hand_over_id))))

    return once(request, services, principal, idempotency_key, taken.model_dump(mode="json"), write)
