"""Every case folder of a JSON profile: a payload and the events that it must give. A bug report becomes a file here."""

from pathlib import Path

import msgspec
import pytest
import yaml

from connectors import profiles
from connectors.codecs.json_decoder import JsonDecoder
from connectors.codecs.json_targets import TARGETS
from hub.vocabulary.ports import DeviceEntry, RawMessage
from hub.vocabulary.rejected import Rejected

CASES = Path(__file__).parents[2] / "cases"
SHIPPED = {name: each.mqtt for name, each in profiles.load().items() if each.mqtt is not None}
FILES = sorted(path for name in SHIPPED for path in (CASES / name).glob("*.yaml"))
AT = 1_795_255_260_000  # 2026-11-21T18:01:00+08:00


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_payload_gives_the_events_of_its_case(path):
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert case["promise"]
    assert case["source"]
    found = decode(path.parent.name, case)
    if "rejected" in case:
        assert isinstance(found, Rejected), found
        assert {key: getattr(found, key) for key in case["rejected"]} == case["rejected"]
        assert found.detail
        assert found.site == "lakeside"
        return
    assert not isinstance(found, Rejected), found
    assert len(found) == len(case["events"])
    for event, expected in zip(found, case["events"], strict=True):
        assert type(event).__name__ == expected.pop("event")
        assert {key: plain(getattr(event, key)) for key in expected} == expected
        assert (event.site, event.device, event.received_at, event.late) == ("lakeside", "d1", AT, False)


def test_every_shipped_profile_has_cases_for_every_message_and_field():
    """A field that no case fills is a field that nobody has seen working."""
    filled: dict[str, set[str]] = {name: set() for name in SHIPPED}
    for path in FILES:
        case = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = decode(path.parent.name, case)
        if not isinstance(found, Rejected):
            filled[path.parent.name] |= {
                f"{type(event).__name__}.{name}"
                for event in found
                for name in TARGETS[type(event).__name__]
                if getattr(event, name) is not None
            }
    for name, profile in SHIPPED.items():
        wanted = {f"{message.event}.{field}" for message in profile.messages for field in message.fields}
        assert wanted <= filled[name], f"{name}: {sorted(wanted - filled[name])}"


def decode(profile, case):
    kind = SHIPPED[profile].kinds[0]
    device = {"kind": kind, **case.get("device", {})}
    entry = DeviceEntry(site="lakeside", device="d1", profile=profile, timezone="Asia/Shanghai", **device)
    message = RawMessage(
        channel="mqtt",
        address=case["topic"],
        payload=case["payload"].encode(),
        received_at=AT,
        retained=case.get("retained", False),
    )
    return JsonDecoder(SHIPPED, [entry], "hub-1").decode(message)


def plain(value):
    return msgspec.json.decode(msgspec.json.encode(value))
