"""A person's rights over HTTP, and who used what: full values with a reason, copies of documents, export, erasure, audit.

Everything here is in the audit before it is answered. `reason` is the reader's own sentence and is kept as it is.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import Field, StringConstraints
from sqlalchemy import Connection, Row, select

from api import shapes_privacy
from api.audited import record
from api.auth import ForCards, ForCustody, ForHolds, ForReveals, services_of, visible
from api.cards import Body, IdNumber, find_card
from api.openapi import answers
from api.problem_details import ProblemError, invalid, not_found
from api.requests import MAX_ID, Cursor, Filter, Id, IdempotencyKey, Json, Limit, RowId, Site, before, once, one_page
from api.routing import noun_router
from api.services import Services
from hub.cards import audit, copies, subjects
from hub.cards.audit import Action
from hub.cards.secrecy import SecrecyError
from hub.cards.subjects import Subject
from hub.cards.visibility import STRICTER
from hub.pipeline.step import Step
from hub.store.accounts import Principal
from hub.store.schema import people
from hub.vocabulary.credentials import NumberProfile
from hub.vocabulary.instants import iso

router = noun_router("privacy")

Reason = Annotated[
    str, StringConstraints(min_length=2, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$")
]
ReasonQuery = Annotated[Reason, Query(description="Why; kept in the audit.")]
Person = Annotated[int, Field(ge=1, le=MAX_ID)]
Content = Annotated[str, StringConstraints(min_length=4, max_length=2_900_000, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]


class RevealIn(Body):
    """Why the full values are needed."""

    reason: Reason


class CopyIn(Body):
    """A copy of the identity document, base64."""

    media_type: Literal["image/jpeg", "image/png", "application/pdf"]
    content: Content


class SearchIn(Body):
    """Whose cards: the whole number."""

    id_number: IdNumber
    reason: Reason
    site: Id | None = None


class WhoseIn(Body):
    """Whose data: exactly one of a card, a person, an identity number with its site."""

    reason: Reason
    card: Person | None = None
    person: Person | None = None
    id_number: IdNumber | None = None
    site: Id | None = None


# --- full values ------------------------------------------------------------------------------------------


@router.post("/cards/{card_id}/reveal", responses=answers(shapes_privacy.Revealed))
def reveal(request: Request, principal: ForReveals, card_id: RowId, told: RevealIn) -> Response:
    """Name, telephone and identity number in full. Those of a holder under 14 are for the card custodian alone."""
    services = services_of(request)
    with services.store.read() as connection:
        row = find_card(connection, principal, card_id)
    if row.minor and not principal.roles & STRICTER:
        raise ProblemError(403, "role", "The holder is under 14.", allowed=sorted(map(str, STRICTER)))
    number = None
    if row.id_cipher is not None:
        number = _opened(lambda: services.keys.open_number(row.id_cipher, row.id_key, row.id_digest))
    record(services, principal, Action.REVEAL, f"cards/{card_id}", site=row.site, reason=told.reason)
    shape = shapes_privacy.Revealed(name=row.holder_name, phone=row.holder_phone, id_number=number)
    return Json(msgspec.json.encode(shape))


def _opened(run: Any) -> Any:
    try:
        return run()
    except SecrecyError as error:
        detail = f"This cannot be opened: {error}. Put the key back (hub keys show)."
        raise ProblemError(503, "unavailable", detail) from None


@router.post("/card-search", responses=answers(shapes_privacy.FoundCards))
def search(request: Request, principal: ForCards, told: SearchIn) -> Response:
    """Cards of the person with this identity number, newest first; the number is looked up by its digest."""
    services = services_of(request)
    wanted = [site.id for site in services.sites if principal.may_see(site.id) and told.site in {None, site.id}]
    digests = services.keys.digests(told.id_number)
    with services.store.read() as connection:
        found = [card for site in wanted for card in subjects.by_number(connection, site, digests).cards]
    detail = {"found": len(found)}
    record(services, principal, Action.LIST, "card-search", site=told.site or "", reason=told.reason, detail=detail)
    return Json(msgspec.json.encode(shapes_privacy.FoundCards(cards=sorted(found, reverse=True))))


# --- copies of documents ----------------------------------------------------------------------------------


@router.post("/cards/{card_id}/id-copy", responses=answers(shapes_privacy.IdCopy))
def keep_copy(request: Request, principal: ForCards, card_id: RowId, told: CopyIn) -> Response:
    """Keep a copy of the identity document: under lock, and gone when the card is settled."""
    services = services_of(request)
    try:
        content = base64.b64decode(told.content, validate=True)
    except binascii.Error:
        raise invalid(("content", "must be base64")) from None
    if len(content) > copies.LARGEST_BYTES:
        raise invalid(("content", "at most 2 MB"))
    with services.store.read() as connection:
        row = find_card(connection, principal, card_id)
    if row.state == "ended":
        raise ProblemError(409, "not_allowed", "This card is over: no copy is needed any more.")

    def put(step: Step) -> None:
        copies.put(step.connection, services.keys, card_id, told.media_type, content, principal.name, step.now)

    services.door.ask(put)
    with services.store.read() as connection:
        kept = copies.one(connection, card_id)
    assert kept is not None
    shape = shapes_privacy.IdCopy(
        card=card_id,
        media_type=kept.media_type,
        size_bytes=kept.size_bytes,
        at=iso(kept.at, services.zone(row.site)),
        by=kept.by,
    )
    return Json(msgspec.json.encode(shape))


_COPY = answers(shapes_privacy.IdCopy)
_COPY[200] = {
    "description": "Found.",
    "content": {name: {"schema": {"type": "string", "format": "binary"}} for name in copies.MEDIA_TYPES},
}


@router.get("/cards/{card_id}/id-copy", responses=_COPY)
def show_copy(request: Request, principal: ForCustody, card_id: RowId, reason: ReasonQuery) -> Response:
    """The copy itself, with a reason."""
    services = services_of(request)
    with services.store.read() as connection:
        row = find_card(connection, principal, card_id)
        kept = copies.one(connection, card_id)
    if kept is None:
        raise not_found("copy")
    content = _opened(lambda: copies.opened(services.keys, kept))
    record(services, principal, Action.COPY_READ, f"cards/{card_id}", site=row.site, reason=reason)
    headers = {"Content-Disposition": f'attachment; filename="only-for-pass-{card_id}"'}
    return Response(content, media_type=kept.media_type, headers=headers)


@router.delete("/cards/{card_id}/id-copy", responses=answers(shapes_privacy.Deleted))
def delete_copy(request: Request, principal: ForCustody, card_id: RowId) -> Response:
    """Take the copy away before the card is settled."""
    services = services_of(request)
    with services.store.read() as connection:
        find_card(connection, principal, card_id)
    count = services.door.ask(lambda step: copies.delete(step.connection, [card_id], principal.name, step.now))
    if not count:
        raise not_found("copy")
    return Json(msgspec.json.encode(shapes_privacy.Deleted(deleted=count)))


# --- a person's rights ------------------------------------------------------------------------------------


def _subject(services: Services, principal: Principal, connection: Connection, told: WhoseIn) -> Subject:
    given = [name for name in ("card", "person", "id_number") if getattr(told, name) is not None]
    if len(given) != 1:
        raise invalid(("card", "exactly one of card, person, id_number"))
    if told.card is not None:
        return subjects.by_card(connection, find_card(connection, principal, told.card))
    if told.person is not None:
        person = connection.execute(select(people).where(people.c.id == told.person)).one_or_none()
        if person is None or not visible(principal, person.site):
            raise not_found("person")
        return subjects.by_person(connection, person)
    if told.site not in {site.id for site in services.sites if principal.may_see(site.id)}:
        raise invalid(("site", "an identity number needs a site of yours"))
    assert told.id_number is not None
    assert told.site is not None
    found = subjects.by_number(connection, told.site, services.keys.digests(told.id_number))
    if not found.cards:
        raise not_found("person")
    return found


def _named(subject: Subject) -> dict[str, Any]:
    return {"cards": subject.cards, "people": subject.people}


def _readers(step: Step, site: str) -> set[NumberProfile]:
    """How the readers of a site spell card numbers: a person's passages stand under these spellings."""
    return {device.numbers for device in step.devices_of(site).values() if device.numbers is not None}


