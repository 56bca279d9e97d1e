"""What is known of each device right now: when it was heard, how new its newest data is, and its last status.

Kept in memory, because every message moves it, and written to `device_state` every few seconds with the step that
comes along; after a crash the last seconds of 'heard' are missing, which the start-up grace covers.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from hub.pipeline.device_time import Run
from hub.pipeline.world import World
from hub.store.bulk import Upsert
from hub.store.schema import device_state, devices, readings
from hub.vocabulary.events import DeviceStatus, DoorEvent, ElevatorState, Event, MeterReading, Unreachable
from hub.vocabulary.facts import DeviceFacts
from hub.vocabulary.instants import DurationMs, UtcMs

FLUSH_EVERY_MS = 2_000
FLUSH_AT_ONCE = 128
"""Devices written by one step: an alarm in it, or behind it, must not wait for ten thousand."""
FLUSH_AGAIN_MS = 20
_UPSERT = Upsert(
    device_state,
    ("device_pk",),
    ("device_pk", "heard_at", "reachable", "latest_at", "latest_json"),
    keep_if_null=("latest_at", "latest_json"),
)


class DeviceBoard:
    """One entry per device; written by the engine's thread alone."""

    def __init__(self, world: World) -> None:
        self.heard: dict[str, dict[str, UtcMs]] = {site.id: {} for site in world.sites()}
        self._newest: dict[tuple[int, type[Event]], UtcMs] = {}
        self._last_reading_key: dict[int, int] = {}
        self.clock_lags: dict[int, DurationMs] = {}  # devices whose clock is known to be behind, and by how much
        self.late_runs: dict[int, Run] = {}  # what speaks against a device's clock so far
        self._reachable: dict[int, bool] = {}
        self._status: dict[int, Event] = {}
        self._dirty: dict[int, tuple[str, str]] = {}
        self._flush_at: UtcMs = 0

    def load(self, connection: Connection) -> None:
        """Take up what was known before the start."""
        rows = connection.execute(
            select(devices.c.pk, devices.c.site, devices.c.id, device_state)
            .join_from(device_state, devices, device_state.c.device_pk == devices.c.pk)
            .where(devices.c.retired_at.is_(None))
        )
        for row in rows:
            if row.heard_at is not None and row.site in self.heard:
                self.heard[row.site][row.id] = row.heard_at
            if row.reachable is not None:
                self._reachable[row.pk] = bool(row.reachable)
            if row.latest_at is not None:
                self._newest[(row.pk, ElevatorState)] = row.latest_at
        newest = select(func.max(readings.c.at)).where(readings.c.device_pk == devices.c.pk).scalar_subquery()
        for pk, at in connection.execute(select(devices.c.pk, newest).where(devices.c.kind == "meter")):
            if at is not None:
                self._newest[(pk, MeterReading)] = at

    def newest(self, device: DeviceFacts, event: Event) -> UtcMs:
        """When the newest data of the same kind happened; 0 where there is none."""
        return self._newest.get((device.pk, type(event)), 0)

    def repeats_last(self, device: DeviceFacts, key: int) -> bool:
        """Whether the meter's last reading came under the same id (sent again with another time)."""
        return self._last_reading_key.get(device.pk) == key

    def note(self, device: DeviceFacts, event: Event, key: int = 0) -> None:
        """An event of this device went through."""
        pk = device.pk
        kind = type(event)
        if kind is Unreachable or (kind is DeviceStatus and not event.online):  # type: ignore[attr-defined]
            self._reachable[pk] = False
        else:
            self._reachable[pk] = True
            heard = self.heard[device.site]
            if event.live and event.received_at > heard.get(device.id, 0):
                heard[device.id] = event.received_at
        slot = (pk, kind)
        if event.occurred_at >= self._newest.get(slot, 0):
            self._newest[slot] = event.occurred_at
            if kind is ElevatorState or kind is DoorEvent:
                self._status[pk] = event
        if key:
            self._last_reading_key[pk] = key
        self._dirty[pk] = (device.site, device.id)

    def flush_due(self, now: UtcMs) -> bool:
        """Whether there is something to be written, and it is time."""
        return bool(self._dirty) and now >= self._flush_at

    def flush(self, connection: Connection) -> None:
        """Write some of what has moved, longest ago first; called within a step.

        Written again if the step fails, because `flushed` is not called.
        """
        _UPSERT.run(connection, [self._row(pk, *self._dirty[pk]) for pk in self._to_flush()])

    def flushed(self, now: UtcMs) -> None:
        """The step that wrote it was committed."""
        for pk in self._to_flush():
            del self._dirty[pk]
            self._status.pop(pk, None)
        self._flush_at = now + (FLUSH_AGAIN_MS if self._dirty else FLUSH_EVERY_MS)

    def _to_flush(self) -> list[int]:
        return list(islice(self._dirty, FLUSH_AT_ONCE))

    def _row(self, pk: int, site: str, device: str) -> tuple[Any, ...]:
        status = self._status.get(pk)
        return (
            pk,
            self.heard[site].get(device),
            self._reachable.get(pk),
            None if status is None else status.occurred_at,
            None if status is None else msgspec.json.encode(status).decode(),
        )
