"""Doors that the hub opens: a presented card, the decision, the command, and what came of it; each on record before it acts.

Runs inside steps. The command is a row of the transaction that decided, and goes out after the commit. A passage is on record
as granted only when the lock is seen to be open; a command without an answer is nobody's success. What stood in a reader while
the hub was away, and what is read again later, opens nothing (domain/access.md 2.6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from sqlalchemy import select

from hub.cards import admission, controllers, numbers
from hub.cards.admission import Admission
from hub.cards.numbers import Number, NumberError
from hub.store.schema import commands
from hub.vocabulary.access import AccessReason
from hub.vocabulary.credentials import NumberProfile, Spelling
from hub.vocabulary.decisions import ClearProblem, RaiseProblem, SendCommand, Severity
from hub.vocabulary.events import (
    AccessEvent,
    AccessResult,
    CardNumber,
    Clock,
    CommandResult,
    Event,
    Subject,
    SubjectType,
    SupervisionTick,
)
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.readers import OPEN_DOOR, REFUSE_CARD, TOO_LATE, CardPresented, DecisionMissed, LockReport

if TYPE_CHECKING:
    from hub.pipeline.step import Step

UNANSWERED: Final = "no answer"
REVERSED: Final = (Spelling.DECIMAL_REVERSED, Spelling.HEX_REVERSED)
DID_NOT_OPEN: Final = "door_did_not_open"
LOCK: Final = "door_lock_not_obeying"
UNDECIDED: Final = "door_decided_without_hub"


class _Passage(NamedTuple):
    """What is written down of one card at one door. `at` None: when the event happened."""

    door: str
    card: CardNumber
    reason: AccessReason | None
    extra: Mapping[str, Any]
    result: AccessResult = AccessResult.DENIED
    at: UtcMs | None = None
    live: bool = True


def follow_presented(step: Step, event: Event) -> None:
    """Decide, and tell the reader after the commit."""
    assert isinstance(event, CardPresented)
    device = step.devices_of(event.site).get(event.device)
    opening = None if device is None else device.opening(event.door)
    profile = None if device is None else device.numbers
    if opening is None or profile is None:
        return  # the door is not in the site file any more
    number = _number(event.format, event.raw, profile)
    if number is None:
        decision = Admission(AccessReason.OTHER)
    else:
        found = admission.standings(step.connection, event.site, number, profile)
        decision = admission.admit(found, (event.device, event.door), step.now)
    card = _card(event.format, event.raw, event.registers, number, profile)
    extra = {"presentation": event.source_key, "registers": event.registers, "assignment": decision.assignment}
    if event.why is not None:
        extra["why"] = event.why
    until = event.received_at + opening.decide_within_ms
    if not event.live:
        extra["found"] = "in the reader after nobody had looked"
        _record(step, event, event.source_key, _Passage(event.door, card, AccessReason.OTHER, extra, live=False))
    elif step.now > until:
        return  # the reader applies the door's policy, and tells it: DecisionMissed
    elif decision.reason is not None:
        _record(step, event, event.source_key, _Passage(event.door, card, decision.reason, extra))
        _tell(step, event, REFUSE_CARD, until, {})
        step.clear_problem(ClearProblem(code=UNDECIDED, subject=_device(event)))
    else:
        presented = {"format": card.format, "number": card.value, "at": event.occurred_at, **extra}
        _tell(step, event, OPEN_DOOR, until, presented)


def follow_result(step: Step, event: Event) -> None:
    """What the lock did: only now it is a passage."""
    assert isinstance(event, CommandResult)
    about = (commands.c.id == event.command_id, commands.c.site == event.site, commands.c.device == event.device)
    sent = step.connection.execute(
        select(commands).where(*about, commands.c.name == OPEN_DOOR, commands.c.state == "sent")
    ).one_or_none()
    if sent is None or event.detail == TOO_LATE:
        return
    # At once, so that a second answer in this step finds it answered.
    state = "done" if event.ok else "failed"
    step.connection.execute(commands.update().where(*about).values(state=state, detail=event.detail))
    _came_of(step, event, sent.id, msgspec.json.decode(sent.args_json), None if event.ok else str(event.detail))


def follow_missed(step: Step, event: Event) -> None:
    """The hub was too slow, or could not write: the door's own policy has decided."""
    assert isinstance(event, DecisionMissed)
    device = step.devices_of(event.site).get(event.device)
    profile = None if device is None else device.numbers
    if profile is None:
        return
    number = _number(event.format, event.raw, profile)
    card = _card(event.format, event.raw, "", number, profile)
    extra = {"presentation": event.presentation, "policy": "fail_safe" if event.opened else "fail_secure"}
    result = AccessResult.GRANTED if event.opened else AccessResult.DENIED
    _record(step, event, event.source_key, _Passage(event.door, card, AccessReason.OTHER, extra, result))
    detail = {"door": event.door, "opened": event.opened}
    severity = Severity.CRITICAL if event.opened else Severity.HIGH
    step.raise_problem(RaiseProblem(code=UNDECIDED, subject=_device(event), severity=severity, detail=detail))


