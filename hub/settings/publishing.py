"""The part `publishing:` of hub.yaml (where the hub may go out to) and of a site file (which other systems are told).

The networks stand in hub.yaml alone: whoever may edit a site or add a webhook must not be able to open the hub's own network.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Final, TypeVar

from hub.settings.mistakes import Mistake, listed, nearest
from hub.settings.model import (
    DeviceConfig,
    PlatformConfig,
    PublishingSettings,
    Secret,
    SitePublishing,
    WebhookConfig,
)
from hub.settings.notifiers import HTTP, NotifierTypes, read_description, read_secret
from hub.settings.once import Once
from hub.settings.section import Section, checked_text
from hub.settings.urls import UrlError
from hub.settings.webhook_url import ALLOWED as URL_ALLOWED
from hub.settings.webhook_url import webhook_url
from hub.vocabulary import signing_keys
from hub.vocabulary.decisions import TicketKind
from hub.vocabulary.facts import DeviceKind
from hub.vocabulary.publications import FEED_TYPES, WEBHOOK_FORMATS

NETWORK: Final = re.compile(r"[0-9A-Fa-f.:]{2,45}(/[0-9]{1,3})?")
NETWORK_ALLOWED: Final = "networks such as 10.20.0.0/16 or 192.168.7.9/32, without host bits"
CODE: Final = re.compile(r"[A-Za-z0-9-]{1,40}")
CODE_ALLOWED: Final = 'the registration code, quoted: "31101108002016030001"'
MQTT_TICKETS: Final = "mqtt-tickets"
"""The name of the publication over MQTT; no webhook may take it."""


def read_publishing(root: Section, base: Path) -> PublishingSettings:
    """Of hub.yaml; nothing but public addresses where nothing stands."""
    section = root.section("publishing")
    if section is None:
        return PublishingSettings()
    networks = tuple(filter(None, section.texts("private_networks", NETWORK, NETWORK_ALLOWED)))
    for network in networks:
        try:
            ip_network(network)
        except ValueError as error:
            section.wrong("private_networks", str(error), NETWORK_ALLOWED)
    ca = _read_ca(section, base)
    section.finish()
    return PublishingSettings(private_networks=networks, ca=ca)


def _read_ca(section: Section, base: Path) -> Path | None:
    name = section.text("ca")
    if not name:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=base / name)
    except FileNotFoundError:
        section.wrong("ca", f"there is no file {base / name}", "a path relative to hub.yaml, or an absolute one")
    except OSError:
        section.wrong("ca", f"{base / name} holds no certificate", "certificates of authorities, PEM")
    return base / name


def read_site_publishing(
    root: Section,
    environ: Mapping[str, str],
    base: Path,
    types: NotifierTypes,
    devices: Sequence[DeviceConfig],
) -> SitePublishing:
    """Of a site file; nobody is told where nothing stands."""
    section = root.section("publishing")
    if section is None:
        return SitePublishing()
    names = Once("publication")
    webhooks = [_named(entry, names, _read_webhook(entry, environ, base)) for entry in section.sections("webhooks")]
    elevators = [device.id for device in devices if device.kind is DeviceKind.ELEVATOR]
    platforms = [
        _named(entry, names, _read_platform(entry, environ, base, types, elevators))
        for entry in section.sections("platforms")
    ]
    mqtt_tickets = section.flag("mqtt_tickets")
    section.finish()
    return SitePublishing(mqtt_tickets=mqtt_tickets, webhooks=tuple(webhooks), platforms=tuple(platforms))


T = TypeVar("T", WebhookConfig, PlatformConfig)


def _named(section: Section, names: Once, each: T) -> T:
    if each.id == MQTT_TICKETS:
        section.wrong("id", f"{MQTT_TICKETS!r} is the hub's own word", "another id")
    names.new(section, "id", each.id)
    return each


def _read_platform(
    section: Section, environ: Mapping[str, str], base: Path, types: NotifierTypes, elevators: Sequence[str]
) -> PlatformConfig:
    """A city platform: of a shipped type, or `type: http` with a description of its own."""
    name = section.id()
    kind = section.choice("type", [*types.platforms, HTTP], required=True) or ""
    description = read_description(section, kind, base)
    try:
        facts = types.platforms.get(kind) if description is None else types.describe_platform(description)
    except (ValueError, OSError) as error:
        section.wrong("description", str(error)[:300], "a file as in docs, or one of the types that are shipped")
        facts = None
    if facts is None:
        section.fields.clear()  # what else stands here cannot be judged
        return PlatformConfig(id=name, type=kind)
    settings = {key: section.text(key, required=key in facts.settings) for key in (*facts.settings, *facts.optional)}
    found = {key: read_secret(section, key, environ, base) for key in facts.secrets}
    codes = _read_codes(section, elevators)
    section.finish()
    return PlatformConfig(
        id=name,
        type=kind,
        settings={key: value for key, value in settings.items() if value},
        secrets={key: secret for key, secret in found.items() if secret is not None},
        description=description,
        elevators=codes,
    )


def _read_codes(section: Section, elevators: Sequence[str]) -> dict[str, str]:
    """Our elevator's id → the code under which the city knows it; one code once."""
    inner = section.section("elevators", required=True)
    if inner is None:
        return {}
    codes = Once("the registration code")
    found: dict[str, str] = {}
    for device in list(inner.fields):
        code = inner.text(device, pattern=CODE, allowed=CODE_ALLOWED)
        if device not in elevators:
            inner.wrong(device, f"there is no elevator {device!r}{nearest(device, elevators)}", listed(elevators))
        elif codes.new(inner, device, code):
            found[device] = code
    inner.finish()
    return found


