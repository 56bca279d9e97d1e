"""hub.yaml and site files for tests and benches that drive the hub from outside, written as an integrator would write them.

Rule: only words of the contract; nothing here knows how the hub reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from support.brokers import TestBroker

PASSWORD_VARIABLE = "BROKER_PASSWORD"
SiteFile: TypeAlias = dict[str, Any]


def elevator(id_: str, **other: Any) -> dict[str, Any]:
    """An elevator that speaks hub-json."""
    return {"id": id_, "kind": "elevator", "profile": "hub-json", "place": "b1", "name": f"Elevator {id_}"} | other


def meter(id_: str, unit: str = "CNY", **other: Any) -> dict[str, Any]:
    """A prepaid meter that speaks hub-json."""
    return {"id": id_, "kind": "meter", "profile": "hub-json", "place": "b1", "balance_unit": unit} | other


def site_file(
    id_: str = "lakeside",
    devices: Sequence[Mapping[str, Any]] = (),
    *,
    buses: Sequence[Mapping[str, Any]] = (),
    rules: Mapping[str, Any] | None = None,
    name: str = "湖畔花园",
) -> SiteFile:
    """A site with one building, b1."""
    file: SiteFile = {
        "site": {"id": id_, "name": name, "timezone": "Asia/Shanghai", "locale": "zh-CN"},
        "buildings": [{"id": "b1", "name": "1栋", "units": ["0101", "0102", "0201"]}],
        "devices": [dict(device) for device in devices],
    }
    if buses:
        file["buses"] = [dict(bus) for bus in buses]
    if rules:
        file["rules"] = dict(rules)
    return file


def mqtt_section(broker: TestBroker, client_id: str = "hub-1", *, port: int | None = None) -> dict[str, Any]:
    """How to reach this broker; the password stays in the environment."""
    url = broker.url if port is None else f"mqtt://{broker.host}:{port}"
    section: dict[str, Any] = {
        "url": url,
        "client_id": client_id,
        "username": broker.username,
        "password_env": PASSWORD_VARIABLE,
    }
    if broker.tls is not None:
        section |= {
            "ca": str(broker.tls.ca),
            "cert": str(broker.tls.client_cert),
            "key": str(broker.tls.client_key),
        }
    return section


def write_estate(
    folder: Path,
    mqtt: Mapping[str, Any],
    sites: Sequence[SiteFile],
    *,
    database: str | None = None,
    port: int = 0,
) -> Path:
    """The path of hub.yaml. Site files that are there already and not in `sites` are removed."""
    place = folder / "sites"
    place.mkdir(parents=True, exist_ok=True)
    for old in place.glob("*.yaml"):
        old.unlink()
    for site in sites:
        text = yaml.safe_dump(site, allow_unicode=True, sort_keys=False)
        (place / f"{site['site']['id']}.yaml").write_text(text, encoding="utf-8")
    hub = {
        "database": database or "sqlite:///hub.db",
        "http": {"host": "127.0.0.1", "port": port},
        "mqtt": dict(mqtt),
        "sites": ["sites/*.yaml"],
    }
    path = folder / "hub.yaml"
    path.write_text(yaml.safe_dump(hub, sort_keys=False), encoding="utf-8")
    return path
