"""What a rule may know besides the event: the registry's facts, resolved limits, and when devices were heard."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import msgspec

from hub.vocabulary.card_rules import CardRules
from hub.vocabulary.credentials import NumberProfile
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.readers import DoorOpening
from hub.vocabulary.units import BalanceUnit

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def nothing() -> Mapping[str, Any]:
    """An empty mapping, the same for all: ten thousand devices have forty thousand facts."""
    return _NOTHING


class DeviceKind(StrEnum):
    """Kinds of devices in a site file."""

    ELEVATOR = "elevator"
    METER = "meter"
    ACCESS_CONTROLLER = "access_controller"


class AccessFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an access controller can do. `capacity`: cards that fit on its list; None: nobody knows.

    `reads_one`: it can be asked for one card (`get_card`), so that a change is proved without its whole list. `lease_days`:
    end dates are pushed this far ahead at most and renewed, so that a list that nobody reaches any more dies by itself.
    """

    capacity: int | None = None
    reads_one: bool = False
    lists_in_pieces: bool = False  # card by card, without an end
    lease_days: int | None = None
    settings: tuple[str, ...] = ()  # what the site file has to say of each controller of this kind
    hub_decides: bool = False  # a reader without a list: a card opens nothing unless the hub says so
    relays: int = 0  # that the hub may switch for doors, numbered from 1
    inputs: int = 0  # of a reader, for a door's contact and exit button, numbered from 1


class ProfileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a device model's profile promises, as far as site files are checked against it."""

    kinds: tuple[DeviceKind, ...]
    channel: str  # `mqtt`; or `modbus`, `dlt645`: then the device hangs on a bus
    balance_unit: str | None = None  # `CNY`, `kWh`, `$site` (the site file must say), or None: each reading says it
    options: tuple[
        str, ...
    ] = ()  # further text fields of a device's entry, such as `register_number`; unique in a site
    expects_test_call: bool = False
    access: AccessFacts | None = None


class DeviceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One device as its site file and profile describe it."""

    pk: int  # of the database row; small and stable
    site: str
    id: str
    kind: DeviceKind
    name: str
    place: str  # `b1` or `b1/0101`
    building: str
    profile: str
    gateway: str  # bus id, or `mqtt`
    balance_unit: BalanceUnit | None = None
    expects_test_call: bool = False  # the profile can report the 72-hour test of EN 81-28
    doors: tuple[str, ...] = ()  # ids, unique within the site, of an access controller
    access: AccessFacts | None = None  # of an access controller
    numbers: NumberProfile | None = None  # of an access controller: how its readers spell; None: as cards were entered
    openings: tuple[tuple[str, DoorOpening], ...] = ()  # (door, how the hub opens it); pairs, so that facts can be keys

    def opening(self, door: str) -> DoorOpening | None:
        """How the hub opens this door; None: it does not."""
        return next((opening for name, opening in self.openings if name == door), None)


class SiteFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One site."""

    id: str
    name: str
    timezone: str  # IANA name
    locale: str
    card_rules: tuple[CardRules, ...] = ()  # the project's own for cards, each from its day on
    holidays: tuple[tuple[UtcMs, UtcMs], ...] = ()  # long ones, in order: first midnight, and the midnight after


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Handed to a rule with each event. `limits` is the rule's own Limits struct, resolved site → building → device.

    `devices`, `limits_of` (device id → the rule's limits for it; absent: those of the site) and `heard` are filled for
    site-wide subjects only. `heard` is device id → when its own words last arrived: neither Unreachable nor a last will
    nor a retained message is a sign of life. `started_at` is when this process began to listen (start-up grace).
    """

    site: SiteFacts
    device: DeviceFacts | None
    limits: Any
    started_at: UtcMs
    devices: Mapping[str, DeviceFacts] = msgspec.field(default_factory=nothing)
    heard: Mapping[str, UtcMs] = msgspec.field(default_factory=nothing)
    limits_of: Mapping[str, Any] = msgspec.field(default_factory=nothing)


class NotifierFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a type of notifier needs to be told, as far as site files are checked against it."""

    settings: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()  # settings that may be left out
    registered_texts: bool = False  # the provider takes registered texts by code: `templates` names them


class ClockFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A clock of a kind of ticket, as far as site files are checked against it; all in seconds from its start."""

    within_s: int
    warnings_s: tuple[int, ...] = ()
    repeats: bool = False


class ClockTimes(msgspec.Struct, frozen=True, kw_only=True):
    """A site's own times of one clock; None: as in the kind's table."""

    within_s: int | None = None
    warnings_s: tuple[int, ...] | None = None
    every_s: int | None = None
    times: int | None = None