def follow_lock(step: Step, event: Event) -> None:
    """A relay does not do what it is told, or does again."""
    assert isinstance(event, LockReport)
    if event.ok:
        step.clear_problem(ClearProblem(code=LOCK, subject=_device(event)))
        return
    detail = {"door": event.door, "cause": event.cause, "may_be_open": event.may_be_open}
    severity = Severity.CRITICAL if event.may_be_open else Severity.HIGH
    step.raise_problem(RaiseProblem(code=LOCK, subject=_device(event), severity=severity, detail=detail))


def follow_tick(step: Step, event: Event) -> None:
    """Commands to open that nobody has answered: whether the door opened is unknown, and that is what is written down."""
    assert isinstance(event, SupervisionTick)
    doors = [device for device in step.devices_of(event.site).values() if device.openings]
    if not doors:
        return
    for device in doors:
        controllers.ensure(step.connection, event.site, device.id, step.now)  # listed with its policy, heard of or not
    waiting = (commands.c.state == "sent", commands.c.site == event.site, commands.c.name == OPEN_DOOR)
    for sent in step.connection.execute(select(commands).where(*waiting, commands.c.reply_by <= step.now)).all():
        answered = {"state": "failed", "detail": UNANSWERED}
        step.connection.execute(commands.update().where(commands.c.id == sent.id).values(**answered))
        about = msgspec.structs.replace(event, device=sent.device)
        _came_of(step, about, sent.id, msgspec.json.decode(sent.args_json), UNANSWERED)


def _came_of(step: Step, event: Event, command: str, args: Mapping[str, Any], failed: str | None) -> None:
    """Record the passage; a card that was let in by the ledger and stood before a shut door is a problem."""
    card = CardNumber(args["format"], args["number"])
    kept = ("presentation", "registers", "assignment")
    extra = {key: args[key] for key in kept} | {"lock": failed or "open"}
    subject = Subject(event.site, SubjectType.DEVICE, event.device)
    # Nobody knows whether the door opened: it is counted as a passage, because the lost-card rule must not miss one.
    granted = failed in {None, UNANSWERED}
    reason = None if failed is None else AccessReason.OTHER
    result = AccessResult.GRANTED if granted else AccessResult.DENIED
    _record(step, event, command, _Passage(args["door"], card, reason, extra, result, args["at"]))
    if failed is None:
        step.clear_problem(ClearProblem(code=DID_NOT_OPEN, subject=subject))
        step.clear_problem(ClearProblem(code=UNDECIDED, subject=subject))
        return
    detail = {"door": args["door"], "cause": failed}
    step.raise_problem(RaiseProblem(code=DID_NOT_OPEN, subject=subject, severity=Severity.HIGH, detail=detail))


def _tell(step: Step, event: CardPresented, name: str, until: UtcMs, more: Mapping[str, Any]) -> None:
    args = {"door": event.door, "presentation": event.source_key, "until": until, **more}
    step.commands.send(SendCommand(subject=_device(event), name=name, args=args))


def _record(step: Step, event: Event, key: str, passage: _Passage) -> None:
    """The passage, or the refusal, as every other controller's: kept, and seen by the rules."""
    step.happen(
        AccessEvent(
            site=event.site,
            device=event.device,
            source_key=f"decision/{key}",
            occurred_at=event.occurred_at if passage.at is None else passage.at,
            received_at=event.received_at,
            clock=Clock.ARRIVAL,
            live=passage.live,
            extra=dict(passage.extra),
            door=passage.door,
            card=passage.card,
            result=passage.result,
            reason=None if passage.reason is None else str(passage.reason),
        )
    )


def _number(format: str, raw: str | None, profile: NumberProfile) -> Number | None:
    """The reader's bits in canonical form: some readers hand the bytes over the other way round, and the file says so."""
    if raw is None:
        return None
    try:
        return numbers.read(format, raw, Spelling.HEX_REVERSED if profile.spelling in REVERSED else Spelling.HEX)
    except NumberError:
        return None


def _card(format: str, raw: str | None, registers: str, number: Number | None, profile: NumberProfile) -> CardNumber:
    """As the site spells it; what is no number stays as it came, so that nothing is lost."""
    if number is None:
        return CardNumber(format, raw or registers)
    return CardNumber(number.format, numbers.spell(number, profile.spelling))


def _device(event: Event) -> Subject:
    return Subject(event.site, SubjectType.DEVICE, event.device)
