"""Who on a bus comes next: healthy devices that are due, and, apart from them, those that do not answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from connectors.codecs.modbus_profile import Period
from connectors.modbus.exchange import MonotonicMs
from connectors.modbus.unit import Health, Unit


def due(units: Collection[Unit], period: Period, now: MonotonicMs) -> Unit | None:
    """The healthy unit that has waited longest; urgent ones before the others."""
    alarms, healthy = period is Period.FAST, Health.HEALTHY  # a bus may have hundreds of units: no calls in this loop
    best, key = None, (True, now + 1)
    for unit in units:
        at = unit.fast_at if alarms else unit.slow_at
        if at is not None and at <= now and unit.health is healthy and (not unit.urgent, at) < key:
            best, key = unit, (not unit.urgent, at)
    return best


def silent(units: Collection[Unit], now: MonotonicMs) -> Unit | None:
    """The device that does not answer and may be asked again: suspects before the quarantined."""
    waiting = [unit for unit in units if unit.health is not Health.HEALTHY and unit.retry_at <= now]
    return min(waiting, key=lambda unit: (unit.health is Health.QUARANTINED, unit.retry_at), default=None)


def least_recent(units: Collection[Unit]) -> Unit | None:
    """Whoever was not asked for longest."""
    return min(units, key=lambda unit: unit.tried_at, default=None)


def witness(units: Sequence[Unit], share: float) -> Unit:
    """Whom to ask whether the bus lives: who answered last, else whoever stands at this share of the list.

    Devices of one cabinet stand side by side and die together, so the next in the list would prove little.
    """
    heard = [unit for unit in units if unit.answered_at is not None]
    if heard:
        return max(heard, key=lambda unit: unit.answered_at or 0)
    return units[min(int(len(units) * share), len(units) - 1)]


def earliest(units: Collection[Unit], tries_after: MonotonicMs, idle_until: MonotonicMs) -> MonotonicMs:
    """When the first of all is due."""
    times = [idle_until]
    for unit in units:
        if unit.health is Health.HEALTHY:
            times += [at for at in (unit.fast_at, unit.slow_at) if at is not None]
        else:
            times.append(max(unit.retry_at, tries_after))
    return min(times)
