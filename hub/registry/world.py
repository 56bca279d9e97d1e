"""The registry as the pipeline sees it: the estate with the row keys that the database has given."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from hub.registry.estate import Estate
from hub.vocabulary.facts import DeviceFacts, SiteFacts


class EstateWorld:
    """Constant while the hub runs (hub.pipeline.world.World)."""

    def __init__(self, estate: Estate, keys: Mapping[tuple[str, str], int]) -> None:
        self._estate = estate
        self._devices: dict[str, dict[str, DeviceFacts]] = {site: {} for site in estate.sites}
        for (site, device), facts in estate.facts(keys).items():
            self._devices[site][device] = facts

    def site(self, site: str) -> SiteFacts | None:
        """One site."""
        return self._estate.sites.get(site)

    def sites(self) -> list[SiteFacts]:
        """All sites."""
        return list(self._estate.sites.values())

    def device(self, site: str, device: str) -> DeviceFacts | None:
        """One device."""
        devices = self._devices.get(site)
        return None if devices is None else devices.get(device)

    def devices_of(self, site: str) -> Mapping[str, DeviceFacts]:
        """All devices of a site."""
        return self._devices[site]

    def limits(self, rule: str, site: str, device: str | None) -> msgspec.Struct:
        """A rule's limits for a device, or for the site."""
        limits: msgspec.Struct = self._estate.limits(rule, site, device or "")
        return limits
