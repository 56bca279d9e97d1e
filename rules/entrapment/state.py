"""What the rule remembers of one elevator. Small, stored with every change: nothing here may count up without a cause.

Bump `Entrapment.version` when a field changes its meaning; a new field with a default needs no bump.
"""

from __future__ import annotations

import msgspec

from hub.vocabulary.decisions import Severity
from hub.vocabulary.elevator import TrappedPlace
from hub.vocabulary.instants import UtcMs
from rules.entrapment.car import Car
from rules.entrapment.occupancy import Occupancy
from rules.entrapment.reasons import Source
from rules.entrapment.situation import Outage, Situation
from rules.standing import Standing


class Press(msgspec.Struct, frozen=True, gc=False):
    """A short press in a moving car, held back until the next landing."""

    occurred_at: UtcMs
    received_at: UtcMs


class Watch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The situation that holds, being timed. `since` is arrival time; `told` are those of its group that were acted on."""

    situation: Situation
    since: UtcMs
    occurred_at: UtcMs
    due_at: UtcMs | None = None  # None: gated by the service mode
    told: tuple[Situation, ...] = ()


class Incident(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The ticket that is active, as far as the rule knows."""

    sources: tuple[Source, ...] = ()
    presses: int = 0
    severity: Severity | None = None  # the worst so far, which `severity_reason` speaks of
    cleared: bool = False  # `sensor_clear` was reported since the last signal


class Silence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Nothing is heard of the elevator. `since` is arrival time."""

    since: UtcMs
    told: bool = False  # the timeline of an active ticket says so


class EntrapmentState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one elevator. Times are the hub's (arrival), except those in Standing, which are the device's."""

    car: Car | None = None
    occupancy: Occupancy = Occupancy.UNKNOWN
    stopped_at: UtcMs | None = None  # when it was first seen not to run any more
    watch: Watch | None = None
    incident: Incident | None = None
    closed_at: UtcMs | None = None
    trapped: Standing = Standing()
    trapped_bit: TrappedPlace | None = None
    flag_told: bool = False  # the trapped flag that is up was told; not so while the service mode gated it
    alarm: Standing = Standing()
    button_since: UtcMs | None = None  # the button's bit is up since then
    button_told: bool = False
    pending: Press | None = None
    press_test_until: UtcMs | None = None  # declared by people
    filtered: int = 0  # presses that were filtered, for misuse
    faults: dict[str, Standing] = {}
    fault_bits: tuple[str, ...] = ()
    supply: Standing = Standing()  # `power_lost` messages
    outage: Outage | None = None
    silence: Silence | None = None
    flag_adds: tuple[UtcMs, ...] = ()
    recent: tuple[str, ...] = ()  # source keys of the last alarms: seen twice, they happened once

    @property
    def standing_faults(self) -> frozenset[str]:
        """Fault words that hold now, from messages and from bits."""
        return frozenset(self.fault_bits) | {word for word, held in self.faults.items() if held.stands}
