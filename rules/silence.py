"""Words of `device_silent`: its limits, its state and its reasons."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, TypeAlias

import msgspec

from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.instants import SECOND_MS, DurationMs, UtcMs

Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=365 * 86_400)]


class SilentReason(StrEnum):
    """Why a ticket was raised or moved."""

    NOT_HEARD = "not_heard"
    OFFLINE_REPORTED = "offline_reported"
    UNREACHABLE = "unreachable"
    GATEWAY_DOWN = "gateway_down"
    MANY_DEVICES_SILENT = "many_devices_silent"
    HEARD_AGAIN = "heard_again"
    GATEWAY_BACK = "gateway_back"
    RETIRED = "retired"  # the site file does not name it any more
    NOT_EXPECTED = "not_expected"  # the limits do not expect it to be heard any more


class DeviceSilentLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long each kind may be silent (0: not watched), and how long a gateway may be down."""

    elevator_s: Seconds = 600
    meter_s: Seconds = 2700
    access_controller_s: Seconds = 600
    grace_s: Seconds = 120
    bus_s: Seconds = 30  # a bus or the broker connection
    gateway_settle_s: Seconds = 10  # so long it must stay up to count as back
    offline_s: Seconds = 120  # after a last will or failed polls
    unreachable_polls: Annotated[int, msgspec.Meta(ge=1)] = 2
    many_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    many_min: Annotated[int, msgspec.Meta(ge=2)] = 5
    many_window_s: Seconds = 900  # a device ticketed for longer says nothing about its gateway

    def expected_ms(self, kind: DeviceKind) -> DurationMs:
        """How long a device of this kind may be silent before the grace begins; 0: it is not watched."""
        if kind is DeviceKind.METER:
            return round(self.meter_s * SECOND_MS)
        return round((self.elevator_s if kind is DeviceKind.ELEVATOR else self.access_controller_s) * SECOND_MS)


class Doubt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Signs that a device is gone: its last will, or polls without answer."""

    reason: SilentReason
    since: UtcMs
    count: int
    cause: str


class Silent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A device that is believed silent. `ticket` False: covered by its gateway's."""

    last_heard: UtcMs  # 0: never
    since: UtcMs
    gateway: str
    ticket: bool


class Gateway(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A gateway that has been in trouble. Down: `down_since` alone; settling: both; fine: neither."""

    down_since: UtcMs | None = None
    up_since: UtcMs | None = None
    cause: str = ""
    told: SilentReason | None = None  # a ticket is open for it
    returned_at: UtcMs = 0

    @property
    def up(self) -> bool:
        """Whether it seems up at the moment."""
        return self.down_since is None or self.up_since is not None


FINE: Final = Gateway()


class DeviceSilentState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong at a site."""

    silent: dict[str, Silent] = msgspec.field(default_factory=dict)
    doubts: dict[str, Doubt] = msgspec.field(default_factory=dict)
    gateways: dict[str, Gateway] = msgspec.field(default_factory=dict)
