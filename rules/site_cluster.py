"""Cars of one site that were struck by the same thing: joined while it lasts, ranked by who may be inside.

Shared by the rules whose subject is a site; each car's own incident keeps its own life beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from hub.vocabulary.facts import DeviceFacts
from hub.vocabulary.instants import UtcMs

_RANK: Final = {True: 0, None: 1, False: 2}
_WORD: Final = {True: "occupied", None: "unknown", False: "empty"}


class StruckCar(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One car. `since` is arrival time; `occupied` as latched then, None: unknown."""

    device: str
    since: UtcMs
    occurred_at: UtcMs
    occupied: bool | None = None
    was_moving: bool = False
    back: bool = False


class ClusterState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Cars in the order in which they were struck, and whether the site's ticket was raised."""

    cars: tuple[StruckCar, ...] = ()
    open: bool = False


def joined(cars: tuple[StruckCar, ...], car: StruckCar) -> tuple[StruckCar, ...]:
    """With this car; struck again it takes its latest place."""
    return (*(each for each in cars if each.device != car.device), car)


def within(cars: tuple[StruckCar, ...], now: UtcMs, window_ms: int) -> tuple[StruckCar, ...]:
    """Those struck within the last `window_ms`."""
    return tuple(car for car in cars if abs(now - car.since) <= window_ms)


def ranked(cars: tuple[StruckCar, ...]) -> list[StruckCar]:
    """Occupied first, then unknown, then empty; among equals the car that was moving, then the one struck first."""
    return sorted(cars, key=lambda car: (_RANK[car.occupied], not car.was_moving, car.since, car.device))


def fields(cars: tuple[StruckCar, ...], devices: Mapping[str, DeviceFacts]) -> dict[str, Any]:
    """The ticket's fields: the cars in the order in which to go there, and how many of each sort."""
    order = ranked(cars)
    return {
        "children": {car.device: _child(car, rank, devices) for rank, car in enumerate(order, start=1)},
        "cars": len(order),
        "occupied": sum(car.occupied is True for car in order),
        "unknown": sum(car.occupied is None for car in order),
        "empty": sum(car.occupied is False for car in order),
        "back": sum(car.back for car in order),
    }


def _child(car: StruckCar, rank: int, devices: Mapping[str, DeviceFacts]) -> dict[str, Any]:
    known = devices.get(car.device)
    return {
        "rank": rank,
        "name": car.device if known is None else known.name,
        "place": "" if known is None else known.place,
        "occupancy": _WORD[car.occupied],
        "was_moving": car.was_moving,
        "since": car.since,
        "back": car.back,
    }
