"""The card desk over HTTP: issue, pay, report lost, found, return, replace, extend; and which door knows what.

What a role sees is the table of hub.cards.visibility; whoever is shown something of a holder is in the audit first. An
identity number comes out by `reveal` alone (api.privacy).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection, Row

from api import shapes, shapes_cards
from api.audited import record, sees_people
from api.auth import CARD_STAFF, ForCards, ForCardWatchers, services_of, visible
from api.openapi import answers
from api.problem_details import ProblemError, invalid, not_found
from api.requests import (
    MAX_ID,
    Cursor,
    Filter,
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
    versioned,
)
from api.routing import noun_router
from api.services import Services
from api.shapes_meters import Money
from api.topups import Amount, MoneyIn
from hub.cards import ledger, numbers, permissions
from hub.cards.audit import Action
from hub.cards.kinds import CardKind, Document
from hub.cards.ledger import CardState, Holder
from hub.cards.visibility import Field as Seen
from hub.cards.visibility import Sight, shown, sight
from hub.pipeline import card_desk
from hub.pipeline.card_desk import Paid, Wish
from hub.store.accounts import Principal
from hub.vocabulary.facts import SiteFacts
from hub.vocabulary.instants import iso
from hub.vocabulary.units import BalanceUnit, credit_text, to_credit

router = noun_router("cards", "/cards")

Short = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")]
Phone = Annotated[str, StringConstraints(pattern=r"^[+]?[0-9][0-9 -]{2,29}$")]
IdNumber = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z -]{3,29}$")]
Documents = Annotated[list[Document], Field(max_length=10)]
CardNumberIn = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[0-9A-Fa-f][0-9A-Fa-f :,/.-]*$")
]


class Body(BaseModel):
    """Base of what comes in: a field that is not named is refused."""

    model_config = ConfigDict(extra="forbid")


class HolderIn(Body):
    """Who is to have it."""

    name: Short
    phone: Phone | None = None
    id_number: IdNumber | None = None
    under_14: bool = False


class CredentialIn(Body):
    """The number as it is printed or read; which spelling is meant follows from the format."""

    format: Id
    value: CardNumberIn


class PaymentIn(Body):
    """Money with its receipt."""

    receipt: Short
    amount: MoneyIn | Amount


class NewCard(Body):
    """A card to be issued. `doors` left out: those of the unit and its building. `until`: earlier than the kind allows.

    `works`: the renovation that a pass is for.
    """

    kind: CardKind
    unit: Id | None = None
    holder: HolderIn
    credential: CredentialIn
    site: Id | None = None
    doors: Annotated[list[Id], Field(max_length=200)] | None = None
    documents: Documents = []
    until: InstantIn | None = None
    payment: PaymentIn | None = None
    works: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None


# --- answering --------------------------------------------------------------------------------------------


def money(fen: int) -> Money:
    """Fen as the API says it."""
    return Money(amount=credit_text(fen, BalanceUnit.CNY), currency="CNY")


def _door(row: Row[Any], services: Services, offline: permissions.Away) -> shapes_cards.CardDoor:
    return shapes_cards.CardDoor(
        controller=row.controller,
        door=row.door,
        desired=permissions.Desired(row.desired),
        reported=permissions.Reported(row.reported),
        since=iso(row.since, services.zone(row.site)),
        reason=permissions.reason_of(row, offline),
    )


def _locale(services: Services, site: str) -> str:
    return next((each.locale for each in services.sites if each.id == site), "zh-CN")


def _shapes(
    services: Services, connection: Connection, principal: Principal, rows: Sequence[Row[Any]]
) -> list[shapes_cards.Card]:
    keys = [row.id for row in rows]
    money = ledger.paid(connection, keys)
    doors: dict[int, list[Row[Any]]] = {key: [] for key in keys}
    for door in permissions.of_cards(connection, keys):
        doors[door.assignment_id].append(door)
    away = permissions.offline(connection, {row.site for row in rows})
    return [_shape(services, principal, row, money[row.id], doors[row.id], away) for row in rows]


def _shape(
    services: Services,
    principal: Principal,
    row: Row[Any],
    paid: int,
    doors: Sequence[Row[Any]],
    offline: permissions.Away,
) -> shapes_cards.Card:
    def sees(field: Seen) -> bool:
        return sight(principal.roles, field) is Sight.FULL

    zone = services.zone(row.site)
    due = ledger.due_fen(row)
    left = None if due is None else max(0, due - paid)
    revoked = [door for door in doors if door.desired == permissions.Desired.REVOKED]
    return shapes_cards.Card(
        id=row.id,
        site=row.site,
        kind=CardKind(row.kind),
        unit=row.unit,
        state=CardState(row.state),
        reason=row.reason,
        object=row.object_state,
        holder=_holder(principal, row),
        credential=_credential(row) if sees(Seen.CREDENTIAL) else None,
        missing=ledger.missing_of(row, paid) if sees(Seen.PAPERS) else (),
        fee_due=None if left is None or not sees(Seen.MONEY) else money(left),
        paid=money(paid) if sees(Seen.MONEY) else None,
        arithmetic=row.arithmetic if sees(Seen.MONEY) else None,
        works=row.works_id,
        valid_from=iso(row.valid_from, zone),
        valid_until=shapes.instant(row.valid_until, zone),
        replaces=row.replaces_id,
        created_at=iso(row.created_at, zone),
        doors=[_door(door, services, offline) for door in doors],
        doors_summary=permissions.summary(revoked, _locale(services, row.site), offline) if revoked else None,
    )


def _holder(principal: Principal, row: Row[Any]) -> shapes_cards.CardHolder | None:
    def seen(value: str | None, field: Seen) -> str | None:
        return shown(value, field, sight(principal.roles, field, minor=bool(row.minor)))

    name = seen(row.holder_name, Seen.NAME)
    if name is None:
        return None
    return shapes_cards.CardHolder(
        name=name,
        phone=seen(row.holder_phone, Seen.PHONE),
        id_number=seen(row.id_last4, Seen.ID_NUMBER),
        under_14=bool(row.minor),
    )


def _credential(row: Row[Any]) -> shapes_cards.CardCredential:
    return shapes_cards.CardCredential(format=row.format, value=row.value, raw_hex=row.raw_hex, bits=row.bits)


def find_card(connection: Connection, principal: Principal, card_id: int) -> Row[Any]:
    """The card, or ProblemError where there is none that the caller may see."""
    row = ledger.one(connection, card_id)
    if row is None or not visible(principal, row.site):
        raise not_found("card")
    return row


def card_answer(services: Services, principal: Principal, card_id: int, status: int = 200) -> Response:
    """The card as it is now, as far as the caller may see it."""
    with services.store.read() as connection:
        row = find_card(connection, principal, card_id)
        (shape,) = _shapes(services, connection, principal, [row])
    return versioned(msgspec.json.encode(shape), row.revision, f"/api/v1/cards/{card_id}", status)


# --- reading ----------------------------------------------------------------------------------------------


@router.get("", responses=answers(shapes_cards.CardList))
def list_cards(
    request: Request,
    principal: ForCardWatchers,
    unit: Filter = None,
    state: CardState | None = None,
    number: Annotated[Id | None, Query(description="The card's number in any spelling.")] = None,
    holder: Annotated[Id | None, Query(description="Part of the holder's name; for the desk only.")] = None,
    site: Site = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """Cards, newest first; found by any spelling of their number, by unit, by holder."""
    services = services_of(request)
    if holder is not None and not principal.roles & CARD_STAFF:
        raise ProblemError(403, "role", "Names are not for your roles.", allowed=sorted(map(str, CARD_STAFF)))
    if sees_people(principal):
        asked = {"unit": unit, "state": state, "by_number": number is not None, "by_holder": holder is not None}
        record(services, principal, Action.LIST, "cards", site=site or "", detail={**asked, "page": cursor})
    with services.store.read() as connection:
        rows = ledger.page(connection, principal.sites, site, unit, state, number, holder, before(cursor), limit + 1)
        shown, following = one_page(rows, limit)
        items = _shapes(services, connection, principal, shown)
    return Json(msgspec.json.encode(shapes_cards.CardList(items=items, next=following)))


@router.get("/{card_id}", responses=answers(shapes_cards.Card))
def show_card(request: Request, principal: ForCardWatchers, card_id: RowId) -> Response:
    """One card."""
    services = services_of(request)
    if sees_people(principal):
        with services.store.read() as connection:
            row = find_card(connection, principal, card_id)
        record(services, principal, Action.READ, f"cards/{card_id}", site=row.site)
    return card_answer(services, principal, card_id)


@router.get("/{card_id}/doors", responses=answers(shapes_cards.CardDoors))
def show_doors(request: Request, principal: ForCardWatchers, card_id: RowId) -> Response:
    """Per controller and door: what is wanted, what is proved, since when."""
    services = services_of(request)
    with services.store.read() as connection:
        row = find_card(connection, principal, card_id)
        doors = permissions.of_card(connection, card_id)
        away = permissions.offline(connection, [row.site])
    revoked = [door for door in doors if door.desired == permissions.Desired.REVOKED]
    summary = permissions.summary(revoked, _locale(services, row.site), away) if revoked else ""
    items = [_door(door, services, away) for door in doors]
    return Json(msgspec.json.encode(shapes_cards.CardDoors(items=items, summary=summary)))


# --- the desk ---------------------------------------------------------------------------------------------


def site_of(services: Services, principal: Principal, unit: str | None, site: str | None) -> SiteFacts:
    """The site that is meant: the one that is named, else the only one of the caller's that has this unit."""
    mine = [each for each in services.sites if principal.may_see(each.id) and site in {None, each.id}]
    if not mine:
        raise not_found("site")
    fitting = [each for each in mine if unit is None or services.knows_unit(each.id, unit)]
    if not fitting:
        raise invalid(("unit", f"there is no unit {unit!r}"))
    if len(fitting) > 1:
        raise invalid(("site", f"say which: {', '.join(each.id for each in fitting)}"))
    return fitting[0]


