"""What controllers answer, held against what they are to know: the only place where a door of a card becomes proved.

Runs inside steps. An acknowledgement only means that a proof may now be asked for: the card alone where the controller can
be asked for one, else its whole list. A list also shows what nobody has issued.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import Row, bindparam, select

from hub.cards import controllers, permissions
from hub.cards.collisions import told_as
from hub.cards.permissions import Desired, Reported, Why
from hub.pipeline import card_alarm, card_doors
from hub.pipeline.card_doors import LIST, READ_ONE
from hub.pipeline.commands import GRANT, REVOKE
from hub.store.schema import commands
from hub.vocabulary.decisions import ClearProblem, RaiseProblem, Severity
from hub.vocabulary.events import CommandResult, Event, Subject, SubjectType
from hub.vocabulary.instants import MINUTE_MS, UtcMs

if TYPE_CHECKING:
    from hub.pipeline.step import Step

FOREIGN_SHOWN: Final = 20
INCOMPLETE: Final = "incomplete list"
DOUBT_MS: Final = 5 * MINUTE_MS
# Built once: a thousand doors that answer are a thousand of each.
_SENT: Final = select(commands).where(
    commands.c.id == bindparam("_id"), commands.c.site == bindparam("_site"), commands.c.device == bindparam("_device")
)
_DONE: Final = commands.update().where(commands.c.id == bindparam("_id")).values(state=bindparam("_state"))


def follow_result(step: Step, event: Event) -> None:
    """A controller answered: a command was read (ask for the list), refused, or here is the list."""
    assert isinstance(event, CommandResult)
    about = {"_id": event.command_id, "_site": event.site, "_device": event.device}
    sent = step.connection.execute(_SENT, about).one_or_none()
    if sent is None or sent.name not in {GRANT, REVOKE, LIST, READ_ONE}:
        return
    # At once, so that a list that is answered in this step is not waited for any more.
    step.connection.execute(_DONE, {"_id": sent.id, "_state": "done" if event.ok else "failed"})
    if sent.name == LIST:
        if event.ok and event.cards is not None:
            _compare(step, event.site, event.device, event.cards, sent.created_at)
    elif sent.name == READ_ONE:
        if event.ok and event.cards is not None:
            _compare_one(step, event, msgspec.json.decode(sent.args_json), sent.created_at)
    elif event.ok:
        card_doors.ask_for_proof(step, event.site, event.device, msgspec.json.decode(sent.args_json))
    else:
        _refused(step, event)


def _refused(step: Step, event: CommandResult) -> None:
    rows = permissions.by_command(step.connection, event.site, event.device, event.command_id)
    for row in rows:
        desired = Desired(row.desired)
        reported = Reported.FAILED if desired is Desired.GRANTED else Reported.REMOVING
        reason = f"{Why.REFUSED}: {event.detail[:200]}" if event.detail else str(Why.REFUSED)
        card_doors.report(
            step, [row], reported, reason, next_try_at=step.now + permissions.retry_after(desired, row.tries)
        )


def compare_pages(step: Step, site: str, controller: str) -> None:
    """A list that came card by card is over; it counts from when it was asked for."""
    listed = controllers.take_pages(step.connection, site, controller)
    asked = select(commands).where(
        commands.c.site == site, commands.c.device == controller, commands.c.name == LIST, commands.c.state == "sent"
    )
    sent = step.connection.execute(asked.order_by(commands.c.created_at.desc()).limit(1)).one_or_none()
    if sent is None:
        return
    believed = listed is not None and (_names_all(step, site, controller, listed) or _doubted_lately(step, sent))
    outcome = {"state": "done"} if believed else {"state": "failed", "detail": INCOMPLETE}
    step.connection.execute(commands.update().where(commands.c.id == sent.id).values(**outcome))
    if believed and listed is not None:
        _compare(step, site, controller, listed, sent.created_at)
    elif listed is not None:
        card_doors.ask_for_list(step, site, controller)


def _names_all(step: Step, site: str, controller: str, listed: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every card that was proved to be on it is in its list: else pieces of the list may have been lost."""
    named = {card_doors.same_card(card["format"], card["value"]) for card in listed}
    rows = permissions.of_controller(step.connection, site, controller)
    profile = card_doors.profile_of(step, site, controller)
    return all(
        card_doors.card_of(row, profile) in named
        for row in rows
        if row.desired == Desired.GRANTED and row.reported == Reported.CONFIRMED
    )


def _doubted_lately(step: Step, sent: Row[Any]) -> bool:
    """Whether the list before this one was put aside already: two that agree in what they leave out are believed."""
    before = select(commands.c.detail).where(
        commands.c.site == sent.site,
        commands.c.device == sent.device,
        commands.c.name == LIST,
        commands.c.id != sent.id,
        commands.c.created_at > step.now - DOUBT_MS,
    )
    newest = before.order_by(commands.c.created_at.desc()).limit(1)
    return step.connection.execute(newest).scalar_one_or_none() == INCOMPLETE


def _compare(step: Step, site: str, controller: str, listed: Sequence[Mapping[str, Any]], asked_at: UtcMs) -> None:
    """Hold a controller's list against what it is to know."""
    rows = permissions.of_controller(step.connection, site, controller)
    behind, again = _judge(step, rows, rows, listed, asked_at)
    profile = card_doors.profile_of(step, site, controller)
    ours = {card_doors.card_of(row, profile) for row in rows}
    foreign = [card for card in listed if card_doors.same_card(card["format"], card["value"]) not in ours]
    before = controllers.ensure(step.connection, site, controller, step.now)
    values = {"listed_at": step.now, "foreign_json": controllers.foreign_json(foreign), "cards": len(listed)}
    controllers.change(step.connection, site, controller, values | {"cards_at": step.now})
    if foreign or controllers.foreign_of(before):
        _tell_foreign(step, site, controller, sorted(f"{card['format']} {card['value']}" for card in foreign))
    _tell_proved(step, site, {row.assignment_id for row in rows if row.overdue})
    _tell_restored(step, before)
    if again:
        card_doors.send_due(step, site)
    if behind:
        card_doors.ask_for_list(step, site, controller)


