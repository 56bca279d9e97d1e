"""All Modbus and DL/T 645 buses of this process: one thread of its own with an event loop, one task a bus.

A bus that cannot be set up is a bus that is down: it is reported, and keeps nobody else from working.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog

from connectors.codecs.dlt645_profile import Dlt645Profile
from connectors.codecs.modbus_profile import ModbusProfile
from connectors.loop_thread import STOP_S, LoopThread
from connectors.modbus.address import BusAddressError, parse_address
from connectors.modbus.exchange import UnitSpec
from connectors.modbus.gathering import Gathering
from connectors.modbus.links import check_company, number_on_bus, open_link
from connectors.modbus.pauses import Pauses
from connectors.modbus.planner import limits_of, plan
from connectors.modbus.poller import BusPoller, BusStatus, gateway_changed, unusable
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import BusEntry, DeviceEntry, Intake

BAD_ADDRESS: Final = "bad_address"
SETUP_FAILED: Final = "setup_failed"

_log = structlog.get_logger(__name__)


def utc_ms() -> UtcMs:
    return time.time_ns() // 1_000_000


class BusConnector:
    """Polls the `devices` that hang on `buses`. Start and stop once; both are safe from any thread."""

    def __init__(
        self,
        buses: Sequence[BusEntry],
        devices: Sequence[DeviceEntry],
        profiles: Mapping[str, ModbusProfile],
        intake: Intake,
        *,
        clock: Callable[[], UtcMs] = utc_ms,
    ) -> None:
        self._buses = tuple(buses)
        self._devices = tuple(devices)
        self._profiles = profiles
        self._intake = intake
        self._clock = clock
        self._thread = LoopThread("modbus", self._run)
        self._gathering: Gathering | None = None
        self._pollers: dict[tuple[str, str], BusPoller] = {}
        self._unusable: list[BusStatus] = []

    def start(self) -> None:
        """Returns when the tasks run; no bus needs to be reachable."""
        self._thread.start()

    def stop(self) -> None:
        """Close every link and end the thread."""
        self._thread.stop()

    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.alive

    def status(self) -> list[BusStatus]:
        """Each bus as it stands; empty when the thread does not run."""
        running = self._in_loop(lambda: [self._status(poller) for poller in self._pollers.values()])
        return [] if running is None else [*running, *self._unusable]

    def _status(self, poller: BusPoller) -> BusStatus:
        status, lost = poller.status(), self._gathering.stumbles if self._gathering else {}
        if not lost:
            return status
        own = sum(lost.get(f"{status.site}/{unit.device}", 0) for unit in status.units)
        return msgspec.structs.replace(status, stumbles=status.stumbles + own)

    def attend(self, wanted: Collection[tuple[str, str]]) -> None:
        """Somebody waits for the values of these (site, device), and of no others any more.

        They are read at once, before the others, and every five minutes from then on. What no bus here has is passed over.
        """

        def attend() -> None:
            for (site, _), poller in self._pollers.items():
                poller.attend({device for at, device in wanted if at == site})

        self._in_loop(attend)

    def _in_loop(self, call: Callable[[], Any]) -> Any:
        """Run `call` in the loop's thread and wait for it; None when the loop does not run."""
        loop = self._thread.loop
        if loop is None or not self.alive():
            return None

        async def wrapped() -> Any:
            return call()

        task = wrapped()
        try:
            return asyncio.run_coroutine_threadsafe(task, loop).result(STOP_S)
        except (RuntimeError, TimeoutError):
            task.close()
            return None

    async def _run(self) -> None:
        self._gathering = gathering = Gathering(self._intake)
        pauses = Pauses()
        for bus in self._buses:
            poller = self._safely(bus, gathering)
            if poller is not None:
                self._pollers[bus.site, bus.bus] = poller
        tasks = [asyncio.create_task(poller.run(pauses)) for poller in self._pollers.values()]
        await self._thread.until_stopped()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        gathering.flush()

    def _safely(self, bus: BusEntry, intake: Intake) -> BusPoller | None:
        """The poller of a bus; None when there is nothing to poll, or when it cannot be set up, which is reported."""
        try:
            return self._poller(bus, intake)
        except BusAddressError as error:
            _log.error("modbus.bad_address", site=bus.site, bus=bus.bus, error=str(error))
            cause = BAD_ADDRESS
        except Exception:  # noqa: BLE001 - one bus must not keep the others from working
            _log.exception("modbus.setup_failed", site=bus.site, bus=bus.bus)
            cause = SETUP_FAILED
        self._unusable.append(unusable(bus, cause))
        self._intake.report(gateway_changed(bus, up=False, cause=cause, at=self._clock()))
        return None

    def _poller(self, bus: BusEntry, intake: Intake) -> BusPoller | None:
        on_it = [device for device in self._devices if device.site == bus.site and device.bus == bus.bus]
        known = {device.device: device for device in on_it if device.profile in self._profiles}
        if not known:
            return None
        address = parse_address(bus.url)
        check_company(address, known, self._profiles)
        specs = [unit_spec(device, bus, self._profiles[device.profile]) for device in known.values()]
        lateness = max(
            max(self._profiles[device.profile].max_lateness_ms, spec.timeout_ms)
            for device, spec in zip(known.values(), specs, strict=True)
        )
        return BusPoller(
            bus,
            known,
            specs,
            lambda on_late: open_link(address, on_late),
            intake,
            quiet_ms=int(bus.options.get("quiet_ms", lateness)),
            traceable=address.traceable,
            clock=self._clock,
        )


def unit_spec(device: DeviceEntry, bus: BusEntry, profile: ModbusProfile) -> UnitSpec:
    """What to read of a device, how often and how patiently: the device's options over its bus's over the profile's."""

    def option(key: str, default: int, factor: int = 1) -> int:
        value = device.options.get(key, bus.options.get(key))
        return default if value is None else round(float(value) * factor)

    serial = device.options.get("serial")
    return UnitSpec(
        device=device.device,
        unit_id=number_on_bus(device, profile),
        reads=plan(profile),
        limits=limits_of(profile),
        fast_ms=option("fast_ms", profile.fast_ms),
        every_ms=option("every_s", profile.every_ms, 1000),
        timeout_ms=option("timeout_ms", profile.timeout_ms),
        min_gap_ms=option("min_gap_ms", profile.min_gap_ms),
        identity=profile.identity.span if profile.identity else None,
        optional=profile.optional(device.balance_unit) if isinstance(profile, Dlt645Profile) else frozenset(),
        expected_identity=None if serial is None else str(serial),
    )
