"""Scenarios as data: who takes part, what happens when, and which tickets must (and must not) exist afterwards.

Pure: a file's text becomes a Scenario, a Scenario and the estate's sites become a Script with concrete devices. All times are
seconds at the limits that the scenario names; a speed divides them in one place, where the script is played.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from simulators.site import Device, Site

STEP_WORDS = {"at_s", "every_s", "until_s", "stagger_s", "who", "do", "what", "what_zh"}
EXPECT_WORDS = {"kind", "subject", "count", "together", "active", "state", "repeats_min", "from_s", "by_s", "hold"}
CAST_WORDS = {
    "kind",
    "profile",
    "nth",
    "all",
    "limit",
    "id",
    "site",
    "on_bus",
    "bus_of",
    "bus_with",
    "unit",
    "other_than",
}
FILE_WORDS = {
    "name", "title", "title_zh", "limits", "cast", "timeline", "expect", "allow", "ends_at_s", "loop_every_s", "settle_s",
}  # fmt: skip


class ScenarioError(Exception):
    """A scenario that cannot be played; the text names the entry."""


@dataclass(frozen=True)
class Target:
    """A device or a bus of one site."""

    site: str
    id: str
    name: str
    is_bus: bool = False


@dataclass(frozen=True)
class Step:
    """Something that happens at a time to some targets."""

    at_s: float
    targets: tuple[Target, ...]
    do: str
    args: Mapping[str, Any]
    what: str | None
    what_zh: str | None


@dataclass(frozen=True)
class Expectation:
    """How many tickets of a kind about these subjects must be seen between two times.

    `hold` (and every expectation of none): at every look in that time; else: at one look at least.
    `states` and `active` restrict which tickets count; `repeats_min` is a lower bound of a ticket's own `count`.
    """

    kind: str
    subjects: tuple[str, ...]
    count_min: int
    count_max: int
    active: bool | None
    states: tuple[str, ...]
    repeats_min: int
    from_s: float
    by_s: float
    hold: bool


@dataclass(frozen=True)
class Script:
    """A scenario with concrete devices. `allowed` are (kind, subject) pairs that may or may not get tickets."""

    name: str
    title: str
    title_zh: str
    steps: tuple[Step, ...]
    expectations: tuple[Expectation, ...]
    allowed: frozenset[tuple[str, str]]
    targets: tuple[Target, ...]
    settle_s: float
    ends_at_s: float
    loop_every_s: float | None
    limits: Mapping[str, Any]


def available() -> dict[str, Traversable]:
    """The scenarios that come with the simulators, by name."""
    folder = resources.files("simulators") / "scenarios"
    files = (entry for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return {entry.name.removesuffix(".yaml"): entry for entry in sorted(files, key=lambda entry: entry.name)}


def parse(text: str) -> dict[str, Any]:
    """The checked YAML of a scenario file. Raises ScenarioError for unknown or missing words."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioError(str(error)) from error
    if not isinstance(raw, dict):
        raise ScenarioError("a scenario is a mapping")
    _words("scenario", raw, FILE_WORDS, {"name", "title", "title_zh", "cast", "timeline", "ends_at_s"})
    for role, selector in raw["cast"].items():
        _words(f"cast {role}", selector, CAST_WORDS, set())
    for number, step in enumerate(raw["timeline"], 1):
        _words(f"timeline step {number}", step, None, {"at_s", "who", "do"})
    for number, entry in enumerate(raw.get("expect", ()), 1):
        _words(f"expectation {number}", entry, EXPECT_WORDS, {"kind", "subject", "count", "by_s"})
    return raw


def resolve(raw: Mapping[str, Any], sites: Sequence[Site], overrides: Mapping[str, str] | None = None) -> Script:
    """Give every role of the cast to devices of these sites. `overrides` maps a role to a device id."""
    cast: dict[str, tuple[Target, ...]] = {}
    for role, selector in raw["cast"].items():
        chosen = {"id": overrides[role]} if overrides and role in overrides else selector
        cast[role] = _cast(role, chosen, sites, cast)
    ends_at_s = float(raw["ends_at_s"])
    steps = sorted((step for entry in raw["timeline"] for step in _steps(entry, cast)), key=lambda step: step.at_s)
    allowed = {(entry["kind"], target.id) for entry in raw.get("allow", ()) for target in _role(cast, entry["subject"])}
    return Script(
        name=raw["name"],
        title=raw["title"],
        title_zh=raw["title_zh"],
        steps=tuple(steps),
        expectations=tuple(item for entry in raw.get("expect", ()) for item in _expectations(entry, cast)),
        allowed=frozenset(allowed),
        targets=tuple(dict.fromkeys(target for targets in cast.values() for target in targets)),
        settle_s=float(raw.get("settle_s", 5)),
        ends_at_s=ends_at_s,
        loop_every_s=raw.get("loop_every_s"),
        limits=raw.get("limits", {}),
    )


def plan(script: Script, speed: float) -> list[dict[str, Any]]:
    """What will be seen, in real seconds from the start, in both languages; steps without words are left out."""
    told = [step for step in script.steps if step.what]
    return [
        {
            "in_s": round(step.at_s / speed, 1),
            "what": _told(step.what, step),
            "what_zh": _told(step.what_zh or step.what, step),
        }
        for step in told
    ]


