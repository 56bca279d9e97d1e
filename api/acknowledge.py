"""The page behind a link in a message: what it is about, and one button. Reading it does nothing, pressing does it once.

Link scanners and previews fetch links: GET never changes anything. The signed link is the credential; there is no sign-in.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import Row, select

from api.auth import FOR_ALL, services_of
from api.console.catalogue import LANGUAGES, fill, text
from api.console.pages import LanguageChoice, language_of, page
from api.services import Services
from api.spoken import sentence
from hub.pipeline.link_desk import follow_link, used_at
from hub.registry.links import ADDRESS, Link, SignedLink
from hub.store.schema import people, tickets
from hub.tickets.lifecycle import Refused
from hub.vocabulary.instants import iso

router = APIRouter(include_in_schema=False)

UNKNOWN: Final = "ui.ack.unknown"
STATUS: Final = {"not_found": 404, "not_allowed": 403, "conflict": 409, "invalid": 422, "unavailable": 503}


@router.get(ADDRESS + "/{token}", dependencies=[FOR_ALL])
def show_link(request: Request, token: str, lang: LanguageChoice = None) -> Response:
    """What the link is about, with one button; 404 for a link that is none, 410 for one that is over or used."""
    services = services_of(request)
    signed = _signed(services, token)
    if signed is None:
        return _said(request, language_of(request, lang), UNKNOWN, 404)
    ticket, person = _about(services, signed.link)
    if ticket is None or person is None:
        return _said(request, language_of(request, lang), UNKNOWN, 404)
    language = _language(request, person, lang)
    with services.store.read() as connection:
        used = used_at(connection, signed.signature)
    if used is not None:
        return _said(request, language, "ui.ack.used", 410, at=iso(used, services.zone(ticket.site))[:16])
    if signed.link.expires_at <= services.now():
        return _said(request, language, "ui.ack.over", 410)
    return page(
        request,
        "acknowledge.html",
        language,
        message="",
        token=token,
        person=person.name,
        action=signed.link.action,
        ticket={"number": ticket.number, "title": ticket.title, "place": ticket.place, "drill": bool(ticket.drill)},
    )


@router.post(ADDRESS + "/{token}", dependencies=[FOR_ALL])
def press(request: Request, token: str, lang: LanguageChoice = None) -> Response:
    """Do it, once; the page says what came of it."""
    services = services_of(request)
    signed = _signed(services, token)
    if signed is None:
        return _said(request, language_of(request, lang), UNKNOWN, 404)
    _, person = _about(services, signed.link)
    language = _language(request, person, lang)
    try:
        done = services.door.ask(lambda step: follow_link(step, signed))
    except Refused as refusal:
        why = sentence(language, refusal.detail)
        return _said(request, language, "ui.ack.refused", STATUS.get(refusal.status, 409), why=why)
    return _said(request, language, f"ui.ack.done.{done.action}", 200, number=done.number, person=done.person)


def _signed(services: Services, token: str) -> SignedLink | None:
    return services.link_key.read(token) if services.link_key is not None else None


def _about(services: Services, link: Link) -> tuple[Row[Any] | None, Row[Any] | None]:
    with services.store.read() as connection:
        ticket = connection.execute(select(tickets).where(tickets.c.id == link.ticket_id)).one_or_none()
        person = connection.execute(select(people).where(people.c.id == link.person_id)).one_or_none()
    return ticket, person


def _language(request: Request, person: Row[Any] | None, chosen: str | None) -> str:
    """As chosen, else the person's own."""
    if chosen in LANGUAGES or person is None or person.locale not in LANGUAGES:
        return language_of(request, chosen)
    return str(person.locale)


def _said(request: Request, language: str, key: str, status: int, **values: str) -> Response:
    message = fill(text(language, key), values)
    return page(request, "acknowledge.html", language, status, message=message, fine=status == 200, token="")
