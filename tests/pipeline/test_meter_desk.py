"""Top-ups and replacements through the real pipeline: row, event and what the rules make of it in one transaction."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from hub.meters.lives import counter_breaks, installed_since
from hub.meters.topups import TopUp as TopUpReport
from hub.meters.topups import settle
from hub.pipeline.meter_desk import Meter, Replacement, replace_meter, report_topup
from hub.store import schema
from hub.store.database import Store
from hub.tickets.lifecycle import Refused
from hub.vocabulary.events import MeterReading, TopUpProof, TopUpSettled, TopUpState
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.instants import HOUR_MS, MINUTE_MS, SECOND_MS
from hub.vocabulary.units import BalanceUnit
from rules.low_balance import LowBalance
from rules.topup import TopUp
from support.rig import SITE, START, Rig, device

DEVICES = [device("m-1", DeviceKind.METER, place="b1/0101"), device("m-2", DeviceKind.METER, place="b1/0102")]


def hub(store: Store, now: int = START) -> Rig:
    """The hub, as after a start at `now`."""
    return Rig(store, [LowBalance(), TopUp()], DEVICES, now=now)


def read(rig: Rig, credit: int | None, purchases: int | None = 3, **other: Any) -> None:
    values = {"device": "m-1", "occurred_at": rig.now, "received_at": rig.now, "source_key": f"{rig.now}"} | other
    rig.take(MeterReading(site=SITE, credit=credit, unit=BalanceUnit.CNY, purchases=purchases, **values))


def meter(rig: Rig, name: str = "m-1") -> Meter:
    return Meter(SITE, name, rig.world.devices_of(SITE)[name].pk)


def pay(rig: Rig, state: TopUpState = TopUpState.PAID, reference: str = "V-1", yuan: int = 100, **other: Any) -> Any:
    about = other.pop("meter", "m-1")
    values = {"paid_at": rig.now} | other
    report = TopUpReport(
        site=SITE, device_pk=meter(rig, about).pk, reference=reference, amount_fen=yuan * 100, state=state, **values
    )
    return rig.ask(lambda step: report_topup(step, meter(rig, about), report))


def rows(store: Store, statement: Any) -> list[tuple[Any, ...]]:
    with store.read() as connection:
        return [tuple(row) for row in connection.execute(statement)]


def topups(store: Store) -> list[tuple[Any, ...]]:
    columns = schema.topups.c
    return rows(store, select(columns.reference, columns.state, columns.proof).order_by(columns.id))


def tickets(store: Store) -> list[tuple[Any, ...]]:
    columns = schema.tickets.c
    return rows(store, select(columns.kind, columns.reason, columns.state).order_by(columns.id))


def events(store: Store, kind: str) -> int:
    return rows(store, select(func.count()).where(schema.events.c.kind == kind))[0][0]


def test_the_meter_confirms_a_top_up_by_itself(store: Store) -> None:
    rig = hub(store)
    read(rig, 2_500)
    rig.now += MINUTE_MS
    assert pay(rig) == (1, True)
    rig = hub(store, rig.now + 5 * MINUTE_MS)
    read(rig, 12_450, 4)
    assert topups(store) == [("V-1", "confirmed", "purchase_count")]
    assert rows(store, select(schema.topups.c.confirmed_at)) == [(rig.now,)]


def test_reported_long_after_the_meter_had_it_is_confirmed_in_the_same_step(store: Store) -> None:
    rig = hub(store)
    read(rig, 2_500)
    paid_at = rig.now + MINUTE_MS
    rig.now += 20 * MINUTE_MS
    read(rig, 12_450, 4)
    rig.now += HOUR_MS
    pay(rig, paid_at=paid_at)
    assert topups(store) == [("V-1", "confirmed", "purchase_count")]
    rig.advance(2 * HOUR_MS, 10 * MINUTE_MS)
    assert tickets(store) == []


def test_missing_is_a_ticket_with_notices_and_recovers_with_the_credit(store: Store) -> None:
    rig = hub(store)
    read(rig, 5_000)
    rig.now += MINUTE_MS
    pay(rig)
    rig.now += 10 * MINUTE_MS
    read(rig, 4_900)
    rig = hub(store, rig.now + 30 * MINUTE_MS)
    rig.advance(SECOND_MS)
    assert tickets(store) == [("topup_missing", "not_on_meter", "open")]
    assert topups(store) == [("V-1", "paid", None)], "missing is no state: it may still come"
    columns = schema.notice_orders.c
    orders = rows(
        store, select(columns.audience, columns.template, columns.state, columns.ticket_id).order_by(columns.id)
    )
    assert orders == [("finance", "topup_missing", "waiting", 1), ("housekeeper", "topup_missing", "waiting", 1)]
    rig.now += MINUTE_MS
    read(rig, 14_800, 4)
    assert tickets(store) == [("topup_missing", "not_on_meter", "resolved")]
    assert topups(store) == [("V-1", "confirmed", "purchase_count")]
    assert rows(store, select(columns.state).distinct()) == [("withdrawn",)]


def test_repeats_and_overtaken_states_are_neither_rows_nor_events(store: Store) -> None:
    rig = hub(store)
    for state in (TopUpState.ISSUED, TopUpState.PAID, TopUpState.ISSUED, TopUpState.BOOKED):
        pay(rig, state)
        rig = hub(store, rig.now + MINUTE_MS)
    assert topups(store) == [("V-1", "issued", None)]
    assert events(store, "TopUpReported") == 1


@pytest.mark.parametrize("other", [{"yuan": 50}, {"meter": "m-2"}, {"state": TopUpState.FAILED}])
def test_what_contradicts_a_reference_is_refused_and_changes_nothing(store: Store, other: dict[str, Any]) -> None:
    rig = hub(store)
    pay(rig, TopUpState.CONFIRMED)
    with pytest.raises(Refused) as refused:
        pay(rig, **other)
    assert refused.value.status == "conflict"
    assert topups(store) == [("V-1", "confirmed", "platform")]
    assert events(store, "TopUpReported") == 1


def test_a_top_up_is_no_sign_of_life_of_its_meter(store: Store) -> None:
    rig = hub(store)
    pay(rig)
    assert "m-1" not in rig.core.board.heard[SITE]


def test_a_low_unit_that_paid_is_quiet_until_the_top_up_is_missing(store: Store) -> None:
    rig = hub(store)
    read(rig, 2_500)
    rig.now += 10 * MINUTE_MS
    read(rig, 2_500)
    orders = select(schema.notice_orders.c.key, schema.notice_orders.c.state).where(
        schema.notice_orders.c.rule == "low_balance"
    )
    assert rows(store, orders) == [("e1/l1", "waiting")]
    pay(rig)
    assert rows(store, orders) == [("e1/l1", "withdrawn")]
    for _ in range(4):
        rig.now += 10 * MINUTE_MS
        read(rig, 2_400)
    assert rows(store, orders) == [("e1/l1", "withdrawn"), ("e1/l1/r1", "waiting")]
    assert [kind for kind, *_ in tickets(store)] == ["low_balance", "topup_missing"]


# --- another meter ----------------------------------------------------------------------------------------------


def swap(rig: Rig, old: str | None, new: str | None, **other: Any) -> int:
    values: dict[str, Any] = {
        "at": rig.now, "end_energy_wh": None, "begin_energy_wh": None, "carried_credit": None, "note": "", "by": "wang",
    }  # fmt: skip
    what = Replacement(old_serial=old, new_serial=new, **(values | other))
    return int(rig.ask(lambda step: replace_meter(step, meter(rig), what)))


def problems(store: Store) -> list[tuple[Any, ...]]:
    return rows(store, select(schema.problems.c.code, schema.problems.c.active))


def test_another_meters_readings_count_from_the_moment_a_person_confirms_it(store: Store) -> None:
    rig = hub(store)
    read(rig, 5_000, serial="A1")
    for _ in range(2):
        rig.now += 10 * MINUTE_MS
        read(rig, 100, 0, serial="B2")
    assert problems(store) == [("meter_serial_mismatch", True)]
    assert tickets(store) == []
    rig = hub(store, rig.now + MINUTE_MS)
    swap(rig, "A1", "B2")
    assert problems(store) == [("meter_serial_mismatch", False)]
    for _ in range(2):
        rig.now += 10 * MINUTE_MS
        read(rig, 100, 0, serial="B2")
    assert [kind for kind, *_ in tickets(store)] == ["low_balance"]


def test_what_the_old_meter_showed_is_no_measure_for_a_top_up_of_the_new_one(store: Store) -> None:
    rig = hub(store)
    read(rig, 5_000, 3)
    rig.now += MINUTE_MS
    swap(rig, None, "B2")
    rig.now += MINUTE_MS
    pay(rig)
    rig.now += MINUTE_MS
    read(rig, 5_000, 4)
    assert topups(store)[0][1] == "paid", "the new meter's own count is not one more than the old one's"
    rig.now += MINUTE_MS
    read(rig, 15_000, 5)
    assert topups(store)[0][1:] == ("confirmed", "purchase_count")


def test_what_the_platform_confirmed_keeps_its_proof(store: Store) -> None:
    rig = hub(store)
    pay(rig, TopUpState.CONFIRMED)
    event = TopUpSettled(
        site=SITE, device="m-1", occurred_at=rig.now, received_at=rig.now, reference="V-1", proof=TopUpProof.BALANCE
    )
    with store.write() as connection:
        settle(connection, event, rig.now)
    assert topups(store) == [("V-1", "confirmed", "platform")]


def test_a_break_is_found_in_the_readings_and_explained_by_a_replacement(store: Store) -> None:
    rig = hub(store)
    for energy in (900_000, 900_400, 100, 500):
        read(rig, 5_000, energy_wh=energy)
        rig.now += 15 * MINUTE_MS
    pk = meter(rig).pk
    with store.read() as connection:
        (found,) = counter_breaks(connection, pk)
    assert (found.step, found.before_wh, found.after_wh) == ("reset", 900_400, 100)
    swap(rig, None, None, at=START + 20 * MINUTE_MS)
    assert rows(store, select(schema.rollup_due.c.start_at)) == [((START + 20 * MINUTE_MS) // HOUR_MS * HOUR_MS,)]
    with store.read() as connection:
        assert counter_breaks(connection, pk) == []
        assert installed_since(connection, pk) == START + 20 * MINUTE_MS
