"""Drills over HTTP: begin one, and what came of those that were held. Everything else of a drill is a ticket's own."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Request, Security
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from api import shapes, shapes_drills
from api.auth import ForStaff, Guard, actor, services_of, visible
from api.openapi import answers
from api.problem_details import not_found
from api.requests import Cursor, Id, IdempotencyKey, Json, Limit, Site, Words, before, once, one_page
from api.routing import noun_router
from api.services import Services
from hub.pipeline import drill_desk
from hub.store.accounts import Principal
from hub.tickets import drills, queries, rows
from hub.tickets.ticket import Ticket
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.instants import iso

router = noun_router("drills", "/drills")

ForStarters = Annotated[Principal, Security(Guard(drills.STARTERS))]


class NewDrill(BaseModel):
    """A drill at one elevator. The scenario is what the people at the car play."""

    model_config = ConfigDict(extra="forbid")

    site: Id
    device: Id
    scenario: Words


def _shape(services: Services, ticket: Ticket) -> shapes_drills.Drill:
    zone = services.zone(ticket.subject.site)
    found = ticket.fields.get("evaluation")
    return shapes_drills.Drill(
        ticket=ticket.id,
        number=ticket.number,
        site=ticket.subject.site,
        device=ticket.subject.id,
        name=ticket.subject_name,
        scenario=_text(ticket.fields.get("scenario")),
        state=ticket.state,
        active=ticket.active,
        opened_at=iso(ticket.opened_at, zone),
        evaluation=_evaluation(found, zone) if "evaluated" in ticket.milestones and isinstance(found, dict) else None,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _evaluation(found: dict[str, Any], zone: Any) -> shapes_drills.Evaluation:
    return shapes_drills.Evaluation(**{**found, "signed_at": shapes.instant(found["signed_at"], zone)})


def _with_milestones(connection: Connection, ticket_id: int) -> Ticket:
    found = rows.by_id(connection, ticket_id)
    assert found is not None  # no ticket is ever deleted
    return found


def recent(services: Services, connection: Connection, principal: Principal, limit: int) -> list[shapes_drills.Drill]:
    """The newest that this caller may see."""
    wanted = queries.TicketFilter(drill=True, kind="entrapment", sites=principal.sites)
    found = queries.page(connection, wanted, None, limit)
    return [_shape(services, _with_milestones(connection, row.id)) for row in found]


@router.get("", responses=answers(shapes_drills.DrillList))
def list_drills(
    request: Request, principal: ForStaff, site: Site = None, cursor: Cursor = None, limit: Limit = 100
) -> Response:
    """Drills with their evaluations, newest first. One counts as held when it is evaluated; until then the next is due."""
    services = services_of(request)
    wanted = queries.TicketFilter(drill=True, kind="entrapment", site=site, sites=principal.sites)
    with services.store.read() as connection:
        found = queries.page(connection, wanted, before(cursor), limit + 1)
        shown, following = one_page(found, limit)
        items = [_shape(services, _with_milestones(connection, row.id)) for row in shown]
    return Json(msgspec.json.encode(shapes_drills.DrillList(items=items, next=following)))


@router.post("", status_code=201, responses=answers(shapes_drills.Drill, created=True))
def start(request: Request, principal: ForStarters, new: NewDrill, idempotency_key: IdempotencyKey = None) -> Response:
    """Begin a drill: an entrapment with `drill`, marked on every screen and message. 409 where a case is active there."""
    services = services_of(request)
    if not visible(principal, new.site) or new.site not in {site.id for site in services.sites}:
        raise not_found("site")
    subject = Subject(new.site, SubjectType.DEVICE, new.device)

    def write() -> Response:
        ticket = services.door.ask(lambda step: drill_desk.start(step, subject, new.scenario, actor(principal)))
        with services.store.read() as connection:
            kept = _with_milestones(connection, ticket)
        headers = {"Location": f"/api/v1/tickets/{ticket}"}
        return Json(msgspec.json.encode(_shape(services, kept)), 201, headers)

    return once(request, services, principal, idempotency_key, new.model_dump(mode="json"), write)
