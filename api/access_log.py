"""Who passed where, over HTTP: the doors' log by site, controller, door, reason and time, and one card's history.

A person's door history is whereabouts (PIPL 28): every reading is in the audit first, one card's needs a purpose, and card
numbers and units are shown only to those whose role may see them of a card (hub.cards.visibility).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response

from api import shapes_access
from api.audited import record
from api.auth import ForAccessLog, services_of
from api.cards import find_card
from api.openapi import answers
from api.privacy import Reason
from api.problem_details import ProblemError, invalid
from api.requests import MAX_ID, Cursor, Filter, Id, InstantIn, Json, Limit, Site, before
from api.routing import noun_router
from api.services import Services
from hub.cards import access_log
from hub.cards.access_log import Entry, Holding, Profiles, Wanted
from hub.cards.audit import Action
from hub.cards.visibility import SIGHT, Field, Sight, sight
from hub.pipeline import card_desk
from hub.pipeline.card_steps import find
from hub.pipeline.step import Step
from hub.store.accounts import Principal
from hub.vocabulary.access import BACNET_EVENT, AccessReason
from hub.vocabulary.events import AccessResult, CardNumber
from hub.vocabulary.instants import iso

router = noun_router("cards", "/access-events")

SUBJECT = "access-events"
Word = Literal["access", "door", "danger"]
CardQuery = Annotated[
    int | None, Query(ge=1, le=MAX_ID, description="Id of a card: where it was presented. Needs `purpose`.")
]
Purpose = Annotated[Reason | None, Query(description="Why one card's history is read; kept in the audit.")]
FromQuery = Annotated[InstantIn | None, Query(alias="from", description="Happened at or after.")]
ToQuery = Annotated[InstantIn | None, Query(description="Happened before.")]


@router.get("", responses=answers(shapes_access.AccessLog))
def list_events(  # noqa: PLR0913  each is a filter of its own
    request: Request,
    principal: ForAccessLog,
    site: Site = None,
    controller: Filter = None,
    door: Filter = None,
    what: Annotated[Word | None, Query()] = None,
    result: Annotated[AccessResult | None, Query()] = None,
    reason: Annotated[Id | None, Query(description="Why it was decided so, as the event says it.")] = None,
    card: CardQuery = None,
    purpose: Purpose = None,
    from_: FromQuery = None,
    to: ToQuery = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """The doors' log, newest arrival first, as long as it is kept (180 days)."""
    services = services_of(request)
    names = None if card is None else _names(services, principal, card, purpose)
    asked = {"controller": controller, "door": door, "reason": reason, "page": cursor}
    if card is None:
        record(services, principal, Action.LIST, SUBJECT, site=site or "", reason=purpose or "", detail=asked)
    wanted = Wanted(
        sites=principal.sites,
        site=site,
        controller=controller,
        door=door,
        what=what,
        result=None if result is None else str(result),
        reason=reason,
        numbers=names,
        from_=from_,
        to=to,
        before=before(cursor),
        limit=limit,
    )
    profiles = _profiles(services)
    with services.store.read() as connection:
        page = access_log.page(connection, wanted)
        held = access_log.holdings(connection, page.entries, profiles) if _sees_units(principal) else {}
    items = [_shape(services, principal, entry, held.get(entry.seq)) for entry in page.entries]
    following = None if page.next is None else str(page.next)
    return Json(msgspec.json.encode(shapes_access.AccessLog(items=items, next=following)))


def _names(services: Services, principal: Principal, card: int, purpose: str | None) -> set[tuple[str, str]]:
    """Every text that a reader may name this card by. In the audit, with its purpose, a row each time."""
    with services.store.read() as connection:
        row = find_card(connection, principal, card)
    if not _sees_units(principal):  # after the card: another site's is not there for anybody
        raise ProblemError(403, "role", "Whose card it was is not for your roles.", allowed=sorted(map(str, SIGHT)))
    if purpose is None:
        raise invalid(("purpose", "say why this card's history is read"))
    record(services, principal, Action.REVEAL, f"cards/{card}/{SUBJECT}", site=row.site, reason=purpose)

    def named(step: Step) -> tuple[CardNumber, ...]:
        return card_desk.names_of(step, find(step, card))

    return {(each.format, each.value) for each in services.door.ask(named)}


def _profiles(services: Services) -> Profiles:
    """How each controller's readers spell, as the running hub knows it."""
    sites = [site.id for site in services.sites]
    known = services.door.ask(
        lambda step: {(site, each.id): each.numbers for site in sites for each in step.devices_of(site).values()}
    )
    return lambda site, device: known.get((site, device))


def _sees_units(principal: Principal) -> bool:
    return any(role in SIGHT for role in principal.roles)


def _shape(
    services: Services, principal: Principal, entry: Entry, held: Holding | None
) -> shapes_access.AccessLogEntry:
    zone, body = services.zone(entry.site), entry.body
    card = body.get("card")
    if sight(principal.roles, Field.CREDENTIAL) is not Sight.FULL:
        card = None
    reason = body.get("reason")
    return shapes_access.AccessLogEntry(
        id=entry.seq,
        site=entry.site,
        controller=entry.controller,
        door=body["door"],
        what=entry.what,  # type: ignore[arg-type]
        at=iso(entry.occurred_at, zone),
        received_at=iso(entry.received_at, zone),
        result=body.get("result"),
        reason=reason,
        bacnet_event=BACNET_EVENT.get(AccessReason(reason)) if reason in set(AccessReason) else None,
        state=body.get("state") or body.get("danger"),
        direction=body.get("direction"),
        index=body.get("index"),
        credential=None if card is None else shapes_access.PresentedCard(format=card["format"], value=card["value"]),
        card=None if held is None else held.card,
        unit=None if held is None else held.unit,
        clock=body.get("clock", "device"),
        late=entry.late,
        live=body.get("live", True),
    )
