"""The prepared way of decoding a healthy meter's poll gives what the long way gives, whatever the registers hold."""

import struct
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import profiles
from connectors.codecs.modbus_decoder import ModbusDecoder
from connectors.codecs.modbus_fields import Number, Span
from connectors.codecs.modbus_plan import meter_plan
from connectors.codecs.modbus_poll import Poll, Refused, encode_poll
from connectors.codecs.modbus_profile import Period, parse
from connectors.codecs.modbus_values import Segment
from connectors.modbus.planner import plan
from hub.vocabulary.ports import DeviceEntry, RawMessage
from hub.vocabulary.units import BalanceUnit

AT = 1_790_000_000_000
ODD = parse(
    {
        "id": "odd",
        "kind": "meter",
        "modbus": {
            "blocks": {"live": {"addr": 0, "count": 20}, "more": {"addr": 100, "count": 9}},
            "fields": {
                "balance": {"addr": 0, "type": "i32", "scale": 0.004, "unit": "$site", "plausible": [-2000, 50000]},
                "overdraft": {"addr": 2, "type": "u16", "scale": 0.005, "unit": "$site", "invalid": [0xFFFF]},
                "energy": {"addr": 3, "type": "u32", "scale": 0.00025, "unit": "kWh", "unset": [0]},
                "purchases": {"addr": 5, "mask": 0xFF00, "invalid": [0xFF]},
                "last_purchase": {"addr": 100, "type": "i32", "scale": 0.125, "unit": "CNY"},
                "power": {"addr": 7, "type": "i16", "scale": -0.5, "unit": "W", "plausible": [-9000, 7000]},
                "voltage": {"addr": 8, "type": "u16", "scale": 0.01, "unit": "V", "plausible": [0.503, 300.057]},
            },
            "extra": {
                "low_byte": {"addr": 5, "mask": 0x00FF},
                "current": {"addr": 10, "type": "i16", "scale": 0.1, "unit": "A", "invalid": [0x8000, 0xFFFE]},
                "demand": {"addr": 102, "type": "u32", "scale": 100, "unit": "kW"},
            },
            "limits": {"alarm_1": {"addr": 12, "type": "u32", "scale": 0.01, "unit": "$site"}},
        },
    }
)
METERS = {
    name: each.modbus
    for name, each in profiles.load().items()
    if each.modbus is not None and each.modbus.kind == "meter"
} | {"odd": ODD}
DEVICES = [
    DeviceEntry(site="s", device=f"{name}/{unit}", kind="meter", profile=name, timezone="UTC", balance_unit=unit)
    for name in METERS
    for unit in (None, "CNY", "kWh")
]


class LongWay(ModbusDecoder):
    """Without plans."""

    def _planned(self, device, wire, message):
        return None


PREPARED, LONG = ModbusDecoder(METERS, DEVICES), LongWay(METERS, DEVICES)


def telling(field):
    """Raw values that mean something to a field: its bounds, patterns that are no values, halves, and what lies beside them."""
    raws = {*range(8), 0x7FFF, 0x8000, 0xFFFF, *field.invalid, *field.unset}
    raws |= {
        int(end / field.scale) + near for end in (field.low, field.high) if end is not None for near in range(-2, 3)
    }
    return sorted(raws)


def numbers(profile):
    fields = [*profile.fields.values(), *profile.extra.values(), *profile.limits.values()]
    return [field for field in fields if isinstance(field, Number)]


def both_ways(poll, unit):
    """What the prepared way makes of it, and what the long way does: an event or a rejection."""
    message = RawMessage(
        channel="modbus", address=f"s/{poll.profile}/{unit}", payload=encode_poll(poll), received_at=AT
    )
    return PREPARED.decode(message), LONG.decode(message)


@pytest.mark.parametrize("name", METERS)
@pytest.mark.parametrize("base", [0, 100])
def test_every_field_at_every_telling_value_is_decoded_alike(name, base):
    profile = METERS[name]
    spans = [read.span for read in plan(profile) if read.period is Period.SLOW]
    for field in numbers(profile):
        for raw in telling(field):
            for unit in ("CNY", "kWh"):
                words = {
                    field.span.addr + n: raw >> 16 * (field.span.count - 1 - n) & 0xFFFF
                    for n in range(field.span.count)
                }
                segments = tuple(
                    Segment(s.fc, s.addr, tuple(words.get(n, base) for n in range(s.addr, s.end))) for s in spans
                )
                prepared, long = both_ways(Poll(profile=name, segments=segments), unit)
                assert prepared == long, (field, raw)


