"""All card readers and door relays on Modbus of this process: one thread with an event loop, one task a device.

Implements CommandSender. Without readers there is no thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from connectors.access.door_bus import DoorBus
from connectors.access.door_lock import DoorLock, Told
from connectors.access.reader import Command, Reader
from connectors.codecs.reader_profile import ReaderProfile, Writable
from connectors.loop_thread import LoopThread
from connectors.modbus.address import BusAddressError, parse_address
from connectors.modbus.connector import BAD_ADDRESS
from connectors.modbus.poller import BusStatus, gateway_changed
from connectors.modbus.scheduler import UnitStatus
from connectors.modbus.unit import Health
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import BusEntry, DeviceEntry, Intake
from hub.vocabulary.readers import DoorOpening, RelayRef

log = logging.getLogger(__name__)

LEAVE_S: Final = 2.0


class ReaderConnector:
    """`devices` of other profiles are ignored. Start and stop once; both are safe from any thread."""

    def __init__(
        self,
        buses: Sequence[BusEntry],
        devices: Sequence[DeviceEntry],
        profiles: Mapping[str, ReaderProfile],
        intake: Intake,
        *,
        clock: Callable[[], UtcMs] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._entries = {(each.site, each.device): each for each in devices if each.profile in profiles}
        used = {(each.site, each.bus) for each in self._entries.values()}
        self._bus_entries = [bus for bus in buses if (bus.site, bus.bus) in used]
        self._profiles, self._intake, self._clock = profiles, intake, clock
        self._thread = LoopThread("readers", self._run)
        self._readers: dict[tuple[str, str], Reader] = {}
        self._buses: dict[tuple[str, str], DoorBus] = {}

    def start(self) -> None:
        """Returns when the tasks run; nothing needs to be reachable."""
        if self._entries:
            self._thread.start()

    def stop(self) -> None:
        """Leave each door as its policy wants it without a hub, and end the thread."""
        self._thread.stop()

    def alive(self) -> bool:
        """Whether the thread runs, or none is needed."""
        return not self._entries or self._thread.alive

    @property
    def reaches(self) -> list[tuple[str, str]]:
        """(site, device) of those that commands go to through here."""
        return list(self._entries)

    def send(
        self, site: str, device: str, command_id: str, name: str, args: Mapping[str, Any], reply_by: UtcMs
    ) -> bool:
        """CommandSender."""
        reader = self._readers.get((site, device))
        return reader is not None and self._thread.call(reader.command, Command(command_id, name, dict(args)))

    def status(self) -> list[BusStatus]:
        """Each bus as it stands."""
        return [self._status(bus) for bus in list(self._buses.values())]

    def _status(self, bus: DoorBus) -> BusStatus:
        mine = [each for each in list(self._readers.values()) if (each.entry.site, each.entry.bus) == _key(bus.bus)]
        units = tuple(
            UnitStatus(
                device=each.entry.device,
                health=Health.QUARANTINED if each.up is False else Health.HEALTHY,
                failures=0,
                cause=each.cause or None,
                next_probe_ms=0 if each.up is False else None,
                unsupported=(),
            )
            for each in mine
        )
        return BusStatus(
            site=bus.bus.site, bus=bus.bus.bus, url=bus.bus.url, up=bus.up, cause=bus.cause, connected=bus.up is True,
            cycle_ms=0, alarm_gap_ms=0, utilisation=0.0, quiet_ms=0, answers=bus.answers, failures=bus.failures,
            late_replies=0, polls=bus.answers, stumbles=0, units=units,
        )  # fmt: skip

    async def _run(self) -> None:
        for bus in self._bus_entries:
            self._open(bus)
        for key, entry in self._entries.items():
            if (at := self._buses.get((entry.site, entry.bus or ""))) is not None:
                self._readers[key] = self._reader(entry, at)
        tasks = [asyncio.create_task(reader.run()) for reader in self._readers.values()]
        await self._thread.until_stopped()
        for reader in self._readers.values():
            reader.stop()
        await asyncio.wait(tasks, timeout=LEAVE_S) if tasks else None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        leaving = [asyncio.create_task(reader.leave()) for reader in self._readers.values()]
        await asyncio.wait(leaving, timeout=LEAVE_S) if leaving else None
        for each in leaving:
            each.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        for door_bus in self._buses.values():
            door_bus.close()

    def _open(self, bus: BusEntry) -> None:
        mine = [each for each in self._entries.values() if (each.site, each.bus) == _key(bus)]
        writable = {_unit(each): self._profiles[each.profile].writable for each in mine}
        quiet_ms = max(self._profiles[each.profile].max_lateness_ms for each in mine)
        try:
            address = parse_address(bus.url)
        except BusAddressError as error:
            log.error("readers: %s/%s: %s", bus.site, bus.bus, error)  # noqa: TRY400 - the sentence is all there is
            self._intake.report(gateway_changed(bus, up=False, cause=BAD_ADDRESS, at=self._clock()))
            return
        self._buses[bus.site, bus.bus] = DoorBus(bus, address, writable, quiet_ms, self._intake, self._clock)

    def _reader(self, entry: DeviceEntry, bus: DoorBus) -> Reader:
        openings: Mapping[str, DoorOpening] = entry.options.get("openings", {})
        lock = None
        for door, opening in openings.items():
            ref = opening.relay or RelayRef(entry.device, entry.options["doors"][door])
            lock = self._lock(entry.site, ref, opening)
        profile = self._profiles[entry.profile]
        return Reader(entry, profile, bus, lock, self._intake, self._clock, self._thread.call)

    def _lock(self, site: str, ref: RelayRef, opening: DoorOpening) -> Callable[[Told], DoorLock] | None:
        """The relay of a door, which may be another device's on another bus."""
        owner = self._entries.get((site, ref.device))
        bus = None if owner is None else self._buses.get((site, owner.bus or ""))
        if owner is None or bus is None:
            return None
        profile = self._profiles[owner.profile]
        point: Writable = profile.relays[ref.number - 1]
        timeout_ms = int(owner.options.get("timeout_ms", profile.timeout_ms))
        return partial(DoorLock, bus, _unit(owner), point, opening, timeout_ms)


def _key(bus: BusEntry) -> tuple[str, str | None]:
    return bus.site, bus.bus


def _unit(entry: DeviceEntry) -> int:
    return 1 if entry.unit_id is None else entry.unit_id