def _compare_one(step: Step, event: CommandResult, asked: Mapping[str, Any], asked_at: UtcMs) -> None:
    """What a controller says about one card proves only what it says about that card."""
    site, controller = event.site, event.device
    profile = card_doors.profile_of(step, site, controller)
    told = told_as(asked["format"], asked["value"], profile)
    card = card_doors.same_card(told.format, told.value)
    rows = permissions.of_controller(step.connection, site, controller)
    mine = [row for row in rows if card_doors.card_of(row, profile) == card]
    behind, again = _judge(step, mine, rows, event.cards or (), asked_at)
    _tell_proved(step, site, {row.assignment_id for row in mine if row.overdue})
    known = controllers.one(step.connection, site, controller)
    if known is not None:
        _tell_restored(step, known)
    if again:
        card_doors.send_due(step, site)
    if behind:
        card_doors.ask_for_proof(step, site, controller, asked)


def _judge(
    step: Step,
    about: Sequence[Row[Any]],
    rows: Sequence[Row[Any]],
    listed: Sequence[Mapping[str, Any]],
    asked_at: UtcMs,
) -> tuple[bool, bool]:
    """Believe what `listed` proves `about` these rows: whether something was sent after it was asked for, and whether
    something has to be sent again.
    """
    doors_of: dict[tuple[str, str], set[str]] = {}
    for card in listed:
        doors_of.setdefault(card_doors.same_card(card["format"], card["value"]), set()).update(card["doors"] or ())
    doorless = {card_doors.same_card(card["format"], card["value"]) for card in listed if card["doors"] is None}
    behind = again = False
    for row in about:
        number = card_doors.card_of(row, card_doors.profile_of(step, row.site, row.controller))
        on_it = row.door in doors_of.get(number, ())
        if row.desired == Desired.REVOKED:
            # A card that is listed without a door is one that the controller still knows.
            on_it = number in doors_of and not _granted_again(rows, row)
        elif number in doorless:
            # A list of numbers alone: it takes nothing back that was proved, and proves no door.
            on_it = row.reported == Reported.CONFIRMED
            if not on_it:
                continue
        proof = permissions.judge(
            Desired(row.desired), Reported(row.reported), row.commanded_at, listed=on_it, asked_at=asked_at
        )
        if proof is None:
            behind = behind or row.commanded_at is not None
            continue
        again = again or proof.reported not in {Reported.CONFIRMED, Reported.REMOVED}
        _believe(step, row, proof)
    return behind, again


def _granted_again(rows: Sequence[Row[Any]], revoked: Row[Any]) -> bool:
    """Whether the same card belongs to somebody else now, who may use it here."""
    return any(
        row.desired == Desired.GRANTED
        and row.assignment_id != revoked.assignment_id
        and (row.format, row.raw_hex) == (revoked.format, revoked.raw_hex)
        for row in rows
    )


def _believe(step: Step, row: Row[Any], proof: permissions.Proof) -> None:
    if proof.reported in {Reported.CONFIRMED, Reported.REMOVED}:
        card_doors.report(step, [row], proof.reported, None, next_try_at=None, tries=0)
        return
    fresh = {"tries": 0} if row.reported in {Reported.CONFIRMED, Reported.REMOVED} else {}
    # Something that was proved before and is not so any more is put right at once; else the retry is on its way.
    soon = step.now if fresh or (proof.again and row.next_try_at is None) else None
    wait = permissions.retry_after(Desired(row.desired), row.tries)
    next_try = soon if soon is not None else min(row.next_try_at or step.now + wait, step.now + wait)
    if row.reported == Reported.REMOVED:
        fresh |= {"desired_at": step.now}
    card_doors.report(step, [row], proof.reported, proof.reason, next_try_at=next_try, **fresh)


def _tell_proved(step: Step, site: str, assignments: set[int]) -> None:
    for assignment in sorted(assignments):
        rows = permissions.of_card(step.connection, assignment)
        if not any(row.desired == Desired.REVOKED and row.reported != Reported.REMOVED for row in rows):
            subject = Subject(site, SubjectType.CARD, str(assignment))
            card_alarm.stand_down(step, subject)
            permissions.update(step.connection, [row for row in rows if row.overdue], overdue=False)


def _tell_restored(step: Step, known: Row[Any]) -> None:
    """A controller that began anew is live when it has proved everything that it was told again."""
    if known.epoch > 1 and not controllers.standing(step.connection, known.site, known.device).unproved:
        subject = Subject(known.site, SubjectType.DEVICE, known.device)
        step.clear_problem(ClearProblem(code="controller_restoring", subject=subject))


def _tell_foreign(step: Step, site: str, controller: str, foreign: Sequence[str]) -> None:
    """Cards that nobody has issued are for a person to look at; they are never deleted by themselves."""
    subject = Subject(site, SubjectType.DEVICE, controller)
    if not foreign:
        step.clear_problem(ClearProblem(code="foreign_cards", subject=subject))
        return
    detail = {"number": len(foreign), "cards": ", ".join(foreign[:FOREIGN_SHOWN])}
    step.raise_problem(RaiseProblem(code="foreign_cards", subject=subject, severity=Severity.LOW, detail=detail))
