"""Readings and meters for tests of rules: amounts in yuan or kWh as a story tells them."""

from __future__ import annotations

from typing import Any

from hub.vocabulary.events import (
    Clock,
    MeterMark,
    MeterReading,
    MeterReplaced,
    NoticeSettled,
    OccupancyChanged,
    TopUpReported,
    TopUpState,
)
from hub.vocabulary.facts import DeviceFacts, DeviceKind
from hub.vocabulary.instants import MINUTE_MS, UtcMs
from hub.vocabulary.units import BalanceUnit, Relay, to_credit
from support.timeline import SITE, T0, Timeline, device_facts, device_subject

METER = "m-0101"
SUBJECT = device_subject(METER)


def meter_facts(device: str = METER, *, unit: BalanceUnit | None = BalanceUnit.CNY, **more: Any) -> DeviceFacts:
    """A prepaid meter of unit 0101."""
    return device_facts(device, DeviceKind.METER, balance_unit=unit, **({"place": "b1/0101"} | more))


def reading(
    minute: float,
    balance: str | None,
    purchases: int | None = None,
    *,
    arrives: float | None = None,
    device: str = METER,
    unit: BalanceUnit = BalanceUnit.CNY,
    relay: Relay = Relay.CLOSED,
    relay_command: Relay = Relay.UNKNOWN,
    last_purchase: str | None = None,
    alarm: int | None = None,
    serial: str | None = None,
    clock: Clock = Clock.DEVICE,
    late: bool = False,
    live: bool = True,
) -> MeterReading:
    """Read `minute` minutes into the story (arriving then, unless `arrives` says otherwise)."""
    at: UtcMs = T0 + round(minute * MINUTE_MS)
    return MeterReading(
        site=SITE.id,
        device=device,
        source_key=f"{device}/{at}",
        occurred_at=at,
        received_at=at if arrives is None else T0 + round(arrives * MINUTE_MS),
        clock=clock,
        late=late,
        live=live,
        credit=None if balance is None else to_credit(balance, unit),
        unit=unit,
        purchases=purchases,
        relay=relay,
        relay_command=relay_command,
        last_purchase=None if last_purchase is None else to_credit(last_purchase, unit),
        meter_alarm=alarm,
        serial=serial,
    )


def _about(minute: float, device: str) -> dict[str, Any]:
    at: UtcMs = T0 + round(minute * MINUTE_MS)
    return {"site": SITE.id, "device": device, "occurred_at": at, "received_at": at}


def replaced(minute: float, old: str | None, new: str | None, *, device: str = METER) -> MeterReplaced:
    """A technician confirms another meter."""
    return MeterReplaced(
        **_about(minute, device), old_serial=old, new_serial=new, end_energy_wh=None, begin_energy_wh=None,
        carried_credit=None, by="wang",
    )  # fmt: skip


def moved(minute: float, *, vacant: bool, device: str = METER) -> OccupancyChanged:
    """Other people, or nobody, in the unit."""
    return OccupancyChanged(**_about(minute, device), vacant=vacant)


def topup(
    minute: float,
    reference: str = "T1",
    yuan: str = "100",
    state: TopUpState = TopUpState.PAID,
    *,
    before: MeterMark | None = None,
    newest: MeterMark | None = None,
    device: str = METER,
) -> TopUpReported:
    """The vending system says that somebody has paid."""
    return TopUpReported(
        **_about(minute, device), reference=reference, amount_fen=to_credit(yuan, BalanceUnit.CNY), state=state,
        before=before, newest=newest or before,
    )  # fmt: skip


def settled(minute: float, key: str, outcome: str, *, rule: str = "low_balance", device: str = METER) -> NoticeSettled:
    """What came of a notice."""
    about = device_subject(device)
    return NoticeSettled(**_about(minute, device), rule=rule, key=key, about=about, outcome=outcome)


def levels(story: Timeline) -> list[int]:
    """Levels of all tickets in the order in which they were opened."""
    return [ticket.fields["level"] for ticket in story.tickets]
