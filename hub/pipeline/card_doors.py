"""Cards on their way to door controllers and off them: commands out, lists back, again and again until it is proved.

Runs inside steps. An acknowledged command only means that a list may now be asked for; the list is the proof. Whoever
comes back (DeviceStatus online) is asked for its list at once, because it may have been away, replaced or cleared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, bindparam, select

from hub.cards import controllers, ledger, numbers, permissions
from hub.cards.collisions import told_as
from hub.cards.ledger import CardState, EndReason
from hub.cards.permissions import OVERDUE_MS, REPLY_WITHIN_MS, Desired, Reported, Why
from hub.pipeline import card_alarm
from hub.pipeline.commands import GRANT, REVOKE
from hub.store.schema import commands, device_state, devices, sites
from hub.vocabulary.credentials import NumberProfile
from hub.vocabulary.decisions import RaiseProblem, SendCommand, Severity
from hub.vocabulary.events import DeviceStatus, Event, Subject, SubjectType, SupervisionTick
from hub.vocabulary.facts import AccessFacts
from hub.vocabulary.instants import DAY_MS, HOUR_MS, DurationMs, UtcMs, iso

if TYPE_CHECKING:
    from hub.pipeline.step import Step

LIST: Final = "list_cards"
LOST_AFTER_MS: Final[DurationMs] = 10_000
_ASKED: Final = (
    select(commands.c.id)
    .where(
        commands.c.site == bindparam("_site"),
        commands.c.device == bindparam("_device"),
        commands.c.name == LIST,
        commands.c.state == "sent",
        commands.c.reply_by > bindparam("_now"),
    )
    .limit(1)
)
"""Built once: it is asked after every answer."""
READ_ONE: Final = "get_card"
AT_ONCE: Final = 500  # rows in one step: a bulk expiry must not hold up an alarm
RECONCILE_EVERY_MS: Final[DurationMs] = 24 * HOUR_MS
BY_THE_HUB: Final = "hub"


def activate(step: Step, row: Row[Any]) -> None:
    """The card is valid: tell its doors."""
    permissions.grant(step.connection, row.id, row.site, ledger.doors_of(row), step.now)
    send_due(step, row.site)


def withdraw(step: Step, row: Row[Any]) -> None:
    """The card is valid no more: tell its doors, before anything else is told to anybody."""
    permissions.revoke(step.connection, row.id, step.now)
    # All of its doors at once, however many others are due: what people wait for is not part of a round.
    mine: dict[str, list[Row[Any]]] = {}
    for each in permissions.revoked_of(step.connection, row.id, step.now):
        mine.setdefault(each.controller, []).append(each)
    for group in mine.values():
        _send(step, group)


def tell_again(step: Step, row: Row[Any]) -> None:
    """The card's period is another."""
    activate(step, row)


# --- out --------------------------------------------------------------------------------------------------


def send_due(step: Step, site: str) -> None:
    """Send what is due, one command per card and controller; what was not answered in time has failed until the next try."""
    rows = permissions.due(step.connection, site, step.now, AT_ONCE)
    unanswered = [row for row in rows if row.reported == Reported.SENT]
    for row in unanswered:
        wait = permissions.retry_after(Desired.GRANTED, row.tries)
        reason = _silence(step, row.site, row.controller)
        report(step, [row], Reported.FAILED, reason, next_try_at=step.now + wait)
    ready: dict[tuple[int, str], list[Row[Any]]] = {}
    for row in rows:
        if row.reported != Reported.SENT:
            ready.setdefault((row.assignment_id, row.controller), []).append(row)
    for group in ready.values():
        _send(step, group)


def _send(step: Step, group: Sequence[Row[Any]]) -> None:
    first = group[0]
    desired = Desired(first.desired)
    if access_of(step, first.site, first.controller).hub_decides:
        # Nothing to tell and nothing to prove: the ledger is what decides there, and it has just changed.
        proved = Reported.CONFIRMED if desired is Desired.GRANTED else Reported.REMOVED
        report(step, group, proved, Why.HUB_DECIDES, next_try_at=None, tries=0)
        return
    if desired is Desired.GRANTED:
        command = step.commands.send(_grant_command(step, first))
        reported, reason, wait = Reported.SENT, None, REPLY_WITHIN_MS
    else:
        card = {"format": first.format, "value": first.value}
        command = step.commands.send(SendCommand(subject=_controller(first), name=REVOKE, args=card))
        reported, wait = Reported.REMOVING, permissions.retry_after(desired, first.tries + 1)
        reason = _silence(step, first.site, first.controller) if first.tries else None
    values = {"command_id": command, "commanded_at": step.now, "tries": min(first.tries + 1, 1000)}
    report(step, group, reported, reason, next_try_at=step.now + wait, **values)


