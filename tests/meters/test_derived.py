"""Meters that hold no balance: base reading plus confirmed top-ups minus use × price, and unknown where that is not honest."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from hub.meters import lives
from hub.meters.derived import Base, DerivedBalances, Priced, derived_credit, priced
from hub.meters.lives import Entry, Life
from hub.meters.topups import TopUp as TopUpReport
from hub.pipeline.meter_desk import Meter, report_topup
from hub.store import schema
from hub.store.database import Store, open_store
from hub.vocabulary.events import MeterReading, TopUpState
from hub.vocabulary.facts import DeviceKind, ProfileFacts, SiteFacts
from hub.vocabulary.instants import HOUR_MS, MINUTE_MS
from hub.vocabulary.units import BalanceUnit
from rules.balance_levels import LowBalanceLimits
from rules.low_balance import LowBalance
from rules.topup import TopUp
from support.rig import SITE, START, Rig, SmallWorld, device

LAKESIDE = SiteFacts(id=SITE, name="湖畔花园", timezone="Asia/Shanghai", locale="zh-CN")
DEVICES = [device("m-1", DeviceKind.METER, place="b1/0101", profile="sfere", gateway="meters-1")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield opened
    opened.close()


class Home:
    """One household whose meter counts energy; 60 fen a kWh."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.rig = Rig(store, [LowBalance(), TopUp()], DEVICES, now=START)
        self.pk = self.rig.world.devices_of(SITE)["m-1"].pk
        self.derived = DerivedBalances(
            store, self.rig.inbox, [Priced(SITE, "m-1", self.pk, Decimal("0.6"))], lambda: self.rig.now
        )

    def base(self, energy_wh: int, credit: int | None, entry: Entry = Entry.HANDED_OVER) -> None:
        written = Life(
            device_pk=self.pk, entry=entry, at=self.rig.now, begin_energy_wh=energy_wh, credit=credit, by="wang"
        )
        with self.store.write() as connection:
            lives.add(connection, written)

    def read(self, energy_wh: int | None, minutes: int = 15) -> None:
        """The counter is read, and the hub looks at what that means."""
        self.rig.now += minutes * MINUTE_MS
        about: dict[str, Any] = {"site": SITE, "device": "m-1", "source_key": str(self.rig.now), "credit": None}
        at = self.rig.now
        self.rig.take(MeterReading(**about, occurred_at=at, received_at=at, unit=BalanceUnit.KWH, energy_wh=energy_wh))
        self.look()

    def look(self) -> None:
        self.derived.look()
        self.rig.engine.step(self.rig.inbox.take(10))

    def pay(self, yuan: int, state: TopUpState = TopUpState.CONFIRMED) -> None:
        self.rig.now += MINUTE_MS
        meter = Meter(SITE, "m-1", self.pk)
        paid = TopUpReport(
            site=SITE, device_pk=self.pk, reference="V-1", amount_fen=yuan * 100, state=state, paid_at=self.rig.now
        )
        self.rig.ask(lambda step: report_topup(step, meter, paid))
        self.look()

    def credits(self) -> list[int]:
        rows = select(schema.readings.c.credit).where(schema.readings.c.credit.is_not(None))
        with self.store.read() as connection:
            return list(connection.execute(rows.order_by(schema.readings.c.at)).scalars())

    def tickets(self) -> list[tuple[str, str, bool]]:
        with self.store.read() as connection:
            return [(row.kind, row.reason, row.active) for row in connection.execute(select(schema.tickets))]


@pytest.fixture
def home(store: Store) -> Home:
    return Home(store)


def test_use_is_taken_off_and_what_is_paid_is_added(home: Home) -> None:
    home.base(1_000_000, 5_000)
    home.read(1_010_000)
    home.read(1_020_500)
    home.pay(100)
    home.read(1_021_500)
    assert home.credits() == [4_400, 3_770, 13_770, 13_710]


def test_a_top_up_that_is_not_confirmed_is_not_there(home: Home) -> None:
    home.base(1_000_000, 5_000)
    home.read(1_010_000)
    home.pay(100, TopUpState.ISSUED)
    assert home.credits() == [4_400]
    home.pay(100)
    assert home.credits() == [4_400, 14_400]


def test_looking_again_makes_nothing_new(home: Home) -> None:
    home.base(1_000_000, 5_000)
    home.read(1_010_000)
    home.pay(100)
    for _ in range(3):
        home.look()
    assert home.credits() == [4_400, 14_400]


