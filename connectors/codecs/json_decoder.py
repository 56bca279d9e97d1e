"""Decoder of channel `mqtt`: topic → whose message and by which profile; payload → events, or why not.

Nothing that arrives may raise out of `decode`. Routes are remembered by topic for known devices only, so that a flood of
invented topics cannot fill the memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from connectors.codecs.hub_topics import ROOT, SELF, canary_topic, is_command
from connectors.codecs.json_fields import Source
from connectors.codecs.json_plan import MessagePlan, Origin
from connectors.codecs.json_profile import JsonProfile
from connectors.codecs.json_text import read_object
from connectors.codecs.json_topics import TopicPattern
from connectors.codecs.refusal import Refusal, shown
from hub.vocabulary.events import Canary, Clock, Event
from hub.vocabulary.ports import DeviceEntry, Lane, RawMessage
from hub.vocabulary.rejected import Rejected, RejectReason
from hub.vocabulary.units import BalanceUnit

OWN_PROFILE: Final = "hub-json"
"""Its topics are the hub's own: subscribed to as a whole, so that a wrong word or site is seen and not lost."""

MAX_CANARY_NUMBER: Final = 2**53


class Route(msgspec.Struct, frozen=True, gc=False):
    """One topic of one known device. `code` is what the payload must name where both sides give one."""

    origin: Origin
    plans: tuple[MessagePlan, ...]
    profile: JsonProfile
    code: str | None
    lane: Lane


class _Family(msgspec.Struct, frozen=True):
    """All messages that share one topic pattern, within one profile."""

    profile: JsonProfile
    pattern: TopicPattern
    lane: Lane
    plans: tuple[MessagePlan, ...]


