"""A message of a JSON profile, compiled: payload → event in one pass over a fixed list of steps.

This is the hot path (one call per message): everything that depends on the profile alone is done when the plan is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from connectors.codecs.json_fields import MISSING, FieldSpec, Source
from connectors.codecs.json_profile import CreditSpec, MessageSpec, NaiveZone, TimeForm, TimeSpec
from connectors.codecs.json_snapshot import read_snapshot
from connectors.codecs.json_targets import EVENTS, TARGETS, Target
from connectors.codecs.json_text import kind_of, plain
from connectors.codecs.json_values import Convert, id_text, wrong
from connectors.codecs.refusal import Refusal, shown
from hub.vocabulary.device_clock import believe
from hub.vocabulary.events import Clock, Event
from hub.vocabulary.instants import UtcMs, parse_iso
from hub.vocabulary.rejected import RejectReason
from hub.vocabulary.units import BalanceUnit, to_credit

MAX_ID: Final = 128
MAX_TIME_TEXT: Final = 64
_MS: Final = {TimeForm.EPOCH_S: 1000, TimeForm.EPOCH_MS: 1}


class Step(NamedTuple):
    """Fill one field of the event. `key` is set for a plain name, the fast way; `source` for everything else."""

    target: str
    key: str | None
    source: Source
    convert: Convert
    required: bool
    nullable: bool
    when: tuple[tuple[str, Any], ...]


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a message came from, found once per topic: whose it is, and what the site file says about that device."""

    site: str
    device: str
    zone: tzinfo
    balance_unit: BalanceUnit | None


