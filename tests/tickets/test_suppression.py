"""What is kept quiet is timed, recorded and comes back; what is critical, and whoever is in a car, is never kept quiet."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.pipeline import auditor, suppression_desk
from hub.store import schema
from hub.store.database import Store, open_store
from hub.tickets.lifecycle import Actor, Refused
from hub.tickets.suppression import (
    LIMIT_MIN,
    SHELF_LIMIT_MIN,
    Standing,
    Suppressed,
    Suppression,
    held_back,
    silenced_until,
)
from hub.vocabulary.decisions import Audience, Notify, Severity, TicketKind, Urgency
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.roles import Role
from support.desk import (
    HOUR,
    HOUSEKEEPER,
    MINUTE,
    OPERATOR,
    about,
    act,
    feed,
    raise_ticket,
    rows_of,
    ticket,
    told,
    trail,
)
from support.rig import SITE, START, Rig, device

DEVICES = [device("lift-1"), device("lift-2"), device("lift-3", place="b2", building="b2")]
B1 = Subject(SITE, SubjectType.BUILDING, "b1")
TECHNICIAN = Actor("liu", frozenset({Role.TECHNICIAN}))


@pytest.fixture
def store(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Store]:
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    opened = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield opened
    opened.close()


@pytest.fixture
def rig(store: Store) -> Rig:
    return Rig(store, [], DEVICES)


def begin(rig: Rig, what: str, subject: Subject | None = None, kind: str | None = None, **other: Any) -> int:
    values = {"minutes": 60, "reason": "works", "actor": OPERATOR} | other
    return rig.ask(
        lambda step: suppression_desk.begin(
            step, Suppressed(what), SITE, subject, kind, values["minutes"], values["reason"], values["actor"]
        )
    )


def notify(rig: Rig, device_id: str = "lift-1", audience: Audience = Audience.SECURITY, **other: Any) -> bool:
    """A rule's notice; whether it is to be sent."""
    values: dict[str, Any] = {"key": f"{len(told(rig))}/", "template": "ticket_unacknowledged"}
    values |= {"subject": about(device_id), "audience": audience, "urgency": Urgency.URGENT}
    values |= {"kind": TicketKind.ELEVATOR_FAULT}
    before = len(told(rig, "waiting"))
    rig.ask(lambda step: step.carry_out([Notify(**(values | other))], "test", about(device_id)))
    return len(told(rig, "waiting")) > before


# --- shelf --------------------------------------------------------------------------------------------------


def test_a_shelved_ticket_comes_back_by_itself_at_its_time_and_says_who_put_it_there(rig: Rig) -> None:
    raise_ticket(rig)
    act(rig, 1, "shelve", minutes=30, reason="spare part ordered")
    assert ticket(rig).shelved_until == START + 30 * MINUTE
    (row,) = rows_of(rig, schema.suppressions)
    assert (row.what, row.ticket_id, row.by, row.reason, row.until, row.ended_at) == (
        "shelf",
        1,
        "wang",
        "spare part ordered",
        START + 30 * MINUTE,
        None,
    )
    rig.advance(30 * MINUTE - 1_000, MINUTE)
    assert ticket(rig).shelved_until is not None
    rig.advance(1_000)
    assert (ticket(rig).shelved_until, ticket(rig).active) == (None, True)
    assert trail(rig, 1, "quiet") == [("unshelved", "due")]
    assert rows_of(rig, schema.suppressions)[0].end_reason == "due"
    assert feed(rig, "ticket_changed")[-1]["shelved_until"] is None
    assert [body["end_reason"] for body in feed(rig, "suppression_ended")] == ["due"]


def test_it_comes_back_though_the_hub_was_down_when_its_time_was_over(rig: Rig, store: Store) -> None:
    raise_ticket(rig)
    act(rig, 1, "shelve", minutes=30, reason="x")
    again = Rig(store, [], DEVICES, now=START + 3 * HOUR)
    again.advance(1_000)
    assert ticket(again).shelved_until is None
    assert rows_of(again, schema.timers) == [row for row in rows_of(again, schema.timers) if row.rule != "suppression"]
    again.advance(2 * HOUR, MINUTE)
    assert trail(again, 1, "quiet") == [("unshelved", "due")]


