"""A ticket as a CAP 1.2 message, for systems that speak it. A drill is an Exercise there."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import Response

from api.auth import ForStaff, services_of, visible
from api.problem_details import not_found
from api.requests import RowId
from api.routing import noun_router
from hub.tickets.rows import by_id
from hub.tickets.view import ticket_view

router = noun_router("tickets", "/tickets")

MEDIA_TYPE = "application/cap+xml"


@router.get(
    "/{ticket_id}/cap",
    response_class=Response,
    responses={200: {"description": "CAP 1.2.", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
def show_cap(request: Request, principal: ForStaff, ticket_id: RowId) -> Response:
    """The ticket as it is now. 404 also for what is no incident: a household's money."""
    services = services_of(request)
    with services.store.read() as connection:
        ticket = by_id(connection, ticket_id)
    if ticket is None or not visible(principal, ticket.subject.site):
        raise not_found("ticket")
    site = ticket.subject.site
    locale = next((each.locale for each in services.sites if each.id == site), "en")
    message = services.cap(ticket_view(ticket, services.zone(site)), locale)
    if message is None:
        raise not_found("incident")
    return Response(message, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})