class MessagePlan:
    """One compiled message. `event` builds it or raises Refusal."""

    def __init__(self, spec: MessageSpec, addressed_by: Source | None) -> None:
        self.spec = spec
        self.when = tuple(spec.when.items())
        self._build = EVENTS[spec.event]
        self._credit = spec.credit
        self._time = spec.time
        self._id = spec.id
        self._prefix = f"{spec.name}:"
        self._last_will = tuple(spec.last_will.items())
        self._snapshot = spec.snapshot
        self._consts = {name: field.const for name, field in spec.fields.items() if field.source is None}
        self._steps = tuple(
            _step(name, field, TARGETS[spec.event][name])
            for name, field in spec.fields.items()
            if field.source is not None
        )
        self._known, self._nested = _named(spec, addressed_by)
        self._has_parts = bool(self._nested) or spec.snapshot is not None
        self._needs_any = spec.needs_any
        self._id_key = spec.id[0].keys[0] if len(spec.id) == 1 and len(spec.id[0].keys) == 1 else ""
        time = spec.time
        plain_time = time is not None and time.form is TimeForm.ISO and time.zone is NaiveZone.NONE
        self._time_key = time.source.keys[0] if time and plain_time and len(time.source.keys) == 1 else ""

    def matches(self, payload: Mapping[str, Any]) -> bool:
        """Whether the payload's fields are those of the profile's `when`; type and value must agree."""
        return _all_same(payload, self.when)

    def event(self, payload: dict[str, Any], origin: Origin, received_at: UtcMs, live: bool) -> Event:
        """The event of this payload."""
        values = self._values(payload)
        if self._credit is not None:
            values["credit"] = _credit(self._credit, payload, values["unit"], origin.balance_unit)
        if self._needs_any and not any(name in payload for name in self._needs_any):
            raise Refusal(RejectReason.MISSING_FIELD, f"at least one is needed: {', '.join(self._needs_any)}")
        occurred_at, clock, device_at = self._when(payload, origin.zone, received_at)
        if self._has_parts or not payload.keys() <= self._known:
            values["extra"] = self._extra(payload)
        return self._build(
            site=origin.site,
            device=origin.device,
            source_key=self._source_key(payload),
            occurred_at=occurred_at,
            received_at=received_at,
            clock=clock,
            device_at=device_at,
            live=live,
            **values,
        )

    def _values(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The fields of the event that the profile names, by the event's names."""
        values: dict[str, Any] = self._consts.copy()
        source = None
        try:
            for target, key, source, convert, required, nullable, when in self._steps:
                value = payload.get(key, MISSING) if key is not None else source.read(payload)
                if when and not _all_same(payload, when):
                    continue
                if value is MISSING:
                    if required:
                        raise Refusal(RejectReason.MISSING_FIELD, "missing")
                elif value is not None:
                    found = convert(value)
                    if found is not None:
                        values[target] = found
                elif not nullable:
                    raise wrong(None, "a value")
                elif required:
                    values[target] = None
        except Refusal as refusal:
            path = source.text if source is not None else ""
            raise Refusal(refusal.reason, refusal.detail, f"{path}.{refusal.path}".rstrip(".")) from None
        return values

    def _source_key(self, payload: dict[str, Any]) -> str:
        value = payload.get(self._id_key)
        if type(value) is str and 0 < len(value) <= MAX_ID and not value.isspace():
            return self._prefix + value
        if not self._id:
            return ""
        if len(self._id) == 1:
            return self._prefix + _id_part(self._id[0], payload)
        return self._prefix + ":".join([_id_part(source, payload) for source in self._id])

    def _when(self, payload: dict[str, Any], zone: tzinfo, received_at: UtcMs) -> tuple[UtcMs, Clock, UtcMs | None]:
        if self._time is None:
            return received_at, Clock.ARRIVAL, None
        text = payload.get(self._time_key)
        device_at, believable = _plain_time(text) if type(text) is str else None, True
        if device_at is None:  # not the plain case, or wrong
            device_at, believable = read_time(self._time, payload, zone)
        if device_at is not None and not believable:
            return received_at, Clock.SKEWED, device_at
        if self._last_will and _all_same(payload, self._last_will):
            return received_at, Clock.ARRIVAL, device_at
        return believe(device_at, received_at)

    def _extra(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Fields that the profile does not name, in a form that can be kept; the snapshot, decoded, beside them."""
        extra: dict[str, Any] = {}
        for name, value in payload.items():
            if name not in self._known:
                extra[name] = plain(value, name)
            elif name in self._nested and type(value) is dict:
                rest = {key: plain(item, name) for key, item in value.items() if key not in self._nested[name]}
                if rest:
                    extra[name] = rest
        if self._snapshot is not None:
            found = self._snapshot.source.read(payload)
            if found is not MISSING:
                extra[self._snapshot.name] = read_snapshot(found, self._snapshot.layout)
        return extra or None


def _step(name: str, field: FieldSpec, target: Target) -> Step:
    source = field.source
    assert source is not None
    return Step(
        target=name,
        key=source.keys[0] if len(source.keys) == 1 else None,
        source=source,
        convert=target.compile(field.adjust),
        required=field.required,
        nullable=target.nullable,
        when=tuple(field.when.items()),
    )


def _named(spec: MessageSpec, addressed_by: Source | None) -> tuple[frozenset[str], dict[str, frozenset[str]]]:
    """Top-level fields that need no place in extra, and for those read as `outer.inner` the inner names used.

    What a JMESPath expression or a deeper path looks at stays in extra as a whole.
    """
    sources = [field.source for field in spec.fields.values() if field.source is not None]
    sources += [source for source in (addressed_by, *spec.id) if source is not None]
    if spec.time is not None:
        sources.append(spec.time.source)
    if spec.credit is not None:
        sources += [source for source in (spec.credit.balance, spec.credit.overdraft) if source is not None]
    if spec.snapshot is not None:
        sources.append(spec.snapshot.source)
    known = {source.keys[0] for source in sources if len(source.keys) in {1, 2}} | set(spec.when)
    nested: dict[str, set[str]] = {}
    for source in sources:
        if len(source.keys) == 2:
            nested.setdefault(source.keys[0], set()).add(source.keys[1])
    return frozenset(known), {name: frozenset(inner) for name, inner in nested.items()}


def _all_same(payload: Mapping[str, Any], wanted: tuple[tuple[str, Any], ...]) -> bool:
    """Whether the payload has these values; true is not 1."""
    return all(type(payload.get(name)) is type(value) and payload[name] == value for name, value in wanted)


def _id_part(source: Source, payload: dict[str, Any]) -> str:
    value = source.read(payload)
    if value is MISSING:
        raise Refusal(RejectReason.MISSING_FIELD, "missing; it tells this event from every other", source.text)
    try:
        return id_text(value, MAX_ID)
    except Refusal as refusal:
        raise Refusal(refusal.reason, refusal.detail, source.text) from None


def _credit(spec: CreditSpec, payload: dict[str, Any], unit: BalanceUnit, expected: BalanceUnit | None) -> int | None:
    """Balance minus overdraft in fen or Wh; None where the device cannot read its balance."""
    if expected is not None and unit is not expected:
        raise Refusal(RejectReason.IMPLAUSIBLE, f"{unit}; the site file says that this meter counts {expected}", "unit")
    balance = spec.balance.read(payload)
    if balance is MISSING:
        raise Refusal(RejectReason.MISSING_FIELD, "missing (null where the device cannot tell)", spec.balance.text)
    owed = None if spec.overdraft is None else spec.overdraft.read(payload)
    debt = 0 if owed is None or owed is MISSING else _amount(owed, unit, spec, spec.overdraft)
    return None if balance is None else _amount(balance, unit, spec, spec.balance) - debt


def _amount(value: Any, unit: BalanceUnit, spec: CreditSpec, source: Source | None) -> int:
    """Fen or Wh of a number in yuan or kWh."""
    path = source.text if source is not None else ""
    if type(value) is not Decimal and type(value) is not int:
        raise Refusal(RejectReason.WRONG_TYPE, f"{kind_of(value)}; a number or null is needed", path)
    if not spec.low <= value <= spec.high:
        raise Refusal(RejectReason.IMPLAUSIBLE, f"plausible: {spec.low} … {spec.high}", path)
    return to_credit(value, unit)


def read_time(spec: TimeSpec, payload: dict[str, Any], zone: tzinfo) -> tuple[UtcMs | None, bool]:
    """The device's time and whether it may be believed at all; None where it gives none."""
    value = spec.source.read(payload)
    path = spec.source.text
    if value is MISSING or value is None:
        if spec.required:
            reason = RejectReason.MISSING_FIELD if value is MISSING else RejectReason.WRONG_TYPE
            raise Refusal(reason, "missing; the time of the event is needed", path)
        return None, True
    if spec.form is not TimeForm.ISO:
        return _epoch(value, spec, path)
    if type(value) is not str:
        raise Refusal(RejectReason.WRONG_TYPE, f"{kind_of(value)}; text with an ISO 8601 time is needed", path)
    try:
        return _iso(value, spec, zone)
    except ValueError as error:
        if spec.unreadable_arrival:
            return None, True
        raise Refusal(RejectReason.BAD_TIME, str(error), path) from error


def _plain_time(text: str) -> UtcMs | None:
    """The fast way for the usual case; None where a closer look is needed."""
    try:
        return parse_iso(text) if len(text) <= MAX_TIME_TEXT else None
    except ValueError:
        return None


def _iso(text: str, spec: TimeSpec, zone: tzinfo) -> tuple[UtcMs, bool]:
    if len(text) > MAX_TIME_TEXT:
        raise ValueError(f"not an ISO 8601 time: {shown(text)}")
    if spec.zone is NaiveZone.SITE:
        return parse_iso(text, zone), True
    if spec.zone is NaiveZone.UTC:
        return parse_iso(text, UTC), True
    try:
        return parse_iso(text), True
    except ValueError:
        # Without an offset nobody knows which hour is meant. The alarm counts from its arrival; their time is kept.
        if datetime.fromisoformat(text).tzinfo is not None:
            raise
        return parse_iso(text, zone), False


def _epoch(value: Any, spec: TimeSpec, path: str) -> tuple[UtcMs | None, bool]:
    if type(value) is not int and type(value) is not Decimal:
        raise Refusal(RejectReason.WRONG_TYPE, f"{kind_of(value)}; a number is needed", path)
    try:
        if not -(2**53) <= value <= 2**53:
            raise ValueError("beyond all times")
        at = int(value * _MS[spec.form])
        datetime.fromtimestamp(at / 1000, UTC)
    except (OverflowError, OSError, ValueError) as error:
        if spec.unreadable_arrival:
            return None, True
        raise Refusal(RejectReason.BAD_TIME, f"{shown(value)} is no time in {spec.form}", path) from error
    return at, True
