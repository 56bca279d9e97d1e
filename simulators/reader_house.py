"""All simulated card readers and relay modules of some site files, at the bus addresses that the files give them.

The addresses must be ones of this machine (loopback, as a rule). Somebody comes by now and then with one of the given cards;
whether the door opens is seen at the relay and printed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Sequence

from simulators.modbus import BusServer
from simulators.readers import BY_PROFILE, Device, InveoReader, RfIdeasReader
from simulators.site import Site
from simulators.stopping import stop_at_signals, ticks

TICK_S = 0.2
PASS_EVERY_S = 20.0


class ReaderError(Exception):
    """Nothing to simulate, or not at this address; the text names the device or the bus."""


class ReaderHouse:
    """`only`: device ids; None: all of them. `cards`: what people carry, as hex."""

    def __init__(
        self,
        sites: Sequence[Site],
        only: Collection[str] | None,
        cards: Sequence[str],
        rng: random.Random,
        speed: float,
    ) -> None:
        self.devices: dict[str, Device] = {}
        self._buses: list[BusServer] = []
        self._cards = [bytes.fromhex(card) for card in cards]
        self._rng, self._speed = rng, speed
        for site in sites:
            self._add(site, only)
        if not self.devices:
            raise ReaderError(f"the site files hold no device of profiles {', '.join(BY_PROFILE)} to simulate")

    def _add(self, site: Site, only: Collection[str] | None) -> None:
        units: dict[str, dict[int, Device]] = {}
        for device in site.devices:
            if device.profile not in BY_PROFILE or (only is not None and device.id not in only):
                continue
            if device.bus is None or device.unit_id is None:
                raise ReaderError(f"{device.id}: bus and unit_id are needed")
            made = self.devices[device.id] = BY_PROFILE[device.profile]()
            units.setdefault(device.bus, {})[device.unit_id] = made
        for name, here in units.items():
            bus = site.buses[name]
            self._buses.append(BusServer(bus.host, bus.port, bus.framing, here, self._rng))

    async def run(self, alive: Callable[[], bool], ready: Callable[[int], None], told: Callable[[str], None]) -> None:
        """Until Ctrl-C, SIGTERM, or until nobody is `alive` for whom it runs. `told` gets a line for each change of a relay."""
        stop = stop_at_signals()
        try:
            for bus in self._buses:
                try:
                    await bus.open()
                except OSError as error:
                    raise ReaderError(f"no reader can answer at {bus.host}:{bus.port}: {error}") from error
            ready(len(self.devices))
            seen = self._relays()
            async for _ in ticks(TICK_S, stop, alive):
                self._live(TICK_S * self._speed)
                now = self._relays()
                for name, state in now.items():
                    if state != seen[name]:
                        told(json.dumps({"device": name, "relays": state}))
                seen = now
        finally:
            for bus in self._buses:
                await bus.close()

    def _relays(self) -> dict[str, list[int]]:
        return {name: device.relays() for name, device in self.devices.items()}

    def _live(self, seconds: float) -> None:
        """Somebody comes by."""
        for device in self.devices.values() if self._cards else ():
            if self._rng.random() >= seconds / PASS_EVERY_S:
                continue
            card = self._rng.choice(self._cards)
            if isinstance(device, InveoReader):
                device.present(card)
            elif isinstance(device, RfIdeasReader):
                device.present(int.from_bytes(card, "big"), 8 * len(card))