def _read_webhook(section: Section, environ: Mapping[str, str], base: Path) -> WebhookConfig:
    webhook = WebhookConfig(
        id=section.id(),
        url=_read_url(section),
        format=section.choice("format", WEBHOOK_FORMATS, default="cloudevents") or "cloudevents",
        types=_words(section, "types", FEED_TYPES),
        kinds=_words(section, "kinds", tuple(TicketKind)),
        secrets=_read_secrets(section, environ, base),
    )
    section.finish()
    return webhook


def _read_url(section: Section) -> str:
    text = section.text("url", required=True, pattern=re.compile(r"\S{1,500}"), allowed=URL_ALLOWED)
    if not text:
        return ""
    try:
        return webhook_url(text)
    except UrlError as error:
        section.wrong("url", error.problem, error.allowed)
        return ""


def _words(section: Section, key: str, known: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for i, at in enumerate(section.items(key, f"a list of: {listed(known)}")):
        field = f"{section.path(key)}[{i}]"
        word = checked_text(at, field, section.log, re.compile(r"[a-z_]{1,60}"), listed(known))
        if word and word not in known:
            section.log.append(
                Mistake(at.file, at.line, field, f"{word!r} is unknown{nearest(word, known)}", listed(known))
            )
        elif word:
            found.append(str(word))
    return tuple(dict.fromkeys(found))


def _read_secrets(section: Section, environ: Mapping[str, str], base: Path) -> tuple[Secret, ...]:
    """The secret in use, and while it is being replaced the one before."""
    found = [read_secret(section, "secret", environ, base)]
    if {"previous_secret_env", "previous_secret_file", "previous_secret"} & section.fields.keys():
        found.append(read_secret(section, "previous_secret", environ, base))
    for name, secret in zip(("secret", "previous_secret"), found, strict=False):
        if secret is None:
            continue
        try:
            signing_keys.key_of(secret.reveal())
        except ValueError as error:
            key = f"{name}_env" if f"{name}_env" in section.fields else f"{name}_file"
            section.wrong(key, f"the secret {error}", signing_keys.ALLOWED)
    return tuple(secret for secret in found if secret is not None)
