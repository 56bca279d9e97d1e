"""Every case folder of a Modbus profile: a register dump and the events that it must give. A bug report becomes a file here."""

from pathlib import Path

import msgspec
import pytest
import yaml

from connectors import profiles
from connectors.codecs.modbus_decoder import ModbusDecoder
from connectors.codecs.modbus_poll import Poll, Refused, encode_poll
from connectors.codecs.modbus_values import Segment
from hub.vocabulary.ports import DeviceEntry, RawMessage
from hub.vocabulary.rejected import Rejected

CASES = Path(__file__).parents[2] / "cases"
SHIPPED = {name: each.modbus for name, each in profiles.load().items() if each.modbus is not None}
FILES = sorted(path for name in SHIPPED for path in (CASES / name).glob("*.yaml"))
AT = 1_790_000_000_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_dump_gives_the_events_of_its_case(path):
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert case["promise"]
    assert case["source"]
    found = decode(path.parent.name, case)
    if "rejected" in case:
        assert isinstance(found, Rejected), found
        assert {key: getattr(found, key) for key in case["rejected"]} == case["rejected"]
        assert (found.site, found.device) == ("lakeside", "d1")
        return
    assert not isinstance(found, Rejected), found
    assert len(found) == len(case["events"])
    for event, expected in zip(found, case["events"], strict=True):
        assert type(event).__name__ == expected.pop("event")
        assert {key: plain(getattr(event, key)) for key in expected} == expected
        assert (event.occurred_at, event.received_at, event.live) == (AT, AT, True)


def test_every_shipped_profile_has_cases():
    assert {path.parent.name for path in FILES} == set(SHIPPED)


def decode(profile, case):
    kind = SHIPPED[profile].kind
    device = DeviceEntry(
        site="lakeside", device="d1", kind=kind, profile=profile, timezone="Asia/Shanghai", **case.get("device", {})
    )
    fc = case.get("fc", 3)
    reads = (Segment(fc, addr, tuple(int(word, 16) for word in dump.split())) for addr, dump in case["reads"].items())
    poll = Poll(
        profile=profile, segments=tuple(reads), refused=tuple(Refused(*each) for each in case.get("refused", ()))
    )
    message = RawMessage(channel="modbus", address="lakeside/d1", payload=encode_poll(poll), received_at=AT)
    return ModbusDecoder(SHIPPED, [device]).decode(message)


def plain(value):
    return msgspec.json.decode(msgspec.json.encode(value))
