"""A flood of one kind is gathered below one ticket; nothing is lost by it, and what is critical is never below anything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.pipeline import suppression_desk
from hub.store import schema
from hub.store.database import Store, open_store
from hub.tickets import alarm_load, load_queries, rollup, rows, suppression_rows
from hub.tickets.lifecycle import Ticket
from hub.tickets.suppression import Suppressed
from hub.tickets.ticket import Ticket as TicketValue
from hub.vocabulary.decisions import Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from support.desk import HOUR, MINUTE, OPERATOR, SECOND, about, act, feed, raise_ticket, rows_of, ticket, trail
from support.rig import SITE, Rig, device

COUNT = 24


@pytest.fixture
def store(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Store]:
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    opened = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield opened
    opened.close()


@pytest.fixture
def rig(store: Store) -> Rig:
    return Rig(store, [], [device(f"lift-{number}") for number in range(COUNT)])


def flood(rig: Rig, count: int, first: int = 0, kind: str = "device_silent", every_ms: int = SECOND) -> None:
    for number in range(first, first + count):
        raise_ticket(rig, kind, f"lift-{number}")
        rig.now += every_ms


def roll_ups(rig: Rig) -> list[Ticket]:
    return [found for found in all_tickets(rig) if rollup.is_roll_up(found)]


def all_tickets(rig: Rig) -> list[Ticket]:
    return [ticket(rig, row.id) for row in rows_of(rig, schema.tickets)]


def children(rig: Rig) -> list[Ticket]:
    return [found for found in all_tickets(rig) if found.parent_id is not None]


def test_ten_are_no_flood_and_the_eleventh_gathers_all_of_them_below_one(rig: Rig) -> None:
    flood(rig, 10)
    assert (roll_ups(rig), children(rig)) == ([], [])
    flood(rig, 1, first=10)
    (parent,) = roll_ups(rig)
    assert (parent.kind, parent.subject, parent.severity) == (
        "alarm_flood",
        Subject(SITE, SubjectType.SITE, SITE),
        Severity.MEDIUM,
    )
    assert [child.parent_id for child in children(rig)] == [parent.id] * 11
    assert (parent.fields["gathered"], parent.fields["kinds"]) == (11, {"device_silent": 11})
    assert all(child.active and child.state == "open" for child in children(rig))
    assert trail(rig, 1)[-1] == ("rolled_up", "rolled_up")
    assert feed(rig, "ticket_changed")[-1]["parent"] in {parent.id, None}


def test_further_ones_join_while_it_goes_on_and_no_second_roll_up_comes(rig: Rig) -> None:
    flood(rig, 20)
    assert (len(roll_ups(rig)), len(children(rig))) == (1, 20)
    rig.now += HOUR
    flood(rig, 4, first=20)
    assert (len(roll_ups(rig)), len(children(rig))) == (1, 20)


def test_slower_than_ten_in_ten_minutes_is_no_flood(rig: Rig) -> None:
    flood(rig, COUNT, every_ms=MINUTE)
    assert roll_ups(rig) == []


def test_other_kinds_and_drills_do_not_add_up(rig: Rig) -> None:
    flood(rig, 10)
    flood(rig, 10, kind="elevator_fault")
    for number in range(10, 20):
        raise_ticket(rig, "device_silent", f"lift-{number}", drill=True)
    assert roll_ups(rig) == []


def test_two_kinds_that_flood_at_once_are_below_one(rig: Rig) -> None:
    flood(rig, 11)
    flood(rig, 11, kind="door_alarm")
    (parent,) = roll_ups(rig)
    assert parent.fields["kinds"] == {"device_silent": 11, "door_alarm": 11}
    assert len(children(rig)) == 22


def test_a_kind_that_does_not_flood_itself_does_not_join_another(rig: Rig) -> None:
    flood(rig, 11)
    flood(rig, 9, kind="door_alarm")
    assert len(children(rig)) == 11


def test_a_critical_one_is_never_gathered_and_one_that_becomes_critical_leaves(rig: Rig) -> None:
    for number in range(12):
        severity = Severity.CRITICAL if number == 5 else Severity.LOW
        raise_ticket(rig, "door_alarm", f"lift-{number}", severity=severity)
    (parent,) = roll_ups(rig)
    below = children(rig)
    assert len(below) == 11
    assert {child.severity for child in below} == {Severity.LOW}
    raise_ticket(rig, "door_alarm", "lift-0", severity=Severity.CRITICAL)
    assert ticket(rig, 1).parent_id is None
    assert trail(rig, 1)[-1] == ("rolled_up", "became_critical")
    assert ticket(rig, parent.id).active


def test_entrapments_are_never_gathered(rig: Rig) -> None:
    flood(rig, COUNT, kind="entrapment")
    assert (roll_ups(rig), children(rig)) == ([], [])


def test_the_roll_up_is_as_severe_as_the_worst_below_it_and_never_critical(rig: Rig) -> None:
    flood(rig, 11)
    raise_ticket(rig, "device_silent", "lift-12", severity=Severity.HIGH)
    assert [parent.severity for parent in roll_ups(rig)] == [Severity.HIGH]


def test_it_ends_with_the_last_below_it_and_each_below_moves_by_itself(rig: Rig) -> None:
    flood(rig, 11)
    (parent,) = roll_ups(rig)
    for child in children(rig)[:-1]:
        act(rig, child, "resolve")
        assert ticket(rig, parent.id).active
    act(rig, children(rig)[-1], "resolve")
    over = ticket(rig, parent.id)
    assert (over.active, over.state) == (False, "resolved")
    assert trail(rig, parent.id)[-1] == ("recovered", "all_over")


def test_a_second_flood_after_the_first_is_over_has_a_roll_up_of_its_own(rig: Rig) -> None:
    flood(rig, 11)
    for child in children(rig):
        act(rig, child, "resolve")
    flood(rig, 11)
    assert [parent.active for parent in roll_ups(rig)] == [False, True]


@pytest.mark.parametrize(
    ("count", "gathering", "expected"), [(10, False, False), (11, False, True), (4, True, False), (5, True, True)]
)
def test_a_flood_begins_above_ten_and_ends_below_five(count: int, gathering: bool, expected: bool) -> None:
    assert rollup.floods(count, gathering=gathering) is expected


def test_the_hubs_own_trouble_is_not_gathered() -> None:
    values = {"subject_name": "", "place": "", "state": "open", "active": True, "reason": "x", "title": ""}
    subject = Subject(SITE, SubjectType.GATEWAY, "bus-1")
    about = TicketValue(
        kind=TicketKind.INTAKE_PROBLEM,
        subject=subject,
        severity=Severity.HIGH,
        occurred_at=0,
        opened_at=0,
        updated_at=0,
        **values,
    )
    assert not rollup.may_be_gathered(about)


def test_both_databases_shelve_gather_and_list_alike(database_url: str) -> None:
    """One way through every statement of this part."""
    both = open_store(database_url)
    rig = Rig(both, [], [device(f"lift-{number}") for number in range(COUNT)])
    flood(rig, 12)
    act(rig, 1, "shelve", minutes=5, reason="x")
    rig.ask(
        lambda step: suppression_desk.begin(
            step, Suppressed.MAINTENANCE, SITE, about("lift-20"), None, 5, "works", OPERATOR
        )
    )
    raise_ticket(rig, "elevator_fault", "lift-20")
    with both.read() as connection:
        running = suppression_rows.page(connection, sites=[SITE], limit=10)
        assert [(row.what, row.ticket_number is None) for row in running] == [("maintenance", True), ("shelf", False)]
        raised = load_queries.raisings(connection, [SITE], rig.now - HOUR, rig.now + 1)
        assert (len(raised), len(alarm_load.floods([each.at for each in raised if each.new]))) == (13, 1)
        assert load_queries.active_now(connection) == {SITE: (13, 0)}
        assert load_queries.suppressed_now(connection) == {(SITE, "shelf"): 1, (SITE, "maintenance"): 1}
        assert [len(children) for children in [rows.below(connection, ticket(rig, 1).parent_id or 0)]] == [12]
    rig.advance(6 * MINUTE, MINUTE)
    assert [row.end_reason for row in rows_of(rig, schema.suppressions)] == ["due", "due"]
    assert not any(found.maintenance or found.shelved_until for found in all_tickets(rig))
    both.close()
