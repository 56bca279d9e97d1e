"""A prepaid electricity meter: consumption by the time of day, a balance in money or in energy, top-ups.

Amounts are integers (millionths of a yuan or of a kWh inside, hundredths outside); an overdrawn meter has a negative balance.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

MICRO = 1_000_000
PER_HUNDREDTH = 10_000
NOMINAL_VOLT = 230.0
HOURLY_LOAD = (
    0.35, 0.30, 0.28, 0.28, 0.30, 0.45, 0.80, 1.10, 0.90, 0.70, 0.65, 0.85,
    1.10, 0.85, 0.65, 0.65, 0.80, 1.20, 1.80, 2.10, 1.90, 1.60, 1.10, 0.60,
)  # fmt: skip


@dataclass(frozen=True)
class TopUp:
    """One recharge record: amounts in hundredths, energy in 0.01 kWh."""

    at: datetime
    count: int
    amount: int
    balance_after: int
    energy: int


@dataclass
class Meter:
    """One meter. `unit` is CNY or kWh; `balance_micro` counts millionths of it; `energy_mwh` is milliwatt-hours."""

    serial: str
    unit: str = "CNY"
    balance_micro: int = 100 * MICRO
    energy_mwh: int = 0
    purchased: int = 0
    purchases: int = 0
    price_fen_per_kwh: int = 56
    alarm_limits: tuple[int, int] = (3000, 1000)
    mean_load_w: float = 450.0
    power_w: int = 0
    voltage_v: float = NOMINAL_VOLT
    relay_closed: bool = True
    top_ups: deque[TopUp] = field(default_factory=lambda: deque(maxlen=20))

    @property
    def balance(self) -> int:
        """Remaining balance in hundredths of the unit, rounded down as the meter shows it."""
        return self.balance_micro // PER_HUNDREDTH

    @property
    def energy(self) -> int:
        """Total active energy in 0.01 kWh."""
        return self.energy_mwh // 10_000

    @property
    def current_a(self) -> float:
        """Line current."""
        return self.power_w / self.voltage_v if self.power_w else 0.0

    @property
    def alarm(self) -> int:
        """0 fine, 1 below alarm 1 (buy electricity), 2 below alarm 2, 3 nothing left."""
        if self.balance <= 0:
            return 3
        return sum(self.balance < limit for limit in self.alarm_limits)

    def advance(self, seconds: float, hour: int, rng: random.Random) -> None:
        """Use electricity for a while at the load of this hour."""
        load_w = self.mean_load_w * HOURLY_LOAD[hour % 24] * rng.uniform(0.7, 1.3)
        self.power_w = round(load_w) if self.relay_closed else 0
        self.voltage_v = NOMINAL_VOLT + rng.uniform(-4, 4)
        self.use(round(self.power_w * seconds / 3.6))

    def use(self, energy_mwh: int) -> None:
        """Use this much electricity (milliwatt-hours)."""
        self.energy_mwh += energy_mwh
        micro_kwh = energy_mwh
        self.balance_micro -= micro_kwh * self.price_fen_per_kwh // 100 if self.unit == "CNY" else micro_kwh

    def set_balance(self, hundredths: int) -> None:
        """Bring the balance to a value, as if the difference had been used or refunded."""
        self.balance_micro = hundredths * PER_HUNDREDTH

    def top_up(self, hundredths: int, at: datetime) -> None:
        """A confirmed purchase: balance, total and count rise, and a record is kept."""
        self.balance_micro += hundredths * PER_HUNDREDTH
        self.purchased += hundredths
        self.purchases = (self.purchases + 1) % 65536
        self.top_ups.appendleft(TopUp(at, self.purchases, hundredths, self.balance, self.energy))


def typical_meter(serial: str, unit: str, rng: random.Random) -> Meter:
    """A meter in the middle of its life with a comfortable balance."""
    spread = rng.randint(6000, 60000)
    return Meter(
        serial=serial,
        unit=unit,
        balance_micro=spread * PER_HUNDREDTH,
        energy_mwh=rng.randint(500, 20000) * 1_000_000,
        purchased=spread * rng.randint(3, 40),
        purchases=rng.randint(3, 40),
        mean_load_w=rng.uniform(150, 900),
    )
