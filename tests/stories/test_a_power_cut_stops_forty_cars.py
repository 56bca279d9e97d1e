"""The power of an estate fails and forty cars stop: one case with a child per car that may hold somebody, until people have seen to all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hub.pipeline import auditor
from hub.store import schema
from hub.store.database import Store, open_store
from hub.tickets import mass
from hub.tickets.lifecycle import Refused, Ticket
from hub.vocabulary.events import Event
from rules.entrapment.rule import Entrapment
from rules.mass_power_cut import MassPowerCut
from support.cars import at, boarded, left_empty, power_lost, press, state, without_sensor
from support.desk import act, rows_of, ticket, told
from support.rig import Rig, device

OCCUPIED, UNKNOWN, RESTING, EMPTY = range(1, 6), range(6, 11), range(11, 16), range(16, 41)
NAMES = [f"e{number:02}" for number in range(1, 41)]
LIFTS = [device(name) for name in NAMES]


@pytest.fixture
def store(tmp_path: Path, migrated_sqlite: Path) -> Iterator[Store]:
    shutil.copy(migrated_sqlite, tmp_path / "hub.db")
    opened = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield opened
    opened.close()


def start(store: Store, now: int) -> Rig:
    return Rig(store, (Entrapment(), MassPowerCut()), LIFTS, now=now)


def tell(rig: Rig, *events: Event) -> None:
    """At the same moment, in one step."""
    rig.now = max([rig.now, *(event.received_at for event in events)])
    keyed = [
        msgspec.structs.replace(event, source_key=f"{event.device}/{event.occurred_at}/{type(event).__name__}")
        for event in events
    ]
    rig.take(*keyed)


def before_the_cut(rig: Rig) -> None:
    """Five cars run with people, five run and cannot say, five rest and cannot say, the others rest empty."""
    groups = ((OCCUPIED, boarded), (UNKNOWN, without_sensor), (RESTING, without_sensor), (EMPTY, left_empty))
    for moment in range(3):
        step = []
        for numbers, way in groups:
            for number in numbers:
                events = way(-30, NAMES[number - 1])
                step += events[moment : moment + 1]
        tell(rig, *step)
    for numbers, person in ((OCCUPIED, True), (UNKNOWN, None)):
        tell(rig, *(state(-1, device=NAMES[number - 1], moving=True, passenger=person) for number in numbers))


def the_cut(rig: Rig) -> Ticket:
    tell(rig, *(power_lost(index / 100, device=name) for index, name in enumerate(NAMES)))
    return ticket(rig, 1)


def cases(rig: Rig) -> list[Ticket]:
    return [ticket(rig, row.id) for row in rows_of(rig, schema.tickets) if row.subject_type == "device"]


def cars(rig: Rig) -> list[mass.Car]:
    return mass.cars(ticket(rig, 1), [case for case in cases(rig) if case.parent_id == 1])


def release(rig: Rig, case: Ticket) -> None:
    for action, fields in (
        ("acknowledge", {}),
        ("voice_contact", {}),
        ("people", {"inside": 1}),
        ("release", {"people_out": 1}),
        ("welfare", {}),
        ("report", {}),
        ("close", {}),
    ):
        act(rig, case, action, **fields)


def test_forty_cars_stop_and_each_is_accounted_for_before_the_case_ends(store: Store) -> None:
    rig = start(store, at(-60))
    before_the_cut(rig)
    whole = the_cut(rig)
    assert (whole.fields["cars"], whole.fields["occupied"], whole.fields["unknown"], whole.fields["empty"]) == (
        40,
        5,
        10,
        25,
    )
    assert len(rows_of(rig, schema.tickets)) == 1

    rig.advance(130_000, 10_000)  # the automatic rescue device did not bring them to a landing
    found = cases(rig)
    assert [case.subject.id for case in found] == NAMES[:10]
    assert {case.parent_id for case in found} == {1}
    assert ("entrapment_opened", "duty_supervisor") in told(rig)
    ordered = cars(rig)
    assert [car.occupancy for car in ordered] == ["occupied"] * 5 + ["unknown"] * 10 + ["empty"] * 25
    assert [car.device for car in ordered[:10]] == NAMES[:10]

    # Two technicians, in rounds; the hub is started again between them.
    plan = mass.proposal(ordered, ["zhao", "liu"])
    assert [plan[car.device] for car in ordered[:3]] == [("zhao", 1), ("liu", 1), ("zhao", 2)]
    act(rig, 1, "assign_round", devices=["e01", "e03"], technician="zhao")
    act(rig, 1, "assign_round", devices=["e02", "e04"], technician="liu")
    rig = start(store, rig.now)
    act(rig, 1, "assign_round", devices=["e05"], technician="zhao")
    rounds = {car.device: (car.technician, car.round) for car in cars(rig) if car.technician}
    assert rounds == {"e01": ("zhao", 1), "e03": ("zhao", 1), "e02": ("liu", 1), "e04": ("liu", 1), "e05": ("zhao", 2)}
    assert told(rig).count(("entrapment_round", "technician")) == 3

    # The power is back, doors open, sensors are clear: nobody has said anything yet, and nothing ends.
    tell(
        rig,
        *(
            state(200, device=name, open=True, passenger=None if 5 < n < 16 else False)
            for n, name in enumerate(NAMES, 1)
        ),
    )
    rig.advance(60_000, 10_000)
    assert {case.state for case in cases(rig)} == {"release_pending"}
    assert ticket(rig, 1).fields["back"] == 40
    for action, fields in (("release", {}), ("false_alarm", {"note": "power is back"})):
        with pytest.raises(Refused, match="released") as refused:
            act(rig, 1, action, **fields)
        assert "E01" in refused.value.detail

    # People confirm, car by car.
    for case in cases(rig):
        release(rig, case)
    with pytest.raises(Refused, match=r"Nobody has said .* E11"):
        act(rig, 1, "release")
    act(rig, 1, "check_cars", devices=[NAMES[number - 1] for number in RESTING], note="looked into each")
    assert all(car.settled for car in cars(rig) if car.occupancy != "empty" or car.ticket)
    act(rig, 1, "release")
    act(rig, 1, "report")
    act(rig, 1, "close")
    assert [each.active for each in (ticket(rig, 1), *cases(rig))] == [False] * 11
    assert rows_of(rig, schema.timers) == [] or {row.rule for row in rows_of(rig, schema.timers)} <= {"entrapment"}


def test_the_case_is_not_closed_before_its_children_are(store: Store) -> None:
    rig = start(store, at(-60))
    before_the_cut(rig)
    the_cut(rig)
    rig.advance(130_000, 10_000)
    for case in cases(rig):
        act(rig, case, "release", note="out")
    act(rig, 1, "check_cars", devices=[NAMES[number - 1] for number in RESTING])
    act(rig, 1, "release")
    act(rig, 1, "report")
    with pytest.raises(Refused, match=cases(rig)[0].number):
        act(rig, 1, "close")


def test_a_car_with_a_case_of_its_own_is_not_said_to_be_empty_here_and_strange_cars_are_refused(store: Store) -> None:
    rig = start(store, at(-60))
    before_the_cut(rig)
    the_cut(rig)
    rig.advance(130_000, 10_000)
    with pytest.raises(Refused, match="cases of their own"):
        act(rig, 1, "check_cars", devices=["e01"])
    for action, fields in (("check_cars", {}), ("assign_round", {"technician": "zhao"})):
        with pytest.raises(Refused) as refused:
            act(rig, 1, action, devices=["e99"], **fields)
        assert refused.value.errors == (("devices", "not of this case: e99"),)
    with pytest.raises(Refused, match="not the case of a whole site"):
        act(rig, 2, "assign_round", devices=["e01"], technician="zhao")
    with pytest.raises(Refused, match="the case of a whole site"):
        act(rig, 1, "rebind", device="e01")


def test_a_case_that_was_rebound_to_another_car_still_keeps_the_whole_open(store: Store) -> None:
    rig = Rig(store, (Entrapment(), MassPowerCut()), [*LIFTS, device("f01")], now=at(-60))
    before_the_cut(rig)
    the_cut(rig)
    rig.advance(130_000, 10_000)
    for case in cases(rig)[1:]:
        act(rig, case, "release", note="out")
    act(rig, cases(rig)[0], "rebind", device="f01")
    act(rig, 1, "check_cars", devices=["e01", *(NAMES[number - 1] for number in RESTING)])
    with pytest.raises(Refused, match="F01"):
        act(rig, 1, "release")


def test_a_press_in_a_car_at_rest_is_a_full_case_below_and_keeps_the_whole_open(store: Store) -> None:
    rig = start(store, at(-60))
    before_the_cut(rig)
    the_cut(rig)
    rig.advance(130_000, 10_000)
    tell(rig, press(140, device="e12", held_s=5))
    (case,) = [each for each in cases(rig) if each.subject.id == "e12"]
    assert (case.parent_id, case.state) == (1, "suspected")
    assert told(rig).count(("entrapment_opened", "duty_supervisor")) == 12
    assert next(car for car in cars(rig) if car.device == "e12").ticket == case.id


def test_each_cars_case_has_deadlines_of_its_own_and_the_audit_misses_them(store: Store) -> None:
    rig = start(store, at(-60))
    before_the_cut(rig)
    the_cut(rig)
    rig.advance(130_000, 10_000)
    child = cases(rig)[0]
    with store.write() as connection:
        connection.execute(schema.ticket_clocks.delete().where(schema.ticket_clocks.c.ticket_id == child.id))
    with store.read() as connection:
        found = auditor.audit(connection, rig.now)
    assert [(each.ticket, each.clock) for each in found] == [(child.number, auditor.WITHOUT)]
