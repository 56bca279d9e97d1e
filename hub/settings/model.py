"""The configuration as frozen values: checked, resolved, read once. Nothing here is changed after `load`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from hub.vocabulary.card_rules import CardRules
from hub.vocabulary.credentials import NumberProfile
from hub.vocabulary.facts import AccessFacts, ClockTimes, DeviceKind
from hub.vocabulary.readers import DoorOpening
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
    """Where API and console listen; port 0 takes any free one. `public_url`: where people reach them, without a slash at its end."""

    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""


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
    own_sites_only: bool = (
        False  # other hubs serve other sites on this broker; else what is of no known site is rejected
    )


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
    """A door and the controller's own number for it. `opening`: where the hub itself opens it."""

    id: str
    number: int
    opening: DoorOpening | None = None


class AccessConfig(msgspec.Struct, frozen=True, kw_only=True):
    """An access controller: what it can do, and what its profile asks the site file for."""

    facts: AccessFacts = AccessFacts()
    settings: Mapping[str, Any] = msgspec.field(
        default_factory=dict
    )  # serial, host (IPv4:port), ip, card_format, reader


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
    lift: Mapping[str, str] = msgspec.field(default_factory=dict)  # of elevators: hub.settings.lift_card
    rules: RuleLimits = msgspec.field(default_factory=dict)
    access: AccessConfig | None = None  # of access controllers
    numbers: NumberProfile | None = None  # how their readers spell


class HookConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A provider that passes on answers. `ticket`, `person`, `answer`: where they stand in its message, with dots between.

    `auth`: `token` (bearer) or `hmac-sha256` (hexadecimal or base64 of the body, in `header`, after `prefix`).
    """

    id: str
    auth: str = "token"
    header: str = ""
    prefix: str = ""
    secret: Secret | None = None
    ticket: str
    person: str
    answer: str
    answers: Mapping[str, str] = msgspec.field(default_factory=dict)


class DeadManSettings(msgspec.Struct, frozen=True, kw_only=True):
    """An outside service that raises the alarm when it is not called for a while."""

    url: Secret
    every_s: int = 300


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


class WebhookConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook of a site file. No `kinds`: tickets of every kind. `secrets`: the one in use, then one that it replaces."""

    id: str
    url: str
    format: str = "cloudevents"
    types: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()


class PlatformConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A city platform that is told of cases. `elevators`: our device's id → the code that it is registered under."""

    id: str
    type: str
    settings: Mapping[str, str] = msgspec.field(default_factory=dict)
    secrets: Mapping[str, Secret] = msgspec.field(default_factory=dict)
    description: Path | None = None
    elevators: Mapping[str, str] = msgspec.field(default_factory=dict)


class SitePublishing(msgspec.Struct, frozen=True, kw_only=True):
    """Which other systems a site tells of what happens."""

    mqtt_tickets: bool = False
    webhooks: tuple[WebhookConfig, ...] = ()
    platforms: tuple[PlatformConfig, ...] = ()


class PublishingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the hub may go out to beside public addresses (networks as text), and whom it believes beside the system's CAs."""

    private_networks: tuple[str, ...] = ()
    ca: Path | None = None


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
    clocks: Mapping[str, Mapping[str, ClockTimes]] = msgspec.field(default_factory=dict)  # kind → clock → own times
    escalation: Mapping[str, str] = msgspec.field(default_factory=dict)  # role → the one that is told in its stead
    card_rules: tuple[CardRules, ...] = ()
    publishing: SitePublishing = SitePublishing()


class KeySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the keys of personal data come from: `text` of a variable or a file; neither: the hub's own file beside the data."""

    text: Secret | None = None
    file: Path | None = None  # that they were read from, and that a rotation writes


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
    publishing: PublishingSettings = PublishingSettings()
    hooks: tuple[HookConfig, ...] = ()
    dead_man: DeadManSettings | None = None
    keys: KeySettings = KeySettings()
