"""Devices and gateways that are not heard of any more: one ticket for what is broken, none for what merely hangs on it.

What a maintainer must keep: the state holds only what is wrong (silent devices, doubts, gateways that were ever down), so a
tick over 10,000 healthy devices compares times and writes nothing; and nothing is believed silent in a time in which the
hub, or the gateway on the way, could not have heard it.

Decided here, beside domain/meters.md 7 no. 5:
- A device is silent when `expected + grace` has passed since it was heard, since the hub began to listen and since its
  gateway returned, whichever is latest: so neither a start nor a returning gateway brings a burst.
- A gateway that flaps counts as down from its first fall until it has stayed up for `gateway_settle_s`.
- When a device falls due, its neighbours are looked at: if half of the gateway's devices (at least five) have missed half
  of their time as well, the gateway is at fault, although it seems up; one ticket, and they wait covered by it. Devices
  that have long had a ticket of their own are left out of that count.
- 'Offline' and failed polls shorten the wait. A ticket that a person closes stays closed until the device was heard again.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from hub.vocabulary.decisions import Verdict
from hub.vocabulary.events import (
    DeviceStatus,
    Event,
    GatewayChanged,
    Subject,
    SubjectType,
    SupervisionTick,
    Unreachable,
)
from hub.vocabulary.facts import Facts
from hub.vocabulary.instants import SECOND_MS, UtcMs
from hub.vocabulary.rule import Outcome
from rules.silence import DeviceSilentLimits, DeviceSilentState, Doubt, Gateway, SilentReason
from rules.silence_round import Round


class SilentVerdict(StrEnum):
    """Why nothing was raised yet."""

    GATEWAY_DOWN_WAITING = "gateway_down_waiting"
    GATEWAY_UNSTABLE = "gateway_unstable"
    OFFLINE_WAITING = "offline_waiting"
    UNREACHABLE_WAITING = "unreachable_waiting"


class DeviceSilent:
    """The rule. Subject: the site, because a gateway's silence is judged over all its devices."""

    name: str = "device_silent"
    version: int = 1
    wants: tuple[type[Event], ...] = (SupervisionTick, GatewayChanged, Unreachable, DeviceStatus)
    state_type: type[msgspec.Struct] = DeviceSilentState
    limits_type: type[msgspec.Struct] = DeviceSilentLimits

    def subject(self, event: Event, facts: Facts) -> Subject | None:
        """The site."""
        return Subject(event.site, SubjectType.SITE, event.site)

    def decide(self, event: Event, state: DeviceSilentState, facts: Facts, now: UtcMs) -> Outcome:
        """Note what is reported; judge on the tick."""
        match event:
            case SupervisionTick():
                return Round(state, facts, now).run()
            case GatewayChanged():
                return _gateway(event, state)
            case DeviceStatus() | Unreachable() if event.live and not event.late:
                return _doubt(event, state, facts)
            case _:
                return Outcome(state)

    def migrate(self, version: int, stored: dict[str, Any]) -> msgspec.Struct | None:
        """There is no older version."""
        return None


def _gateway(event: GatewayChanged, state: DeviceSilentState) -> Outcome:
    """Note the fall or the return; the tick decides whether it lasts."""
    known = state.gateways.get(event.gateway, Gateway())
    if event.up == known.up:
        return Outcome(state)
    at = event.received_at
    if event.up:
        new, reason = msgspec.structs.replace(known, up_since=at), SilentVerdict.GATEWAY_UNSTABLE
    elif known.down_since is None:
        new = msgspec.structs.replace(known, down_since=at, up_since=None, cause=event.cause)
        reason = SilentVerdict.GATEWAY_DOWN_WAITING
    else:
        new, reason = msgspec.structs.replace(known, up_since=None), SilentVerdict.GATEWAY_UNSTABLE
    facts = {"gateway": event.gateway, "up": event.up, "cause": event.cause, "down_since": new.down_since}
    gateways = {**state.gateways, event.gateway: new}
    return Outcome(msgspec.structs.replace(state, gateways=gateways), (Verdict(reason=reason, facts=facts),))


def _doubt(event: DeviceStatus | Unreachable, state: DeviceSilentState, facts: Facts) -> Outcome:
    """Note a sign of absence, or forget the signs when the device is back."""
    device = event.device
    known = state.doubts.get(device)
    if isinstance(event, DeviceStatus) and event.online:
        if known is None:
            return Outcome(state)
        doubts = {name: doubt for name, doubt in state.doubts.items() if name != device}
        return Outcome(msgspec.structs.replace(state, doubts=doubts))
    if device in state.silent or facts.device is None:
        return Outcome(state)
    doubt = _worse(known, event, facts.limits.unreachable_polls)
    if doubt is known:
        return Outcome(state)
    reason = SilentVerdict.UNREACHABLE_WAITING if isinstance(event, Unreachable) else SilentVerdict.OFFLINE_WAITING
    seen = {"device": device, "since": doubt.since, "cause": doubt.cause, "wait_ms": _wait_ms(facts)}
    verdict = Verdict(reason=reason, facts=seen)
    return Outcome(msgspec.structs.replace(state, doubts={**state.doubts, device: doubt}), (verdict,))


def _worse(known: Doubt | None, event: DeviceStatus | Unreachable, polls: int) -> Doubt:
    """One more sign; the same object once there are enough, so that a dead meter does not write at every poll."""
    if isinstance(event, DeviceStatus):
        if known is not None and known.reason is SilentReason.OFFLINE_REPORTED:
            return known
        return Doubt(SilentReason.OFFLINE_REPORTED, event.received_at, 1, "offline")
    if known is None:
        return Doubt(SilentReason.UNREACHABLE, event.received_at, 1, event.cause)
    if known.reason is SilentReason.OFFLINE_REPORTED or known.count >= polls:
        return known
    return Doubt(known.reason, known.since, known.count + 1, event.cause)


def _wait_ms(facts: Facts) -> int:
    limits: DeviceSilentLimits = facts.limits
    return round(limits.offline_s * SECOND_MS)