@pytest.mark.parametrize(("severity", "longest"), SHELF_LIMIT_MIN.items())
def test_each_severity_has_its_longest_time(rig: Rig, severity: Severity, longest: int) -> None:
    raise_ticket(rig, severity=severity)
    for minutes in (0, longest + 1):
        with pytest.raises(Refused) as refused:
            act(rig, 1, "shelve", minutes=minutes, reason="x")
        assert refused.value.errors == (("minutes", f"1 to {longest}"),)
    act(rig, 1, "shelve", minutes=longest, reason="x")
    assert ticket(rig).shelved_until == START + longest * MINUTE


def test_critical_tickets_and_entrapments_of_any_severity_are_never_shelved(rig: Rig) -> None:
    raise_ticket(rig, severity=Severity.CRITICAL)
    raise_ticket(rig, "entrapment", severity=Severity.MEDIUM)
    for key, words in ((1, "the ticket is critical"), (2, "never shelved: people may be in danger")):
        with pytest.raises(Refused, match=words) as refused:
            act(rig, key, "shelve", minutes=5, reason="x")
        assert refused.value.status == "conflict"
        assert "shelve" not in refused.value.allowed
        assert ticket(rig, key).shelved_until is None
    assert rows_of(rig, schema.suppressions) == []


def test_what_becomes_critical_leaves_the_shelf_at_once(rig: Rig) -> None:
    raise_ticket(rig)
    act(rig, 1, "shelve", minutes=30, reason="x")
    raise_ticket(rig, severity=Severity.HIGH)
    assert ticket(rig).shelved_until is not None
    raise_ticket(rig, severity=Severity.CRITICAL)
    assert ticket(rig).shelved_until is None
    assert [row.end_reason for row in rows_of(rig, schema.suppressions)] == ["critical"]
    assert [row for row in rows_of(rig, schema.timers) if row.rule == "suppression"] == []


def test_what_is_over_leaves_the_shelf_and_what_is_taken_off_is_back(rig: Rig) -> None:
    for number, action in ((1, "resolve"), (2, "unshelve")):
        raise_ticket(rig, device=f"lift-{number}")
        act(rig, number, "shelve", minutes=30, reason="x")
        act(rig, number, action)
        assert ticket(rig, number).shelved_until is None
    assert [row.end_reason for row in rows_of(rig, schema.suppressions)] == ["ticket_over", "by_hand"]


def test_only_operators_shelve_and_nothing_is_shelved_twice(rig: Rig) -> None:
    raise_ticket(rig)
    with pytest.raises(Refused) as refused:
        act(rig, 1, "shelve", HOUSEKEEPER, minutes=5, reason="x")
    assert refused.value.status == "not_allowed"
    act(rig, 1, "shelve", minutes=5, reason="x")
    with pytest.raises(Refused, match="on the shelf"):
        act(rig, 1, "shelve", minutes=60, reason="x")
    with pytest.raises(Refused) as missing:
        act(rig, 1, "unshelve", shoe="x")
    assert missing.value.status == "invalid"


def test_of_a_shelved_ticket_nobody_is_told_and_the_timeline_says_so(rig: Rig) -> None:
    raise_ticket(rig)
    assert notify(rig)
    act(rig, 1, "shelve", minutes=30, reason="x")
    rig.now += 1_000
    assert not notify(rig)
    assert trail(rig, 1, "quiet") == [("ticket_unacknowledged", "shelf")]
    rig.advance(31 * MINUTE, MINUTE)
    assert notify(rig)


# --- silence ------------------------------------------------------------------------------------------------


def test_a_silence_of_a_kind_holds_back_its_notices_until_it_ends_and_never_those_of_residents(rig: Rig) -> None:
    begin(rig, "silence", kind="elevator_fault", minutes=30)
    raise_ticket(rig)
    assert not notify(rig)
    assert notify(rig, audience=Audience.HOUSEHOLD)
    assert notify(rig, kind=TicketKind.DOOR_ALARM)
    assert told(rig, "withdrawn") == [("ticket_unacknowledged", "security")]
    rig.advance(30 * MINUTE, MINUTE)
    assert notify(rig)
    assert [row.end_reason for row in rows_of(rig, schema.suppressions)] == ["due"]


