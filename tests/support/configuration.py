"""A small right configuration in two files, to be spoilt one place at a time; profiles and limits that it refers to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from hub.settings import Settings, load
from hub.vocabulary.facts import AccessFacts, DeviceKind, ProfileFacts

HUB_YAML = """\
database: sqlite:///var/hub.db
http: {host: 127.0.0.1, port: 8000}
mqtt: {url: "mqtt://127.0.0.1:1883", client_id: hub-1}
sites: [sites/*.yaml]
"""

SITE_YAML = """\
site: {id: lakeside, name: 湖畔花园, timezone: Asia/Shanghai, locale: zh-CN}
buildings:
  - {id: b1, name: 1栋, units: ["0101", "0102", "0201"]}
  - {id: b2, name: 2栋, rules: {entrapment: {level_s: 90}}}
buses:
  - {id: meters-1, url: modbus+tcp://127.0.0.1:5020, timeout_ms: 800}
  - {id: serial-1, url: "modbus+rtu:///dev/ttyUSB0?baudrate=9600"}
devices:
  - {id: b1-e1, kind: elevator, profile: hub-json, place: b1, name: 1栋1号梯}
  - {id: b1-e2, kind: elevator, profile: car-top-monitor, bus: meters-1, unit_id: 247, place: b1}
  - {id: b2-e1, kind: elevator, profile: hub-json, place: b2, rules: {entrapment: {off_level_s: 10}}}
  - {id: m-0101, kind: meter, profile: acrel-adf400l-1p, bus: meters-1, unit_id: 2, place: b1/0101, balance_unit: CNY}
  - {id: m-0102, kind: meter, profile: acrel-adf400l-1p, bus: serial-1, unit_id: 3, place: b1/0102, balance_unit: kWh}
  - {id: gate-1, kind: access_controller, profile: hub-json, place: b1, doors: [{id: b1-main, number: 1}, {id: b1-back, number: 2}]}
rules:
  entrapment: {off_level_s: 30, level_s: 60}
  low_balance:
    CNY: [30, 10, 0]
    kWh: [20, 10, 0]
    clear_margin: 0.1
"""


def elsewhere(site: str) -> str:
    """The same site under another name, on gateways and lines of its own."""
    return site.replace("lakeside", "hillside").replace(":5020", ":5021").replace("ttyUSB0", "ttyUSB1")


class EntrapmentLimits(msgspec.Struct, frozen=True):
    """Stands for the rule's own struct; `hub` imports no rule, and neither does this."""

    off_level_s: Annotated[float, msgspec.Meta(ge=0)] = 30
    level_s: Annotated[float, msgspec.Meta(ge=0)] = 60

    def __post_init__(self) -> None:
        if self.level_s < self.off_level_s:
            raise ValueError("level_s is shorter than off_level_s")


class LowBalanceLimits(msgspec.Struct, frozen=True):
    """As EntrapmentLimits."""

    cny: tuple[float, ...] = msgspec.field(default=(30, 10, 0), name="CNY")
    kwh: tuple[float, ...] = msgspec.field(default=(20, 10, 0), name="kWh")
    clear_margin: float = 0.1


RULES: Mapping[str, type[msgspec.Struct]] = {"entrapment": EntrapmentLimits, "low_balance": LowBalanceLimits}

BOARD = AccessFacts(reads_one=True, settings=("serial", "host", "numbers", "listener"))

PROFILES: Mapping[str, ProfileFacts] = {
    "hub-json": ProfileFacts(kinds=tuple(DeviceKind), channel="mqtt"),
    "car-top-monitor": ProfileFacts(kinds=(DeviceKind.ELEVATOR,), channel="modbus", expects_test_call=True),
    "acrel-adf400l-1p": ProfileFacts(kinds=(DeviceKind.METER,), channel="modbus", balance_unit="$site"),
    "city-push": ProfileFacts(kinds=(DeviceKind.ELEVATOR,), channel="mqtt", options=("register_number",)),
    "acrel-4g-push": ProfileFacts(kinds=(DeviceKind.METER,), channel="acrel", balance_unit="CNY"),
    "dlt645-prepaid": ProfileFacts(kinds=(DeviceKind.METER,), channel="dlt645", balance_unit="$site"),
    "uhppote": ProfileFacts(kinds=(DeviceKind.ACCESS_CONTROLLER,), channel="uhppote", access=BOARD),
    "esp-rfid": ProfileFacts(
        kinds=(DeviceKind.ACCESS_CONTROLLER,),
        channel="doors",
        access=AccessFacts(capacity=1000, settings=("ip", "reader", "numbers")),
    ),
    "reader": ProfileFacts(
        kinds=(DeviceKind.ACCESS_CONTROLLER,),
        channel="modbus",
        access=AccessFacts(hub_decides=True, relays=2, inputs=2),
    ),
    "bare-reader": ProfileFacts(
        kinds=(DeviceKind.ACCESS_CONTROLLER,), channel="modbus", access=AccessFacts(hub_decides=True)
    ),
    "relays": ProfileFacts(kinds=(DeviceKind.ACCESS_CONTROLLER,), channel="modbus", access=AccessFacts(relays=8)),
    "kwh-meter": ProfileFacts(kinds=(DeviceKind.METER,), channel="modbus", balance_unit="kWh"),
}


def write_configuration(folder: Path, hub: str = HUB_YAML, **sites: str) -> Path:
    """hub.yaml and `sites/{name}.yaml` in `folder`; the path of hub.yaml."""
    (folder / "sites").mkdir(parents=True, exist_ok=True)
    for name, text in (sites or {"lakeside": SITE_YAML}).items():
        (folder / "sites" / f"{name}.yaml").write_text(text, encoding="utf-8")
    path = folder / "hub.yaml"
    path.write_text(hub, encoding="utf-8")
    return path


def load_configuration(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """With the profiles and limits above."""
    return load(path, environ or {}, PROFILES, RULES)
