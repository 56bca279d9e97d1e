"""A whole estate: every device of some site files, their buses, the passing of time and the steps of a script.

All devices live in one asyncio loop; `tick` moves them by simulated seconds. A device's trouble stays its own: what it cannot
do is reported as one line and the others go on.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import random
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from simulators.doors import DoorController
from simulators.elevator import RefusedError
from simulators.elevator_devices import ElevatorcloudElevator, EventElevator, HubJsonElevator, ModbusElevator
from simulators.meter_devices import HubJsonMeter, ModbusMeter
from simulators.modbus import BusServer, Misbehaviour, Trouble, Unit
from simulators.mqtt import Broker
from simulators.scenario import Script, Step, Target
from simulators.site import Device, Site
from simulators.uplink import Uplink

TICK_S = 0.05
SLOW_TICK_S = 0.5
Action = Callable[..., None]
Key = tuple[str, str]


class EstateError(Exception):
    """An estate that cannot be simulated as described."""


class Simulated(Protocol):
    """What every simulated device can do."""

    def advance(self, seconds: float) -> None:
        """Let simulated time pass."""
        ...

    def actions(self) -> dict[str, Action]:
        """What a scenario can do to it."""
        ...


class Estate:
    """The devices of some sites. `only` limits them to (site, device id) pairs; a bus always comes with all its units."""

    def __init__(
        self,
        sites: Sequence[Site],
        broker: Broker | None,
        seed: int = 1,
        speed: float = 1.0,
        traffic: bool = True,
        only: Collection[Key] | None = None,
        kinds: Collection[str] | None = None,
    ) -> None:
        self.speed, self._seed, self._traffic, self._broker = speed, seed, traffic, broker
        self.devices: dict[Key, Simulated] = {}
        self.uplinks: list[Uplink] = []
        self.buses: dict[Key, BusServer] = {}
        self._idle_s = 0.0
        for site in sites:
            self._add_site(site, only, kinds)
        if not self.devices:
            raise EstateError("the site files hold no device to simulate")

    # --- building -------------------------------------------------------------------------------------------------

    def _add_site(self, site: Site, only: Collection[Key] | None, kinds: Collection[str] | None) -> None:
        wanted = [
            device
            for device in site.devices
            if (only is None or (site.id, device.id) in only) and (kinds is None or device.kind in kinds)
        ]
        named_buses = {key_id for key_site, key_id in only or () if key_site == site.id and key_id in site.buses}
        buses = {device.bus for device in wanted if device.bus is not None} | named_buses
        wanted += [device for device in site.devices if device.bus in buses and device not in wanted]
        units: dict[str, dict[int, Unit]] = {bus: {} for bus in buses}
        for device in wanted:
            simulated = self._device(device, site)
            self.devices[site.id, device.id] = simulated
            if device.bus is not None and isinstance(simulated, ModbusElevator | ModbusMeter):
                self._plug(units[device.bus], device, simulated)
        for bus_id in sorted(buses):
            bus = site.buses[bus_id]
            self.buses[site.id, bus_id] = BusServer(
                bus.host, bus.port, bus.framing, units[bus_id], self._rng(site.id, bus_id)
            )

    @staticmethod
    def _plug(units: dict[int, Unit], device: Device, unit: Unit) -> None:
        if device.unit_id is None or device.unit_id in units:
            raise EstateError(f"{device.id}: unit_id {device.unit_id} on bus {device.bus} is missing or taken")
        units[device.unit_id] = unit

    def _device(self, device: Device, site: Site) -> Simulated:
        rng = self._rng(site.id, device.id)
        match device.kind, device.profile:
            case "elevator", "car-top-monitor" | "lift-controller":
                return ModbusElevator(device, rng, self._traffic)
            case "meter", "acrel-adf400l-1p":
                return ModbusMeter(device, rng, site.timezone)
            case "elevator", "hub-json":
                return HubJsonElevator(device, rng, self._traffic, self._uplink(device, site, rng, True))
            case "elevator", "elevatorcloud-json":
                return ElevatorcloudElevator(device, rng, self._traffic, self._uplink(device, site, rng, False))
            case "elevator", "shmashine-event" | "city-push":
                return EventElevator(device, rng, self._traffic, self._uplink(device, site, rng, False))
            case "meter", "hub-json":
                return HubJsonMeter(device, rng, site.timezone, self._uplink(device, site, rng, True))
            case "access_controller", "hub-json":
                return DoorController(device, rng, self._traffic, self._uplink(device, site, rng, True))
        raise EstateError(f"{device.id}: no simulator for kind {device.kind} with profile {device.profile}")

    def _uplink(self, device: Device, site: Site, rng: random.Random, hub_messages: bool) -> Uplink:
        if self._broker is None:
            raise EstateError(f"{device.id} speaks MQTT: give the broker with --mqtt")
        uplink = Uplink(self._broker, device, site.timezone, rng, hub_messages)
        self.uplinks.append(uplink)
        return uplink

    def _rng(self, *names: str) -> random.Random:
        return random.Random(":".join((str(self._seed), *names)))

    # --- running --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the buses and connect the uplinks. Raises EstateError when a bus port is taken."""
        for (_, bus_id), bus in self.buses.items():
            try:
                await bus.open()
            except OSError as error:
                raise EstateError(f"bus {bus_id} cannot listen on {bus.host}:{bus.port}: {error}") from error
        for uplink in self.uplinks:
            uplink.link.start()

    async def stop(self) -> None:
        """Close everything in an orderly way."""
        for uplink in self.uplinks:
            uplink.link.stop()
        for bus in self.buses.values():
            await bus.close()

    @property
    def connected(self) -> bool:
        """Whether every uplink is connected."""
        return all(uplink.link.connected for uplink in self.uplinks)

    async def run(
        self, stop: asyncio.Event, player: Player | None = None, alive: Callable[[], bool] = lambda: True
    ) -> None:
        """Let time pass until `stop` is set or `alive` says no, with a script's player or without."""
        loop = asyncio.get_running_loop()
        before = loop.time()
        while not stop.is_set() and alive():
            await asyncio.sleep(TICK_S)
            now = loop.time()
            if player is not None:
                await player.advance((now - before) * self.speed)
            self.tick((now - before) * self.speed)
            before = now

    def tick(self, seconds: float) -> None:
        """Let simulated time pass for every device; meters are moved in longer steps."""
        self._idle_s += seconds
        slow = self._idle_s >= SLOW_TICK_S * self.speed
        for key, device in self.devices.items():
            if isinstance(device, ModbusMeter | HubJsonMeter):
                if slow:
                    self._guarded(key, device.advance, self._idle_s)
            else:
                self._guarded(key, device.advance, seconds)
        if slow:
            self._idle_s = 0.0

    # --- what happens ---------------------------------------------------------------------------------------------

    async def play(self, step: Step) -> None:
        """Do one step of a script to all its targets."""
        for target in step.targets:
            if target.is_bus:
                await self._to_bus(target, step.do)
            else:
                self._guarded((target.site, target.id), self.action(target, step.do), **step.args)

    def check(self, script: Script) -> None:
        """Refuse a script that asks a device for something that it cannot do, before anything has happened."""
        for step in script.steps:
            for target in step.targets:
                if target.is_bus:
                    if step.do not in {"gateway_off", "gateway_on"}:
                        raise EstateError(f"a bus knows gateway_off and gateway_on, not {step.do}")
                    continue
                try:
                    inspect.signature(self.action(target, step.do)).bind(**step.args)
                except TypeError as error:
                    raise EstateError(f"{target.id}: {step.do}: {error}") from error

    def action(self, target: Target, word: str) -> Action:
        """The action of a device by its word."""
        device = self.devices[target.site, target.id]
        actions = device.actions()
        if isinstance(device, ModbusElevator | ModbusMeter):
            actions |= self._wire_actions(target, device.device)
        if word not in actions:
            raise EstateError(f"{target.id} cannot {word}; it can {', '.join(sorted(actions))}")
        return actions[word]

    def _wire_actions(self, target: Target, device: Device) -> dict[str, Action]:
        bus = self.buses[target.site, str(device.bus)]
        unit_id = device.unit_id or 0

        def trouble(kind: str, delay_s: float = 1.0, code: int = 0x0B) -> None:
            bus.misbehaving[unit_id] = Misbehaviour(Trouble(kind), delay_s / self.speed, code)

        def healthy() -> None:
            bus.misbehaving.pop(unit_id, None)

        return {"trouble": trouble, "healthy": healthy}

    async def _to_bus(self, target: Target, word: str) -> None:
        bus = self.buses[target.site, target.id]
        if word == "gateway_off":
            await bus.close()
        else:
            await bus.open()

    def _guarded(self, key: Key, act: Callable[..., None], *args: Any, **words: Any) -> None:
        try:
            act(*args, **words)
        except (RefusedError, ValueError) as error:
            tell({"device": "/".join(key), "refused": str(error)})


class Player:
    """Plays a script as simulated time passes, again and again when it loops; the script's time stands while `paused`."""

    def __init__(self, script: Script, estate: Estate, paused: bool = False) -> None:
        self._script, self._estate, self.paused = script, estate, paused
        self.elapsed_s, self._next = 0.0, 0

    async def advance(self, seconds: float) -> None:
        """Do every step that fell due."""
        if self.paused:
            return
        self.elapsed_s += seconds
        steps = self._script.steps
        while self._next < len(steps) and steps[self._next].at_s <= self.elapsed_s:
            step = steps[self._next]
            self._next += 1
            await self._estate.play(step)
            if step.what:
                tell(
                    {
                        "what": step.what.replace("{name}", step.targets[0].name),
                        "do": step.do,
                        "device": step.targets[0].id,
                    }
                )
        every_s = self._script.loop_every_s
        if every_s is not None and self._next == len(steps) and self.elapsed_s >= every_s:
            self.elapsed_s, self._next = self.elapsed_s - every_s, 0


def tell(what: dict[str, Any]) -> None:
    """One JSON line on stdout, with the time."""
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **what}
    print(json.dumps(line, ensure_ascii=False), flush=True)
