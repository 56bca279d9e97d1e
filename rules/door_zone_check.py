"""`door_zone_check`: a door zone that never ends while a car runs past floor after floor is a stuck sensor, not a zone.

Without this check a car that stands between floors would look as if it stood at a landing; controllers make the same check
with their two level sensors (domain/elevator.md 5 'Door-zone sensor stuck'). What a maintainer must keep: a device that only
speaks at landings shows a zone at every message and is healthy, so that messages between floors have to be among them.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from hub.vocabulary.decisions import Derive
from hub.vocabulary.elevator import CarStatus, ElevatorFault, ServiceMode
from hub.vocabulary.events import ElevatorState, Event, InferredFault, Subject
from hub.vocabulary.facts import DeviceKind, Facts
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.rule import Outcome

NAME: Final = "door_zone_check"
MESSAGES_PER_FLOOR: Final = 2
"""On average, or the device may speak at landings only."""


class DoorZoneLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many floors passed in one run, the zone reported all the time, are a stuck sensor. 0: not checked."""

    floors: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5


class DoorZoneState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one elevator: the floors of this run that were passed within the zone, and in how many messages."""

    floors: tuple[str, ...] = ()
    messages: int = 0
    stuck: bool = False


class DoorZoneCheck:
    """The rule, as `hub.vocabulary.rule.Rule` wants it."""

    name = NAME
    version = 1
    wants: tuple[type[Event], ...] = (ElevatorState,)
    state_type: type[msgspec.Struct] = DoorZoneState
    limits_type: type[msgspec.Struct] = DoorZoneLimits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """The elevator."""
        return event.subject() if facts.device is not None and facts.device.kind is DeviceKind.ELEVATOR else None

    def decide(self, event: Event, state: DoorZoneState, facts: Facts, now: UtcMs) -> Outcome:
        """Decide; `now` is not used."""
        assert isinstance(event, ElevatorState)
        if event.late or not event.live or event.service_mode is ServiceMode.INSPECTION:
            return Outcome(state)
        if event.door_zone is False:
            return _ended(event, state)
        if state.stuck or not facts.limits.floors:
            return Outcome(state)
        if event.door_zone is None or event.car_status is not CarStatus.RUN or event.floor is None:
            return Outcome(DoorZoneState() if state.messages else state)
        floors = state.floors if event.floor in state.floors else (*state.floors, event.floor)
        after = DoorZoneState(floors=floors, messages=state.messages + 1)
        if len(floors) < facts.limits.floors or after.messages < MESSAGES_PER_FLOOR * len(floors):
            return Outcome(after)
        return Outcome(DoorZoneState(stuck=True), [_fault(event, present=True, facts={"floors": list(floors)})])

    def migrate(self, version: int, stored: dict[str, Any]) -> DoorZoneState | None:
        """No older version exists."""
        return None


def _ended(event: ElevatorState, state: DoorZoneState) -> Outcome:
    """The zone ends: the sensor works."""
    if state.stuck:
        return Outcome(None, [_fault(event, present=False, facts={})])
    return Outcome(None if state.messages else state)


def _fault(event: ElevatorState, *, present: bool, facts: dict[str, Any]) -> Derive:
    return Derive(
        event=InferredFault(
            site=event.site,
            device=event.device,
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            fault=ElevatorFault.SENSOR,
            present=present,
            facts={"sensor": "door_zone", **facts},
        )
    )