def test_without_a_base_reading_nobody_knows(home: Home) -> None:
    home.read(1_010_000)
    home.pay(100)
    assert home.credits() == []


def test_a_base_without_a_balance_is_none(home: Home) -> None:
    home.base(1_000_000, None)
    home.read(1_010_000)
    assert home.credits() == []


def test_another_meter_begins_with_a_base_of_its_own(home: Home) -> None:
    home.base(1_000_000, 5_000)
    home.read(1_010_000)
    home.base(0, None, Entry.REPLACED)
    home.read(2_000)
    home.read(1_500_000)  # a used meter: its counter stands beyond the old one's
    assert home.credits() == [4_400]
    home.base(1_500_000, 4_400)
    home.read(1_501_000)
    assert home.credits() == [4_400, 4_340]


def test_what_was_paid_before_a_base_reading_is_in_it(home: Home) -> None:
    home.base(1_000_000, 5_000)
    home.read(1_010_000)
    home.pay(100)
    home.base(1_010_000, 14_400)
    home.read(1_011_000)
    assert home.credits() == [4_400, 14_400, 14_340]


def test_a_counter_that_went_back_says_nothing(home: Home) -> None:
    home.base(1_000_000, 5_000)
    home.read(10)
    assert home.credits() == []


def test_a_poll_without_a_counter_does_not_make_an_old_balance_new(home: Home) -> None:
    home.base(1_000_000, 5_000)
    home.read(1_010_000)
    home.read(None)
    assert home.credits() == [4_400]


def test_a_payment_waits_for_a_counter_that_was_not_read_for_long(home: Home) -> None:
    home.base(1_000_000, 5_000)
    home.read(1_010_000)
    home.rig.now += HOUR_MS
    home.pay(100)
    assert home.credits() == [4_400]
    home.read(1_020_000)
    assert home.credits() == [4_400, 13_800]


def test_it_runs_out_is_told_and_ends_when_somebody_pays(home: Home) -> None:
    """The rule sees a balance like any other, with the confirmed top-ups as its count; no unit is doubted."""
    home.base(1_000_000, 3_100)
    for energy in (1_010_000, 1_011_000, 1_012_000):
        home.read(energy)
    assert home.tickets() == [("low_balance", "two_readings", True)]
    home.pay(1)
    assert home.tickets() == [("low_balance", "two_readings", False)], "counted as a purchase, however small"
    with home.store.read() as connection:
        assert connection.execute(select(schema.problems)).all() == []


@pytest.mark.parametrize(
    ("used_wh", "credit"), [(0, 5_000), (8, 5_000), (9, 4_999), (1_000, 4_940), (100_000, -1_000), (-1, None)]
)
def test_the_arithmetic_is_exact(used_wh: int, credit: int | None) -> None:
    assert derived_credit(Base(0, 5_000, 1_000_000), 1_000_000 + used_wh, 0, Decimal("0.6")) == credit


def test_only_meters_without_a_balance_and_with_a_price_are_derived() -> None:
    devices = [
        device("m-1", DeviceKind.METER, profile="sfere"),
        device("m-2", DeviceKind.METER, profile="prepaid"),
        device("m-3", DeviceKind.METER, profile="hub-json"),
        device("m-4", DeviceKind.METER, profile="sfere", balance_unit=None),
        device("m-5", DeviceKind.METER, profile="sfere", balance_unit=BalanceUnit.KWH),
        device("b1-e1", profile="lift"),
    ]
    meter = (DeviceKind.METER,)
    profiles = {
        "sfere": ProfileFacts(kinds=meter, channel="modbus"),
        "prepaid": ProfileFacts(kinds=meter, channel="modbus", balance_unit="CNY"),
        "hub-json": ProfileFacts(kinds=meter, channel="mqtt"),
        "lift": ProfileFacts(kinds=(DeviceKind.ELEVATOR,), channel="modbus"),
    }
    world = SmallWorld([LAKESIDE], devices, {"low_balance": LowBalanceLimits(price_cny_per_kwh=0.6)})
    assert [(each.device, each.price) for each in priced(world, profiles)] == [("m-1", Decimal("0.6"))]
    free = SmallWorld([LAKESIDE], devices, {"low_balance": LowBalanceLimits()})
    assert priced(free, profiles) == []
