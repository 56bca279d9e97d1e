"""A JSON device model as data: topics, and for each message which event it becomes and where each field comes from.

`parse` reads the section `mqtt` of a profile and finds every mistake in it before a message is decoded. A profile maps
values, units and times; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from connectors.codecs.json_fields import FieldSpec, Source, parse_credit, parse_field, parse_source
from connectors.codecs.json_snapshot import Layout, parse_layout
from connectors.codecs.json_targets import EVENTS, TARGETS
from connectors.codecs.json_topics import TopicPattern, parse_pattern
from connectors.codecs.profile_error import Problems
from hub.vocabulary.ports import Lane

LANES: Final = {"alarm": Lane.ALARM, "telemetry": Lane.TELEMETRY}


class TimeForm(StrEnum):
    """How a device writes its time."""

    ISO = "iso"
    EPOCH_S = "epoch_s"
    EPOCH_MS = "epoch_ms"


class NaiveZone(StrEnum):
    """What a time without an offset means."""

    SITE = "site"  # the maker documents local time
    UTC = "utc"
    NONE = "none"  # it should have had one: not believed, arrival time takes its place


class TimeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where the device's time is. `unreadable_arrival`: a text that is no time gives arrival time instead of a refusal."""

    source: Source
    form: TimeForm = TimeForm.ISO
    zone: NaiveZone = NaiveZone.NONE
    required: bool = True
    unreadable_arrival: bool = False


class CreditSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A meter's credit: `balance` minus `overdraft`, in yuan or kWh as the field `unit` says."""

    balance: Source
    overdraft: Source | None
    low: int
    high: int


class SnapshotSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A base64 snapshot that is kept, decoded, in the event's extra; it never decides anything."""

    name: str
    source: Source
    layout: Layout


class MessageSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of message."""

    name: str
    patterns: tuple[TopicPattern, ...]
    lane: Lane
    event: str  # key of EVENTS
    kinds: tuple[str, ...]
    when: Mapping[str, Any]
    fields: Mapping[str, FieldSpec]
    credit: CreditSpec | None
    id: tuple[Source, ...]
    time: TimeSpec | None
    last_will: Mapping[str, Any]  # a payload with these values may be a last will, written when the device connected
    needs_any: tuple[str, ...]  # at least one of these fields of the payload must be there
    snapshot: SnapshotSpec | None


class JsonProfile(msgspec.Struct, frozen=True, kw_only=True):
    """Section `mqtt` of one profile. `addressed_by`: payload field ↔ option of the device in the site file."""

    id: str
    kinds: tuple[str, ...]
    messages: tuple[MessageSpec, ...]
    addressed_by: tuple[Source, str] | None
    frame: tuple[bytes, bytes] | None


_SECTION_KEYS: Final = ("messages", "id", "time", "addressed_by", "frame")
_MESSAGE_KEYS: Final = (
    "name", "topic", "lane", "event", "kinds", "when", "fields", "credit", "id", "time", "last_will", "needs_any", "snapshot",
)  # fmt: skip


def parse(raw: Mapping[str, Any]) -> JsonProfile:
    """The profile from a YAML document with `id`, `kind` and the section `mqtt`. Raises ProfileError with every mistake."""
    problems = Problems()
    section = raw.get("mqtt")
    if not isinstance(section, Mapping):
        problems.add("mqtt", "this section is needed; it says which topics there are and what their messages mean")
        section = {}
    problems.unknown_keys(section, _SECTION_KEYS, "mqtt")
    kinds = raw.get("kind")
    profile = JsonProfile(
        id=str(raw.get("id", "")),
        kinds=(kinds,) if isinstance(kinds, str) else tuple(map(str, kinds or ())),
        messages=_messages(section, raw, problems),
        addressed_by=_addressed_by(section.get("addressed_by"), problems),
        frame=_frame(section.get("frame"), problems),
    )
    _check(profile, problems)
    problems.raise_if_any()
    return profile


def _messages(section: Mapping[str, Any], raw: Mapping[str, Any], problems: Problems) -> tuple[MessageSpec, ...]:
    found = section.get("messages")
    if not isinstance(found, list) or not found:
        problems.add("mqtt.messages", "needed: a list of at least one message")
        return ()
    parsed = [_message(item, section, raw, f"mqtt.messages[{index}]", problems) for index, item in enumerate(found)]
    return tuple(item for item in parsed if item is not None)


def _message(
    raw: Any, section: Mapping[str, Any], document: Mapping[str, Any], path: str, problems: Problems
) -> MessageSpec | None:
    if not isinstance(raw, Mapping):
        problems.add(path, f"a mapping with {', '.join(_MESSAGE_KEYS)} is needed")
        return None
    problems.unknown_keys(raw, _MESSAGE_KEYS, path)
    event = raw.get("event")
    if event not in EVENTS:
        problems.add(f"{path}.event", f"{event!r}; allowed: {', '.join(EVENTS)}")
        return None
    if raw.get("lane") not in LANES:
        problems.add(f"{path}.lane", f"{raw.get('lane')!r}; allowed: {', '.join(LANES)}")
    name = raw.get("name")
    if not isinstance(name, str) or not name or len(name) > 24:
        problems.add(f"{path}.name", "needed: one short word; it stands before the device's id in the dedupe key")
    return MessageSpec(
        name=str(name),
        patterns=_patterns(raw.get("topic"), f"{path}.topic", problems),
        lane=LANES.get(str(raw.get("lane")), Lane.TELEMETRY),
        event=str(event),
        kinds=_kinds(raw.get("kinds"), document, f"{path}.kinds", problems),
        when=_scalars(raw.get("when", {}), f"{path}.when", problems),
        fields=_fields(raw.get("fields", {}), str(event), f"{path}.fields", problems),
        credit=_credit(raw.get("credit"), str(event), f"{path}.credit", problems),
        id=_id(raw.get("id", section.get("id")), f"{path}.id", problems),
        time=_time(raw.get("time", section.get("time")), f"{path}.time", problems),
        last_will=_scalars(raw.get("last_will", {}), f"{path}.last_will", problems),
        needs_any=tuple(map(str, raw.get("needs_any", ()))),
        snapshot=_snapshot(raw.get("snapshot"), f"{path}.snapshot", problems),
    )


def _patterns(raw: Any, path: str, problems: Problems) -> tuple[TopicPattern, ...]:
    texts = raw if isinstance(raw, list) else [raw]
    found = [parse_pattern(text, path, problems) for text in texts]
    return tuple(pattern for pattern in found if pattern is not None)


def _kinds(raw: Any, document: Mapping[str, Any], path: str, problems: Problems) -> tuple[str, ...]:
    own = document.get("kind")
    allowed = [own] if isinstance(own, str) else [str(kind) for kind in own or ()]
    if raw is None:
        return tuple(allowed)
    kinds = raw if isinstance(raw, list) else [raw]
    for kind in kinds:
        if kind not in allowed:
            problems.add(path, f"{kind!r}; allowed: {', '.join(allowed)} (the profile's `kind`)")
    return tuple(map(str, kinds))


def _scalars(raw: Any, path: str, problems: Problems) -> dict[str, Any]:
    if not isinstance(raw, Mapping) or not all(
        isinstance(key, str) and isinstance(value, str | int | bool) for key, value in raw.items()
    ):
        problems.add(path, "a mapping of the payload's fields to text, whole numbers or booleans is needed")
        return {}
    return dict(raw)


def _fields(raw: Any, event: str, path: str, problems: Problems) -> dict[str, FieldSpec]:
    targets = TARGETS[event]
    if not isinstance(raw, Mapping):
        problems.add(path, "a mapping of the event's fields is needed")
        return {}
    problems.unknown_keys(raw, targets, path)
    found = {
        name: spec
        for name, value in raw.items()
        if name in targets and (spec := parse_field(value, targets[name], f"{path}.{name}", problems)) is not None
    }
    for name, target in targets.items():
        if target.required and name not in raw:
            problems.add(f"{path}.{name}", f"needed for {event}: say where it comes `from`, or give a `const`")
    return found


def _credit(raw: Any, event: str, path: str, problems: Problems) -> CreditSpec | None:
    if event != "MeterReading":
        if raw is not None:
            problems.add(path, "only MeterReading has a credit")
        return None
    parsed = parse_credit(raw, path, problems)
    return parsed and CreditSpec(balance=parsed[0], overdraft=parsed[1], low=parsed[2], high=parsed[3])


def _id(raw: Any, path: str, problems: Problems) -> tuple[Source, ...]:
    """No id is allowed: such messages (whole states) are not deduplicated, because saying it twice changes nothing."""
    if raw is None:
        return ()
    parts = [parse_source(part, path, problems) for part in (raw if isinstance(raw, list) else [raw])]
    return tuple(part for part in parts if part is not None)


def _time(raw: Any, path: str, problems: Problems) -> TimeSpec | None:
    if raw is None:
        return None
    if not isinstance(raw, Mapping):
        problems.add(path, "a mapping with from, form, zone, required, unreadable is needed")
        return None
    problems.unknown_keys(raw, ("from", "form", "zone", "required", "unreadable"), path)
    source = parse_source(raw.get("from"), f"{path}.from", problems)
    form, zone, unreadable = raw.get("form", "iso"), raw.get("zone", "none"), raw.get("unreadable", "refuse")
    for name, value, allowed in (
        ("form", form, tuple(TimeForm)),
        ("zone", zone, tuple(NaiveZone)),
        ("unreadable", unreadable, ("refuse", "arrival")),
        ("required", raw.get("required", True), (True, False)),
    ):
        if value not in allowed:
            problems.add(f"{path}.{name}", f"{value!r}; allowed: {', '.join(map(str, allowed))}")
            return None
    if source is None:
        return None
    return TimeSpec(
        source=source,
        form=TimeForm(form),
        zone=NaiveZone(zone),
        required=bool(raw.get("required", True)),
        unreadable_arrival=unreadable == "arrival",
    )


def _snapshot(raw: Any, path: str, problems: Problems) -> SnapshotSpec | None:
    if raw is None:
        return None
    if not isinstance(raw, Mapping) or raw.get("transform") != "base64_snapshot":
        problems.add(f"{path}.transform", "allowed: base64_snapshot")
        return None
    problems.unknown_keys(raw, ("name", "from", "transform", "layout"), path)
    source = parse_source(raw.get("from"), f"{path}.from", problems)
    layout = parse_layout(raw.get("layout"), f"{path}.layout", problems)
    if source is None:
        return None
    return SnapshotSpec(name=str(raw.get("name", "snapshot")), source=source, layout=layout)


def _addressed_by(raw: Any, problems: Problems) -> tuple[Source, str] | None:
    if raw is None:
        return None
    path = "mqtt.addressed_by"
    if not isinstance(raw, Mapping) or set(raw) != {"field", "option"} or not isinstance(raw["option"], str):
        problems.add(path, "a mapping {field: of the payload, option: of the device in the site file} is needed")
        return None
    source = parse_source(raw["field"], f"{path}.field", problems)
    return None if source is None else (source, raw["option"])


def _frame(raw: Any, problems: Problems) -> tuple[bytes, bytes] | None:
    if raw is None:
        return None
    if (
        not isinstance(raw, Mapping)
        or set(raw) != {"start", "end"}
        or not all(isinstance(v, str) for v in raw.values())
    ):
        problems.add("mqtt.frame", "a mapping {start: text, end: text} is needed")
        return None
    return raw["start"].encode(), raw["end"].encode()


def _check(profile: JsonProfile, problems: Problems) -> None:
    """What only shows when all parts are there."""
    seen: dict[tuple[str, str], str] = {}
    for index, message in enumerate(profile.messages):
        path = f"mqtt.messages[{index}]"
        for pattern in message.patterns:
            if not pattern.names_device and profile.addressed_by is None:
                problems.add(f"{path}.topic", f"{pattern.text!r} names no {{device}}: mqtt.addressed_by is needed")
            case = (pattern.text, repr(sorted(message.when.items(), key=str)))
            if case in seen:
                problems.add(path, f"same topic and `when` as {seen[case]}: one of the two would never be used")
            seen[case] = path
