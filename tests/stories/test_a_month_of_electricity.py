"""A month of one household's electricity in fast time: the real pipeline, rules and post on a real database.

Use, level 1 in the night, a notice in the morning, a reminder, a payment that takes its time, credit, another meter, and a
gateway of 36 meters that dies and returns. Played once straight and once with every message doubled and the process dying
after every step: people hear the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from hub.meters.topups import TopUp as TopUpReport
from hub.notices.claims import release_claims
from hub.notices.letters import SiteNotices
from hub.notices.post import Post
from hub.pipeline.meter_desk import Meter, Replacement, replace_meter, report_topup
from hub.pipeline.settling import settle
from hub.registry import households, people
from hub.registry.households import Member, MemberRole
from hub.registry.people import ChannelEdit, PersonEdit
from hub.settings.model import NoticePolicy
from hub.store import schema
from hub.store.database import Store, open_store
from hub.vocabulary.events import GatewayChanged, MeterReading, TopUpState, Unreachable
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.instants import DAY_MS, HOUR_MS, UtcMs, iso, parse_iso
from hub.vocabulary.ports import OutgoingNotice, Sent
from hub.vocabulary.units import BalanceUnit
from rules.device_silent import DeviceSilent
from rules.low_balance import LowBalance
from rules.silence import DeviceSilentLimits
from rules.topup import TopUp
from support.rig import SITE, Rig, device
from support.waiting import wait_until

FIRST: UtcMs = parse_iso("2026-06-01T00:00:00+08:00")
HOME = "m-0101"
CABINET = [f"m-{number}" for number in range(1, 37)]
DEVICES = [
    device(HOME, DeviceKind.METER, place="b1/0101"),
    *(device(meter, DeviceKind.METER, place=f"b2/{meter}", gateway="meters-1") for meter in CABINET),
]
ZONE = ZoneInfo("Asia/Shanghai")
WAYS = {SITE: SiteNotices(policy=NoticePolicy(), zone=ZONE, notifiers=frozenset({"sms"}))}


def at(day: int, hour: float) -> UtcMs:
    """Days of the story begin at its midnight."""
    return FIRST + day * DAY_MS + round(hour * HOUR_MS)


class Phone:
    """What people have received, and when."""

    receipts = False

    def __init__(self, clock: Callable[[], UtcMs]) -> None:
        self._clock = clock
        self.received: list[tuple[str, str, str]] = []

    def check(self) -> str:
        return "a phone"

    def send(self, notice: OutgoingNotice) -> Sent:
        self.received.append((iso(self._clock(), ZONE)[5:16], notice.address, notice.title))
        return Sent()

    def heard(self) -> list[str]:
        """When, by the clock on the wall."""
        return [when for when, *_ in self.received]


class Month:
    """The hub with its clock; `rough`: every message comes twice, and the process dies after every step."""

    def __init__(self, store: Store, *, rough: bool) -> None:
        self.store, self.rough, self.now = store, rough, FIRST
        self.phone = Phone(lambda: self.now)
        self.credit: dict[str, int] = {HOME: 6_000}
        self.purchases, self.serial, self.energy = 3, "A1", 1_000_000
        self._start()
        with store.write() as connection:
            reachable = (ChannelEdit(channel="sms", address="13800000001", consent=True),)
            owner = people.create(connection, SITE, PersonEdit(code="p1", name="王芳", channels=reachable), FIRST)
            households.move_in(connection, SITE, "b1/0101", [Member(owner, MemberRole.OWNER)], FIRST)

    def _start(self) -> None:
        # Nobody reads the 36 until their day comes: single silence is not watched here, gateways and failed polls are.
        limits = {"device_silent": DeviceSilentLimits(meter_s=0)}
        self.rig = Rig(self.store, [LowBalance(), TopUp(), DeviceSilent()], DEVICES, limits, now=self.now)
        with self.store.write() as connection:
            release_claims(connection, WAYS, self.now)
        self.post = Post(self.store, WAYS, {(SITE, "sms"): self.phone}, self._settle, lambda: self.now)

    def _settle(self, over: Any) -> Any:
        answer = self.rig.inbox.ask(lambda step: settle(step, over))
        self.rig.engine.step(self.rig.inbox.take(10))
        return answer

    # --- what happens ---------------------------------------------------------------------------------------

    def go(self, until: UtcMs) -> None:
        """Time passes to `until`; the post looks at what is due."""
        self.now = self.rig.now = until
        self.rig.engine.step([])
        self._after_step()

    def _after_step(self) -> None:
        if self.rough:
            self._start()
        self._deliver()
        if self.rough:
            self._start()

    def _deliver(self) -> None:
        for _ in range(50):
            more = self.post.cycle()
            wait_until(lambda: len(self.post._results) == len(self.post._sending), 20, "the phone did not answer")
            if not more and not self.post._sending and not self.post.cycle():
                return
        raise AssertionError("the post never comes to rest")

    def take(self, *events: Any) -> None:
        self.rig.take(*events)
        if self.rough:
            self._start()
            self.rig.take(*events)
        self._after_step()

    def read(self, when: UtcMs, meter: str = HOME, **other: Any) -> None:
        """The meter is read."""
        if when > self.now:
            self.go(when)
        self.take(self.reading(meter, when, **other))

    def reading(self, meter: str, when: UtcMs, **other: Any) -> MeterReading:
        home = {"purchases": self.purchases, "serial": self.serial, "energy_wh": self.energy} if meter == HOME else {}
        values = {"credit": self.credit[meter], "received_at": self.now} | home | other
        return MeterReading(
            site=SITE, device=meter, source_key=f"{meter}/{when}", occurred_at=when, unit=BalanceUnit.CNY, **values
        )

    def use(self, until: UtcMs, fen: int = 25) -> None:
        """Read every two hours, a quarter of a yuan apart."""
        when = self.now - self.now % (2 * HOUR_MS) + 2 * HOUR_MS
        while when <= until:
            self.credit[HOME] -= fen
            self.energy += 400
            self.read(when)
            when += 2 * HOUR_MS

    def ask(self, run: Callable[[Any], Any]) -> Any:
        answer = self.rig.ask(run)
        self._after_step()
        return answer

    def meter(self) -> Meter:
        return Meter(SITE, HOME, self.rig.world.devices_of(SITE)[HOME].pk)

    def pay(self, yuan: int, state: TopUpState = TopUpState.PAID) -> None:
        """The vending system reports, twice if it is rough."""
        meter = self.meter()
        report = TopUpReport(
            site=SITE, device_pk=meter.pk, reference="V-1", amount_fen=yuan * 100, state=state, paid_at=self.now
        )
        for _ in range(1 + self.rough):
            self.ask(lambda step: report_topup(step, meter, report))

    # --- what stands ----------------------------------------------------------------------------------------

    def rows(self, statement: Any) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(statement))

    def tickets(self) -> list[tuple[str, str, str, bool]]:
        found = self.rows(select(schema.tickets).order_by(schema.tickets.c.id))
        return [(row.kind, row.subject_id, row.reason, bool(row.active)) for row in found]

    def problems(self) -> list[tuple[str, str, bool]]:
        found = self.rows(select(schema.problems).order_by(schema.problems.c.id))
        return [(row.code, row.subject_id, bool(row.active)) for row in found]

    def topup(self) -> tuple[str, str | None]:
        (row,) = self.rows(select(schema.topups))
        return row.state, row.proof


@pytest.fixture
def store(tmp_path: Path):
    opened = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    yield opened
    opened.close()


@pytest.mark.parametrize("rough", [False, True], ids=["straight", "doubled messages and a death after every step"])
@pytest.mark.timeout(300)
def test_a_month_of_one_household(store: Store, rough: bool) -> None:
    month = Month(store, rough=rough)
    phone = month.phone

    # Ten days of use; at midnight the credit is at 30 yuan, at two o'clock that is certain.
    month.use(at(10, 2))
    assert month.tickets() == [("low_balance", HOME, "two_readings", True)]
    assert phone.received == [], "it is night"
    month.use(at(10, 6))
    assert phone.received == []
    month.use(at(10, 8))
    assert phone.heard() == ["06-11T08:00"]

    # Nobody pays: three days later a reminder, also in the morning.
    month.use(at(14, 8))
    assert phone.heard() == ["06-11T08:00", "06-14T08:00"]

    # Somebody pays; the meter does not know yet, and falls to where level 2 would be told.
    month.go(at(14, 10))
    month.pay(100)
    month.credit[HOME] = 900
    month.read(at(14, 10.2))
    month.pay(100, TopUpState.ISSUED)
    month.read(at(14, 10.35))
    assert month.topup() == ("issued", None)
    assert len(phone.received) == 2, "whoever has paid is not told to pay"
    assert [ticket[3] for ticket in month.tickets()] == [True], "and no deeper ticket"

    # The credit arrives: proven by the count, everything is over.
    month.credit[HOME], month.purchases = 10_890, 4
    month.read(at(14, 10.45))
    assert month.topup() == ("confirmed", "purchase_count")
    assert month.tickets() == [("low_balance", HOME, "two_readings", False)]

    # Another meter hangs there and shows next to nothing: nobody's credit until somebody says whose.
    month.use(at(18, 8))
    month.serial, was = "B2", month.credit[HOME]
    month.credit[HOME] = 400
    for hour in (9, 9.5, 10):
        month.read(at(18, hour), purchases=0)
    assert month.problems() == [("meter_serial_mismatch", HOME, True)]
    assert len(phone.received) == 2
    swap = Replacement(
        at=month.now, old_serial="A1", new_serial="B2", end_energy_wh=month.energy, begin_energy_wh=0,
        carried_credit=was, note="", by="wang",
    )  # fmt: skip
    month.ask(lambda step: replace_meter(step, month.meter(), swap))
    month.credit[HOME], month.purchases, month.energy = was, 0, 0
    month.use(at(20, 8))
    assert month.problems() == [("meter_serial_mismatch", HOME, False)]

    # A gateway of 36 meters dies for a day and returns with what it had kept: old news, low ones among them.
    for meter in CABINET:
        month.credit[meter] = 3_500
    month.take(*(month.reading(meter, month.now) for meter in CABINET))
    gone = {"site": SITE, "gateway": "meters-1", "cause": "connect_refused"}
    month.take(GatewayChanged(**gone, source_key="g1", up=False, occurred_at=month.now, received_at=month.now))
    lost = {"cause": "timeout", "occurred_at": month.now, "received_at": month.now}
    month.take(*(Unreachable(site=SITE, device=meter, source_key=f"u/{meter}", **lost) for meter in CABINET))
    month.use(at(21, 8))
    assert [problem for problem in month.problems() if problem[2]] == [("gateway_down", "meters-1", True)]
    kept = [month.reading(meter, at(20, 20), credit=2_900, received_at=month.now) for meter in CABINET]
    month.take(*kept)
    month.take(GatewayChanged(**gone, source_key="g2", up=True, occurred_at=month.now, received_at=month.now))
    month.take(*(month.reading(meter, month.now) for meter in CABINET))
    month.use(at(30, 0))
    assert not any(active for *_, active in month.problems())
    silent = [ticket for ticket in month.tickets() if ticket[0] == "device_silent"]
    assert silent == [("device_silent", "meters-1", "gateway_down", False)], "one ticket for 36 meters"

    # A month: two notices, each once, and one ticket about credit.
    assert phone.heard() == ["06-11T08:00", "06-14T08:00"]
    assert {address for _, address, _ in phone.received} == {"13800000001"}
    assert [ticket for ticket in month.tickets() if ticket[0] == "low_balance"] == [
        ("low_balance", HOME, "two_readings", False)
    ]
    assert not any(active for *_, active in month.tickets())
    outcomes = month.rows(select(schema.notice_orders.c.key, schema.notice_orders.c.state))
    assert [tuple(row) for row in outcomes] == [("e1/l1", "sent"), ("e1/l1/r1", "sent")]