def _grant_command(step: Step, row: Row[Any]) -> SendCommand:
    """All doors of this controller at once: the command replaces what it knew of the card."""
    doors = [
        each.door
        for each in permissions.of_card(step.connection, row.assignment_id)
        if each.controller == row.controller and each.desired == Desired.GRANTED
    ]
    zone = ZoneInfo(timezone(step, row.site))
    args = {
        "format": row.format,
        "value": row.value,
        "doors": doors,
        "from": iso(row.valid_from, zone),
        "until": None if (until := _end_on_it(step, row)) is None else iso(until, zone),
    }
    return SendCommand(subject=_controller(row), name=GRANT, args=args)


def _end_on_it(step: Step, row: Row[Any]) -> UtcMs | None:
    """The card's end as this controller is told it: not beyond the controller's lease."""
    lease = access_of(step, row.site, row.controller).lease_days
    until: UtcMs | None = row.valid_until
    if lease is None:
        return until
    leased = step.now + lease * DAY_MS
    return leased if until is None else min(until, leased)


def ask_for_proof(step: Step, site: str, controller: str, args: Mapping[str, Any]) -> None:
    """The card alone where the controller can be asked for one, else its whole list."""
    if access_of(step, site, controller).reads_one:
        card = {"format": args["format"], "value": args["value"]}
        subject = Subject(site, SubjectType.DEVICE, controller)
        step.commands.send(SendCommand(subject=subject, name=READ_ONE, args=card))
    else:
        ask_for_list(step, site, controller)


def forget_lists(step: Step, site: str, controller: str, older_than_ms: DurationMs = LOST_AFTER_MS) -> None:
    """A list that was asked for and got lost on its way is not waited for any more."""
    waiting = (commands.c.site == site, commands.c.device == controller, commands.c.name == LIST)
    lost = commands.update().where(
        *waiting, commands.c.state == "sent", commands.c.created_at < step.now - older_than_ms
    )
    step.connection.execute(lost.values(state="failed", detail="no answer"))


def ask_for_list(step: Step, site: str, controller: str) -> None:
    """Ask a controller what it holds, unless it is being asked."""
    if access_of(step, site, controller).hub_decides:
        return  # a reader has no list
    waiting = {"_site": site, "_device": controller, "_now": step.now}
    if step.commands.asked(site, controller, LIST) or step.connection.execute(_ASKED, waiting).first() is not None:
        return
    if access_of(step, site, controller).lists_in_pieces:
        controllers.drop_pages(step.connection, site, controller)
    step.commands.send(SendCommand(subject=Subject(site, SubjectType.DEVICE, controller), name=LIST))


# --- back -------------------------------------------------------------------------------------------------


def follow_status(step: Step, event: Event) -> None:
    """A controller is there (again): what waits for it is sent now, and its list is compared."""
    assert isinstance(event, DeviceStatus)
    if not event.online or not event.live:
        return
    rows = permissions.of_controller(step.connection, event.site, event.device)
    if not rows:
        return
    # What was sent before it was there may have been heard by nobody: the same command again changes nothing.
    unheard = [row for row in rows if row.reported == Reported.SENT]
    report(step, unheard, Reported.PENDING, None, next_try_at=step.now)
    waiting = [row for row in rows if row.next_try_at is not None and row.reported != Reported.SENT]
    permissions.update(step.connection, waiting, next_try_at=step.now)
    send_due(step, event.site)
    # A question that it did not hear must not keep the next one back; a list in pieces may still be on its way.
    pieces = access_of(step, event.site, event.device).lists_in_pieces
    forget_lists(step, event.site, event.device, LOST_AFTER_MS if pieces else 0)
    ask_for_list(step, event.site, event.device)


# --- by the clock -----------------------------------------------------------------------------------------


