"""Issuing and replacing cards within a step: number, quota, price, papers, period and doors are settled before a row is written.

The step is the lock: two clerks who both issue a household's third card come one after the other.
"""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Row

from hub.cards import collisions, ledger
from hub.cards import works as renovations
from hub.cards.fees import IssueReason, Quote
from hub.cards.kinds import KINDS, CardKind, span_of
from hub.cards.ledger import CardState, EndReason, Holder, Issue, ObjectState
from hub.cards.numbers import Number
from hub.pipeline import card_steps, controllers
from hub.pipeline.card_steps import Paid, find, invalid
from hub.pipeline.step import Step
from hub.registry import households
from hub.tickets.lifecycle import Refused
from hub.vocabulary.facts import DeviceKind, SiteFacts
from hub.vocabulary.instants import UtcMs


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A card that somebody asks for. `doors` None: those of the unit; `until` None: as long as the kind may last.

    `works`: the renovation that a pass belongs to.
    """

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
    works: int | None = None
    by: str


class _Plan(msgspec.Struct, frozen=True):
    issue: Issue
    price: Quote
    reason: IssueReason


def issue(step: Step, wish: Wish) -> int:
    """A new card, active where nothing is missing; its id. Raises Refused."""
    return _enter(step, wish, _plan(step, wish, IssueReason.NEW, None))


def replace(step: Step, card: int, wish: Wish, *, defective: bool, revision: int | None = None) -> int:
    """Another card for the same holder; the new one's id. A lost one has to be reported lost first. Raises Refused."""
    row = find(step, card, revision)
    lost = row.state == CardState.SUSPENDED and row.reason == EndReason.LOST
    if not lost and not (defective and row.state == CardState.ACTIVE):
        raise Refused("not_allowed", "Only a lost card, or an active one that is defective, is replaced.", ("loss",))
    reason = IssueReason.REPLACES_LOST if lost else IssueReason.REPLACES_DEFECTIVE
    plan = _plan(step, wish, reason, row)
    card_steps.end(step, row, EndReason.REPLACED, wish.by)
    if not lost:
        ledger.set_object(step.connection, row.card_id, ObjectState.DAMAGED)
    return _enter(step, wish, plan)


def _plan(step: Step, wish: Wish, reason: IssueReason, replaced: Row[Any] | None) -> _Plan:
    """All that can be refused about an issue is refused here."""
    _check_free(step, wish)
    wanted = _issue(step, wish, replaced)
    _check_collisions(step, wish, wanted)
    controllers.check_room(step, wish.site.id, wanted.doors)
    price = ledger.priced(step.connection, wanted, reason)
    if wish.payment is not None:
        card_steps.check_payment(step, wish.site.id, wish.payment, price.due_fen, 0, None)
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
    row = find(step, added)
    if wish.payment is not None:
        card_steps.take_money(step, row, wish.payment, wish.by)
    card_steps.activate_when_complete(step, added, wish.by)
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
    if known.state in {ObjectState.DAMAGED, ObjectState.DESTROYED}:
        raise Refused("conflict", f"The card with this number is {known.state}: take another one.")
    if known.state in {ObjectState.FOUND, ObjectState.CONFISCATED}:
        raise Refused("conflict", "The card custodian has not put this card into stock yet.", allowed=("stock",))


def _check_collisions(step: Step, wish: Wish, wanted: Issue) -> None:
    """Two cards that a reader cannot tell apart must not both be out where it stands."""
    devices = step.devices_of(wish.site.id)
    for controller in sorted({controller for controller, _ in wanted.doors}):
        profile = devices[controller].numbers if controller in devices else None
        if profile is None:
            continue
        clash = collisions.find(step.connection, wish.site.id, wish.number, profile)
        if clash is not None:
            seen = f"{controller} reads both as {profile.format} {clash.spelled}"
            raise Refused("conflict", f"Another card in use ({clash.value}) is the same to a reader: {seen}.")


def _issue(step: Step, wish: Wish, replaced: Row[Any] | None) -> Issue:
    spec = KINDS[wish.kind]
    if wish.unit is None and spec.needs_unit:
        raise invalid("unit", "a card of this kind belongs to a unit")
    first = step.now if replaced is None else replaced.first_issued_at
    works = wish.works if replaced is None else replaced.works_id
    _check_works(step, wish, works)
    rules = card_steps.rules_of(step, wish.site.id)
    return Issue(
        site=wish.site.id,
        kind=wish.kind,
        unit=wish.unit,
        household=None if wish.unit is None else households.current(step.connection, wish.site.id, wish.unit),
        holder=wish.holder,
        documents=wish.documents,
        doors=ledger.doors_of(replaced) if replaced is not None else _doors(step, wish),
        valid_from=step.now,
        valid_until=_until(step, wish, replaced, works, first),
        first_issued_at=first,
        replaces=None if replaced is None else replaced.id,
        by=wish.by,
        works=works,
        rules=rules,
    )


def _until(step: Step, wish: Wish, replaced: Row[Any] | None, works: int | None, first: UtcMs) -> UtcMs | None:
    """The end of the new card: that of the card it replaces, else what the kind and the permit allow at most."""
    if replaced is not None and replaced.valid_until is not None:
        until: UtcMs = replaced.valid_until
        return until
    span = span_of(wish.kind, card_steps.rules_of(step, wish.site.id))
    if span is None:
        if wish.until is not None:
            raise invalid("until", "this card has no last day of its own")
        return None
    latest = within_permit(step, works, span.end(first, ZoneInfo(wish.site.timezone)))
    if wish.until is None:
        return latest
    if not step.now < wish.until <= latest:
        raise invalid("until", "must be in the future, and within what this kind and its permit allow")
    return wish.until


def within_permit(step: Step, works: int | None, until: UtcMs) -> UtcMs:
    """No pass outlives the permit that it was issued for."""
    permit = None if works is None else renovations.one(step.connection, works)
    return until if permit is None or permit.until is None else min(until, permit.until)


def _check_works(step: Step, wish: Wish, works: int | None) -> None:
    if works is None:
        return
    if not KINDS[wish.kind].returned:
        raise invalid("works", "only passes belong to a renovation")
    permit = renovations.one(step.connection, works)
    if permit is None or permit.site != wish.site.id:
        raise invalid("works", f"there is no renovation {works}")
    if permit.unit != wish.unit:
        raise invalid("works", f"this renovation is in {permit.unit}")
    if permit.accepted_at is not None:
        raise Refused("not_allowed", "The works were accepted already: they need no further pass.")
    if permit.until is not None and permit.until <= step.now:
        raise Refused("not_allowed", "The permit is over: it has to be renewed first.")


def _doors(step: Step, wish: Wish) -> tuple[tuple[str, str], ...]:
    """(controller, door): those that were asked for, else those of the unit and of its building."""
    controllers = [
        device for device in step.devices_of(wish.site.id).values() if device.kind is DeviceKind.ACCESS_CONTROLLER
    ]
    known = {door: device.id for device in controllers for door in device.doors}
    if wish.doors is not None:
        unknown = [door for door in wish.doors if door not in known]
        if unknown:
            raise invalid("doors", f"no door {unknown[0]!r}; known: {', '.join(sorted(known)) or 'none'}")
        return tuple((known[door], door) for door in dict.fromkeys(wish.doors))
    places = set() if wish.unit is None else {wish.unit, wish.unit.partition("/")[0]}
    return tuple((device.id, door) for device in controllers if device.place in places for door in device.doors)