@st.composite
def polls(draw):
    """A poll of a profile's own reads, whole or in part, in any order, with registers between nonsense and health."""
    profile = METERS[draw(st.sampled_from(sorted(METERS)))]
    spans = draw(st.permutations([read.span for read in plan(profile) if read.period is not Period.FAST]))
    spans = spans[: draw(st.integers(1, len(spans)))]
    row = [draw(st.sampled_from([0, 1, 100, 100]))] * sum(span.count for span in spans)
    telltale = {raw >> shift & 0xFFFF for field in numbers(profile) for raw in telling(field) for shift in (0, 16)}
    word = st.sampled_from(sorted(telltale)) | st.integers(0, 3) | st.integers(0, 0xFFFF)
    for at, found in draw(st.lists(st.tuples(st.integers(0, len(row) - 1), word), max_size=5)):
        row[at] = found
    rest = iter(row)
    segments = tuple(Segment(span.fc, span.addr, tuple(islice(rest, span.count))) for span in spans)
    return Poll(profile=profile.id, segments=segments, refused=draw(st.sampled_from([(), (Refused(3, 1, 2, 2),)])))


@given(polls(), st.sampled_from(["None", "CNY", "kWh"]))
def test_both_ways_give_the_same(poll, unit):
    prepared, long = both_ways(poll, unit)
    assert prepared == long


@pytest.mark.parametrize("name", ["acrel-adf400l-1p", "acrel-adf400l-3p", "acrel-ddsy1352", "hiking-dds238", "odd"])
def test_the_healthy_poll_of_a_prepaid_meter_is_prepared(name):
    """The other way round: what is meant to be quick is quick, and a single value that is not believed is not."""
    profile = METERS[name]
    spans = tuple(read.span for read in plan(profile) if read.period is Period.SLOW)
    device = DeviceEntry(site="s", device=f"{name}/CNY", kind="meter", profile=name, timezone="UTC", balance_unit="CNY")
    prepared = meter_plan(profile, BalanceUnit.CNY, spans)
    assert prepared is not None
    size = sum(span.count for span in spans)
    assert prepared.read(device, struct.pack(f">{size}H", *[100] * size), AT) is not None
    assert prepared.read(device, b"\xff" * 2 * size, AT) is None
    assert prepared.read(device, b"\0" * (2 * size - 2), AT) is None


def test_what_cannot_be_prepared_takes_the_long_way():
    """Serial number in the poll, a transformer's ratio, floats, words in little order, registers that two fields share."""
    acrel = METERS["acrel-adf400l-1p"]
    assert meter_plan(acrel, BalanceUnit.CNY, (Span(3, 0x300, 21), Span(3, 0x947, 7))) is None
    assert meter_plan(acrel, None, (Span(3, 0x300, 21),)) is None, "the site does not say what it counts in"
    assert meter_plan(acrel, BalanceUnit.CNY, (Span(3, 0x509, 4),)) is None, "limits alone are no reading"
    assert meter_plan(acrel, BalanceUnit.CNY, ()) is None
    for name in ("acrel-dtsy1352", "carlo-gavazzi-em340", "chint-ddsu666", "schneider-iem3000"):
        spans = tuple(read.span for read in plan(METERS[name]) if read.period is Period.SLOW)
        assert meter_plan(METERS[name], BalanceUnit.CNY, spans) is None, name
    shared = parse(
        {"id": "x", "kind": "meter", "modbus": {"fields": {"energy": {"addr": 0, "type": "u32", "unit": "kWh"}},
         "extra": {"half": {"addr": 1}}}}
    )  # fmt: skip
    assert meter_plan(shared, BalanceUnit.CNY, (Span(3, 0, 2),)) is None


def test_hexadecimal_that_is_none_is_still_put_aside_with_the_reason():
    for text in ("zz" * 42, "00 1" * 21, "0" * 83):
        payload = b'{"profile":"acrel-adf400l-1p","reads":[[3,768,"%s"]]}' % text.encode()
        message = RawMessage(channel="modbus", address="s/acrel-adf400l-1p/CNY", payload=payload, received_at=AT)
        assert PREPARED.decode(message) == LONG.decode(message)
