"""What a profile can say about a value: units, ranges, polarity, zones, epochs, constants; with a maker's format made up for it."""

import json

import pytest

from connectors import profiles
from connectors.codecs.json_decoder import JsonDecoder
from hub.vocabulary.events import Clock
from hub.vocabulary.ports import DeviceEntry, RawMessage
from hub.vocabulary.rejected import Rejected

AT = 1_795_255_260_000  # 2026-11-21T18:01:00+08:00
HEAD = """
id: maker-x
name: {zh-CN: 某厂, en: Maker X}
kind: [elevator, meter]
transport: mqtt-json
evidence: {sources: [made up], confidence: own}
"""
METER = """
mqtt:
  id: [sn, seq]
  messages:
    - name: data
      topic: "x/{site}/{device}/data"
      lane: telemetry
      event: MeterReading
      time: {from: t, form: epoch_s, unreadable: arrival, required: false}
      credit: {balance: left, range: [-100, 100000]}
      fields:
        unit: {const: CNY}
        energy_wh: {from: e, scale: 10, range: [0, 1000000]}
        power_w: {from: p, scale: 1000}
        voltage_dv: {from: v, scale: 10, range: [80, 300]}
        relay: {from: sw, map: {true: closed, false: open}}
"""
CAR = """
mqtt:
  time: {from: ts, form: epoch_ms}
  messages:
    - name: s
      topic: "x/{site}/{device}/s"
      lane: telemetry
      event: ElevatorState
      fields:
        speed_mps: {from: "motion.speed", scale: 0.1, range: [-100, 100]}
        load_percent: load
        passenger: {from: who, map: {1: true, 2: false, 0: null}}
        door_zone: {from: zone, map: {"in": true, "out": false}, otherwise: null}
        doors: {from: "[d1, d2]", map: {0: closed, 1: open}}
        floor: {from: fl, number_too: true}
        button: {from: keys.alarm}
        faults: {from: err, map: {7: null, 9: overspeed}, otherwise: other}
        code: err
        service_mode: {from: mode, map: {"00": stopped, "1": normal}, strip_zeros: true, otherwise: unknown}
"""


def decoder(section, kind):
    profile = profiles.read(HEAD + section, "maker-x.yaml")
    entry = DeviceEntry(site="s", device="d", kind=kind, profile="maker-x", timezone="Asia/Shanghai")
    return JsonDecoder({"maker-x": profile.mqtt}, [entry], "hub-1")


def meter(**fields):
    payload = json.dumps({"sn": "A", "seq": 1, "t": 1_795_255_200, "left": 5, **fields})
    message = RawMessage(channel="mqtt", address="x/s/d/data", payload=payload.encode(), received_at=AT)
    return decoder(METER, "meter").decode(message)


def car(**fields):
    payload = json.dumps({"ts": 1_795_255_200_000, **fields})
    message = RawMessage(channel="mqtt", address="x/s/d/s", payload=payload.encode(), received_at=AT)
    found = decoder(CAR, "elevator").decode(message)
    return found if isinstance(found, Rejected) else found[0]


def test_units_are_scaled_exactly_and_halves_go_to_the_even_neighbour():
    (event,) = meter(e=12.34, p=1.2345, v=229.95, sw=True)
    assert (event.credit, event.energy_wh, event.power_w, event.voltage_dv) == (500, 123, 1234, 2300)
    assert event.relay == "closed"
    assert event.source_key == "data:A:1"


@pytest.mark.parametrize(
    ("fields", "reason", "path"),
    [
        ({"v": 79}, "implausible", "v"),
        ({"v": 301}, "implausible", "v"),
        ({"e": -1}, "implausible", "e"),
        ({"left": -101}, "implausible", "left"),
        ({"p": 10**9}, "number_out_of_range", "p"),
        ({"sw": 1}, "wrong_type", "sw"),
        ({"sw": "closed"}, "wrong_type", "sw"),
        ({"e": "1"}, "wrong_type", "e"),
        ({"e": True}, "wrong_type", "e"),
        ({"t": "now"}, "wrong_type", "t"),
        ({"t": True}, "wrong_type", "t"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(fields, reason, path):
    found = meter(**fields)
    assert isinstance(found, Rejected)
    assert found.reason == reason
    assert found.detail.startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("t", "occurred_at", "clock", "device_at"),
    [
        (1_795_255_200, 1_795_255_200_000, Clock.DEVICE, None),
        (1_795_255_200.25, 1_795_255_200_250, Clock.DEVICE, None),
        (0, AT, Clock.SKEWED, 0),
        (1_795_255_200_000, AT, Clock.ARRIVAL, None),
        (-(10**15), AT, Clock.ARRIVAL, None),
        (1_795_255_200 + 86_400, AT, Clock.SKEWED, 1_795_341_600_000),
        (None, AT, Clock.ARRIVAL, None),
    ],
)
def test_epoch_seconds_are_seconds_and_milliseconds_in_their_place_are_no_time(t, occurred_at, clock, device_at):
    (event,) = meter(t=t)
    assert (event.occurred_at, event.clock, event.device_at) == (occurred_at, clock, device_at)


def test_polarity_words_and_numbers_of_a_maker_become_ours():
    event = car(who=2, zone="out", d1=0, d2=1, fl=-1, keys={"alarm": True, "fire": False}, motion={"speed": -15})
    assert (event.passenger, event.door_zone, event.floor, event.button) == (False, False, "-1", True)
    assert event.doors == ("closed", "open")
    assert event.speed_mps == pytest.approx(-1.5)
    assert event.extra == {"d1": 0, "d2": 1, "keys": {"fire": False}}


def test_what_a_map_makes_null_is_unknown():
    event = car(who=0, zone="?", mode="0099")
    assert (event.passenger, event.door_zone, event.service_mode) == (None, None, "unknown")


def test_codes_with_zeros_before_them_are_the_same_code():
    assert car(mode="0001").service_mode == "normal"


def test_standing_faults_come_as_words_and_their_codes_are_kept():
    event = car(err=[9, 7, 4])
    assert (event.faults, event.code) == (("overspeed", "other"), "9,7,4")
    assert car(err=[]).faults == ()
    assert car().faults is None


@pytest.mark.parametrize("fields", [{"err": 9}, {"err": [True]}, {"err": list(range(65))}, {"who": True}, {"fl": 1.5},
    {"keys": {"alarm": 1}}, {"motion": {"speed": 101}}, {"load": "50"},  {"code": {}} | {"err": [{}]}])  # fmt: skip
def test_what_does_not_fit_is_refused(fields):
    assert isinstance(car(**fields), Rejected)


def test_a_door_that_is_not_reported_is_unknown_and_not_closed():
    assert car(d1=0).doors == ("closed", "unknown")
    assert car().doors == ("unknown", "unknown")


def test_an_outer_field_of_the_wrong_kind_holds_no_inner_ones():
    event = car(keys=5, motion=[1])
    assert (event.button, event.speed_mps) == (None, None)


def test_a_device_with_the_wrong_kind_is_told_who_sends_this():
    decode = decoder(
        METER.replace("      event: MeterReading", "      kinds: meter\n      event: MeterReading"), "elevator"
    )
    found = decode.decode(RawMessage(channel="mqtt", address="x/s/d/data", payload=b"{}", received_at=AT))
    assert found.reason == "wrong_profile"
    assert "sent by meter" in found.detail
