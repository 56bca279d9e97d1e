"""A site's own times of clocks: rural sixty minutes, and what settings say of every mistake."""

from __future__ import annotations

import shutil
from enum import StrEnum

import pytest
from sqlalchemy import select

from hub.settings import ConfigurationErrors, load
from hub.store.database import open_store
from hub.store.schema import notice_orders, ticket_clocks, ticket_timeline
from hub.tickets.escalation import offsets_s
from hub.tickets.kinds import KINDS
from hub.tickets.lifecycle import Actor
from hub.tickets.site_clocks import SiteClocks, clock_facts, edited
from hub.vocabulary.decisions import RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.facts import ClockTimes
from hub.vocabulary.instants import MINUTE_MS
from hub.vocabulary.roles import Role
from support.configuration import HUB_YAML, PROFILES, RULES, SITE_YAML, write_configuration
from support.rig import SITE, Rig, device

ROOM = Actor("zhang", frozenset({Role.CONTROL_ROOM}))
RURAL = {SITE: {"entrapment": {"technician_on_site": ClockTimes(within_s=3600, warnings_s=(1800, 3000))}}}
ON_SITE = KINDS["entrapment"].clocks["technician_on_site"]


class Why(StrEnum):
    TRAPPED = "trapped"


@pytest.fixture
def store(migrated_sqlite, tmp_path):
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    opened = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield opened
    opened.close()


def case(store, clocks, kind=TicketKind.ENTRAPMENT, severity=Severity.HIGH):
    rig = Rig(store, [], [device("lift-1")])
    rig.core.clocks = clocks
    raised = RaiseTicket(
        kind=kind,
        subject=Subject(SITE, SubjectType.DEVICE, "lift-1"),
        reason=Why.TRAPPED,
        severity=severity,
        occurred_at=rig.now,
    )
    rig.ask(lambda step: step.raise_ticket(raised))
    return rig


def act(rig, action, **fields):
    rig.ask(lambda step: step.act(1, action, fields, ROOM, None))


