"""What a step works with: the parts of the pipeline that live as long as the process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from zoneinfo import ZoneInfo

from hub.pipeline.board import DeviceBoard
from hub.pipeline.commands import Outgoing
from hub.pipeline.feed import FeedBoard
from hub.pipeline.inbox import Task
from hub.pipeline.rulebook import RuleBook
from hub.pipeline.timers import Timers
from hub.pipeline.world import World
from hub.tickets.desk import Names
from hub.tickets.site_clocks import STANDARD, SiteClocks
from hub.vocabulary.events import Event, MeterReading
from hub.vocabulary.facts import DeviceFacts
from hub.vocabulary.ports import RawMessage
from hub.vocabulary.rejected import Rejected


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@dataclass
class Core:
    """Wired once; used by the engine's thread."""

    world: World
    board: DeviceBoard
    rules: RuleBook
    timers: Timers
    feed: FeedBoard
    dispatch: Callable[[Sequence[Outgoing]], None]
    notices_ordered: Callable[[], None] = lambda: None  # wakes whoever sends them
    clocks: SiteClocks = STANDARD

    @property
    def names(self) -> Names:
        """What things are called."""
        return Names(site=self.world.site, device=self.world.device, clocks=self.clocks.of)

    def zone(self, site: str) -> ZoneInfo:
        """The site's time zone."""
        facts = self.world.site(site)
        return _zone(facts.timezone if facts else "UTC")


@dataclass
class Intakes:
    """A batch, decoded and sorted: what each part of a step has to deal with."""

    events: list[tuple[Event, DeviceFacts | None, bytes]] = field(default_factory=list)
    readings: list[tuple[MeterReading, DeviceFacts, int]] = field(default_factory=list)
    rejected: list[tuple[RawMessage, Rejected]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    replayed: list[RawMessage] = field(default_factory=list)


def to_the_end() -> None:
    """Asked between the parts of a step that nothing may stop."""
