"""Which meters are read sooner: those that somebody has paid for, and those that are nearly out of credit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.meters.attention import AWAITED_MS, Attention, waited_for
from hub.meters.topups import TopUp as TopUpReport
from hub.pipeline.meter_desk import Meter, report_topup
from hub.store.database import Store, open_store
from hub.vocabulary.events import MeterReading, TopUpState
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.instants import MINUTE_MS
from hub.vocabulary.units import BalanceUnit
from rules.low_balance import LowBalance
from rules.topup import TopUp
from support.rig import SITE, START, Rig, device

DEVICES = [device(f"m-{number}", DeviceKind.METER, place=f"b1/010{number}") for number in (1, 2, 3)]
PAID = (SITE, "m-1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield opened
    opened.close()


@pytest.fixture
def rig(store: Store) -> Rig:
    return Rig(store, [LowBalance(), TopUp()], DEVICES, now=START)


def read(rig: Rig, credit: int, purchases: int = 3, name: str = "m-1") -> None:
    rig.now += 6 * MINUTE_MS
    about: dict[str, Any] = {"site": SITE, "device": name, "source_key": str(rig.now), "purchases": purchases}
    rig.take(MeterReading(**about, occurred_at=rig.now, received_at=rig.now, credit=credit, unit=BalanceUnit.CNY))


def pay(rig: Rig, state: TopUpState = TopUpState.PAID) -> None:
    meter = Meter(SITE, "m-1", rig.world.devices_of(SITE)["m-1"].pk)
    paid = TopUpReport(site=SITE, device_pk=meter.pk, reference="V-1", amount_fen=10_000, state=state, paid_at=rig.now)
    rig.ask(lambda step: report_topup(step, meter, paid))


def waited(store: Store, now: int) -> frozenset[tuple[str, str]]:
    with store.read() as connection:
        return waited_for(connection, now)


def test_a_meter_is_waited_for_from_the_payment_until_it_is_on_the_meter(store: Store, rig: Rig) -> None:
    read(rig, 20_000)
    assert waited(store, rig.now) == set()
    pay(rig)
    assert waited(store, rig.now) == {PAID}
    pay(rig, TopUpState.ISSUED)
    assert waited(store, rig.now) == {PAID}
    read(rig, 30_000, purchases=4)
    assert waited(store, rig.now) == set()


def test_a_payment_of_yesterday_is_somebodys_work_and_hurries_no_meter(store: Store, rig: Rig) -> None:
    pay(rig)
    assert waited(store, rig.now + AWAITED_MS - 1) == {PAID}
    assert waited(store, rig.now + AWAITED_MS) == set()


def test_a_meter_is_waited_for_at_level_2_and_not_at_level_1(store: Store, rig: Rig) -> None:
    for credit in (2_500, 2_500):
        read(rig, credit)
        read(rig, credit, name="m-2")
    assert waited(store, rig.now) == set()
    read(rig, 900)
    read(rig, 900)
    assert waited(store, rig.now) == {PAID}
    read(rig, 50_000, purchases=4)
    assert waited(store, rig.now) == set()


def test_lines_are_told_as_long_as_somebody_waits_and_once_that_nobody_does(store: Store, rig: Rig) -> None:
    """Said again each time: a line that was being started when it was said first hears of it all the same."""
    told: list[frozenset[tuple[str, str]]] = []
    attention = Attention(store, [told.append], lambda: rig.now)
    attention.look()
    pay(rig)
    attention.look()
    attention.look()
    pay(rig, TopUpState.FAILED)
    attention.look()
    attention.look()
    assert told == [{PAID}, {PAID}, frozenset()]
