"""Readings and meters for tests of rules: amounts in yuan or kWh as a story tells them."""

from __future__ import annotations

from typing import Any

from hub.vocabulary.events import Clock, MeterReading
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
        meter_alarm=alarm,
        serial=serial,
    )


def levels(story: Timeline) -> list[int]:
    """Levels of all tickets in the order in which they were opened."""
    return [ticket.fields["level"] for ticket in story.tickets]
