"""A lost card at a reader: refused, it is one ticket with its repeats counted; let in, guards are sent at once and the door leaks.

'Was it lost then?' is judged at the event's corrected time, so that a replayed old use is evidence and no alarm. The hub
looks the number up itself, because most devices only say 'unknown card'; a number that is only near is a hint. Source: domain/access.md 2.7, 8.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, Final

import msgspec

from hub.vocabulary.decisions import (
    Audience,
    Decision,
    Notify,
    RaiseTicket,
    SendCommand,
    Severity,
    TicketKind,
    Urgency,
    Verdict,
)
from hub.vocabulary.events import (
    AccessEvent,
    AccessResult,
    CardFound,
    CardLost,
    CardNumber,
    Event,
    Subject,
    SubjectType,
)
from hub.vocabulary.facts import Facts
from hub.vocabulary.instants import MINUTE_MS, SECOND_MS, DurationMs, UtcMs
from hub.vocabulary.rule import Outcome

_SEPARATORS: Final = re.compile(r"[\s:,/.-]+")
RESOLUTION_MS: Final[DurationMs] = 2 * SECOND_MS
"""Devices tell whole seconds and are set to whole seconds: a use that close to the loss may well be after it."""
REPLAYED_AFTER_MS: Final[DurationMs] = 5 * MINUTE_MS
SENT_AGAIN_AFTER_MS: Final[DurationMs] = 10 * MINUTE_MS
"""Within it one door sends the guards once, however often the card is held to it."""


class LostCardReason(StrEnum):
    """Why."""

    LOST_CARD_DENIED = "lost_card_denied"
    LOST_CARD_GRANTED = "lost_card_granted"
    USED_BEFORE_THE_LOSS = "used_before_the_loss"
    LOST_CARD_REPLAYED = "lost_card_replayed"
    POSSIBLE_MATCH = "possible_match"


class LostCardLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Nothing to set: a lost card is never welcome."""


class Loss(msgspec.Struct, frozen=True):
    """One lost card. `format` and `value` as controllers were told it; `leaking`: doors that let it in."""

    card: int
    lost_at: UtcMs
    format: str
    value: str
    unit: str | None
    names: tuple[str, ...]
    leaking: tuple[str, ...] = ()


class LostCardState(msgspec.Struct, frozen=True, kw_only=True):
    """Lost cards of the site, by every text that a reader may name them by (`format value`), and by what is only near."""

    lost: dict[str, Loss] = {}
    near: dict[str, str] = {}  # another spelling → the name under which the card stands in `lost`


class LostCard:
    """The rule. State per site: a lost card may turn up at any of its doors. Tickets are about the card."""

    name: str = "lost_card"
    version: int = 1
    wants: tuple[type[Event], ...] = (AccessEvent, CardLost, CardFound)
    state_type: type[msgspec.Struct] = LostCardState
    limits_type: type[msgspec.Struct] = LostCardLimits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """The site."""
        return Subject(event.site, SubjectType.SITE, event.site)

    def migrate(self, version: int, stored: dict[str, Any]) -> msgspec.Struct | None:
        """There is no older version."""
        return None

    def decide(self, event: Event, state: LostCardState, facts: Facts, now: UtcMs) -> Outcome:
        """Remember losses, forget what was found, and look every presented card up."""
        if isinstance(event, CardLost):
            return Outcome(_with(state, _loss(event), event.near))
        if isinstance(event, CardFound):
            return Outcome(_without(state, event.card))
        assert isinstance(event, AccessEvent)
        loss = None if event.card is None else state.lost.get(_key(event.card))
        if loss is None:
            return Outcome(state, _hint(event, state))
        if event.occurred_at + RESOLUTION_MS <= loss.lost_at:
            return Outcome(state, [_evidence(LostCardReason.USED_BEFORE_THE_LOSS, event, loss)])
        if not event.live or (_replayed(event) and event.result is AccessResult.DENIED):
            return Outcome(state, [_evidence(LostCardReason.LOST_CARD_REPLAYED, event, loss)])
        if event.result is AccessResult.DENIED:
            return Outcome(state, [_ticket(LostCardReason.LOST_CARD_DENIED, Severity.HIGH, event, loss)])
        return _granted(event, state, loss, facts)