class JsonDecoder:
    """`profiles` by id (those of transport `mqtt-json`); `devices` of all transports: the others are known, but not here."""

    def __init__(self, profiles: Mapping[str, JsonProfile], devices: Sequence[DeviceEntry], client_id: str) -> None:
        self._profiles = dict(profiles)
        self._devices = {(entry.site, entry.device): entry for entry in devices}
        self._sites = sorted({entry.site for entry in devices})
        self._families = tuple(family for profile in profiles.values() for family in _families(profile))
        self._by_code = _by_code(self._profiles, devices)
        self._routes: dict[str, Route] = {}
        self._canaries = {canary_topic(client_id, lane): lane for lane in Lane}

    # --- what to listen to ------------------------------------------------------------------------------------

    def subscriptions(self, *, own_sites_only: bool = False) -> list[tuple[str, Lane]]:
        """Topic filters, each with its session. `own_sites_only` where other hubs serve other sites on the same broker."""
        used = {entry.profile for entry in self._devices.values()} | {OWN_PROFILE}
        sites: Sequence[str | None] = self._sites if own_sites_only else (None,)
        found: dict[tuple[str, Lane], None] = {}
        for family in self._families:
            if family.profile.id in used and not (family.profile.id == OWN_PROFILE and family.lane is Lane.TELEMETRY):
                for site in sites:
                    found[family.pattern.filter(site), family.lane] = None
        for site in sites:
            found[f"{ROOT}/{site}/#" if site else f"{ROOT}/#", Lane.TELEMETRY] = None
        for topic, lane in self._canaries.items():
            if lane is Lane.ALARM or own_sites_only:
                found[topic, lane] = None
        return list(found)

    def lane_of(self, topic: str) -> Lane:
        """Which session delivers this topic; the wide filter of the telemetry session brings alarms a second time."""
        route = self._routes.get(topic)
        if route is not None:
            return route.lane
        if topic in self._canaries:
            return self._canaries[topic]
        levels = topic.split("/")
        for family in self._families:
            if family.lane is Lane.ALARM and family.pattern.match(levels) is not None:
                return Lane.ALARM
        return Lane.TELEMETRY

    # --- decoding ---------------------------------------------------------------------------------------------

    def decode(self, message: RawMessage) -> Sequence[Event] | Rejected:
        """Events, or Rejected with its reason. Never raises; no events for what the hub itself has sent."""
        route = self._routes.get(message.address)
        try:
            if route is None:
                if message.address.startswith(f"{ROOT}/"):
                    levels = message.address.split("/")
                    if levels[2] == SELF:
                        return self._canary(message)
                    if is_command(levels):
                        return ()
                route = self._route(message.address, message.payload)
            return (self._event(route, message),)
        except _Misdirected as wrong:
            return Rejected(reason=wrong.reason, detail=wrong.text, site=wrong.site, device=wrong.device)
        except Refusal as refusal:
            site, device = (route.origin.site, route.origin.device) if route else ("", "")
            return Rejected(reason=refusal.reason, detail=refusal.text, site=site, device=device)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not stop the pipeline; the message is kept
            site, device = (route.origin.site, route.origin.device) if route else ("", "")
            detail = f"{type(error).__name__}: {shown(str(error))}"
            return Rejected(reason=RejectReason.CODEC_FAILED, detail=detail, site=site, device=device)

    def _event(self, route: Route, message: RawMessage) -> Event:
        payload = read_object(_unframed(route.profile, message.payload))
        for plan in route.plans:
            if not plan.when or plan.matches(payload):
                break
        else:
            raise Refusal(RejectReason.UNKNOWN_VALUE, f"this topic carries: {_whens(route.plans)}")
        if route.code is not None and route.profile.addressed_by is not None:
            _check_code(route.profile.addressed_by[0], payload, route.code)
        return plan.event(payload, route.origin, message.received_at, not message.retained)

    def _canary(self, message: RawMessage) -> Sequence[Event]:
        """Our own message; that of another hub on the same broker is none of our business."""
        lane = self._canaries.get(message.address)
        if lane is None or message.retained:
            return ()
        payload = read_object(message.payload)
        number, sent_at = payload.get("number"), payload.get("sent_at")
        if type(number) is not int or type(sent_at) is not int or not 0 <= number <= MAX_CANARY_NUMBER:
            raise Refusal(RejectReason.WRONG_TYPE, "a canary is {number, sent_at}, both whole numbers")
        canary = Canary(
            site=SELF,
            occurred_at=min(sent_at, message.received_at),
            received_at=message.received_at,
            clock=Clock.DEVICE,
            lane=lane.name.lower(),
            number=number,
        )
        return (canary,)

    # --- routing ----------------------------------------------------------------------------------------------

    def _route(self, topic: str, payload: bytes) -> Route:
        levels = topic.split("/")
        matched = [(family, found) for family in self._families if (found := family.pattern.match(levels)) is not None]
        if not matched:
            raise _Misdirected(RejectReason.UNKNOWN_TOPIC, f"no profile knows a topic like {shown(topic)}")
        site = matched[0][1][0]
        if site not in self._sites:
            listed = ", ".join(self._sites[:10])
            raise _Misdirected(RejectReason.UNKNOWN_SITE, f"{shown(site)} is in no site file; known: {listed}")
        for family, (_, device) in matched:
            if not family.pattern.names_device:
                return self._route_by_code(family, site, payload)
            entry = self._devices.get((site, device))
            if entry is not None and entry.profile == family.profile.id:
                route = self._make_route(family, entry)
                self._routes[topic] = route
                return route
        raise self._wrong_device(site, matched[0][1][1], [family.profile.id for family, _ in matched])

    def _wrong_device(self, site: str, device: str, profiles: list[str]) -> _Misdirected:
        entry = self._devices.get((site, device))
        if entry is None:
            return _Misdirected(RejectReason.UNKNOWN_DEVICE, f"{shown(device)} is not in the site file", site)
        detail = f"the site file says profile {entry.profile}; this topic is of {', '.join(profiles)}"
        return _Misdirected(RejectReason.WRONG_PROFILE, detail, site, device)

    def _make_route(self, family: _Family, entry: DeviceEntry) -> Route:
        plans = tuple(plan for plan in family.plans if entry.kind in plan.spec.kinds)
        if not plans:
            sent_by = ", ".join(sorted({kind for plan in family.plans for kind in plan.spec.kinds}))
            detail = f"the site file says {entry.kind}; this message is sent by {sent_by}"
            raise _Misdirected(RejectReason.WRONG_PROFILE, detail, entry.site, entry.device)
        unit = BalanceUnit(entry.balance_unit) if entry.balance_unit else None
        origin = Origin(site=entry.site, device=entry.device, zone=ZoneInfo(entry.timezone), balance_unit=unit)
        code = None
        if family.profile.addressed_by is not None:
            given = entry.options.get(family.profile.addressed_by[1])
            code = None if given is None else str(given)
        return Route(origin=origin, plans=plans, profile=family.profile, code=code, lane=family.lane)

    def _route_by_code(self, family: _Family, site: str, payload: bytes) -> Route:
        """The topic does not say which device: the payload does, by a code that the site file gives to the device."""
        assert family.profile.addressed_by is not None  # the profile's parser has seen to it
        source, option = family.profile.addressed_by
        try:
            code = _code_of(source, read_object(_unframed(family.profile, payload)))
        except Refusal as refusal:
            raise _Misdirected(refusal.reason, refusal.text, site) from refusal
        entry = self._by_code.get((family.profile.id, site, code or ""))
        if entry is None:
            detail = f"{source.text} {shown(code)}: no device of this site has it as option {option}"
            raise _Misdirected(RejectReason.UNKNOWN_DEVICE, detail, site)
        return self._make_route(family, entry)