def number_of(credential: CredentialIn, field: str = "credential.value") -> numbers.Number:
    """The number in canonical form. Raises ProblemError with what is allowed."""
    try:
        return numbers.read(credential.format, credential.value)
    except numbers.NumberError as error:
        wrong = field if credential.format in numbers.FORMATS else "credential.format"
        raise invalid((wrong, str(error))) from None


def paid_of(payment: PaymentIn) -> Paid:
    """The payment in fen."""
    amount = payment.amount if isinstance(payment.amount, str) else payment.amount.amount
    return Paid(payment.receipt, to_credit(amount, BalanceUnit.CNY))


@router.post("", status_code=201, responses=answers(shapes_cards.Card, created=True))
def issue(request: Request, principal: ForCards, new: NewCard, idempotency_key: IdempotencyKey = None) -> Response:
    """Issue a card: `pending` until what is missing is there, then `active` and on its way to the doors."""
    services = services_of(request)

    def write() -> Response:
        wish = Wish(
            site=site_of(services, principal, new.unit, new.site),
            kind=new.kind,
            unit=new.unit,
            holder=_holder_of(services, new.holder),
            number=number_of(new.credential),
            value=new.credential.value,
            documents=tuple(map(str, new.documents)),
            doors=None if new.doors is None else tuple(new.doors),
            until=new.until,
            payment=None if new.payment is None else paid_of(new.payment),
            works=new.works,
            by=principal.name,
        )
        card = services.door.ask(lambda step: card_desk.issue(step, wish))
        return card_answer(services, principal, card, 201)

    return once(request, services, principal, idempotency_key, _digestible(services, new), write)


def _holder_of(services: Services, told: HolderIn) -> Holder:
    """The holder with the identity number under lock."""
    if told.id_number is None:
        return Holder(name=told.name, phone=told.phone, minor=told.under_14)
    sealed = services.keys.seal(told.id_number)
    return Holder(
        name=told.name,
        phone=told.phone,
        id_last4=sealed.last4,
        id_digest=sealed.digest,
        id_cipher=sealed.cipher,
        id_key=sealed.key_id,
        minor=told.under_14,
    )


def _digestible(services: Services, new: NewCard) -> Mapping[str, Any]:
    """The body for the idempotency key, without the identity number in a form that could be tried out."""
    body = new.model_dump(mode="json")
    if new.holder.id_number is not None:
        body["holder"]["id_number"] = services.keys.digest(new.holder.id_number)
    return body
