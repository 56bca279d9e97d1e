"""What people do at the desk with cards, done within a step: row, money, history and doors in one transaction.

Everything that can be refused is refused before anything is written. The step is the lock: two clerks who both issue a
household's third card come one after the other.
"""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Row

from hub.cards import ledger, numbers
from hub.cards.fees import IssueReason, Quote
from hub.cards.kinds import KINDS, CardKind, Document
from hub.cards.ledger import CardState, EndReason, Holder, Issue, ObjectState
from hub.cards.numbers import Number
from hub.pipeline import card_doors
from hub.pipeline.step import Step
from hub.registry import households
from hub.tickets.lifecycle import Refused
from hub.vocabulary.events import CardFound, CardLost, CardNumber
from hub.vocabulary.facts import DeviceKind, SiteFacts
from hub.vocabulary.instants import UtcMs

LIVE = frozenset({CardState.PENDING, CardState.ACTIVE})


class Paid(msgspec.Struct, frozen=True):
    """Money at the desk."""

    receipt: str
    amount_fen: int


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A card that somebody asks for. `doors` None: those of the unit; `until` None: as long as the kind may last."""

    site: SiteFacts
    kind: CardKind
    unit: str | None
    holder: Holder
    number: Number
    value: str
    documents: tuple[str, ...] = ()
    doors: tuple[str, ...] | None = None
    until: UtcMs | None = None
    payment: Paid | None = None
    by: str


class LossReport(msgspec.Struct, frozen=True, kw_only=True):
    """Who says so, and how the clerk knows who it is: `id_document` or `phone`."""

    reporter: str
    verified: str
    note: str = ""


class _Plan(msgspec.Struct, frozen=True):
    issue: Issue
    price: Quote
    reason: IssueReason


def issue(step: Step, wish: Wish) -> int:
    """A new card, active where nothing is missing; its id. Raises Refused."""
    return _enter(step, wish, _plan(step, wish, IssueReason.NEW, None))


def pay(step: Step, card: int, paid: Paid, by: str, revision: int | None = None) -> None:
    """Money for a card; the same receipt again is the same payment. Raises Refused."""
    row = _find(step, card, revision)
    _check_payment(step, row.site, paid, ledger.due_fen(row), _paid(step, card), card)
    if ledger.payment(step.connection, row.site, paid.receipt) is None:
        _take_money(step, row, paid, by)
        _activate_when_complete(step, card, by)


def reverse(step: Step, card: int, receipt: str, by_receipt: str, by: str, revision: int | None = None) -> None:
    """A payment was entered wrongly: a second row takes it off, nothing is edited. Raises Refused."""
    row = _find(step, card, revision)
    wrong = ledger.payment(step.connection, row.site, receipt)
    if wrong is None or wrong.assignment_id != card or wrong.amount_fen < 0:
        raise Refused("not_found", "There is no such payment of this card.")
    if row.state != CardState.PENDING:
        raise Refused("not_allowed", "Only a pending card's payment can be reversed.")
    if ledger.payment(step.connection, row.site, by_receipt) is not None:
        raise Refused("conflict", "This receipt is known already.")
    ledger.add_payment(step.connection, row, by_receipt, -wrong.amount_fen, by, step.now, reverses=wrong.id)
    ledger.change(step.connection, row, "payment_reversed", by, step.now, {"receipt": receipt})


def hand_in(step: Step, card: int, documents: tuple[str, ...], by: str, revision: int | None = None) -> None:
    """The clerk has seen these papers. Raises Refused."""
    row = _find(step, card, revision)
    papers = msgspec.json.encode(sorted({*ledger.documents_of(row), *documents})).decode()
    ledger.change(step.connection, row, "documents", by, step.now, {"documents": documents}, documents_json=papers)
    _activate_when_complete(step, card, by)


def report_loss(step: Step, card: int, report: LossReport, by: str, revision: int | None = None) -> None:
    """Suspend at once and take the card off every door; anybody may report. A second report changes nothing more."""
    row = _find(step, card, revision)
    if row.state == CardState.ENDED:
        raise Refused("not_allowed", f"This card is over ({row.reason}).")
    ledger.add_loss(step.connection, card, report.reporter, report.verified, report.note, by, step.now)
    data = {"reporter": report.reporter, "verified": report.verified}
    if row.state == CardState.SUSPENDED and row.reason == EndReason.LOST:
        ledger.note(step.connection, card, "loss_reported_again", row.state, by, step.now, data)
        return
    values = {"state": str(CardState.SUSPENDED), "reason": str(EndReason.LOST)}
    ledger.change(step.connection, row, "lost", by, step.now, data, **values)
    ledger.set_object(step.connection, row.card_id, ObjectState.LOST)
    card_doors.withdraw(step, row)
    step.happen(
        CardLost(
            site=row.site,
            source_key=f"{card}/{row.revision + 1}",
            occurred_at=step.now,
            received_at=step.now,
            card=card,
            told=CardNumber(row.format, row.value),
            numbers=_names(row),
            unit=row.unit,
        )
    )


def found(step: Step, card: int, note: str, by: str, revision: int | None = None) -> None:
    """A lost card is back: valid again, or, where it was replaced, an object in stock. Raises Refused."""
    row = _find(step, card, revision)
    if row.object_state != ObjectState.LOST:
        raise Refused("not_allowed", "This card is not lost.")
    ledger.settle_losses(step.connection, card, step.now)
    if row.state == CardState.ENDED:
        ledger.note(step.connection, card, "found_after_its_end", row.state, by, step.now, {"note": note})
        ledger.set_object(step.connection, row.card_id, ObjectState.IN_STOCK)
    else:
        complete = not ledger.missing_of(row, _paid(step, card), as_if_pending=True)
        state = CardState.ACTIVE if complete else CardState.PENDING
        ledger.change(step.connection, row, "found", by, step.now, {"note": note}, state=str(state), reason=None)
        ledger.set_object(step.connection, row.card_id, ObjectState.ASSIGNED)
        if complete:
            card_doors.activate(step, row)
    step.happen(
        CardFound(
            site=row.site,
            source_key=f"{card}/{row.revision + 1}",
            occurred_at=step.now,
            received_at=step.now,
            card=card,
        )
    )


def give_back(step: Step, card: int, note: str, by: str, revision: int | None = None) -> None:
    """The holder hands the card in: off every door. It gives no free card back. Raises Refused."""
    row = _find(step, card, revision)
    if row.object_state != ObjectState.ASSIGNED:
        raise Refused("not_allowed", "This card is not with its holder.", allowed=("found",))
    if row.state != CardState.ENDED:
        _end(step, row, EndReason.RETURNED, by, note)
    else:  # its days were over before it came back
        ledger.note(step.connection, card, "returned", row.state, by, step.now, {"note": note})
    ledger.set_object(step.connection, row.card_id, ObjectState.RETURNED)


def replace(step: Step, card: int, wish: Wish, *, defective: bool, revision: int | None = None) -> int:
    """Another card for the same holder; the new one's id. A lost one has to be reported lost first. Raises Refused."""
    row = _find(step, card, revision)
    lost = row.state == CardState.SUSPENDED and row.reason == EndReason.LOST
    if not lost and not (defective and row.state == CardState.ACTIVE):
        raise Refused("not_allowed", "Only a lost card, or an active one that is defective, is replaced.", ("loss",))
    reason = IssueReason.REPLACES_LOST if lost else IssueReason.REPLACES_DEFECTIVE
    plan = _plan(step, wish, reason, row)
    _end(step, row, EndReason.REPLACED, wish.by)
    if not lost:
        ledger.set_object(step.connection, row.card_id, ObjectState.RETURNED)
    return _enter(step, wish, plan)