def follow_tick(step: Step, event: Event) -> None:
    """Every few seconds: expire, retry, tell what is overdue, compare what was not compared for a day."""
    assert isinstance(event, SupervisionTick)
    site = event.site
    for row in ledger.expired(step.connection, site, step.now, AT_ONCE):
        values = {"state": str(CardState.ENDED), "reason": str(EndReason.EXPIRED)}
        ledger.change(step.connection, row, "expired", BY_THE_HUB, step.now, {}, **values)
        permissions.revoke(step.connection, row.id, step.now)
    send_due(step, site)
    _tell_overdue(step, site)
    _reconcile(step, site)


def _tell_overdue(step: Step, site: str) -> None:
    late = [
        row
        for row in permissions.unproved_revocations(step.connection, site)
        if step.now - row.desired_at >= OVERDUE_MS
    ]
    for assignment in sorted({row.assignment_id for row in late if not row.overdue}):
        mine = [row for row in late if row.assignment_id == assignment]
        detail = {
            "unit": mine[0].unit or "",
            "doors": ", ".join(row.door for row in mine),
            "controllers": ", ".join(sorted({row.controller for row in mine})),
        }
        subject = Subject(site, SubjectType.CARD, str(assignment))
        step.raise_problem(
            RaiseProblem(code="revocation_unconfirmed", subject=subject, severity=Severity.HIGH, detail=detail)
        )
        card_alarm.guard(step, subject, min(row.desired_at for row in mine), detail)
        permissions.update(step.connection, mine, overdue=True)


def _reconcile(step: Step, site: str) -> None:
    known = permissions.controllers(step.connection, site)
    if not known:
        return
    lately = asked_since(step.connection, site, step.now - RECONCILE_EVERY_MS)
    for controller in known:
        if controller not in lately and controller in step.devices_of(site):
            ask_for_list(step, site, controller)


def asked_since(connection: Connection, site: str, since: UtcMs) -> set[str]:
    """The controllers that were asked for what they have after this time."""
    asked = select(commands.c.device).where(
        commands.c.site == site, commands.c.name == LIST, commands.c.created_at > since
    )
    return set(connection.execute(asked.distinct()).scalars())


# --- small ------------------------------------------------------------------------------------------------


def report(step: Step, rows: Sequence[Row[Any]], reported: Reported, reason: str | None, **values: Any) -> None:
    """`since` is when the state became what it is."""
    text = None if reason is None else str(reason)
    for row in rows:
        since = row.since if row.reported == reported else step.now
        permissions.update(step.connection, [row], reported=str(reported), reason=text, since=since, **values)


def card_of(row: Row[Any], profile: NumberProfile | None) -> tuple[str, str]:
    """The key of a card of ours as this controller knows it: in its own representation, not as it was entered."""
    card = told_as(row.format, row.value, profile)
    return same_card(card.format, card.value)


def same_card(format: str, value: str) -> tuple[str, str]:
    """One key for a card, however this reader spells it; a text that is no number is itself."""
    try:
        return format, numbers.read(format, value).raw_hex
    except numbers.NumberError:
        return format, value


def _silence(step: Step, site: str, controller: str) -> Why:
    statement = (
        select(device_state.c.reachable)
        .join(devices, devices.c.pk == device_state.c.device_pk)
        .where(devices.c.site == site, devices.c.id == controller)
    )
    return Why.OFFLINE if step.connection.execute(statement).scalar_one_or_none() is False else Why.NO_ANSWER


def _controller(row: Row[Any]) -> Subject:
    return controller(row.site, row.controller)


def controller(site: str, device: str) -> Subject:
    """The controller as a subject."""
    return Subject(site, SubjectType.DEVICE, device)


def access_of(step: Step, site: str, device: str) -> AccessFacts:
    """What a controller can do; one that is not in the site file (any more) can do nothing special."""
    known = step.devices_of(site).get(device)
    return (known.access if known is not None else None) or AccessFacts()


def profile_of(step: Step, site: str, device: str) -> NumberProfile | None:
    """How a controller's readers spell; None: as cards were entered."""
    known = step.devices_of(site).get(device)
    return None if known is None else known.numbers


def timezone(step: Step, site: str) -> str:
    """The site's zone, as its file names it."""
    name: str = step.connection.execute(select(sites.c.timezone).where(sites.c.id == site)).scalar_one()
    return name
