"""The decoder of the channel `modbus` takes any bytes: an event, or the reason why not; never an exception."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from connectors import profiles
from connectors.codecs.modbus_decoder import ModbusDecoder
from connectors.codecs.modbus_poll import Poll, Refused, decode_poll, encode_poll
from connectors.codecs.modbus_profile import parse
from connectors.codecs.modbus_values import Segment
from hub.vocabulary.ports import DeviceEntry, RawMessage
from hub.vocabulary.rejected import Rejected, RejectReason

SHIPPED = {name: each.modbus for name, each in profiles.load().items() if each.modbus is not None}
DEVICES = [
    DeviceEntry(site="s", device="m1", kind="meter", profile="acrel-adf400l-1p", timezone="UTC", balance_unit="CNY"),
    DeviceEntry(site="s", device="e1", kind="elevator", profile="car-top-monitor", timezone="UTC"),
    DeviceEntry(site="s", device="e2", kind="elevator", profile="lift-controller", timezone="UTC"),
    DeviceEntry(site="s", device="x1", kind="meter", profile="hub-json", timezone="UTC"),
]
DECODER = ModbusDecoder(SHIPPED, DEVICES)
SEGMENTS = st.builds(
    Segment,
    st.sampled_from([3, 4]),
    st.sampled_from([0, 1, 2, 0x300, 0x30A, 0xC800, 0xC823]),
    st.lists(st.integers(0, 0xFFFF), max_size=45).map(tuple),
)
POLLS = st.builds(
    Poll,
    profile=st.sampled_from(sorted(SHIPPED)),
    segments=st.lists(SEGMENTS, max_size=4).map(tuple),
    refused=st.lists(st.builds(Refused, *[st.integers(0, 0xFFFF)] * 4), max_size=3).map(tuple),
)


def message(payload, address="s/m1"):
    return RawMessage(channel="modbus", address=address, payload=payload, received_at=1_790_000_000_000)


@given(POLLS)
def test_a_poll_survives_its_bytes(poll):
    assert decode_poll(encode_poll(poll)) == poll


@given(POLLS, st.sampled_from(["m1", "e1", "e2"]))
def test_any_registers_give_events_or_a_reason(poll, device):
    found = DECODER.decode(message(encode_poll(poll), f"s/{device}"))
    assert isinstance(found, Rejected) or found
    if not isinstance(found, Rejected):
        assert len({event.source_key for event in found}) == len(found)
        assert all(event.device == device for event in found)
        msgspec.json.encode(found)


@given(st.binary(max_size=200))
def test_any_bytes_are_put_aside_with_a_reason(payload):
    found = DECODER.decode(message(payload))
    assert isinstance(found, Rejected)
    assert found.reason is RejectReason.BAD_SNAPSHOT
    assert (found.site, found.device) == ("s", "m1")


def test_hostile_json_is_put_aside_too():
    for payload in (
        b"",
        b"null",
        b"[" * 100_000,
        b'{"profile":"x","reads":[[3,0,"zz"]]}',
        b'{"profile":"x","reads":[[3,0,"123"]]}',
        b'{"profile":"x","reads":[[3,0]]}',
        b'{"profile":"x","reads":[],"more":1}',
        b'{"profile":"' + b"9" * 5000 + b'","reads":' + b"9" * 5000 + b"}",
    ):
        found = DECODER.decode(message(payload))
        assert isinstance(found, Rejected), payload[:40]
        assert found.reason is RejectReason.BAD_SNAPSHOT


def test_an_unknown_device_and_another_profile_are_named():
    payload = encode_poll(Poll(profile="car-top-monitor", segments=(Segment(3, 0, (0, 0, 0)),)))
    assert DECODER.decode(message(payload, "s/nobody")).reason is RejectReason.UNKNOWN_DEVICE
    assert DECODER.decode(message(payload, "s/x1")).reason is RejectReason.UNKNOWN_DEVICE, "it speaks MQTT"
    wrong = DECODER.decode(message(payload, "s/m1"))
    assert wrong.reason is RejectReason.WRONG_PROFILE
    assert "'car-top-monitor'" in wrong.detail


def test_two_polls_are_two_events_and_a_replayed_poll_is_one():
    payload = encode_poll(Poll(profile="car-top-monitor", segments=(Segment(3, 0, (0, 0x400, 0)),)))
    (first,) = DECODER.decode(message(payload, "s/e1"))
    (again,) = DECODER.decode(message(payload, "s/e1"))
    (later,) = DECODER.decode(msgspec.structs.replace(message(payload, "s/e1"), received_at=1_790_000_000_500))
    assert first.source_key == again.source_key != later.source_key


# --- a meter with separate overdraft behind a current transformer --------------------------------------------

TWO_REGISTERS = parse(
    {
        "id": "two-registers",
        "kind": "meter",
        "modbus": {
            "blocks": {"live": {"addr": 0, "count": 7}},
            "fields": {
                "balance": {"addr": 0, "type": "bcd32", "scale": 0.01, "unit": "CNY"},
                "overdraft": {"addr": 2, "type": "bcd32", "scale": 0.01, "unit": "CNY"},
                "energy": {"addr": 4, "type": "u32", "scale": 0.01, "unit": "kWh", "multiply_by": "ct"},
            },
            "extra": {"ct": {"addr": 6, "type": "u16", "plausible": [1, 1000]}},
        },
    }
)


def read_two_registers(*registers):
    device = DeviceEntry(site="s", device="t1", kind="meter", profile="two-registers", timezone="UTC")
    payload = encode_poll(Poll(profile="two-registers", segments=(Segment(3, 0, registers),)))
    (reading,) = ModbusDecoder({"two-registers": TWO_REGISTERS}, [device]).decode(message(payload, "s/t1"))
    return reading


def test_a_debt_stands_in_a_register_of_its_own():
    """Domain/meters.md 7 no. 1: remaining reads 0.00, the debt is in overdraft."""
    assert read_two_registers(0, 0, 0x0000, 0x2550, 0, 100, 1).credit == -2550
    assert read_two_registers(0x0000, 0x1234, 0, 0, 0, 100, 1).credit == 1234


def test_with_an_unreadable_overdraft_the_credit_is_unknown():
    reading = read_two_registers(0x0000, 0x1234, 0xEEEE, 0xEEEE, 0, 100, 1)
    assert reading.credit is None
    assert "overdraft" in reading.extra["unusable"]


def test_a_transformer_ratio_is_applied_once_and_without_it_the_energy_is_unknown():
    """Domain/meters.md 7 no. 20."""
    assert read_two_registers(0, 1, 0, 0, 0, 12345, 40).energy_wh == 4_938_000
    assert read_two_registers(0, 1, 0, 0, 0, 12345, 0).energy_wh is None


def limited(unit):
    """A meter that counts kWh and has its alarm limit in `unit`: the prepared way, and the long one."""
    number = {"type": "u16", "scale": 0.01}
    fields = {"balance": {"addr": 0, "unit": "kWh", **number}}
    profile = parse(
        {
            "id": "limited",
            "kind": "meter",
            "modbus": {"fields": fields, "limits": {"alarm_1": {"addr": 1, "unit": unit, **number}}},
        }
    )
    device = DeviceEntry(site="s", device="m1", kind="meter", profile="limited", timezone="UTC")
    segments = (Segment(3, 0, (1_250,)), Segment(3, 1, (1_000,)))
    both = []
    for reads in (segments, (*segments, Segment(4, 9, (0, 0, 0)), Segment(3, 0, (1_250,)))):
        (event,) = ModbusDecoder({"limited": profile}, [device]).decode(
            message(encode_poll(Poll(profile="limited", segments=reads)))
        )
        both.append(event)
    assert both[0].alarm_1 == both[1].alarm_1
    return both[0]


def test_a_limit_counts_in_what_the_credit_is_counted_in_or_not_at_all():
    """10 yuan are no limit for kilowatt-hours; they stay visible beside the event."""
    assert (limited("kWh").credit, limited("kWh").alarm_1) == (12_500, 10_000)
    in_money = limited("CNY")
    assert (in_money.alarm_1, in_money.extra) == (None, {"limits": {"alarm_1": "10"}})