def extend(step: Step, card: int, until: UtcMs, by: str, revision: int | None = None) -> None:
    """A later last day, never beyond what the kind allows from the first issue on. Raises Refused."""
    row = _find(step, card, revision)
    if row.state not in LIVE:
        raise Refused("not_allowed", f"This card is {row.state}.")
    if row.valid_until is None:
        raise Refused("not_allowed", "This kind of card has no last day.")
    latest = _latest(step, row.site, CardKind(row.kind), row.first_issued_at, row.valid_until)
    if not row.valid_until < until <= latest:
        raise _invalid("until", "must be after the last day so far, and within what this kind allows")
    ledger.change(step.connection, row, "extended", by, step.now, {"until": until}, valid_until=until)
    if row.state == CardState.ACTIVE:
        card_doors.tell_again(step, row)


# --- entering ---------------------------------------------------------------------------------------------


def _plan(step: Step, wish: Wish, reason: IssueReason, replaced: Row[Any] | None) -> _Plan:
    """All that can be refused about an issue is refused here."""
    _check_free(step, wish)
    wanted = _issue(step, wish, replaced)
    price = ledger.priced(step.connection, wanted, reason)
    if wish.payment is not None:
        _check_payment(step, wish.site.id, wish.payment, price.due_fen, 0, None)
    return _Plan(wanted, price, reason)


