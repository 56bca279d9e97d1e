"""Top-ups that somebody has paid for: seen on the meter, or missing there.

What a maintainer must keep: a top-up is confirmed by the meter and never by time, one purchase proves one top-up, and a
meter that nobody has read since the payment says nothing: 'not heard' is told apart from 'not there'. A reading of a meter
for which nothing is awaited returns the very same state object (tens of thousands a second pass here).

Proof, best first (domain/meters.md 0.6, 6): the recharge record with this amount; the purchase count one up; a rise of the
balance by about the amount, a little less because electricity is used meanwhile. The oldest top-up takes the oldest purchase.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec.structs import replace

from hub.vocabulary.decisions import (
    Audience,
    CancelTimer,
    Decision,
    Derive,
    MoveTicket,
    Notify,
    RaiseTicket,
    SetTimer,
    Severity,
    TicketKind,
    Urgency,
    Verdict,
    WithdrawNotices,
)
from hub.vocabulary.events import (
    Event,
    MeterReading,
    MeterReplaced,
    Subject,
    TicketMoved,
    TimerFired,
    TopUpProof,
    TopUpReported,
    TopUpSettled,
    TopUpState,
)
from hub.vocabulary.facts import DeviceKind, Facts
from hub.vocabulary.instants import SECOND_MS, UtcMs
from hub.vocabulary.rule import Outcome
from hub.vocabulary.units import BalanceUnit, credit_text
from rules.meter_identity import foreign_serial
from rules.topup_proof import Pending, Seen, proven


class TopUpReason(StrEnum):
    """Why a ticket was raised or moved, or nothing was done."""

    NOT_ON_METER = "not_on_meter"
    METER_NOT_READ = "meter_not_read"
    SEEN_ON_METER = "seen_on_meter"
    CONFIRMED_BY_PLATFORM = "confirmed_by_platform"
    TOPUP_FAILED = "topup_failed"
    WAITING_FOR_METER = "waiting_for_meter"


class TopUpLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of `topup`. Shares are of the amount."""

    missing_after_s: Annotated[float, msgspec.Meta(ge=60, le=604_800)] = 1_800.0
    unread_after_s: Annotated[float, msgspec.Meta(ge=60, le=2_592_000)] = (
        86_400.0  # a meter that nobody could read since
    )
    rise_min: Annotated[float, msgspec.Meta(ge=0.1, le=1)] = 0.8
    rise_max: Annotated[float, msgspec.Meta(ge=1, le=2)] = 1.05