def _told(text: str | None, step: Step) -> str:
    return (text or "").replace("{name}", step.targets[0].name).replace("{count}", str(len(step.targets)))


def _words(where: str, entry: Any, known: set[str] | None, needed: set[str]) -> None:
    if not isinstance(entry, dict):
        raise ScenarioError(f"{where}: expected a mapping")
    missing = needed - entry.keys()
    unknown = entry.keys() - known if known is not None else set()
    if missing or unknown:
        raise ScenarioError(f"{where}: missing {sorted(missing)}, unknown {sorted(unknown)}")


def _role(cast: Mapping[str, tuple[Target, ...]], role: str) -> tuple[Target, ...]:
    if role not in cast:
        raise ScenarioError(f"{role} is not in the cast: {', '.join(cast)}")
    return cast[role]


def _cast(
    role: str, selector: Mapping[str, Any], sites: Sequence[Site], cast: Mapping[str, tuple[Target, ...]]
) -> tuple[Target, ...]:
    scope = [site for site in sites if selector.get("site") in {None, site.id}]
    if "bus_with" in selector:
        found = _buses_with(selector["bus_with"], scope)
    elif "bus_of" in selector:
        found = _buses_of(_role(cast, selector["bus_of"]), scope)
    else:
        taken = {target for name in selector.get("other_than", ()) for target in _role(cast, name)}
        on_bus = {target.id for target in _role(cast, selector["on_bus"])} if "on_bus" in selector else None
        found = [
            target
            for site in scope
            for device in site.devices
            if _fits(device, selector, on_bus) and (target := Target(site.id, device.id, device.name)) not in taken
        ]
    if selector.get("all"):
        found = found[: selector.get("limit")]
    else:
        number = selector.get("nth", 1)
        found = found[number - 1 : number]
    if not found:
        raise ScenarioError(f"cast {role}: no device of the site files fits {dict(selector)}")
    return tuple(found)


def _fits(device: Device, selector: Mapping[str, Any], on_bus: set[str] | None) -> bool:
    wanted = {"id": device.id, "kind": device.kind, "profile": device.profile, "unit": device.balance_unit}
    named = all(selector[word] == value for word, value in wanted.items() if word in selector)
    return named and (on_bus is None or device.bus in on_bus)


def _buses_with(wanted: Mapping[str, Any], sites: Sequence[Site]) -> list[Target]:
    found = []
    for site in sites:
        for bus in site.buses:
            units = [
                device
                for device in site.devices
                if device.bus == bus and wanted.get("profile") in {None, device.profile}
            ]
            if len(units) >= wanted.get("at_least", 1):
                found.append(Target(site.id, bus, bus, is_bus=True))
    return found


def _buses_of(targets: Sequence[Target], sites: Sequence[Site]) -> list[Target]:
    ids = {(target.site, target.id) for target in targets}
    buses = [(site.id, device.bus) for site in sites for device in site.devices if (site.id, device.id) in ids]
    return [Target(site, bus, bus, is_bus=True) for site, bus in dict.fromkeys(buses) if bus is not None]


def _steps(entry: Mapping[str, Any], cast: Mapping[str, tuple[Target, ...]]) -> Iterator[Step]:
    """One step, or several: `every_s`…`until_s` repeats it, `stagger_s` lets it happen to one target after another."""
    targets = _role(cast, entry["who"])
    args = {word: value for word, value in entry.items() if word not in STEP_WORDS}
    at_s, until_s = float(entry["at_s"]), float(entry.get("until_s", entry["at_s"]))
    first = True
    while at_s <= until_s:
        what, what_zh = (entry.get("what"), entry.get("what_zh")) if first else (None, None)
        if "stagger_s" in entry:
            for place, target in enumerate(targets):
                yield Step(at_s + place * entry["stagger_s"], (target,), entry["do"], args, what, what_zh)
                what = what_zh = None
        else:
            yield Step(at_s, targets, entry["do"], args, what, what_zh)
        first = False
        if "every_s" not in entry:
            return
        at_s += float(entry["every_s"])


def _expectations(entry: Mapping[str, Any], cast: Mapping[str, tuple[Target, ...]]) -> Iterator[Expectation]:
    """One expectation for each subject of the role, or one for all of them `together`."""
    subjects = tuple(target.id for target in _role(cast, entry["subject"]))
    count = entry["count"]
    low, high = (count["min"], count["max"]) if isinstance(count, dict) else (count, count)
    state = entry.get("state", ())
    for group in [subjects] if entry.get("together") else [(subject,) for subject in subjects]:
        yield Expectation(
            kind=entry["kind"],
            subjects=group,
            count_min=low,
            count_max=high,
            active=entry.get("active"),
            states=(state,) if isinstance(state, str) else tuple(state),
            repeats_min=entry.get("repeats_min", 0),
            from_s=float(entry.get("from_s", 0)),
            by_s=float(entry["by_s"]),
            hold=bool(entry.get("hold", high == 0)),
        )