def _enter(step: Step, wish: Wish, plan: _Plan) -> int:
    connection, words = step.connection, plan.price.words(wish.site.locale)
    known = ledger.card_of(connection, wish.site.id, wish.number)
    if known is None:
        card = ledger.enter_card(connection, wish.site.id, wish.number, wish.value)
    else:
        card = known.id
        ledger.set_object(connection, card, ObjectState.ASSIGNED, wish.value)
    added = ledger.enter(connection, plan.issue, card, plan.price, words, step.now)
    data = {"reason": str(plan.reason), "arithmetic": words}
    ledger.note(connection, added, "entered", str(CardState.PENDING), wish.by, step.now, data)
    row = _find(step, added, None)
    if wish.payment is not None:
        _take_money(step, row, wish.payment, wish.by)
    _activate_when_complete(step, added, wish.by)
    return added


def _check_free(step: Step, wish: Wish) -> None:
    known = ledger.card_of(step.connection, wish.site.id, wish.number)
    if known is None:
        return
    if ledger.current(step.connection, known.id) is not None:
        raise Refused("conflict", "A card with this number is issued already.")
    if known.state == ObjectState.LOST:
        raise Refused("conflict", "A card with this number was lost: it has to be found first.", allowed=("found",))
    if known.state == ObjectState.ASSIGNED:
        raise Refused("conflict", "A card with this number was not handed back yet.", allowed=("return",))


def _issue(step: Step, wish: Wish, replaced: Row[Any] | None) -> Issue:
    spec = KINDS[wish.kind]
    if wish.unit is None and spec.needs_unit:
        raise _invalid("unit", "a card of this kind belongs to a unit")
    first = step.now if replaced is None else replaced.first_issued_at
    until = None if replaced is None else replaced.valid_until
    if until is None and spec.span is not None:
        zone = ZoneInfo(wish.site.timezone)
        until = spec.span.end(first, zone)
        if wish.until is not None:
            if not step.now < wish.until <= until:
                raise _invalid("until", "must be in the future, and within what this kind allows")
            until = wish.until
    elif wish.until is not None:
        raise _invalid("until", "this card has no last day of its own")
    return Issue(
        site=wish.site.id,
        kind=wish.kind,
        unit=wish.unit,
        household=None if wish.unit is None else households.current(step.connection, wish.site.id, wish.unit),
        holder=wish.holder,
        documents=wish.documents,
        doors=ledger.doors_of(replaced) if replaced is not None else _doors(step, wish),
        valid_from=step.now,
        valid_until=until,
        first_issued_at=first,
        replaces=None if replaced is None else replaced.id,
        by=wish.by,
    )


