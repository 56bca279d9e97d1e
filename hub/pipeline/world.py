"""What the pipeline needs to know of the registry, and the facts that rules are handed, built once per (rule, device)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.facts import DeviceFacts, Facts, SiteFacts
from hub.vocabulary.instants import UtcMs


class World(Protocol):
    """The registry as the pipeline sees it; constant while the hub runs."""

    def site(self, site: str) -> SiteFacts | None:
        """One site."""

    def sites(self) -> list[SiteFacts]:
        """All sites."""

    def device(self, site: str, device: str) -> DeviceFacts | None:
        """One device, with the key of its row."""

    def devices_of(self, site: str) -> Mapping[str, DeviceFacts]:
        """All devices of a site, by id."""

    def limits(self, rule: str, site: str, device: str | None) -> msgspec.Struct:
        """A rule's limits, resolved site → building → device."""


def device_subject(device: DeviceFacts) -> Subject:
    """The subject of what is about this device."""
    return Subject(device.site, SubjectType.DEVICE, device.id)


def knows(world: World, subject: Subject) -> bool:
    """Whether there is what a person names. Of a card only the site is looked at: cards are not in the registry."""
    if world.site(subject.site) is None:
        return False
    match subject.type:
        case SubjectType.DEVICE:
            return world.device(subject.site, subject.id) is not None
        case SubjectType.BUILDING:
            return any(device.building == subject.id for device in world.devices_of(subject.site).values())
        case SubjectType.GATEWAY:
            return any(device.gateway == subject.id for device in world.devices_of(subject.site).values())
        case SubjectType.SITE:
            return subject.id == subject.site
        case SubjectType.CARD:
            return True


class FactsBook:
    """Facts per (rule, site, device), kept; the site-wide ones carry when each device was heard."""

    def __init__(self, world: World, heard: Mapping[str, Mapping[str, UtcMs]], started_at: UtcMs) -> None:
        self._world = world
        self._heard = heard
        self._started_at = started_at
        self._kept: dict[tuple[str, str, str], Facts] = {}

    def facts(self, rule: str, site: str, device: str) -> Facts | None:
        """None where the site is not ours. `device` is empty for what concerns the site as a whole."""
        key = (rule, site, device)
        found = self._kept.get(key)
        if found is None:
            found = self._build(rule, site, device)
            if found is not None:
                self._kept[key] = found
        return found

    def _build(self, rule: str, site: str, device: str) -> Facts | None:
        site_facts = self._world.site(site)
        if site_facts is None:
            return None
        wide: dict[str, Any] = {}
        if not device:
            devices, of_site = self._world.devices_of(site), self._world.limits(rule, site, None)
            own = ((name, self._world.limits(rule, site, name)) for name in devices)
            wide = {
                "devices": devices,
                "heard": self._heard[site],
                "limits_of": {name: limits for name, limits in own if limits is not of_site},
            }
        known = {name: value for name, value in wide.items() if name in Facts.__struct_fields__}
        return Facts(
            site=site_facts,
            device=self._world.device(site, device) if device else None,
            limits=self._world.limits(rule, site, device or None),
            started_at=self._started_at,
            **known,
        )