class _Misdirected(Refusal):
    """The message has no route; site and device as far as they are known."""

    def __init__(self, reason: RejectReason, detail: str, site: str = "", device: str = "") -> None:
        super().__init__(reason, detail)
        self.site = site
        self.device = device


def _families(profile: JsonProfile) -> list[_Family]:
    """Messages by topic pattern; where several share one, alarms decide the lane."""
    source = profile.addressed_by[0] if profile.addressed_by else None
    grouped: dict[TopicPattern, list[MessagePlan]] = {}
    for message in profile.messages:
        plan = MessagePlan(message, source)
        for pattern in message.patterns:
            grouped.setdefault(pattern, []).append(plan)
    return [
        _Family(profile, pattern, min(plan.spec.lane for plan in plans), tuple(plans))
        for pattern, plans in grouped.items()
    ]


def _by_code(
    profiles: Mapping[str, JsonProfile], devices: Sequence[DeviceEntry]
) -> dict[tuple[str, str, str], DeviceEntry]:
    found: dict[tuple[str, str, str], DeviceEntry] = {}
    for entry in devices:
        profile = profiles.get(entry.profile)
        if profile is not None and profile.addressed_by is not None:
            code = entry.options.get(profile.addressed_by[1])
            if code is not None:
                found[profile.id, entry.site, str(code)] = entry
    return found


def _unframed(profile: JsonProfile, payload: bytes) -> bytes:
    """Without the marks that some makers put around their JSON."""
    if profile.frame is not None and payload.startswith(profile.frame[0]) and payload.endswith(profile.frame[1]):
        return payload[len(profile.frame[0]) : len(payload) - len(profile.frame[1])]
    return payload


def _code_of(source: Source, payload: dict[str, Any]) -> str | None:
    value = source.read(payload)
    return str(value) if type(value) is str or type(value) is int else None


def _check_code(source: Source, payload: dict[str, Any], expected: str) -> None:
    """A payload that names another device than its topic does: nobody can say whose alarm it is."""
    code = _code_of(source, payload)
    if code is not None and code != expected:
        detail = f"{shown(code)}; the site file gives {shown(expected)} to the device of this topic"
        raise Refusal(RejectReason.UNKNOWN_DEVICE, detail, source.text)


def _whens(plans: Sequence[MessagePlan]) -> str:
    return "; ".join(", ".join(f"{name} = {value}" for name, value in plan.when) for plan in plans)
