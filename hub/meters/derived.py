"""Balances of meters that hold none: what was there at the base reading, plus what was paid and confirmed, minus use × price.

For meters whose profile has no balance and for which a price is set (`rules: low_balance: {price_CNY_per_kWh: …}`). What a
maintainer must keep: without a base reading, with a counter that went back, or with another meter since, nobody knows, and
no reading is made. Always from the base, never step by step: the rounding of each step would add up.
Source: domain/meters.md 0.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import Connection, func, select

from hub.meters import lives
from hub.meters.lives import Entry
from hub.meters.reading_queries import latest, relay_of
from hub.store.database import Store
from hub.store.schema import topups
from hub.vocabulary.events import Clock, MeterReading, TopUpState
from hub.vocabulary.facts import DeviceFacts, DeviceKind, ProfileFacts, SiteFacts
from hub.vocabulary.instants import HOUR_MS, UtcMs
from hub.vocabulary.ports import Intake
from hub.vocabulary.units import SUBUNITS, BalanceUnit

FRESH_MS: Final = HOUR_MS
"""A top-up is added to a state of the counter that is no older; else the counter is waited for."""

RULE: Final = "low_balance"
PRICE: Final = "price_cny_per_kwh"
"""Name of the price among the rule's limits."""

_WH: Final = SUBUNITS[BalanceUnit.KWH]
_FEN: Final = SUBUNITS[BalanceUnit.CNY]


class Priced(NamedTuple):
    """A meter whose balance is derived, and what a kWh costs in yuan."""

    site: str
    device: str
    pk: int
    price: Decimal


class World(Protocol):
    """The registry, as far as it is needed here."""

    def sites(self) -> Sequence[SiteFacts]: ...
    def devices_of(self, site: str) -> Mapping[str, DeviceFacts]: ...
    def limits(self, rule: str, site: str, device: str | None) -> Any: ...


class Base(NamedTuple):
    """What somebody has written down: at this moment so much credit (fen) at this state of the counter (Wh)."""

    at: UtcMs
    credit: int
    energy_wh: int


class Paid(NamedTuple):
    """Confirmed top-ups: fen since the base, how many ever, and when the newest was confirmed (0: none)."""

    fen: int
    times: int
    newest_at: UtcMs


def priced(world: World, profiles: Mapping[str, ProfileFacts]) -> list[Priced]:
    """The meters on buses that have no balance of their own, and should have one in yuan (`balance_unit: CNY`), and a price."""
    found = []
    for site in world.sites():
        for device in world.devices_of(site.id).values():
            profile = profiles.get(device.profile)
            if device.kind is not DeviceKind.METER or profile is None or profile.channel == "mqtt":
                continue
            if device.balance_unit is not BalanceUnit.CNY:  # a base reading would be written down as energy
                continue
            price = getattr(world.limits(RULE, site.id, device.id), PRICE, None)
            if price is not None and profile.balance_unit is None:
                found.append(Priced(site.id, device.id, device.pk, Decimal(str(price))))
    return found


def derived_credit(base: Base, energy_wh: int, paid_fen: int, price: Decimal) -> int | None:
    """Credit in fen; None where the counter stands before its base. Pure."""
    used_wh = energy_wh - base.energy_wh
    if used_wh < 0:
        return None
    cost = (Decimal(used_wh) / _WH * price * _FEN).quantize(Decimal(1), ROUND_HALF_EVEN)
    return base.credit + paid_fen - int(cost)


def base_of(connection: Connection, device_pk: int) -> Base | None:
    """The newest base reading; None where there is none since the meter that hangs there now."""
    for row in lives.of(connection, device_pk):
        if row.credit is not None and row.begin_energy_wh is not None:
            return Base(row.at, row.credit, row.begin_energy_wh)
        if row.entry == Entry.REPLACED:
            return None
    return None


def paid_since(connection: Connection, device_pk: int, since: UtcMs) -> Paid:
    """Top-ups that the vending system has confirmed."""
    confirmed = (topups.c.device_pk == device_pk, topups.c.state == str(TopUpState.CONFIRMED))
    ever = select(func.count(), func.max(topups.c.confirmed_at)).where(*confirmed)
    times, newest_at = connection.execute(ever).one()
    own = select(func.coalesce(func.sum(topups.c.amount_fen), 0)).where(*confirmed, topups.c.confirmed_at > since)
    return Paid(int(connection.execute(own).scalar_one()), times, newest_at or 0)


def reading_of(connection: Connection, meter: Priced, now: UtcMs) -> MeterReading | None:
    """The reading that is missing: after a new state of the counter, or a top-up since the last one. None: none is."""
    newest, readable = latest(connection, meter.pk)
    base = base_of(connection, meter.pk)
    if newest is None or base is None:
        return None
    paid = paid_since(connection, meter.pk, base.at)
    at = newest.at + 1
    if newest is readable:  # ours: the meter itself has no balance, and its counter was not read since
        if paid.newest_at <= newest.at or now - newest.at > FRESH_MS:
            return None
        at = max(paid.newest_at, at)
    if newest.energy_wh is None or newest.at < base.at:
        return None
    credit = derived_credit(base, newest.energy_wh, paid.fen, meter.price)
    if credit is None:
        return None
    return MeterReading(
        site=meter.site,
        device=meter.device,
        source_key=f"derived/{at}/{paid.times}",
        occurred_at=at,
        received_at=max(now, at),
        clock=Clock.ARRIVAL,
        credit=credit,
        unit=BalanceUnit.CNY,
        energy_wh=newest.energy_wh,
        purchases=paid.times,
        relay=relay_of(newest),
        extra={"derived": True, "price": str(meter.price)},
    )


class DerivedBalances:
    """Looks every few seconds (hub.jobs) for readings that are missing."""

    def __init__(self, store: Store, intake: Intake, meters: Sequence[Priced], clock: Callable[[], UtcMs]) -> None:
        self._store = store
        self._intake = intake
        self._meters = tuple(meters)
        self._clock = clock

    def look(self) -> None:
        """What is missing is handed in like any other reading. Raises what the database raises."""
        now = self._clock()
        with self._store.read() as connection:
            missing = [found for meter in self._meters if (found := reading_of(connection, meter, now))]
        for reading in missing:
            self._intake.report(reading)
