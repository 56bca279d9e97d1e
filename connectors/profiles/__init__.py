"""Loads every device profile: one YAML file per device model, with a common header and the section of its transport.

A profile is data: adding a model of a known kind is one file here (or in a folder of the site's own) and one case folder
under tests/cases. Everything wrong in any file is reported at once, each with file, field and what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import yaml

from connectors.codecs import (
    dlt645_profile,
    door_profile,
    json_profile,
    modbus_profile,
    reader_profile,
    uhppote_profile,
)
from connectors.codecs.dlt645_profile import Dlt645Profile
from connectors.codecs.door_profile import DoorProfile
from connectors.codecs.json_profile import JsonProfile
from connectors.codecs.modbus_fields import Number
from connectors.codecs.modbus_profile import ModbusProfile
from connectors.codecs.profile_error import Problems, ProfileError
from connectors.codecs.reader_profile import ReaderProfile
from connectors.codecs.uhppote_profile import UhppoteProfile
from hub.vocabulary.facts import AccessFacts, DeviceKind, ProfileFacts
from hub.vocabulary.units import BalanceUnit

MQTT_JSON: Final = "mqtt-json"
MODBUS: Final = "modbus"
DLT645: Final = "dlt645"
ACREL_PUSH: Final = "acrel-push"
UHPPOTE: Final = "uhppote"
DOORS: Final = "mqtt-doors"
READER: Final = "modbus-reader"
SECTIONS: Final = {
    MQTT_JSON: "mqtt",
    MODBUS: "modbus",
    DLT645: "dlt645",
    ACREL_PUSH: "acrel",
    UHPPOTE: "uhppote",
    DOORS: "doors",
    READER: "reader",
}
"""Transports and the section of the file that describes each."""

QUALITY: Final = (
    "reconnect_tested",
    "ack_after_commit_tested",
    "rejects_stored",
    "units_checked",
    "silence_detected",
    "tested_on_device",
)
"""The quality list of a connector: each is `done`, or `exempt: reason`, or `open: what is missing`."""

CONFIDENCE: Final = ("own", "device", "manual", "documentation", "code", "samples")
"""From what the format is known: it is ours; tried on a device; the maker's manual; a description; someone's code; samples."""

_HEADER: Final = ("id", "name", "kind", "transport", "evidence", "caveats", "quality", "expects_test_call", "access")
_LANGUAGES: Final = ("zh-CN", "en")


class Evidence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the format is written down, and how far it was tried."""

    sources: tuple[str, ...]
    confidence: str
    tested_on: tuple[str, ...] = ()  # real devices, with firmware
    note: str = ""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One device model. Exactly one of `mqtt`, `modbus`, `dlt645`, `acrel`, `uhppote`, `doors` and `reader` is set, after `transport`."""

    id: str
    name: Mapping[str, str]  # by language: zh-CN, en
    kinds: tuple[str, ...]  # of devices that may use it (DeviceKind)
    transport: str
    evidence: Evidence
    caveats: tuple[str, ...]
    quality: Mapping[str, str]
    expects_test_call: bool  # the device can report the 72-hour test of EN 81-28
    file: str
    mqtt: JsonProfile | None = None
    modbus: ModbusProfile | None = None
    dlt645: Dlt645Profile | None = None
    acrel: ModbusProfile | None = None  # registers as a poll would bring them
    uhppote: UhppoteProfile | None = None
    doors: DoorProfile | None = None
    reader: ReaderProfile | None = None
    access: AccessFacts | None = None  # of access controllers

    def facts(self) -> ProfileFacts:
        """What site files are checked against."""
        addressed_by = self.mqtt.addressed_by if self.mqtt is not None else None
        return ProfileFacts(
            kinds=tuple(map(DeviceKind, self.kinds)),
            channel="modbus" if self.transport == READER else SECTIONS[self.transport],  # it hangs on such a bus
            balance_unit=_balance_unit(self.modbus or self.acrel, self.dlt645),
            options=(addressed_by[1],) if addressed_by is not None else (),
            expects_test_call=self.expects_test_call,
            access=self.access,
        )


def _balance_unit(modbus: ModbusProfile | None, dlt645: Dlt645Profile | None) -> str | None:
    """`CNY`, `kWh`, `$site`, or None where each reading says it.

    A DL/T 645 meter says it as well; the site file says it too, so that a contradiction shows and an unreadable word does not matter.
    """
    if dlt645 is not None and dlt645.variants:
        return "$site"
    balance = modbus.fields.get("balance") if modbus is not None else None
    if not isinstance(balance, Number):
        return None
    return balance.unit if balance.unit in {"CNY", "$site"} else BalanceUnit.KWH.value


def load(extra_dirs: Iterable[Path | str] = ()) -> dict[str, Profile]:
    """All shipped profiles and those in `extra_dirs`, by id. Raises ProfileError with every mistake of every file."""
    found: dict[str, Profile] = {}
    problems: list[str] = []
    for name, text in _texts(extra_dirs, problems):
        try:
            profile = read(text, name)
        except ProfileError as error:
            problems += error.problems
            continue
        if profile.id in found:
            problems.append(f"{name}: id: {profile.id!r} is already used by {found[profile.id].file}")
        found.setdefault(profile.id, profile)
    if problems:
        raise ProfileError(problems)
    return found


def _texts(extra_dirs: Iterable[Path | str], problems: list[str]) -> Iterable[tuple[str, str]]:
    shipped = sorted(files("connectors.profiles").iterdir(), key=lambda item: item.name)
    for item in shipped:
        if item.name.endswith(".yaml"):
            yield item.name, item.read_text(encoding="utf-8")
    for folder in map(Path, extra_dirs):
        if not folder.is_dir():
            problems.append(f"{folder}: no such folder of profiles")
        for path in sorted(folder.glob("*.yaml")):
            try:
                yield str(path), path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                problems.append(f"{path}: cannot be read: {error}")


def read(text: str, name: str) -> Profile:
    """One profile from the text of the file `name`. Raises ProfileError."""
    try:
        raw = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader that also refuses duplicate keys
    except yaml.YAMLError as error:
        raise ProfileError([f"not YAML: {' '.join(str(error).split())}"], name) from error
    if not isinstance(raw, dict):
        raise ProfileError(
            [f"a mapping with {', '.join(_HEADER)} and one of {', '.join(SECTIONS.values())} is needed"], name
        )
    problems = Problems()
    profile = _header(raw, name, problems)
    section: Section | None = None
    try:
        parse = _PARSERS.get(profile.transport)
        section = parse(raw) if parse is not None else None
    except ProfileError as error:
        problems.found += error.problems
    if problems.found:
        raise ProfileError(problems.found, name)
    return msgspec.structs.replace(profile, **{SECTIONS[profile.transport]: section})


def _parse_acrel(raw: dict[str, Any]) -> ModbusProfile:
    """Registers as elsewhere, in a section of another name."""
    section = SECTIONS[ACREL_PUSH]
    try:
        return modbus_profile.parse({**raw, "modbus": raw.get(section)})
    except ProfileError as error:
        raise ProfileError([problem.replace("modbus", section, 1) for problem in error.problems]) from error


Section: TypeAlias = JsonProfile | ModbusProfile | UhppoteProfile | DoorProfile | ReaderProfile
"""What a transport's section is read into; a Dlt645Profile is a ModbusProfile as well."""