class TopUpRuleState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is awaited on one meter, oldest first."""

    pending: tuple[Pending, ...] = ()
    serial: str | None = None
    foreign: str | None = None
    at: UtcMs = 0  # of the newest reading while something was awaited


ON_ITS_WAY: Final = frozenset({TopUpState.PAID, TopUpState.BOOKED, TopUpState.ISSUED})
TOLD: Final = ((Audience.FINANCE, "finance"), (Audience.HOUSEKEEPER, "housekeeper"))


class TopUp:
    """The rule. Subject: the meter."""

    name: str = "topup"
    version: int = 1
    wants: tuple[type[Event], ...] = (MeterReading, TopUpReported, MeterReplaced, TicketMoved, TimerFired)
    state_type: type[msgspec.Struct] = TopUpRuleState
    limits_type: type[msgspec.Struct] = TopUpLimits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """The meter."""
        device = facts.device
        return event.subject() if device is not None and device.kind is DeviceKind.METER else None

    def decide(self, event: Event, state: TopUpRuleState, facts: Facts, now: UtcMs) -> Outcome:
        """Decide on one event; nearly all are readings of meters for which nothing is awaited."""
        if type(event) is MeterReading:
            if not state.pending and (event.serial is None or event.serial == state.serial):
                return Outcome(state)
            return _read(event, state, facts, now)
        match event:
            case TopUpReported():
                return _reported(event, state, facts, now)
            case TimerFired():
                return _due(event, state, facts)
            case MeterReplaced():
                return _other_meter(event, state)
            case TicketMoved(kind=TicketKind.TOPUP_MISSING, active=False):
                return _left_to_people(state)
            case _:
                return Outcome(state)

    def migrate(self, version: int, stored: dict[str, Any]) -> msgspec.Struct | None:
        """There is no older version."""
        return None


# --- readings -------------------------------------------------------------------------------------------------


def _read(event: MeterReading, state: TopUpRuleState, facts: Facts, now: UtcMs) -> Outcome:
    foreign = foreign_serial(state.serial, state.foreign, event.serial)
    serial = state.serial if foreign else event.serial or state.serial
    if (serial, foreign) != (state.serial, state.foreign):
        state = replace(state, serial=serial, foreign=foreign)
    if foreign or not state.pending or event.late or not event.live or event.occurred_at <= state.at:
        return Outcome(state)
    if event.credit is None and event.purchases is None:
        return Outcome(state)
    seen = _seen(event)
    awaited = [_heard(each) for each in state.pending]
    found, left = proven(awaited, seen, _shares(facts))
    decisions: list[Decision] = []
    for each in state.pending:
        if each.waiting and each.reference not in {pending.reference for pending, _ in found}:
            due_at = now + _missing_after(facts)
            decisions.append(SetTimer(key=each.reference, due_at=due_at))
    after = replace(state, pending=tuple(left), at=event.occurred_at)
    return Outcome(after, (*decisions, *_arrived(event, found, left)))


def _seen(event: MeterReading) -> Seen:
    """Amounts are comparable with money only where the meter counts money."""
    money = event.unit is BalanceUnit.CNY
    return Seen(
        credit=event.credit if money else None,
        purchases=event.purchases,
        last_purchase=event.last_purchase if money else None,
    )


def _heard(pending: Pending) -> Pending:
    """The meter was read after the payment."""
    return replace(pending, heard=True, waiting=False)


def _shares(facts: Facts) -> tuple[float, float]:
    limits: TopUpLimits = facts.limits
    return limits.rise_min, limits.rise_max


def _arrived(event: Event, found: Sequence[tuple[Pending, TopUpProof]], left: Sequence[Pending]) -> list[Decision]:
    decisions: list[Decision] = []
    for each, proof in found:
        decisions += _let_go(event, each.reference, TopUpReason.SEEN_ON_METER)
        decisions.append(Derive(event=_settled(event, each.reference, proof)))
    if any(each.overdue for each, _ in found) and not any(each.overdue for each in left):
        references = [each.reference for each, _ in found]
        decisions.append(_over(event, TopUpReason.SEEN_ON_METER, {"references": references}))
    return decisions


# --- the vending system ---------------------------------------------------------------------------------------


def _reported(event: TopUpReported, state: TopUpRuleState, facts: Facts, now: UtcMs) -> Outcome:
    awaited = next((each for each in state.pending if each.reference == event.reference), None)
    if event.state not in ON_ITS_WAY:
        return Outcome(state) if awaited is None else _ended(event, awaited, state)
    if awaited is not None:
        return Outcome(state)
    before, newest = event.before, event.newest
    base = before or newest
    pending = Pending(
        reference=event.reference,
        amount_fen=event.amount_fen,
        paid_at=event.occurred_at,
        credit=None if base is None else base.credit,
        purchases=None if base is None else base.purchases,
    )
    timer = SetTimer(key=event.reference, due_at=event.occurred_at + _missing_after(facts))
    if before is None or newest is None or newest.at <= before.at:
        return Outcome(replace(state, pending=(*state.pending, pending)), (timer,))
    # Reported after the meter was read: it may have it already.
    seen = Seen(credit=newest.credit, purchases=newest.purchases, last_purchase=None)
    found, left = proven([_heard(pending)], seen, _shares(facts))
    if found:
        return Outcome(state, _arrived(event, found, state.pending))
    return Outcome(replace(state, pending=(*state.pending, *left)), (timer,))


def _ended(event: TopUpReported, awaited: Pending, state: TopUpRuleState) -> Outcome:
    """The vending system's own word: on the meter, or called off."""
    left = tuple(each for each in state.pending if each is not awaited)
    confirmed = event.state is TopUpState.CONFIRMED
    reason = TopUpReason.CONFIRMED_BY_PLATFORM if confirmed else TopUpReason.TOPUP_FAILED
    decisions = _let_go(event, event.reference, reason)
    if awaited.overdue and not any(each.overdue for each in left):
        decisions.append(_over(event, reason, {"reference": event.reference}))
    return Outcome(replace(state, pending=left), decisions)


