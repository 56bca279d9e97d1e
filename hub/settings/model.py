"""The configuration as frozen values: checked, resolved, read once. Nothing here is changed after `load`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.units import BalanceUnit

RuleLimits: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Rule name → limit name → value, as one level of a site file gives them."""


class Secret:
    """A password that no log line and no traceback shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where API and console listen; port 0 takes any free one."""

    host: str = "127.0.0.1"
    port: int = 8000


class MqttSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The broker: `url` (mqtt:// or mqtts://), or `embedded` when the hub runs its own. Files are absolute.

    `port` is the embedded broker's, on loopback; 0 takes any free one. With `embedded`, user and password are those that the
    broker lets in; without a password it makes one up that nobody else knows.
    """

    embedded: bool = False
    port: int = 0
    url: str = ""
    client_id: str = "hub-1"
    username: str = ""
    password: Secret | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


class BuildingConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A building with the numbers of its units."""

    id: str
    name: str
    units: tuple[str, ...] = ()
    rules: RuleLimits = msgspec.field(default_factory=dict)


class BusConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A Modbus or DL/T 645 bus; periods in seconds and milliseconds, None: the profile's."""

    id: str
    url: str
    timeout_ms: int | None = None
    every_s: float | None = None
    fast_ms: int | None = None


class DoorConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A door and the controller's own number for it."""

    id: str
    number: int


class DeviceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A device; `building` and `unit` are the parts of its place."""

    id: str
    kind: DeviceKind
    profile: str
    place: str
    building: str
    unit: str | None = None
    name: str
    bus: str | None = None
    unit_id: int | None = None
    balance_unit: BalanceUnit | None = None
    expects_test_call: bool = False
    doors: tuple[DoorConfig, ...] = ()
    timeout_ms: int | None = None
    every_s: float | None = None
    fast_ms: int | None = None
    options: Mapping[str, str] = msgspec.field(default_factory=dict)  # what the profile asks for
    rules: RuleLimits = msgspec.field(default_factory=dict)


class RegisteredText(msgspec.Struct, frozen=True, kw_only=True):
    """The provider's code for one of our templates, and the order in which it wants the parameters (none: by name)."""

    code: str
    params: tuple[str, ...] = ()


class NotifierConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A way out to people. `id` is the word that persons' channels use; `description` belongs to type `http`.

    `secrets` come from variables or files; an Apprise notifier's only secret is its whole `url`.
    """

    id: str
    type: str
    settings: Mapping[str, str] = msgspec.field(default_factory=dict)
    secrets: Mapping[str, Secret] = msgspec.field(default_factory=dict)
    texts: Mapping[str, RegisteredText] = msgspec.field(default_factory=dict)
    description: Path | None = None


class QuietHours(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes since midnight in the site's zone; `start` after `end` goes over midnight, equal: never quiet."""

    start: int = 21 * 60
    end: int = 8 * 60


class NoticePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When people may be told what, per site. Rates are per address."""

    quiet: QuietHours = QuietHours()
    per_hour: int = 5
    per_day: int = 20
    merge_window_s: int = 300
    locale: str = "zh-CN"  # of whoever has none of their own: groups and lists


class SiteConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One site file."""

    id: str
    name: str
    timezone: str
    locale: str
    file: Path
    buildings: tuple[BuildingConfig, ...] = ()
    buses: tuple[BusConfig, ...] = ()
    devices: tuple[DeviceConfig, ...] = ()
    rules: RuleLimits = msgspec.field(default_factory=dict)
    notifiers: tuple[NotifierConfig, ...] = ()
    notices: NoticePolicy = NoticePolicy()


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a hub process is started with.

    `database` is an SQLAlchemy URL; an SQLite path in it is absolute. `data_dir` is where the process keeps what is not in
    the database (the embedded broker's store): beside the SQLite file, else `var` beside hub.yaml.
    """

    file: Path
    database: str
    data_dir: Path
    http: HttpSettings
    mqtt: MqttSettings
    sites: tuple[SiteConfig, ...]
