"""What is looked at for meters every few seconds, so that the wiring need not know it one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hub.meters.attention import Attention, Meters
from hub.meters.derived import DerivedBalances, World, priced
from hub.store.database import Store
from hub.vocabulary.facts import ProfileFacts
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import Intake


def meter_looks(
    store: Store,
    intake: Intake,
    world: World,
    profiles: Mapping[str, ProfileFacts],
    attend: Sequence[Callable[[Meters], None] | None],
    clock: Callable[[], UtcMs],
) -> list[Callable[[], None]]:
    """`attend`: how each line is told for which meters somebody waits; None where it cannot read them sooner."""
    lines = [each for each in attend if each is not None]
    meters = priced(world, profiles)
    looks: list[Callable[[], None]] = [Attention(store, lines, clock).look] if lines else []
    return [*looks, DerivedBalances(store, intake, meters, clock).look] if meters else looks
