"""The elevator rules in the real engine: tickets in the database, deadlines as rows, states across restarts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hub.store.database import Store, open_store
from hub.store.schema import tickets as table
from hub.tickets import rows
from hub.tickets.lifecycle import Ticket
from hub.vocabulary.elevator import ServiceMode
from hub.vocabulary.events import Event
from rules.earthquake_check import EarthquakeCheck
from rules.elevator_fault import ElevatorFaultRule
from rules.entrapment.rule import Entrapment
from rules.mass_power_cut import MassPowerCut
from support.cars import at, boarded, cleared, left_empty, power_lost, state, trapped
from support.rig import Rig, device
from support.timeline import T0

LIFTS = [device(f"e{number}") for number in range(1, 5)]
BEFORE = T0 - 60_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield opened
    opened.close()


def hub(store: Store, now: int = BEFORE) -> Rig:
    """The hub, as after a start at `now`."""
    return Rig(store, (Entrapment(), ElevatorFaultRule(), MassPowerCut(), EarthquakeCheck()), LIFTS, now=now)


def tell(rig: Rig, *events: Event) -> None:
    """Each event arrives at its time."""
    for event in events:
        wait_until(rig, event.received_at)
        rig.take(
            msgspec.structs.replace(event, source_key=f"{event.device}/{event.occurred_at}/{type(event).__name__}")
        )


def wait_until(rig: Rig, moment: int) -> None:
    if moment > rig.now:
        rig.advance(moment - rig.now)


def tickets(store: Store, subject: str) -> list[Ticket]:
    statement = rows.TICKETS.where(table.c.subject_id == subject, table.c.kind == "entrapment").order_by(table.c.id)
    with store.read() as connection:
        return [rows.ticket_of(row) for row in connection.execute(statement)]


def test_a_stuck_car_is_suspected_in_time_though_the_hub_was_restarted_meanwhile(store: Store) -> None:
    tell(hub(store), *boarded(-20, "e1"), state(0, device="e1", door_zone=False, passenger=True))
    rig = hub(store, at(10))
    wait_until(rig, at(29))
    assert tickets(store, "e1") == []
    wait_until(rig, at(31))
    (ticket,) = tickets(store, "e1")
    assert (ticket.state, ticket.reason, ticket.count) == ("suspected", "still_off_level_occupied", 1)
    tell(rig, state(40, device="e1", open=True))
    (ticket,) = tickets(store, "e1")
    assert (ticket.state, ticket.active) == ("release_pending", True)


def test_the_same_message_three_times_is_one_incident(store: Store) -> None:
    rig = hub(store)
    for _ in range(3):
        tell(rig, trapped(0, device="e1"))
    tell(rig, cleared(trapped(0), 9, device="e1"))
    assert [(ticket.count, ticket.state) for ticket in tickets(store, "e1")] == [(1, "release_pending")]


def test_an_outage_is_one_incident_of_the_site_with_its_cars_by_name(store: Store) -> None:
    rig = hub(store)
    tell(rig, *left_empty(-30, "e1"), *boarded(-20, "e2"))
    tell(rig, *(power_lost(number, device=f"e{number}") for number in (1, 2, 3)))
    (ticket,) = tickets(store, "lakeside")
    children = ticket.fields["children"]
    assert [(car, child["rank"], child["name"]) for car, child in children.items()] == [
        ("e2", 1, "E2"),
        ("e3", 2, "E3"),
        ("e1", 3, "E1"),
    ]
    tell(rig, power_lost(20, device="e4"))
    assert set(tickets(store, "lakeside")[0].fields["children"]) == {"e1", "e2", "e3", "e4"}


def test_an_earthquake_lists_every_car_of_the_site(store: Store) -> None:
    rig = hub(store)
    tell(rig, *boarded(-20, "e3"), state(0, device="e1", service_mode=ServiceMode.EARTHQUAKE))
    (ticket,) = tickets(store, "lakeside")
    assert ticket.reason == "earthquake_check"
    assert set(ticket.fields["children"]) == {"e1", "e2", "e3", "e4"}