def _granted(event: AccessEvent, state: LostCardState, loss: Loss, facts: Facts) -> Outcome:
    """The door let it in: proof that it is not dead there, whatever was confirmed. Push again, at once."""
    leaks = msgspec.structs.replace(loss, leaking=tuple(sorted({*loss.leaking, event.door})))
    # What a controller hands in after it was away happened all the same, but nobody can run there now.
    severity = Severity.HIGH if _replayed(event) else Severity.CRITICAL
    decisions: list[Decision] = [
        _ticket(LostCardReason.LOST_CARD_GRANTED, severity, event, leaks),
        SendCommand(subject=event.subject(), name="delete_card", args={"format": loss.format, "value": loss.value}),
    ]
    if severity is Severity.CRITICAL:
        decisions.append(_send_guards(event, loss, facts))
    return Outcome(state if leaks == loss else _with(state, leaks), decisions)


def _send_guards(event: AccessEvent, loss: Loss, facts: Facts) -> Notify:
    device = facts.device
    return Notify(
        key=f"granted/{loss.lost_at}/{event.device}/{event.door}/{event.received_at // SENT_AGAIN_AFTER_MS}",
        subject=Subject(event.site, SubjectType.CARD, str(loss.card)),
        audience=Audience.SECURITY,
        template="lost_card_granted",
        params={
            "door": event.door,
            "place": (device.place if device is not None else "") or None,
            "controller": device.name if device is not None else event.device,
            "unit": loss.unit,
        },
        urgency=Urgency.CRITICAL,
        kind=TicketKind.LOST_CARD_USED,
    )


def _replayed(event: AccessEvent) -> bool:
    """Whether it is told long after it happened: handed in after others, or read from a list that was kept meanwhile."""
    return event.late or event.received_at - event.occurred_at > REPLAYED_AFTER_MS


def _ticket(reason: LostCardReason, severity: Severity, event: AccessEvent, loss: Loss) -> RaiseTicket:
    fields = {
        "door": event.door,
        "controller": event.device,
        "unit": loss.unit or "",
        "result": str(event.result),
        "leaking": list(loss.leaking),
        "replayed": _replayed(event),
    }
    return RaiseTicket(
        kind=TicketKind.LOST_CARD_USED,
        subject=Subject(event.site, SubjectType.CARD, str(loss.card)),
        reason=reason,
        severity=severity,
        occurred_at=event.occurred_at,
        fields=fields,
        evidence=_facts(event, loss),
    )


def _evidence(reason: LostCardReason, event: AccessEvent, loss: Loss) -> Verdict:
    return Verdict(reason=reason, facts=_facts(event, loss))


def _facts(event: AccessEvent, loss: Loss) -> dict[str, Any]:
    return {
        "card": loss.card,
        "controller": event.device,
        "door": event.door,
        "result": str(event.result),
        "reason": event.reason,
        "occurred_at": event.occurred_at,
        "lost_at": loss.lost_at,
        "late": event.late,
    }


def _loss(event: CardLost) -> Loss:
    return Loss(
        card=event.card,
        lost_at=event.occurred_at,
        format=event.told.format,
        value=event.told.value,
        unit=event.unit,
        names=tuple(sorted({_key(number) for number in (event.told, *event.numbers)})),
    )


def _hint(event: AccessEvent, state: LostCardState) -> list[Decision]:
    """A number that would be a lost card's if the reader spelled otherwise: kept to be looked at, never a ticket."""
    name = None if event.card is None else state.near.get(_SEPARATORS.sub("", event.card.value).upper())
    loss = None if name is None else state.lost.get(name)
    return [] if loss is None else [_evidence(LostCardReason.POSSIBLE_MATCH, event, loss)]


def _with(state: LostCardState, loss: Loss, near: tuple[str, ...] = ()) -> LostCardState:
    hints = dict.fromkeys(near, loss.names[0])
    return LostCardState(lost={**state.lost, **dict.fromkeys(loss.names, loss)}, near={**state.near, **hints})


def _without(state: LostCardState, card: int) -> LostCardState:
    left = {name: loss for name, loss in state.lost.items() if loss.card != card}
    return LostCardState(lost=left, near={text: name for text, name in state.near.items() if name in left})


def _key(number: CardNumber) -> str:
    return f"{number.format} {number.value.upper()}"
