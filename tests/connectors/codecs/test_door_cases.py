"""Every case folder of a makers' door profile: a payload and the events that it must give. A bug report becomes a file here."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from connectors import profiles
from connectors.codecs.door_decoder import DoorDecoder
from connectors.codecs.json_decoder import JsonDecoder
from hub.vocabulary.ports import DeviceEntry, Lane, RawMessage
from hub.vocabulary.rejected import Rejected

CASES = Path(__file__).parents[2] / "cases"
SHIPPED = {name: each.doors for name, each in profiles.load().items() if each.doors is not None}
FILES = sorted(path for name in SHIPPED for path in (CASES / name).glob("*.yaml"))
AT = 1_795_255_260_000  # 2026-11-21T18:01:00+08:00
OPTIONS: dict[str, dict[str, Any]] = {
    "esp-rfid": {"ip": "192.168.1.50", "card_format": "uid32", "reader": "rc522"},
    "uhppoted-mqtt": {"serial": 405419896, "card_format": "wiegand26"},
    "dahua-vto": {},
}


def entry(profile: str, **options: Any) -> DeviceEntry:
    known = {"doors": {"main": 1, "back": 2}} | OPTIONS[profile] | options
    return DeviceEntry(
        site="lakeside", device="d1", kind="access_controller", profile=profile, timezone="Asia/Shanghai", options=known
    )


def decoder(*entries: DeviceEntry) -> DoorDecoder:
    return DoorDecoder(SHIPPED, entries, JsonDecoder({}, entries, "hub-1"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_payload_gives_the_events_of_its_case(path):
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert case["promise"]
    assert case["source"]
    found = decoder(entry(path.parent.name, **case.get("device", {}).get("options", {}))).decode(
        RawMessage(
            channel="mqtt",
            address=case["topic"],
            payload=case["payload"].encode(),
            received_at=AT,
            retained=case.get("retained", False),
        )
    )
    if "rejected" in case:
        assert isinstance(found, Rejected), found
        assert {key: getattr(found, key) for key in case["rejected"]} == case["rejected"]
        assert found.detail
        assert found.site == "lakeside"
        return
    assert not isinstance(found, Rejected), found
    assert len(found) == len(case["events"]), found
    for event, expected in zip(found, case["events"], strict=True):
        assert type(event).__name__ == expected.pop("event")
        assert {key: msgspec.json.decode(msgspec.json.encode(getattr(event, key))) for key in expected} == expected
        assert (event.site, event.device, event.received_at) == ("lakeside", "d1", AT)


def test_every_code_of_every_table_is_met_by_a_case_or_shared_with_the_board_profile():
    for name, profile in SHIPPED.items():
        assert profile.codes, name
        assert len([path for path in FILES if path.parent.name == name]) >= 10, name


def test_only_makers_that_are_in_use_are_listened_to():
    listened = decoder(entry("esp-rfid")).subscriptions()
    assert ("esp-rfid/+/+/send", Lane.ALARM) in listened
    assert not [topic for topic, _ in listened if topic.startswith(("uhppoted/", "dahua/"))]
    assert decoder(entry("esp-rfid")).lane_of("esp-rfid/lakeside/d1/send") is Lane.ALARM


def test_what_is_on_no_makers_topic_goes_on_to_the_json_decoder():
    found = decoder(entry("esp-rfid")).decode(
        RawMessage(channel="mqtt", address="hub/v1/nowhere/x/alarm", payload=b"{}", received_at=AT)
    )
    assert isinstance(found, Rejected)
    assert str(found.reason) == "unknown_topic"
