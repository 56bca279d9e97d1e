"""Every case folder of a DL/T 645 profile: data items as the meter sends them, and the reading that they must give."""

from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from connectors import profiles
from connectors.codecs.dlt645 import to_registers
from connectors.codecs.dlt645_decoder import Dlt645Decoder
from connectors.codecs.modbus_poll import Poll, Refused, encode_poll
from connectors.codecs.modbus_values import Segment
from hub.vocabulary.events import MeterReading
from hub.vocabulary.ports import DeviceEntry, RawMessage
from hub.vocabulary.rejected import Rejected

CASES = Path(__file__).parents[2] / "cases"
SHIPPED = {name: each.dlt645 for name, each in profiles.load().items() if each.dlt645 is not None}
FILES = sorted(path for name in SHIPPED for path in (CASES / name).glob("*.yaml"))
AT = 1_790_001_200_000  # 2026-09-21T22:33:20 in Shanghai


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_data_items_give_the_reading_of_their_case(path):
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert case["promise"]
    assert case["source"]
    answers = {item: bytes.fromhex(value) for item, value in case["answers"].items()}
    found = decode(path.parent.name, answers, case.get("refused", ()), case.get("device", {}))
    if "rejected" in case:
        assert isinstance(found, Rejected), found
        assert {key: getattr(found, key) for key in case["rejected"]} == case["rejected"]
        return
    assert not isinstance(found, Rejected), found
    [event], [expected] = found, case["events"]
    assert type(event).__name__ == expected.pop("event")
    assert {key: plain(getattr(event, key)) for key in expected} == expected
    assert (event.occurred_at, event.received_at, event.live) == (AT, AT, True)


def test_every_shipped_profile_has_cases():
    assert {path.parent.name for path in FILES} == set(SHIPPED)


@given(st.dictionaries(st.sampled_from([0x00900200, 0x00900201, 0x00010000, 0x04000503, 0x04000402, 0x04000101, 0x04000102]),
                       st.binary(max_size=9), max_size=7))  # fmt: skip
def test_whatever_a_meter_answers_is_a_reading_or_put_aside(answers):
    """Lengths that the client would have refused, too: nothing here may raise."""
    found = decode("dlt645-prepaid", answers)
    if isinstance(found, Rejected):
        assert found.detail
        return
    [event] = found
    assert isinstance(event, MeterReading)
    assert event.credit is None or -(10**8) <= event.credit <= 10**8


def decode(profile, answers, refused=(), more=None):
    device = DeviceEntry(
        site="lakeside", device="d1", kind="meter", profile=profile, timezone="Asia/Shanghai", **(more or {})
    )
    poll = Poll(
        profile=profile,
        segments=tuple(Segment(17, item, to_registers(value)) for item, value in answers.items()),
        refused=tuple(Refused(*each) for each in refused),
    )
    message = RawMessage(channel="dlt645", address="lakeside/d1", payload=encode_poll(poll), received_at=AT)
    return Dlt645Decoder(SHIPPED, [device]).decode(message)


def plain(value):
    return msgspec.json.decode(msgspec.json.encode(value))