def test_a_silence_of_a_building_is_about_its_devices_and_no_others(rig: Rig) -> None:
    begin(rig, "silence", B1)
    assert [notify(rig, f"lift-{number}") for number in (1, 2, 3)] == [False, False, True]


def test_a_silence_never_covers_what_is_critical(rig: Rig) -> None:
    begin(rig, "silence", about("lift-1"))
    raise_ticket(rig, severity=Severity.CRITICAL)
    raise_ticket(rig, "entrapment")
    assert notify(rig)
    assert ("entrapment_opened", "duty_supervisor") in told(rig, "waiting")
    assert told(rig, "withdrawn") == []
    standing = Standing(kind="elevator_fault", subject=about("lift-1"), building="b1", severity=Severity.CRITICAL)
    silence = Suppression(
        site=SITE, what=Suppressed.SILENCE, subject=about("lift-1"), reason="", by="", since=0, until=START + 1
    )
    assert silenced_until(standing, [silence], START) is None


def test_residents_are_told_whatever_is_kept_quiet() -> None:
    quiet = Standing(
        kind="low_balance",
        subject=about("lift-1"),
        building="b1",
        severity=Severity.LOW,
        shelved_until=START + 1,
        maintenance=True,
    )
    silence = Suppression(
        site=SITE, what=Suppressed.SILENCE, kind="low_balance", reason="", by="", since=0, until=START + 1
    )
    assert held_back(Audience.HOUSEHOLD, quiet, quiet, [silence], START) is None
    assert held_back(Audience.HOUSEKEEPER, quiet, quiet, [silence], START) is Suppressed.MAINTENANCE


@pytest.mark.parametrize(
    ("what", "subject", "kind", "minutes", "field"),
    [
        ("silence", None, None, 5, "subject"),
        ("silence", None, "entrapment", 5, "kind"),
        ("silence", None, "door_alarm", LIMIT_MIN[Suppressed.SILENCE] + 1, "minutes"),
        ("silence", Subject(SITE, SubjectType.DEVICE, "lift-9"), None, 5, "subject"),
        ("silence", Subject(SITE, SubjectType.SITE, "elsewhere"), None, 5, "subject"),
        ("maintenance", None, None, 5, "subject"),
        ("maintenance", Subject(SITE, SubjectType.SITE, SITE), None, 5, "subject"),
        ("maintenance", Subject(SITE, SubjectType.BUILDING, "b9"), None, 5, "subject"),
        ("maintenance", B1, "door_alarm", 5, "kind"),
        ("maintenance", B1, None, LIMIT_MIN[Suppressed.MAINTENANCE] + 1, "minutes"),
    ],
)
def test_what_must_not_be_kept_quiet_is_refused_by_name(
    rig: Rig, what: str, subject: Subject | None, kind: str | None, minutes: int, field: str
) -> None:
    with pytest.raises(Refused) as refused:
        begin(rig, what, subject, kind, minutes=minutes)
    assert (refused.value.status, [name for name, _ in refused.value.errors]) == ("invalid", [field])
    assert rows_of(rig, schema.suppressions) == []


def test_the_same_again_sets_a_new_end_and_only_one_runs(rig: Rig) -> None:
    begin(rig, "maintenance", B1, minutes=10)
    rig.now += MINUTE
    second = begin(rig, "maintenance", B1, minutes=10, actor=TECHNICIAN)
    rows = rows_of(rig, schema.suppressions)
    assert [(row.end_reason, row.by) for row in rows] == [("renewed", "wang"), (None, "liu")]
    rig.ask(lambda step: suppression_desk.end(step, second, TECHNICIAN))
    with pytest.raises(Refused, match="over already"):
        rig.ask(lambda step: suppression_desk.end(step, second, TECHNICIAN))


def test_a_technician_begins_maintenance_and_no_silence(rig: Rig) -> None:
    begin(rig, "maintenance", about("lift-1"), actor=TECHNICIAN)
    with pytest.raises(Refused) as refused:
        begin(rig, "silence", about("lift-1"), actor=TECHNICIAN)
    assert refused.value.status == "not_allowed"


# --- maintenance --------------------------------------------------------------------------------------------