def fired(rig, clock):
    """(minutes after the start of the story, reason)."""
    with rig.store.read() as connection:
        rows = connection.execute(
            select(ticket_timeline).where(ticket_timeline.c.entry == "clock", ticket_timeline.c.name == clock)
        ).all()
    return [((row.occurred_at - START) // MINUTE_MS, row.reason) for row in rows]


START = 1_780_000_000_000


def test_out_in_the_country_the_technician_has_an_hour(store):
    rig = case(store, SiteClocks(RURAL))
    act(rig, "firm_told")
    rig.advance(62 * MINUTE_MS, 60_000)
    assert fired(rig, "technician_on_site") == [(30, "warning"), (50, "warning"), (60, "breached")]
    with rig.store.read() as connection:
        (row,) = connection.execute(select(ticket_clocks).where(ticket_clocks.c.name == "technician_on_site"))
    assert (row.due_at - row.started_at, row.state) == (60 * MINUTE_MS, "breached")


def test_a_site_that_says_nothing_has_the_times_of_the_table(store):
    rig = case(store, SiteClocks({"elsewhere": RURAL[SITE]}))
    act(rig, "firm_told")
    rig.advance(31 * MINUTE_MS, 60_000)
    assert fired(rig, "technician_on_site") == [(15, "warning"), (25, "warning"), (30, "breached")]


def test_a_lost_deadline_is_set_again_with_the_site_s_time(store):
    rig = case(store, SiteClocks(RURAL))
    act(rig, "firm_told")
    rig.ask(lambda step: step.desk.rearm(1, "technician_on_site"))
    due = {key.key: at for key, at in rig.core.timers._due.items()} if hasattr(rig.core.timers, "_due") else {}
    assert not due or due["1:technician_on_site"] == START + 30 * MINUTE_MS
    rig.advance(31 * MINUTE_MS, 60_000)
    assert fired(rig, "technician_on_site") == [(30, "warning")]


def test_only_what_is_named_changes():
    assert edited(ON_SITE, ClockTimes()) == ON_SITE
    changed = edited(ON_SITE, ClockTimes(within_s=3600, every_s=1200, times=2))
    assert offsets_s(changed) == (900, 1500, 3600, 4800, 6000)
    assert (changed.otherwise, changed.start, changed.once) == (ON_SITE.otherwise, ON_SITE.start, True)


# --- an acknowledgement that leads to nothing ---------------------------------------------------------------


def told(rig, template):
    with rig.store.read() as connection:
        rows = connection.execute(select(notice_orders).where(notice_orders.c.template == template)).all()
    return sorted({(row.created_at - START) // MINUTE_MS for row in rows}), {row.audience for row in rows}


@pytest.mark.parametrize("severity", [Severity.CRITICAL, Severity.HIGH])
def test_what_is_acknowledged_and_left_lying_pages_again_until_something_moves(store, severity):
    rig = case(store, SiteClocks({}), TicketKind.DOOR_ALARM, severity)
    act(rig, "acknowledge")
    rig.advance(20 * MINUTE_MS, 300_000)
    act(rig, "note", text="still here")  # words alone move nothing
    rig.advance(45 * MINUTE_MS, 300_000)
    assert told(rig, "ticket_idle") == ([30, 60], {"control_room", "duty_supervisor"})
    act(rig, "assign", assignee="wang")
    rig.advance(35 * MINUTE_MS, 300_000)
    assert told(rig, "ticket_idle")[0] == [30, 60, 95]
    act(rig, "resolve")
    rig.advance(120 * MINUTE_MS, 300_000)
    assert told(rig, "ticket_idle")[0] == [30, 60, 95]


def test_what_is_not_serious_may_lie_and_what_becomes_serious_may_not(store):
    rig = case(store, SiteClocks({}), TicketKind.DOOR_ALARM, Severity.MEDIUM)
    act(rig, "acknowledge")
    rig.advance(120 * MINUTE_MS, 300_000)
    assert told(rig, "ticket_idle") == ([], set())
    worse = RaiseTicket(
        kind=TicketKind.DOOR_ALARM,
        subject=Subject(SITE, SubjectType.DEVICE, "lift-1"),
        reason=Why.TRAPPED,
        severity=Severity.HIGH,
        occurred_at=rig.now,
    )
    rig.ask(lambda step: step.raise_ticket(worse))
    rig.advance(35 * MINUTE_MS, 300_000)
    assert told(rig, "ticket_idle")[0] == [150]


def test_what_is_critical_is_asked_for_until_somebody_answers(store):
    rig = case(store, SiteClocks({}), TicketKind.DOOR_ALARM, Severity.CRITICAL)
    rig.advance(130 * MINUTE_MS, 300_000)
    assert told(rig, "ticket_unacknowledged")[0] == [30, 60, 120]
    act(rig, "acknowledge")
    rig.advance(25 * MINUTE_MS, 300_000)
    assert told(rig, "ticket_unacknowledged")[0] == [30, 60, 120]


# --- in the site file ----------------------------------------------------------------------------------------


def site(tmp_path, clocks):
    path = write_configuration(tmp_path, HUB_YAML, lakeside=SITE_YAML + f"clocks: {clocks}\n")
    return load(path, {}, PROFILES, RULES, clock_table=clock_facts()).sites[0]


def test_the_times_of_a_site_file_are_read(tmp_path):
    found = site(tmp_path, "{entrapment: {technician_on_site: {within_s: 3600, warnings_s: [1800, 3000], times: 9}}}")
    assert found.clocks == {
        "entrapment": {"technician_on_site": ClockTimes(within_s=3600, warnings_s=(1800, 3000), times=9)}
    }


@pytest.mark.parametrize(
    ("clocks", "field", "words"),
    [
        ("{entrapmant: {}}", "clocks.entrapmant", "did you mean 'entrapment'"),
        ("{entrapment: {technician: {within_s: 60}}}", "clocks.entrapment.technician", "technician_on_site"),
        ("{entrapment: {progress: {within: 60}}}", "clocks.entrapment.progress.within", "did you mean 'within_s'"),
        ("{entrapment: {progress: {within_s: 0}}}", "clocks.entrapment.progress.within_s", "from 1 to"),
        ("{entrapment: {progress: {within_s: soon}}}", "clocks.entrapment.progress.within_s", "whole number"),
        (
            "{entrapment: {technician_on_site: {within_s: 1200}}}",
            "clocks.entrapment.technician_on_site.within_s",
            "1500",
        ),
        (
            "{entrapment: {technician_on_site: {warnings_s: [60]}}}",
            "clocks.entrapment.technician_on_site.warnings_s",
            "2 whole numbers",
        ),
        (
            "{entrapment: {technician_on_site: {warnings_s: [90, 60]}}}",
            "clocks.entrapment.technician_on_site.warnings_s",
            "rising",
        ),
        ("{entrapment: {progress: {warnings_s: [60]}}}", "clocks.entrapment.progress.warnings_s", "no warnings"),
        ("{entrapment: {welfare: {every_s: 60}}}", "clocks.entrapment.welfare.every_s", "pages once"),
    ],
)
def test_each_mistake_in_it_is_named_with_its_line_and_what_is_allowed(tmp_path, clocks, field, words):
    with pytest.raises(ConfigurationErrors) as refused:
        site(tmp_path, clocks)
    (mistake,) = refused.value.mistakes
    assert (mistake.field, mistake.line) == (field, SITE_YAML.count("\n") + 1)
    assert words in str(mistake)
