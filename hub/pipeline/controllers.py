"""What the hub does on what access controllers say of themselves: new epochs, counts, missed events, clocks, leases.

Runs inside steps. A controller that was replaced, reset or emptied is told everything again before it is believed; a count
that differs from our book asks for the whole list; what was overwritten unread is said, with its number.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Row

from hub.cards import controllers
from hub.pipeline import card_doors, card_proof
from hub.registry.estate import LAN_GATEWAY
from hub.tickets.lifecycle import Refused
from hub.vocabulary.access import AddressSeen, CardListed, ControllerReport, EventsMissed, NewEpoch
from hub.vocabulary.decisions import ClearProblem, RaiseProblem, Severity
from hub.vocabulary.events import AccessEvent, Event, Subject, SupervisionTick
from hub.vocabulary.instants import DAY_MS, SECOND_MS, DurationMs

if TYPE_CHECKING:
    from hub.pipeline.step import Step

CLOCK_ALARM_MS: Final[DurationMs] = 60 * SECOND_MS
QUIET_MS: Final[DurationMs] = 5 * SECOND_MS
MISSED_SHOWN_MS: Final[DurationMs] = DAY_MS
WENT_BACK_BY: Final = 16  # less may be two messages that have changed places
LEASE_PUSHES: Final = 200  # in one step


def follow_report(step: Step, event: Event) -> None:
    """Take over what it says, and act where it is not what we thought."""
    assert isinstance(event, ControllerReport)
    row = controllers.ensure(step.connection, event.site, event.device, step.now)
    values: dict[str, Any] = {}
    if event.epoch > row.epoch:
        values |= _new_epoch(step, event, row)
    elif event.epoch < row.epoch:
        return  # of a life that is over
    if event.serial is not None:
        values["serial"] = event.serial
    if event.last_index is not None:
        values["last_index"] = event.last_index
    if event.cards is not None:
        values |= {"cards": event.cards, "cards_at": step.now}
    if event.clock_offset_ms is not None:
        values |= {"clock_offset_ms": event.clock_offset_ms, "clock_at": step.now}
        _tell_clock(step, event, row)
    controllers.change(step.connection, event.site, event.device, values)
    if event.cards is not None and event.epoch == row.epoch:
        expected = controllers.expected_cards(step.connection, event.site, event.device) + len(
            controllers.foreign_of(row)
        )
        if event.cards != expected:
            card_doors.ask_for_list(step, event.site, event.device)


def _new_epoch(step: Step, event: ControllerReport, row: Row[Any]) -> dict[str, Any]:
    begin_epoch(step, event.site, event.device, event.why)
    return {
        "epoch": event.epoch,
        "epoch_at": step.now,
        "epoch_why": None if event.why is None else str(event.why),
        "missed": 0,
        "last_index": None,
    }


def begin_epoch(step: Step, site: str, device: str, why: NewEpoch | None) -> None:
    """Set up anew: full push, full read-back; said to people until it is done."""
    told = controllers.begin_anew(step.connection, site, device)
    controllers.due_at_once(step.connection, site, device, step.now)
    subject = _subject(site, device)
    if told:
        detail = {"why": str(why or ""), "cards": told}
        step.raise_problem(
            RaiseProblem(code="controller_restoring", subject=subject, severity=Severity.HIGH, detail=detail)
        )
    card_doors.send_due(step, site)


def follow_missed(step: Step, event: Event) -> None:
    """Events were overwritten before anybody read them."""
    assert isinstance(event, EventsMissed)
    row = controllers.ensure(step.connection, event.site, event.device, step.now)
    _missed(step, event.site, event.device, row, event.last - event.first + 1, event.last)


def _missed(step: Step, site: str, device: str, row: Row[Any], number: int, last: int) -> None:
    total = row.missed + number
    values = {"missed": total, "missed_at": step.now, "last_index": max(last, row.last_index or 0)}
    controllers.change(step.connection, site, device, values)
    detail = {"missed": total, "last": last}
    step.raise_problem(RaiseProblem(code="access_events_missed", subject=_subject(site, device), detail=detail))


def follow_access(step: Step, event: Event) -> None:
    """Numbers of events that come by message: a hole is said, a late one fills it, a count from 1 is another life."""
    assert isinstance(event, AccessEvent)
    device = step.devices_of(event.site).get(event.device)
    if event.index is None or not event.live or device is None or device.gateway == LAN_GATEWAY:
        return
    row = controllers.ensure(step.connection, event.site, event.device, step.now)
    last = row.last_index
    if last is None or event.index == last + 1:
        controllers.change(step.connection, event.site, event.device, {"last_index": event.index})
    elif event.index > last:
        _missed(step, event.site, event.device, row, event.index - last - 1, event.index)
        controllers.change(step.connection, event.site, event.device, {"last_index": event.index})
    elif not event.late and (event.index <= 1 < last or last - event.index > WENT_BACK_BY):
        begin_epoch(step, event.site, event.device, NewEpoch.INDEX_WENT_BACK)
        values = {"epoch": row.epoch + 1, "epoch_at": step.now, "epoch_why": str(NewEpoch.INDEX_WENT_BACK), "missed": 0}
        controllers.change(step.connection, event.site, event.device, values | {"last_index": event.index})
        card_doors.ask_for_list(step, event.site, event.device)
    elif row.missed and event.index < last:
        _filled(step, event, row.missed - 1)


def _filled(step: Step, event: AccessEvent, left: int) -> None:
    controllers.change(step.connection, event.site, event.device, {"missed": left})
    if not left:
        subject = _subject(event.site, event.device)
        step.clear_problem(ClearProblem(code="access_events_missed", subject=subject))


def follow_page(step: Step, event: Event) -> None:
    """A list comes card by card."""
    assert isinstance(event, CardListed)
    controllers.keep_page(step.connection, event.site, event.device, event.card, step.now)


def follow_address(step: Step, event: Event) -> None:
    """A controller that takes commands by its address only is there: what waits is sent; under another address, it is said."""
    assert isinstance(event, AddressSeen)
    subject = _subject(event.site, event.device)
    if event.expected and event.address != event.expected:
        detail = {"seen": event.address, "expected": event.expected}
        step.raise_problem(
            RaiseProblem(code="controller_moved", subject=subject, severity=Severity.HIGH, detail=detail)
        )
        return
    step.clear_problem(ClearProblem(code="controller_moved", subject=subject))
    if controllers.standing(step.connection, event.site, event.device).unproved:
        card_doors.forget_lists(step, event.site, event.device)
        controllers.due_at_once(step.connection, event.site, event.device, step.now, answered=True)
        card_doors.send_due(step, event.site)


def follow_tick(step: Step, event: Event) -> None:
    """Lists that are over, holes that were shown long enough, leases that run out."""
    assert isinstance(event, SupervisionTick)
    site = event.site
    for device in controllers.quiet_lists(step.connection, site, step.now - QUIET_MS):
        card_proof.compare_pages(step, site, device)
    for row in controllers.of_site(step.connection, site):
        if row.missed_at is not None and step.now - row.missed_at > MISSED_SHOWN_MS:
            controllers.change(step.connection, site, row.device, {"missed_at": None})
            subject = _subject(site, row.device)
            step.clear_problem(ClearProblem(code="access_events_missed", subject=subject))
    _renew_leases(step, site)


def _renew_leases(step: Step, site: str) -> None:
    """Half a lease before its end, so that a controller may be away for the other half."""
    for device in step.devices_of(site).values():
        if device.access is not None and device.access.lease_days is not None:
            older_than = step.now - device.access.lease_days * DAY_MS // 2
            if controllers.renew_leases(step.connection, site, device.id, older_than, step.now, LEASE_PUSHES):
                card_doors.send_due(step, site)


def check_room(step: Step, site: str, doors: Collection[tuple[str, str]]) -> None:
    """Whether one more card fits on every controller of these doors. Raises Refused: at the desk, not at the door."""
    wanted = {device for device, _ in doors}
    limits = {device: card_doors.access_of(step, site, device).capacity for device in wanted}
    load = controllers.load_of(
        step.connection, site, [device for device in sorted(wanted) if limits[device] is not None]
    )
    for device, number in load.items():
        capacity = limits[device]
        if capacity is not None and number >= capacity:
            raise Refused(
                "conflict",
                f"Controller {device} is full: {number} of {capacity} cards. Take cards off it first, or leave out its doors: "
                f"{', '.join(sorted(door for each, door in doors if each == device))}.",
            )


def _tell_clock(step: Step, event: ControllerReport, row: Row[Any]) -> None:
    """Corrected once is ordinary; off again within a day is a clock that does not hold."""
    subject = _subject(event.site, event.device)
    offset = abs(event.clock_offset_ms or 0)
    if offset <= CLOCK_ALARM_MS:
        step.clear_problem(ClearProblem(code="controller_clock", subject=subject))
        return
    before = abs(row.clock_offset_ms or 0)
    if row.clock_at is not None and before > CLOCK_ALARM_MS and step.now - row.clock_at <= DAY_MS:
        detail = {"seconds": offset // 1000}
        step.raise_problem(RaiseProblem(code="controller_clock", subject=subject, severity=Severity.LOW, detail=detail))


def _subject(site: str, device: str) -> Subject:
    return card_doors.controller(site, device)