def _doors(step: Step, wish: Wish) -> tuple[tuple[str, str], ...]:
    """(controller, door): those that were asked for, else those of the unit and of its building."""
    controllers = [
        device for device in step.devices_of(wish.site.id).values() if device.kind is DeviceKind.ACCESS_CONTROLLER
    ]
    known = {door: device.id for device in controllers for door in device.doors}
    if wish.doors is not None:
        unknown = [door for door in wish.doors if door not in known]
        if unknown:
            raise _invalid("doors", f"no door {unknown[0]!r}; known: {', '.join(sorted(known)) or 'none'}")
        return tuple((known[door], door) for door in dict.fromkeys(wish.doors))
    places = set() if wish.unit is None else {wish.unit, wish.unit.partition("/")[0]}
    return tuple((device.id, door) for device in controllers if device.place in places for door in device.doors)


def _activate_when_complete(step: Step, card: int, by: str) -> None:
    row = _find(step, card, None)
    if row.state != CardState.PENDING or ledger.missing_of(row, _paid(step, card)):
        return
    ledger.change(step.connection, row, "activated", by, step.now, {}, state=str(CardState.ACTIVE))
    card_doors.activate(step, row)


def _check_payment(step: Step, site: str, paid: Paid, due_fen: int | None, paid_fen: int, card: int | None) -> None:
    known = ledger.payment(step.connection, site, paid.receipt)
    if known is not None:
        if known.assignment_id == card and known.amount_fen == paid.amount_fen:
            return
        raise Refused("conflict", "This receipt is known for another payment.")
    if due_fen is not None and paid_fen + paid.amount_fen > due_fen:
        raise _invalid("amount", "more than is due")


def _take_money(step: Step, row: Row[Any], paid: Paid, by: str) -> None:
    ledger.add_payment(step.connection, row, paid.receipt, paid.amount_fen, by, step.now)
    data = {"receipt": paid.receipt, "amount_fen": paid.amount_fen}
    ledger.change(step.connection, row, "paid", by, step.now, data)


def _end(step: Step, row: Row[Any], reason: EndReason, by: str, note: str = "") -> None:
    values = {"state": str(CardState.ENDED), "reason": str(reason)}
    ledger.change(step.connection, row, str(reason), by, step.now, {"note": note}, **values)
    card_doors.withdraw(step, row)


# --- small ------------------------------------------------------------------------------------------------


def _find(step: Step, card: int, revision: int | None) -> Row[Any]:
    row = ledger.one(step.connection, card)
    if row is None:
        raise Refused("not_found", "There is no such card.")
    if revision is not None and row.revision != revision:
        raise Refused("stale", "The card was changed meanwhile.")
    return row


def _paid(step: Step, card: int) -> int:
    return ledger.paid(step.connection, [card])[card]


def _latest(step: Step, site: str, kind: CardKind, first: UtcMs, until: UtcMs) -> UtcMs:
    """A pass's days count from its first issue; a parking card is renewed from its last day on."""
    span = KINDS[kind].span
    zone = ZoneInfo(card_doors.timezone(step, site))
    if span is None:
        return until
    return span.end(until - 1, zone) if Document.VEHICLE_REGISTERED in KINDS[kind].documents else span.end(first, zone)


def _names(row: Row[Any]) -> tuple[CardNumber, ...]:
    """Every text that a reader of this format would mean this card by, and the text that controllers were told."""
    number = Number(row.format, row.raw_hex, row.bits)
    meant = {row.value}
    for text in numbers.search_keys(number):
        try:
            if numbers.read(row.format, text) == number:
                meant.add(text)
        except numbers.NumberError:
            continue
    return tuple(CardNumber(row.format, text) for text in sorted(meant))


def _invalid(field: str, what: str) -> Refused:
    return Refused("invalid", "Some fields are wrong.", errors=((field, what),))