@router.post("/privacy/exports", responses=answers(shapes_privacy.PersonData))
def export(request: Request, principal: ForCustody, told: WhoseIn) -> Response:
    """Everything that is known of a person, for that person (PIPL art. 45)."""
    services = services_of(request)
    with services.store.read() as connection:
        subject = _subject(services, principal, connection, told)
        readers = services.door.ask(lambda step: _readers(step, subject.site))
        data = subjects.export(connection, services.keys, subject, readers)
    site = subject.site
    record(services, principal, Action.PERSON_EXPORT, "person", site=site, reason=told.reason, detail=_named(subject))
    return Json(
        msgspec.json.encode(shapes_privacy.PersonData(**data)),
        headers={"Content-Disposition": 'attachment; filename="person.json"'},
    )


@router.post("/privacy/erasures", responses=answers(shapes_privacy.Erasure))
def erase(request: Request, principal: ForHolds, told: WhoseIn, idempotency_key: IdempotencyKey = None) -> Response:
    """Erase a person as far as the law lets us; what stays is named with the reason (PIPL art. 47)."""
    services = services_of(request)

    def write() -> Response:
        with services.store.read() as connection:
            subject = _subject(services, principal, connection, told)

        def act(step: Step) -> subjects.Erasure:
            done = subjects.erase(step.connection, subject, step.now)
            entry = audit.Entry(
                by=principal.name,
                roles=principal.roles,
                action=Action.ERASE,
                site=subject.site,
                subject="person",
                reason=told.reason,
                detail={"erased": done.erased, "kept": [each.what for each in done.kept]},
            )
            audit.append(step.connection, services.keys.chain, entry, step.now)
            return done

        done = services.door.ask(act)
        kept = [shapes_privacy.KeptData(what=each.what, why=each.why) for each in done.kept]
        return Json(msgspec.json.encode(shapes_privacy.Erasure(erased=done.erased, kept=kept)))

    body = told.model_dump(mode="json")
    if told.id_number is not None:
        body["id_number"] = services.keys.digest(told.id_number)
    return once(request, services, principal, idempotency_key, body, write)


# --- the audit --------------------------------------------------------------------------------------------


@router.get("/audit", responses=answers(shapes_privacy.AuditList))
def list_audit(
    request: Request,
    principal: ForHolds,
    subject: Filter = None,
    by: Filter = None,
    site: Site = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Who read, exported or erased what, newest first. `hub audit verify` proves that nothing was changed."""
    services = services_of(request)
    with services.store.read() as connection:
        rows = audit.page(connection, principal.sites, site, subject, by, before(cursor), limit + 1)
    shown, following = one_page(rows, limit, lambda row: row.seq)
    items = [_audit_row(services, row) for row in shown]
    return Json(msgspec.json.encode(shapes_privacy.AuditList(items=items, next=following)))


def _audit_row(services: Services, row: Row[Any]) -> shapes_privacy.AuditRow:
    return shapes_privacy.AuditRow(
        seq=row.seq,
        at=iso(row.at, services.zone(row.site)),
        by=row.by,
        roles=tuple(row.roles.split()),
        action=Action(row.action),
        site=row.site,
        subject=row.subject,
        reason=row.reason,
        detail=msgspec.json.decode(row.detail_json),
    )