_PARSERS: Final[Mapping[str, Callable[[dict[str, Any]], Section]]] = {
    MQTT_JSON: json_profile.parse,
    MODBUS: modbus_profile.parse,
    DLT645: dlt645_profile.parse,
    UHPPOTE: uhppote_profile.parse,
    DOORS: door_profile.parse,
    ACREL_PUSH: _parse_acrel,
    READER: reader_profile.parse,
}


def _header(raw: dict[str, Any], name: str, problems: Problems) -> Profile:
    transport = raw.get("transport")
    if transport not in SECTIONS:
        problems.add("transport", f"{transport!r}; allowed: {', '.join(SECTIONS)}")
    section = SECTIONS.get(str(transport))
    problems.unknown_keys(raw, (*_HEADER, *([section] if section else SECTIONS.values())), "")
    given = raw.get("kind")
    kinds = given if isinstance(given, list) else [given]
    for kind in kinds:
        if kind not in set(DeviceKind):
            problems.add("kind", f"{kind!r}; allowed: {', '.join(DeviceKind)}")
    test_call = raw.get("expects_test_call", False)
    if not isinstance(test_call, bool):
        problems.add("expects_test_call", "true or false is needed")
    return Profile(
        id=_text(raw, "id", problems),
        name=_name(raw.get("name"), problems),
        kinds=tuple(map(str, kinds)),
        transport=str(transport),
        evidence=_evidence(raw.get("evidence"), problems),
        caveats=_texts_of(raw, "caveats", problems),
        quality=_quality(raw.get("quality", {}), problems),
        expects_test_call=test_call is True,
        file=name,
        access=_access(raw.get("access"), kinds, problems),
    )