# --- deadlines, people, other meters --------------------------------------------------------------------------


def _due(event: TimerFired, state: TopUpRuleState, facts: Facts) -> Outcome:
    awaited = next((each for each in state.pending if each.reference == event.key), None)
    if awaited is None or awaited.overdue:
        return Outcome(state)
    if not awaited.heard and not awaited.waiting:
        limits: TopUpLimits = facts.limits
        due_at = max(event.received_at, awaited.paid_at + round(limits.unread_after_s * SECOND_MS))
        verdict = Verdict(reason=TopUpReason.WAITING_FOR_METER, facts={"reference": awaited.reference})
        known = _exchanged(state, awaited, replace(awaited, waiting=True))
        return Outcome(known, (SetTimer(key=awaited.reference, due_at=due_at), verdict))
    reason = TopUpReason.METER_NOT_READ if awaited.waiting else TopUpReason.NOT_ON_METER
    return Outcome(_exchanged(state, awaited, replace(awaited, overdue=True)), _missing(event, awaited, reason, facts))


def _missing(event: TimerFired, awaited: Pending, reason: TopUpReason, facts: Facts) -> list[Decision]:
    subject = event.subject()
    amount = credit_text(awaited.amount_fen, BalanceUnit.CNY)
    place = facts.device.place if facts.device else ""
    evidence = {"paid_at": awaited.paid_at, "credit_before": awaited.credit, "purchases_before": awaited.purchases}
    ticket = RaiseTicket(
        kind=TicketKind.TOPUP_MISSING,
        subject=subject,
        reason=reason,
        severity=Severity.MEDIUM,
        occurred_at=event.occurred_at,
        fields={"reference": awaited.reference, "amount": amount, "place": place},
        evidence=evidence,
    )
    notices = [
        Notify(
            key=_prefix(awaited.reference) + word,
            subject=subject,
            audience=audience,
            template="topup_missing",
            params={"place": place, "amount": amount, "reference": awaited.reference},
            urgency=Urgency.URGENT,
            kind=TicketKind.TOPUP_MISSING,
        )
        for audience, word in TOLD
    ]
    return [ticket, *notices, Derive(event=_settled(event, awaited.reference, None))]


def _left_to_people(state: TopUpRuleState) -> Outcome:
    """Somebody has settled what was missing: it is not waited for any more."""
    left = tuple(each for each in state.pending if not each.overdue)
    return Outcome(state if left == state.pending else replace(state, pending=left))


def _other_meter(event: MeterReplaced, state: TopUpRuleState) -> Outcome:
    """What is on its way comes to the new meter; what the old one showed is no measure for that."""
    pending = tuple(replace(each, credit=None, purchases=None) for each in state.pending)
    known = TopUpRuleState(pending=pending, serial=event.new_serial or state.foreign, at=state.at)
    return Outcome(state if known == state else known)


# --- parts ----------------------------------------------------------------------------------------------------


def _missing_after(facts: Facts) -> int:
    limits: TopUpLimits = facts.limits
    return round(limits.missing_after_s * SECOND_MS)


def _exchanged(state: TopUpRuleState, old: Pending, new: Pending) -> TopUpRuleState:
    return replace(state, pending=tuple(new if each is old else each for each in state.pending))


def _prefix(reference: str) -> str:
    """How the keys of a top-up's notices begin; no reference's is the beginning of another's."""
    return f"{len(reference)}:{reference}/"


def _let_go(event: Event, reference: str, reason: TopUpReason) -> list[Decision]:
    withdrawn = WithdrawNotices(key_prefix=_prefix(reference), subject=event.subject(), reason=reason)
    return [CancelTimer(key=reference), withdrawn]


def _over(event: Event, reason: TopUpReason, evidence: dict[str, Any]) -> MoveTicket:
    return MoveTicket(
        kind=TicketKind.TOPUP_MISSING,
        subject=event.subject(),
        trigger="recovered",
        reason=reason,
        occurred_at=event.occurred_at,
        evidence=evidence,
    )


def _settled(event: Event, reference: str, proof: TopUpProof | None) -> TopUpSettled:
    return TopUpSettled(
        site=event.site,
        device=event.device,
        source_key=reference,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        reference=reference,
        proof=proof,
    )
