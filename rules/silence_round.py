"""One supervision round over a site: who is heard again, who has fallen silent, and whether the gateway is to blame.

A round works on copies of the (small) dicts of the state; the state object is replaced only where they differ in the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from msgspec.structs import replace

from hub.vocabulary.decisions import Decision, MoveTicket, RaiseTicket, Severity, TicketKind
from hub.vocabulary.events import Subject, SubjectType
from hub.vocabulary.facts import DeviceFacts, DeviceKind, Facts
from hub.vocabulary.instants import SECOND_MS, UtcMs, iso
from hub.vocabulary.rule import Outcome
from rules.silence import FINE, DeviceSilentLimits, DeviceSilentState, Gateway, Silent, SilentReason

SEVERITY: Final = {
    DeviceKind.ELEVATOR: Severity.HIGH,  # whoever is trapped there cannot be heard
    DeviceKind.ACCESS_CONTROLLER: Severity.MEDIUM,
    DeviceKind.METER: Severity.LOW,
}
NAMED: Final = 20
"""So many devices are named in a gateway's evidence."""


class Round:
    """Judges one site at `now`."""

    def __init__(self, state: DeviceSilentState, facts: Facts, now: UtcMs) -> None:
        self._state = state
        self._facts = facts
        self._limits: DeviceSilentLimits = facts.limits
        self._now = now
        self._silent = dict(state.silent)
        self._doubts = dict(state.doubts)
        self._gateways = dict(state.gateways)
        self._decisions: list[Decision] = []

    def run(self) -> Outcome:
        """The state after this round, and what is to be done."""
        self._forget_retired_gateways()
        self._heard_again()
        self._gateways_fallen_or_back()
        self._fallen_silent(self._due())
        self._neighbours_back()
        new = DeviceSilentState(silent=self._silent, doubts=self._doubts, gateways=self._gateways)
        return Outcome(self._state if new == self._state else new, self._decisions)

    # --- what is over -----------------------------------------------------------------------------------------

    def _heard_again(self) -> None:
        devices, heard = self._facts.devices, self._facts.heard
        for name, doubt in self._state.doubts.items():
            if name not in devices or heard.get(name, 0) > doubt.since:
                del self._doubts[name]
        for name, silent in self._state.silent.items():
            device = devices.get(name)
            if device is None:
                self._end_silence(name, silent, SilentReason.RETIRED)
            elif heard.get(name, 0) > silent.last_heard:
                self._end_silence(name, silent, SilentReason.HEARD_AGAIN)
            elif not self._limits_of(name).expected_ms(device.kind):
                self._end_silence(name, silent, SilentReason.NOT_EXPECTED)

    def _end_silence(self, name: str, silent: Silent, reason: SilentReason) -> None:
        del self._silent[name]
        self._doubts.pop(name, None)
        if silent.ticket:
            heard = self._facts.heard.get(name, 0)
            self._recover(self._device(name), reason, {"heard_at": _when(heard), "silent_since": _when(silent.since)})

    def _forget_retired_gateways(self) -> None:
        if not self._gateways:
            return
        in_use = {device.gateway for device in self._facts.devices.values()}
        for name, gateway in self._state.gateways.items():
            if name not in in_use:
                del self._gateways[name]
                if gateway.told:
                    self._recover(self._gateway(name), SilentReason.RETIRED, {})

    # --- gateways ---------------------------------------------------------------------------------------------

    def _gateways_fallen_or_back(self) -> None:
        for name, gateway in list(self._gateways.items()):
            if gateway.down_since is None:
                continue
            if gateway.up_since is not None:
                if self._now - gateway.up_since >= self._limits.gateway_settle_s * SECOND_MS:
                    self._gateway_back(name, gateway, gateway.up_since)
            elif gateway.told is None and self._now - self._listening(gateway.down_since) >= self._bus_ms():
                self._gateway_fallen(name, gateway)

    def _bus_ms(self) -> float:
        return self._limits.bus_s * SECOND_MS

    def _listening(self, since: UtcMs) -> UtcMs:
        """What happened before this process began to listen counts from its start."""
        return max(since, self._facts.started_at)

    def _gateway_fallen(self, name: str, gateway: Gateway) -> None:
        assert gateway.down_since is not None
        children = sum(device.gateway == name for device in self._facts.devices.values())
        self._gateways[name] = replace(gateway, told=SilentReason.GATEWAY_DOWN)
        self._raise_gateway(
            name,
            SilentReason.GATEWAY_DOWN,
            gateway.down_since,
            fields={"cause": gateway.cause, "devices": children},
            evidence={"down_since": _when(gateway.down_since), "bus_s": self._limits.bus_s},
        )

    def _gateway_back(self, name: str, gateway: Gateway, back_at: UtcMs) -> None:
        """Its devices get their whole time anew: no burst."""
        self._gateways[name] = Gateway(returned_at=back_at)
        if gateway.told:
            evidence = {"down_since": _when(gateway.down_since or 0), "back_at": _when(back_at)}
            self._recover(self._gateway(name), SilentReason.GATEWAY_BACK, evidence)
        for child, silent in list(self._silent.items()):
            if silent.gateway == name and not silent.ticket:
                del self._silent[child]

    def _neighbours_back(self) -> None:
        """A gateway that was blamed for its devices is well when most of them are heard again."""
        for name, gateway in list(self._gateways.items()):
            if gateway.told is SilentReason.MANY_DEVICES_SILENT and gateway.down_since is None:
                watched = sum(not self._long_known(child, 0) for child, _, _ in self._watched(name))
                covered = sum(silent.gateway == name and not silent.ticket for silent in self._silent.values())
                if covered * 2 < self._many(watched):
                    self._gateway_back(name, gateway, self._now)

    def _many(self, watched: int) -> float:
        return max(self._limits.many_min, self._limits.many_share * watched)

    # --- devices ----------------------------------------------------------------------------------------------

    def _limits_of(self, name: str) -> DeviceSilentLimits:
        limits: DeviceSilentLimits = self._facts.limits_of.get(name, self._limits)
        return limits

    def _due(self) -> dict[str, SilentReason]:
        """Devices that have been silent for too long and are not known as such: the loop over everybody."""
        facts, now = self._facts, self._now
        heard, limits_of, limits = facts.heard.get, facts.limits_of.get, self._limits
        allowed: dict[int, tuple[float, float, float]] = {}  # by identity of the limits: hashing them costs more
        due: dict[str, SilentReason] = {}
        for name, device in facts.devices.items():
            own = limits_of(name, limits)
            times = allowed.get(id(own))
            if times is None:
                times = allowed[id(own)] = _allowed_ms(own)
            kind = device.kind
            allow = times[0] if kind is DeviceKind.METER else times[1] if kind is DeviceKind.ELEVATOR else times[2]
            if now - heard(name, 0) > allow and name not in self._silent and self._overdue(device) > allow:
                due[name] = SilentReason.NOT_HEARD
        due.update(self._doubtful())
        return {name: reason for name, reason in due.items() if self._gateways_child_counts(name)}

    def _gateways_child_counts(self, name: str) -> bool:
        """Behind a gateway that is down or not yet settled a device is unknown, not silent."""
        return self._gateways.get(self._facts.devices[name].gateway, FINE).down_since is None

    def _doubtful(self) -> dict[str, SilentReason]:
        due: dict[str, SilentReason] = {}
        for name, doubt in self._doubts.items():
            own = self._limits_of(name)
            device = self._facts.devices[name]
            enough = doubt.reason is SilentReason.OFFLINE_REPORTED or doubt.count >= own.unreachable_polls
            waited = self._now - max(doubt.since, self._could_hear(device)) >= own.offline_s * SECOND_MS
            if enough and waited and name not in self._silent and own.expected_ms(device.kind):
                due[name] = doubt.reason
        return due

    def _could_hear(self, device: DeviceFacts) -> UtcMs:
        """Since when this device could have been heard without interruption."""
        return max(self._facts.started_at, self._gateways.get(device.gateway, FINE).returned_at)

    def _overdue(self, device: DeviceFacts) -> int:
        return self._now - max(self._facts.heard.get(device.id, 0), self._could_hear(device))

    def _watched(self, gateway: str) -> Iterable[tuple[str, DeviceFacts, int]]:
        """The gateway's devices from which something is expected, with their expectation."""
        for name, device in self._facts.devices.items():
            if device.gateway == gateway:
                expected = self._limits_of(name).expected_ms(device.kind)
                if expected:
                    yield name, device, expected

    def _fallen_silent(self, due: dict[str, SilentReason]) -> None:
        for gateway in Counter(self._facts.devices[name].gateway for name in due):
            mine = {name: reason for name, reason in due.items() if self._facts.devices[name].gateway == gateway}
            if self._gateways.get(gateway, FINE).told is SilentReason.MANY_DEVICES_SILENT:
                self._cover(mine, gateway)
            elif not self._gateway_to_blame(gateway, mine):
                for name, reason in mine.items():
                    self._raise_device(name, reason)

    def _gateway_to_blame(self, gateway: str, due: dict[str, SilentReason]) -> bool:
        watched = missing = 0
        newly: list[str] = list(due)
        window = round(self._limits.many_window_s * SECOND_MS)
        for name, device, expected in self._watched(gateway):
            if self._long_known(name, window):
                continue
            watched += 1
            if name in due or name in self._silent:
                missing += 1
            elif name in self._doubts or self._overdue(device) * 2 > expected:
                missing += 1
                newly.append(name)
        if missing < self._many(watched):
            return False
        self._cover(newly, gateway)
        known = self._gateways.get(gateway, FINE)
        self._gateways[gateway] = replace(known, told=SilentReason.MANY_DEVICES_SILENT)
        evidence = {"silent": missing, "watched": watched, "named": sorted(newly)[:NAMED]}
        fields = {"silent": missing, "devices": watched}
        self._raise_gateway(gateway, SilentReason.MANY_DEVICES_SILENT, self._now, fields=fields, evidence=evidence)
        return True

    def _long_known(self, name: str, window_ms: int) -> bool:
        silent = self._silent.get(name)
        return silent is not None and silent.ticket and self._now - silent.since > window_ms

    def _cover(self, names: Iterable[str], gateway: str) -> None:
        for name in names:
            self._silent[name] = Silent(self._facts.heard.get(name, 0), self._now, gateway, ticket=False)
            self._doubts.pop(name, None)

    # --- words ------------------------------------------------------------------------------------------------

    def _device(self, name: str) -> Subject:
        return Subject(self._facts.site.id, SubjectType.DEVICE, name)

    def _gateway(self, name: str) -> Subject:
        return Subject(self._facts.site.id, SubjectType.GATEWAY, name)

    def _raise_device(self, name: str, reason: SilentReason) -> None:
        device, own = self._facts.devices[name], self._limits_of(name)
        doubt = self._doubts.pop(name, None)
        last = self._facts.heard.get(name, 0)
        self._silent[name] = Silent(last, self._now, device.gateway, ticket=True)
        expected_s = own.expected_ms(device.kind) // SECOND_MS
        heard = {"name": device.name, "place": device.place, "gateway": device.gateway, "last_heard_at": _when(last)}
        evidence = {**heard, "expected_s": expected_s, "grace_s": own.grace_s}
        if doubt is not None:
            evidence |= {"cause": doubt.cause, "since": _when(doubt.since), "signs": doubt.count}
        self._decisions.append(
            RaiseTicket(
                kind=TicketKind.DEVICE_SILENT,
                subject=self._device(name),
                reason=reason,
                severity=SEVERITY[device.kind],
                occurred_at=last or self._now,
                fields=heard,
                evidence=evidence,
            )
        )

    def _raise_gateway(
        self, name: str, reason: SilentReason, at: UtcMs, *, fields: dict[str, Any], evidence: dict[str, Any]
    ) -> None:
        self._decisions.append(
            RaiseTicket(
                kind=TicketKind.DEVICE_SILENT,
                subject=self._gateway(name),
                reason=reason,
                severity=Severity.HIGH,
                occurred_at=at,
                fields={"gateway": name, **fields},
                evidence=evidence,
            )
        )

    def _recover(self, subject: Subject, reason: SilentReason, evidence: dict[str, Any]) -> None:
        self._decisions.append(
            MoveTicket(
                kind=TicketKind.DEVICE_SILENT,
                subject=subject,
                trigger="recovered",
                reason=reason,
                occurred_at=self._now,
                evidence=evidence,
            )
        )


def _allowed_ms(limits: DeviceSilentLimits) -> tuple[float, float, float]:
    """Longest silence of a meter, an elevator and an access controller; endless where it is not watched."""
    grace = limits.grace_s * SECOND_MS
    kinds = (DeviceKind.METER, DeviceKind.ELEVATOR, DeviceKind.ACCESS_CONTROLLER)
    return tuple(expected + grace if (expected := limits.expected_ms(kind)) else float("inf") for kind in kinds)  # type: ignore[return-value]


def _when(at: UtcMs) -> str | None:
    """As text; None: never."""
    return iso(at) if at else None