def _access(raw: Any, kinds: list[Any], problems: Problems) -> AccessFacts | None:
    if DeviceKind.ACCESS_CONTROLLER not in kinds:
        if raw is not None:
            problems.add("access", "only a profile of access controllers has one")
        return None
    try:
        return msgspec.convert({} if raw is None else raw, AccessFacts)
    except msgspec.ValidationError as error:
        problems.add("access", f"{{capacity: cards, reads_one: true or false}} is needed ({error})")
        return None


def _text(raw: Mapping[str, Any], key: str, problems: Problems) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not value.strip():
        problems.add(key, "a text is needed")
        return ""
    return value


def _texts_of(raw: Mapping[str, Any], key: str, problems: Problems) -> tuple[str, ...]:
    value = raw.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        problems.add(key, "a list of texts is needed")
        return ()
    return tuple(value)


def _name(raw: Any, problems: Problems) -> dict[str, str]:
    if not isinstance(raw, Mapping) or not all(isinstance(raw.get(language), str) for language in _LANGUAGES):
        problems.add("name", f"a mapping is needed with a text for each of: {', '.join(_LANGUAGES)}")
        return {}
    problems.unknown_keys(raw, _LANGUAGES, "name")
    return {language: raw[language] for language in _LANGUAGES}


def _evidence(raw: Any, problems: Problems) -> Evidence:
    try:
        evidence = msgspec.convert(raw, Evidence)
    except msgspec.ValidationError as error:
        problems.add(
            "evidence", f"{{sources: [texts], confidence: word, tested_on: [texts], note: text}} is needed ({error})"
        )
        return Evidence(sources=(), confidence="")
    if evidence.confidence not in CONFIDENCE:
        problems.add("evidence.confidence", f"{evidence.confidence!r}; allowed: {', '.join(CONFIDENCE)}")
    return evidence


def _quality(raw: Any, problems: Problems) -> dict[str, str]:
    if not isinstance(raw, Mapping):
        problems.add("quality", f"a mapping is needed of: {', '.join(QUALITY)}")
        return {}
    problems.unknown_keys(raw, QUALITY, "quality")
    for key, value in raw.items():
        if value != "done" and not (isinstance(value, str) and value.startswith(("exempt: ", "open: "))):
            problems.add(f"quality.{key}", f"{value!r}; allowed: done, 'exempt: reason', 'open: what is missing'")
    return {str(key): str(value) for key, value in raw.items()}


_FAST: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same in C, where PyYAML was built with it


class _StrictLoader(_FAST):  # type: ignore[misc]
    """SafeLoader in which a key that stands twice is a mistake: YAML would silently take the last."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if not isinstance(key, str | int | bool | None):
            raise yaml.constructor.ConstructorError(None, None, f"line {line}: a key must be text or a number")
        if any(key == known and type(key) is type(known) for known in found):
            raise yaml.constructor.ConstructorError(None, None, f"line {line}: key {key!r} stands twice")
        if key in found:
            raise yaml.constructor.ConstructorError(None, None, f"line {line}: {key!r} and a number mean the same key")
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
