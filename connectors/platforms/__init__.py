"""City platforms for trapped passengers (96333 and its like): one YAML file each, no code.

A new platform is a description, here or beside the site file, and a case folder in `tests/cases/<name>/`. What a city's own
document says differs from the next one's (domain/elevator.md 1.3): copy the shipped example and put in what yours asks for.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from connectors.codecs.city import OF_MILESTONES, VALUES, FieldMap, Step, Times
from connectors.described_http import PLACEHOLDER, RequestDescription, read_yaml_as
from hub.vocabulary.facts import NotifierFacts

SHIPPED: Final = Path(__file__).parent / "shipped"


class Platform(RequestDescription, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One platform. What stands beside `steps` is common to all of them."""

    steps: tuple[Step, ...]
    kinds: tuple[str, ...] = ("entrapment",)
    times: Times = Times()
    fields: Mapping[str, FieldMap] = msgspec.field(default_factory=dict)

    def request(self, step: Step) -> RequestDescription:
        """The request of one step."""
        return RequestDescription(
            name=self.name,
            source=self.source,
            url=self.url + step.path,
            settings=self.settings,
            defaults=self.defaults,
            secrets=self.secrets,
            method=step.method or self.method,
            headers=self.headers,
            query=self.query | step.query,
            form=self.form | step.form,
            json=step.json if step.json is not None else self.json,
            signing=self.signing,
            success=self.success,
            error_path=self.error_path,
            answer_path=self.answer_path,
            message_id=self.message_id,
            retry=self.retry,
        )

    def check(self) -> None:
        """Raise ValueError with what is wrong."""
        if not self.steps or len({step.name for step in self.steps}) != len(self.steps):
            raise ValueError("`steps` are needed, each with a name of its own")
        known = VALUES | {*self.fields}
        for name, each in self.fields.items():
            if each.source not in VALUES and not OF_MILESTONES.fullmatch(each.source):
                raise ValueError(f"fields.{name} takes from {each.source!r}, which is none of {sorted(VALUES)}")
        for step in self.steps:
            if not step.when:
                raise ValueError(f"steps.{step.name}: `when` names what it is sent for")
            request = self.request(step)
            request.check_request(known | milestones_in(request))
        if self.times.zone != "site":
            try:
                ZoneInfo(self.times.zone)
            except (ZoneInfoNotFoundError, ValueError):
                raise ValueError(f"times.zone {self.times.zone!r} is no time zone") from None


def milestones_in(request: RequestDescription) -> frozenset[str]:
    """Names of milestones' values that a request uses."""
    used = {name for text in request.texts() for name in PLACEHOLDER.findall(text)}
    return frozenset(name for name in used if OF_MILESTONES.fullmatch(name))


def read_platform(path: Path) -> Platform:
    """Read and check one. Raises ValueError with what is wrong, OSError."""
    found = read_yaml_as(path, Platform)
    found.check()
    return found


def shipped() -> Mapping[str, Platform]:
    """Those that come with the hub, by name."""
    return {path.stem: read_platform(path) for path in sorted(SHIPPED.glob("*.yaml"))}


def types() -> Mapping[str, NotifierFacts]:
    """Every type that a site file may name without a description of its own."""
    return {name: platform.facts() for name, platform in shipped().items()}


def describe(path: Path) -> NotifierFacts:
    """What a site's own description asks for. Raises ValueError with what is wrong, OSError."""
    return read_platform(path).facts()
