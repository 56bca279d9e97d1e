"""The desk: carries moves of tickets into the database, within the pipeline's transaction.

One desk lives for one step. Every ticket that it touched is announced on the feed once, as it stands at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection, bindparam, select

from hub.store.prepared import Prepared
from hub.store.schema import ticket_numbers, tickets
from hub.tickets import clock_rows, drills, escalation, lifecycle, rows
from hub.tickets.escalation import Moment
from hub.tickets.families import Families
from hub.tickets.kind import ClockSpec
from hub.tickets.kinds import KINDS
from hub.tickets.lifecycle import Actor, Change, Refused, Ticket
from hub.tickets.quiet import Quiet
from hub.tickets.refusals import WRONG, Said
from hub.tickets.site_clocks import STANDARD
from hub.tickets.suppression import EndReason, Suppressed, Suppression
from hub.tickets.telling import notice_of, withdrawal
from hub.tickets.ticket import Entry
from hub.vocabulary.decisions import Audience, MoveTicket, Notify, RaiseTicket, Severity, WithdrawNotices
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.facts import DeviceFacts, SiteFacts
from hub.vocabulary.instants import SECOND_MS, UtcMs

OF_THE_CAR: Final = frozenset(
    {"floor", "mode", "doors", "door_zone", "power", "occupancy", "occupancy_unknown", "telemetry"}
)

_NUMBERS: Final = ticket_numbers.c.site == bindparam("_site"), ticket_numbers.c.year == bindparam("_year")
_BUMP: Final = Prepared(
    ticket_numbers.update().where(*_NUMBERS).values(last=ticket_numbers.c.last + 1).returning(ticket_numbers.c.last)
)


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """Where the desk finds out what things are called."""

    site: Callable[[str], SiteFacts | None]
    device: Callable[[str, str], DeviceFacts | None]
    clocks: Callable[[str, str], Mapping[str, ClockSpec]] = STANDARD.of  # of (site, kind)


class ClockTimer(msgspec.Struct, frozen=True, kw_only=True):
    """A deadline to be set (due_at) or forgotten (None), for (ticket, clock)."""

    site: str
    ticket_id: int
    clock: str
    due_at: UtcMs | None


class Desk:
    """Moves tickets; collects what else has to happen: `touched` tickets for the feed, `timers` for the clocks, `notices` to be ordered or withdrawn."""

    def __init__(self, connection: Connection, names: Names, now: UtcMs) -> None:
        self._connection = connection
        self._names = names
        self._now = now
        self.touched: dict[int, Ticket] = {}
        self.opened_ids: set[int] = set()
        self.timers: list[ClockTimer] = []
        self.notices: list[Notify | WithdrawNotices] = []
        self.quiet = Quiet(connection, names.device, now)
        self.families = Families(connection, self, now)

    # --- rules ------------------------------------------------------------------------------------------

    def raise_ticket(self, raised: RaiseTicket, by: str, event_key: bytes | None = None) -> Ticket:
        """Open a ticket, or count on the active one."""
        active = rows.active_of(self._connection, raised.kind, raised.subject)
        maintenance = (active is None or active.maintenance) and self.quiet.explains(raised)
        if active is None:
            change = lifecycle.opened(
                raised,
                by,
                self.named(raised.subject, raised.kind, drill=raised.drill),
                self._now,
                maintenance=maintenance,
            )
            return self.open(change, event_key)
        return self.store(lifecycle.repeated(active, raised, by, self._now, maintenance=maintenance), event_key)

    def move_ticket(self, move: MoveTicket, by: str, event_key: bytes | None = None) -> Ticket | None:
        """A rule's report on the active ticket; None where none is active or the table has no such move."""
        active = rows.active_of(self._connection, move.kind, move.subject)
        change = None if active is None else lifecycle.triggered(active, move, by, self._now)
        return None if change is None else self.store(change, event_key)

    def active_devices(self, kind: str, site: str) -> frozenset[str]:
        """Ids of the devices of a site that have an active ticket of this kind."""
        statement = select(tickets.c.subject_id).where(
            tickets.c.kind == kind,
            tickets.c.site == site,
            tickets.c.subject_type == str(SubjectType.DEVICE),
            tickets.c.active,
        )
        return frozenset(self._connection.execute(statement).scalars())

    # --- people -----------------------------------------------------------------------------------------

    def act(self, ticket_id: int, action: str, fields: Mapping[str, Any], actor: Actor, if_match: int | None) -> Ticket:
        """A person's action. Raises Refused."""
        ticket = self._ticket(ticket_id)
        if ticket is None:
            raise Refused("not_found", Said("no_ticket", f"There is no ticket {ticket_id}."))
        if if_match is not None and if_match != ticket.revision:
            english = f"The ticket has changed: it is at revision {ticket.revision} now."
            raise Refused("stale", Said("ticket_changed", english, revision=ticket.revision))
        change = lifecycle.acted(ticket, action, fields, actor, self._now)
        self.families.demand(ticket, action, fields, lifecycle.allowed_to(ticket, actor))
        if action == "rebind":
            change = msgspec.structs.replace(change, ticket=self._rebound(change.ticket, str(fields["device"])))
        if action == drills.EVALUATE:
            seen = [drills.ClockSeen(row.name, row.state) for row in clock_rows.of(self._connection, ticket_id)]
            after = drills.evaluated(change.ticket, change.entry.data, seen, actor.name, self._now)
            change = msgspec.structs.replace(change, ticket=after)
        if change.ticket.active:
            self._only_active(change.ticket)
        stored = self.store(change, None)
        self._keep_shelf(ticket, stored, str(fields.get("reason", "")), actor.name)
        return stored

    # --- quiet ------------------------------------------------------------------------------------------

    def come_back(self, ticket_id: int, why: EndReason, by: str) -> None:
        """A shelved ticket's time is over."""
        ticket = self._ticket(ticket_id)
        if ticket is not None and ticket.shelved_until is not None:
            self.store(lifecycle.off_the_shelf(ticket, why, by, self._now), None)

    def end_maintenance(self, site: str, why: EndReason, by: str) -> None:
        """Tickets that no maintenance explains any more lose the mark; who was not told yet is told."""
        marked = select(tickets.c.id).where(tickets.c.site == site, tickets.c.active, tickets.c.maintenance)
        for ticket_id in self._connection.execute(marked.order_by(tickets.c.id)).scalars().all():
            ticket = self._ticket(ticket_id)
            if ticket is not None and not self.quiet.still_explained(ticket):
                self.store(lifecycle.maintenance_over(ticket, why, by, self._now), None)

    def holds_back(self, notify: Notify) -> Suppressed | None:
        """Why a rule's notice is not to be sent; its ticket's timeline says so."""
        if notify.audience is Audience.HOUSEHOLD:  # spares the look-ups: residents are always told
            return None
        active = None if notify.kind is None else rows.active_of(self._connection, notify.kind, notify.subject)
        why = self.quiet.holds(notify, active)
        if why is not None and active is not None:
            self._write_held(active, notify, why)
        return why

    def _keep_shelf(self, before: Ticket, after: Ticket, reason: str, by: str) -> None:
        """The row of the shelf follows the ticket."""
        if after.shelved_until is not None and before.shelved_until is None:
            shelf = Suppression(
                site=after.subject.site,
                what=Suppressed.SHELF,
                ticket_id=after.id,
                reason=reason,
                by=by,
                since=self._now,
                until=after.shelved_until,
            )
            self.quiet.begin(shelf)
        elif after.shelved_until is None and before.shelved_until is not None:
            self._leave_shelf(after, EndReason.BY_HAND, by)

    def _leave_shelf(self, ticket: Ticket, why: EndReason, by: str) -> None:
        shelf = self.quiet.shelf_of(ticket.id)
        if shelf is not None:
            self.quiet.end(shelf, why, by)

    # --- clocks -----------------------------------------------------------------------------------------

    def fall_due(self, ticket_id: int, clock: str, due_at: UtcMs) -> None:
        """A deadline of a clock fell due: a warning, the breach, or a page again."""
        ticket, row = self._ticket(ticket_id), clock_rows.one(self._connection, ticket_id, clock)
        spec = None if ticket is None else self._clock_specs(ticket).get(clock)
        if (
            ticket is None
            or row is None
            or spec is None
            or row.state == clock_rows.MET
            or spec.stop in ticket.milestones
        ):
            return
        what = escalation.fallen(spec, row.started_at, due_at)
        if what.moment is Moment.BREACHED:
            clock_rows.end(self._connection, ticket_id, clock, clock_rows.BREACHED)
        change = lifecycle.fell_due(ticket, clock, what, due_at, self._now)
        if change is not None:
            self.store(change, None)
        self._set_timer(ticket, clock, escalation.next_due(spec, row.started_at, due_at, self._now))

    def rearm(self, ticket_id: int, clock: str) -> None:
        """Set the deadline of a running clock again: its row was lost (hub.pipeline.auditor)."""
        ticket, row = self._ticket(ticket_id), clock_rows.one(self._connection, ticket_id, clock)
        spec = None if ticket is None else self._clock_specs(ticket).get(clock)
        if ticket is None or row is None or spec is None or row.state != clock_rows.RUNNING:
            return
        passed = min(self._now, row.due_at - 1)
        self._set_timer(ticket, clock, escalation.next_due(spec, row.started_at, passed, passed))

    def watch_anew(self, ticket_id: int) -> None:
        """A case whose clocks have all done what they can: those that page again and still wait begin anew."""
        ticket = self._ticket(ticket_id)
        if ticket is None or not ticket.active:
            return
        waiting = {
            name: self._now
            for name, spec in self._clock_specs(ticket).items()
            if spec.start in ticket.milestones and spec.stop not in ticket.milestones and spec.every_s and not spec.once
        }
        self._begin_clocks(ticket, waiting)

    def _ticket(self, ticket_id: int) -> Ticket | None:
        return rows.by_id(self._connection, ticket_id)

    # --- storing ----------------------------------------------------------------------------------------

    def open(self, change: Change, event_key: bytes | None) -> Ticket:
        """Store a new ticket; with its id and number."""
        number = self._next_number(change.ticket.subject.site)
        ticket = msgspec.structs.replace(change.ticket, number=number)
        ticket = msgspec.structs.replace(ticket, id=rows.insert(self._connection, ticket))
        self.opened_ids.add(ticket.id)
        self._write_trail(msgspec.structs.replace(change, ticket=ticket), event_key)
        self.families.opened(ticket)
        return self.touched[ticket.id]

    def store(self, change: Change, event_key: bytes | None) -> Ticket:
        """Store a move."""
        ticket = change.ticket
        if ticket.shelved_until is not None and (ticket.severity is Severity.CRITICAL or not ticket.active):
            why = EndReason.CRITICAL if ticket.active else EndReason.TICKET_OVER
            ticket = msgspec.structs.replace(ticket, shelved_until=None)
            change = msgspec.structs.replace(change, ticket=ticket)
            self._leave_shelf(ticket, why, change.entry.by)
        rows.update(self._connection, ticket)
        self._write_trail(change, event_key)
        self.families.moved(ticket)
        return self.touched[ticket.id]

    def _write_trail(self, change: Change, event_key: bytes | None) -> None:
        ticket, entry = change.ticket, change.entry
        self.touched[ticket.id] = ticket
        rows.enter(self._connection, ticket.id, entry, self._now, event_key)
        rows.reach(self._connection, ticket.id, change.milestones, self._now, entry.by)
        self._move_clocks(change)
        for occasion in change.occasions:
            self._order(ticket, notice_of(ticket, occasion))

    def _order(self, ticket: Ticket, notice: Notify) -> None:
        """Order a notice; one that is held back is ordered and withdrawn: it is on record, and is not sent later."""
        self.notices.append(notice)
        why = self.quiet.holds(notice, ticket)
        if why is not None:
            self.notices.append(WithdrawNotices(key_prefix=notice.key, subject=notice.subject, reason=why))
            self._write_held(ticket, notice, why)

    def _write_held(self, ticket: Ticket, notice: Notify, why: Suppressed) -> None:
        entry = Entry(
            entry="quiet",
            name=notice.template,
            reason=str(why),
            by="hub",
            occurred_at=self._now,
            state_from=ticket.state,
            state_to=ticket.state,
            data={"audience": str(notice.audience)},
        )
        rows.enter(self._connection, ticket.id, entry, self._now, None)

    def _move_clocks(self, change: Change) -> None:
        ticket = change.ticket
        for name in change.stopped:
            self._end_clock(ticket, name)
        self._begin_clocks(ticket, {start.name: start.started_at for start in change.started})
        if not ticket.active:
            self._stop_all(ticket)

    def _begin_clocks(self, ticket: Ticket, starts: Mapping[str, UtcMs]) -> None:
        specs = self._clock_specs(ticket)
        limits = {name: at + specs[name].within_s * SECOND_MS for name, at in starts.items()}
        begun = [clock_rows.Begun(name, at, limits[name]) for name, at in starts.items()]
        clock_rows.begin(self._connection, ticket.id, begun)
        for name, at in starts.items():
            self._set_timer(ticket, name, escalation.first_due(specs[name], at))

    def _clock_specs(self, ticket: Ticket) -> Mapping[str, ClockSpec]:
        """The clocks of this ticket, with the times of its site."""
        return self._names.clocks(ticket.subject.site, ticket.kind)

    def _end_clock(self, ticket: Ticket, name: str) -> None:
        """Nothing falls due any more, and what was ordered is not sent late; a clock that was breached stays so for ever."""
        clock_rows.end(self._connection, ticket.id, name, clock_rows.MET)
        self._set_timer(ticket, name, None)
        self.notices.append(withdrawal(ticket, f"{name}@"))

    def _stop_all(self, ticket: Ticket) -> None:
        """A ticket that is over has no clocks but those of its report; a false alarm has none."""
        clocks = self._clock_specs(ticket)
        for name in [row.name for row in clock_rows.of(self._connection, ticket.id)]:
            if name not in clocks or not clocks[name].survives_end or ticket.state == "false_alarm":
                self._end_clock(ticket, name)

    def _set_timer(self, ticket: Ticket, clock: str, due_at: UtcMs | None) -> None:
        self.timers.append(ClockTimer(site=ticket.subject.site, ticket_id=ticket.id, clock=clock, due_at=due_at))

    # --- names and numbers ------------------------------------------------------------------------------

    def named(self, subject: Subject, kind: str, *, drill: bool = False) -> tuple[str, str, str]:
        """Name, place and title of a ticket of this kind about this subject."""
        site = self._names.site(subject.site)
        device = self._names.device(subject.site, subject.id)
        is_device = subject.type is SubjectType.DEVICE and device is not None
        name = device.name if is_device and device is not None else self._plain_name(subject, site)
        place = device.place if is_device and device is not None else ""
        titles, locale = KINDS[kind].title, site.locale if site else "en"
        title = f"{titles.get(locale, titles['en'])} · {name}"
        return name, place, drills.marked(title, locale) if drill else title

    @staticmethod
    def _plain_name(subject: Subject, site: SiteFacts | None) -> str:
        return site.name if subject.type is SubjectType.SITE and site is not None else subject.id

    def _next_number(self, site: str) -> str:
        facts = self._names.site(site)
        zone = ZoneInfo(facts.timezone if facts else "UTC")
        year = datetime.fromtimestamp(self._now / 1000, zone).year
        number = _BUMP.scalar_one_or_none(self._connection, {"_site": site, "_year": year})
        if number is None:
            number = 1
            self._connection.execute(ticket_numbers.insert().values(site=site, year=year, last=number))
        return f"{site.upper()}-{year}-{number:05d}"

    def _rebound(self, ticket: Ticket, device_id: str) -> Ticket:
        device = self._names.device(ticket.subject.site, device_id)
        if device is None or device.kind != "elevator":
            raise Refused("invalid", WRONG, errors=(("device", Said("subject", "no elevator of this site")),))
        subject = Subject(ticket.subject.site, SubjectType.DEVICE, device_id)
        if subject == ticket.subject:
            raise Refused("invalid", WRONG, errors=(("device", Said("same_device", "the ticket is about this one")),))
        # What was seen of the other lift says nothing about this one.
        fields = {name: value for name, value in ticket.fields.items() if name not in OF_THE_CAR}
        return msgspec.structs.replace(
            ticket,
            subject=subject,
            subject_name=device.name,
            place=device.place,
            fields=fields | {"rebound_from": ticket.subject.id},
        )

    def _only_active(self, ticket: Ticket) -> None:
        other = rows.active_of(self._connection, ticket.kind, ticket.subject)
        if other is not None and other.id != ticket.id:
            english = f"Ticket {other.number} of the same kind is active for {ticket.subject_name}."
            raise Refused("conflict", Said("other_active", english, number=other.number, name=ticket.subject_name))
