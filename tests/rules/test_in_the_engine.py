"""The rules of meters and silence in the real engine: tickets in the database, states across restarts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.store import schema
from hub.store.database import Store, open_store
from hub.vocabulary.elevator import AlarmState, AlarmType
from hub.vocabulary.events import ElevatorAlarm, GatewayChanged, MeterReading, Unreachable
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.instants import HOUR_MS, MINUTE_MS, SECOND_MS
from hub.vocabulary.rule import Rule
from hub.vocabulary.units import BalanceUnit
from rules.device_silent import DeviceSilent
from rules.low_balance import LowBalance
from rules.missing_test_call import MissingTestCall
from support.rig import SITE, START, Rig, device

METERS = [device(f"m-{number}", DeviceKind.METER, gateway="meters-1") for number in range(36)]
LIFT = device("lift-1", expects_test_call=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield opened
    opened.close()


def hub(store: Store, now: int = START, rules: tuple[Rule, ...] = (LowBalance(), DeviceSilent())) -> Rig:
    """The hub, as after a start at `now`."""
    return Rig(store, rules, [*METERS, LIFT], now=now)


def read(rig: Rig, credit: int | None, purchases: int = 3, *, meters: int = 1) -> None:
    for meter in METERS[:meters]:
        event = MeterReading(
            site=SITE, device=meter.id, source_key=f"{meter.id}/{rig.now}", occurred_at=rig.now, received_at=rig.now,
            credit=credit, unit=BalanceUnit.CNY, purchases=purchases,
        )  # fmt: skip
        rig.take(event)


def tickets(store: Store) -> list[tuple[Any, ...]]:
    columns = schema.tickets.c
    statement = select(columns.kind, columns.subject_id, columns.reason, columns.active).order_by(columns.id)
    with store.read() as connection:
        return [(row.kind, row.subject_id, row.reason, bool(row.active)) for row in connection.execute(statement)]


def test_a_balance_falls_through_a_restart_and_is_paid(store: Store) -> None:
    rig = hub(store)
    read(rig, 2_900)
    rig = hub(store, rig.now + 10 * MINUTE_MS)
    read(rig, 2_900)
    assert tickets(store) == [("low_balance", "m-0", "two_readings", True)]
    rig.now += 10 * MINUTE_MS
    read(rig, 900)
    rig = hub(store, rig.now + 10 * MINUTE_MS)
    read(rig, 900)
    assert tickets(store) == [
        ("low_balance", "m-0", "two_readings", False),
        ("low_balance", "m-0", "two_readings", True),
    ]
    rig.now += MINUTE_MS
    read(rig, None, 4)
    assert any(active for *_, active in tickets(store))
    rig.now += MINUTE_MS
    read(rig, 10_900, 4)
    assert not any(active for *_, active in tickets(store))


def supervise(rig: Rig, seconds: int) -> None:
    """Time passes; the engine ticks by itself."""
    rig.advance(seconds * SECOND_MS, tick_ms=10 * SECOND_MS)


def test_a_gateway_of_36_meters_dies_and_returns(store: Store) -> None:
    rig = hub(store)
    read(rig, 9_000, meters=36)
    for up, seconds in ((False, 4_000), (True, 60)):
        event = GatewayChanged(
            site=SITE, gateway="meters-1", up=up, cause="refused", source_key=str(up), occurred_at=rig.now,
            received_at=rig.now,
        )  # fmt: skip
        rig.take(event)
        supervise(rig, seconds)
        assert [each for each in tickets(store) if each[1] != "lift-1"] == [
            ("device_silent", "meters-1", "gateway_down", not up)
        ]


def test_failed_polls_are_no_signs_of_life(store: Store) -> None:
    rig = hub(store)
    read(rig, 9_000, meters=3)
    for number in range(2):
        rig.take(
            Unreachable(
                site=SITE, device="m-0", cause="timeout", source_key=str(number), occurred_at=rig.now,
                received_at=rig.now,
            )
        )  # fmt: skip
        supervise(rig, 100)
    assert tickets(store) == [("device_silent", "m-0", "unreachable", True)]
    read(rig, 9_000)
    supervise(rig, 10)
    assert tickets(store) == [("device_silent", "m-0", "unreachable", False)]


def test_a_test_call_that_never_came_is_found_after_a_restart(store: Store) -> None:
    rules = (MissingTestCall(),)
    rig = hub(store, rules=rules)
    test = ElevatorAlarm(
        site=SITE, device="lift-1", source_key="t", type=AlarmType.TEST, state=AlarmState.ADD, occurred_at=rig.now,
        received_at=rig.now,
    )  # fmt: skip
    rig.take(test)
    rig = hub(store, START + 80 * HOUR_MS, rules)
    supervise(rig, 300)
    assert tickets(store) == []
    supervise(rig, 11 * 60)
    assert tickets(store) == [("device_silent", "lift-1", "test_call_missing", True)]
