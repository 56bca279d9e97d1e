"""Meters as devices: behind a Modbus bus (every user a unit of its own) or with their own MQTT uplink."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from simulators.formats import hub_json
from simulators.formats.adf400l import Adf400lUser
from simulators.meters import Meter, typical_meter
from simulators.site import Device
from simulators.uplink import Uplink

READING_EVERY_S = 60.0
Action = Callable[..., None]


def hundredths(amount: str | float) -> int:
    """12.5 or "12.50" as 1250."""
    return int((Decimal(str(amount)) * 100).to_integral_value())


class MeterDevice:
    """A meter and what a scenario can do to it."""

    def __init__(self, device: Device, rng: random.Random, zone: str) -> None:
        self.device, self._rng, self._zone = device, rng, ZoneInfo(zone)
        self.meter: Meter = typical_meter(f"AD{rng.randrange(10**12):012d}", device.balance_unit, rng)

    def actions(self) -> dict[str, Action]:
        """What a scenario can do to this meter, by the word that it uses."""
        return {"set_balance": self.set_balance, "use": self.use, "top_up": self.top_up, "relay": self.relay}

    def set_balance(self, value: float) -> None:
        """Bring the balance to this value."""
        self.meter.set_balance(hundredths(value))

    def use(self, kwh: float) -> None:
        """Use this much electricity at once."""
        self.meter.use(round(kwh * 1_000_000))

    def top_up(self, amount: float) -> None:
        """Buy electricity: in the meter's own unit."""
        self.meter.top_up(hundredths(amount), self.now())

    def relay(self, closed: bool) -> None:
        """Switch the supply off or on."""
        self.meter.relay_closed = closed

    def now(self) -> datetime:
        """The meter's local clock."""
        return datetime.now(self._zone)

    def advance(self, seconds: float) -> None:
        """Let simulated time pass."""
        self.meter.advance(seconds, self.now().hour, self._rng)


class ModbusMeter(MeterDevice):
    """Profile acrel-adf400l-1p."""

    def __init__(self, device: Device, rng: random.Random, zone: str) -> None:
        super().__init__(device, rng, zone)
        self._unit = Adf400lUser(self.meter, self.now)

    def read(self, address: int, count: int) -> bytes:
        """As a unit on its bus."""
        return self._unit.read(address, count)


class HubJsonMeter(MeterDevice):
    """Profile hub-json: a reading every minute, after every connect and after every top-up.

    `misread` says one false balance at once, as a register that is read in the middle of its update does; the next reading is true.
    """

    def __init__(self, device: Device, rng: random.Random, zone: str, uplink: Uplink) -> None:
        super().__init__(device, rng, zone)
        self.uplink = uplink
        self._to_reading_s = rng.uniform(0, READING_EVERY_S)
        self._seen_purchases = self.meter.purchases

    def actions(self) -> dict[str, Action]:
        return super().actions() | self.uplink.actions() | {"misread": self.misread}

    def misread(self, value: float) -> None:
        """Report this balance once, without the alarm that the meter itself would show at it."""
        self._report(hundredths(value))

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self.uplink.advance(seconds)
        self._to_reading_s -= seconds
        topped_up = self.meter.purchases != self._seen_purchases
        if self.uplink.greet() or topped_up or self._to_reading_s <= 0:
            self._report()
        for command in self.uplink.link.commands():
            known = command.get("name") == "report_state"
            if known:
                self._report()
            self.uplink.result(command, ok=known, detail="" if known else f"unknown command {command.get('name')}")

    def _report(self, misread: int | None = None) -> None:
        meter = self.meter
        self._to_reading_s, self._seen_purchases = READING_EVERY_S, meter.purchases
        self.uplink.send(
            "reading",
            balance=hub_json.money(meter.balance if misread is None else misread),
            unit=meter.unit,
            energy_kwh=meter.energy / 100,
            purchases=meter.purchases,
            relay="closed" if meter.relay_closed else "open",
            meter_alarm=meter.alarm,
            serial=meter.serial,
        )