def test_under_maintenance_everything_is_recorded_marked_and_pages_nobody(rig: Rig) -> None:
    begin(rig, "maintenance", B1)
    raise_ticket(rig, severity=Severity.CRITICAL)
    raise_ticket(rig, device="lift-3")
    assert [ticket(rig, key).maintenance for key in (1, 2)] == [True, False]
    assert not notify(rig)
    rig.advance(31 * MINUTE, MINUTE)
    assert told(rig, "waiting") == []
    assert ("ticket_unacknowledged", "maintenance") in trail(rig, 1, "quiet")


def test_at_the_end_of_maintenance_what_still_stands_is_an_alarm_like_any_other(rig: Rig) -> None:
    begin(rig, "maintenance", B1)
    raise_ticket(rig, severity=Severity.CRITICAL)
    rig.advance(HOUR, MINUTE)
    assert ticket(rig).maintenance is False
    assert trail(rig, 1, "quiet")[-1] == ("maintenance_over", "due")
    before = len(told(rig, "waiting"))
    rig.advance(31 * MINUTE, MINUTE)
    assert told(rig, "waiting")[before:] == [
        ("ticket_unacknowledged", "control_room"),
        ("ticket_unacknowledged", "duty_supervisor"),
    ]


@pytest.mark.parametrize("sources", [["button"], ["device_flag"], ["inferred", "button"], [], None])
def test_a_person_in_the_car_is_never_under_maintenance(rig: Rig, sources: list[str] | None) -> None:
    begin(rig, "maintenance", about("lift-1"))
    raise_ticket(rig, "entrapment", fields={} if sources is None else {"sources": sources})
    assert ticket(rig).maintenance is False
    assert told(rig, "waiting") == [
        ("entrapment_opened", "duty_supervisor"),
        ("entrapment_opened", "department_manager"),
    ]


def test_a_button_pressed_after_the_hub_had_only_inferred_it_begins_the_case_anew(rig: Rig) -> None:
    begin(rig, "maintenance", about("lift-1"))
    raise_ticket(rig, "entrapment", fields={"sources": ["inferred"]})
    rig.advance(5 * MINUTE, 10_000)
    assert (ticket(rig).maintenance, told(rig, "waiting")) == (True, [])
    raise_ticket(rig, "entrapment", fields={"sources": ["inferred", "button"]})
    assert ticket(rig).maintenance is False
    assert told(rig, "waiting") == [
        ("entrapment_opened", "duty_supervisor"),
        ("entrapment_opened", "department_manager"),
    ]


def test_whoever_finds_somebody_inside_ends_the_quiet(rig: Rig) -> None:
    begin(rig, "maintenance", about("lift-1"))
    raise_ticket(rig, "entrapment", fields={"sources": ["inferred"]})
    act(rig, 1, "confirm", by_means="voice")
    assert ticket(rig).maintenance is False
    assert [audience for _, audience in told(rig, "waiting")] == ["duty_supervisor", "department_manager", "security"]


def test_every_shelf_silence_and_maintenance_has_its_deadline_in_the_database(rig: Rig, store: Store) -> None:
    raise_ticket(rig)
    act(rig, 1, "shelve", minutes=7, reason="x")
    begin(rig, "silence", kind="door_alarm", minutes=8)
    begin(rig, "maintenance", B1, minutes=9)
    with store.read() as connection:
        due = connection.execute(
            select(schema.timers.c.due_at).where(schema.timers.c.rule == "suppression").order_by(schema.timers.c.due_at)
        ).scalars()
        assert [(at - START) // MINUTE for at in due] == [7, 8, 9]
    assert {body["what"] for body in feed(rig, "suppression_started")} == {"shelf", "silence", "maintenance"}


def test_what_lost_its_deadline_is_found_by_the_audit_and_comes_back(rig: Rig) -> None:
    raise_ticket(rig)
    act(rig, 1, "shelve", minutes=7, reason="x")
    with rig.store.write() as connection:
        connection.execute(schema.timers.delete().where(schema.timers.c.rule == "suppression"))
    again = Rig(rig.store, [], DEVICES, now=START + 9 * MINUTE)
    again.advance(1_000)
    assert ticket(again).shelved_until is not None
    with rig.store.read() as connection:
        (found,) = [each for each in auditor.audit(connection, again.now) if each.clock == auditor.QUIET]
    assert (found.ticket, found.due_at) == ("shelf", START + 7 * MINUTE)
    again.ask(lambda step: auditor.set_again(step, found))
    assert ticket(again).shelved_until is None
