"""Two readings of the same documents agree: what the simulators write, without a line of ours, the profiles understand."""

import datetime
import json
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import profiles
from connectors.codecs.json_decoder import JsonDecoder
from hub.vocabulary.elevator import AlarmType, ServiceMode, TrappedPlace
from hub.vocabulary.ports import DeviceEntry, RawMessage
from simulators.elevator import Doors
from simulators.formats import city_push, elevatorcloud, hub_json, shmashine
from simulators.sensors import Fault, Reading

SHIPPED = {name: each.mqtt for name, each in profiles.load().items() if each.mqtt is not None}
ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime.datetime(2026, 11, 21, 18, 0, 0, tzinfo=ZONE)
AT = int(NOW.timestamp() * 1000)
MODES = list(ServiceMode)

READINGS = st.builds(
    Reading,
    service_mode=st.integers(0, 7),
    moving=st.booleans(),
    direction=st.integers(0, 2),
    door_zone=st.none() | st.booleans(),
    doors=st.sampled_from(Doors),
    passenger=st.none() | st.booleans(),
    floor=st.sampled_from(["B1", "1", "13A"]),
    floor_number=st.integers(-2, 30),
    speed_mps=st.floats(0, 4),
    mains=st.booleans(),
    button=st.booleans(),
    faults=st.frozensets(st.sampled_from(Fault)),
)


def decode(profile, topic, payload):
    entry = DeviceEntry(site="lakeside", device="d1", kind="elevator", profile=profile, timezone="Asia/Shanghai")
    body = json.dumps(payload, ensure_ascii=False).encode()
    message = RawMessage(channel="mqtt", address=topic, payload=body, received_at=AT)
    (event,) = JsonDecoder(SHIPPED, [entry], "hub-1").decode(message)
    return event


@given(READINGS)
def test_hub_json_state(reading):
    payload = hub_json.envelope("s-1", NOW, **hub_json.elevator_state(reading))
    event = decode("hub-json", hub_json.topic("lakeside", "d1", "state"), payload)
    assert event.service_mode is MODES[reading.service_mode]
    assert (event.car_status == "run") == reading.moving
    assert event.direction == ("none", "up", "down")[reading.direction]
    assert (event.door_zone, event.passenger, event.floor) == (reading.door_zone, reading.passenger, reading.floor)
    assert event.doors == (reading.doors.value,)
    assert (event.power == "mains") == reading.mains
    assert (event.occurred_at, event.extra) == (AT, None)


@given(READINGS)
def test_elevatorcloud_info(reading):
    event = decode("elevatorcloud-json", elevatorcloud.topic("lakeside", "d1"), elevatorcloud.info(reading))
    trapped = {Fault.TRAPPED_OFF_LEVEL, Fault.TRAPPED_LEVEL} & reading.faults
    assert (event.trapped is not None) == bool(trapped)
    assert event.trapped_known
    assert ("stopped_outside_zone" in event.faults) == (Fault.STOPPED_OUTSIDE_ZONE in reading.faults)
    assert event.door_zone == bool(reading.door_zone)
    assert event.passenger == bool(reading.passenger)
    assert event.floor == str(reading.floor_number)
    if reading.doors is not Doors.UNKNOWN:  # the format has no word for it
        assert event.doors == (reading.doors.value,)


@given(READINGS, st.sampled_from(sorted(shmashine.FAULT_TYPES)), st.booleans(), st.booleans())
def test_shmashine_event(reading, fault, add, two_doors):
    payload = shmashine.event("MX3737", fault, add, "1280", NOW, reading, two_doors)
    event = decode("shmashine-event", shmashine.topic("lakeside", "d1"), payload)
    kinds = {Fault.ALARM_BUTTON: AlarmType.PASSENGER_ALARM, Fault.STOPPED_OUTSIDE_ZONE: AlarmType.FAULT}
    assert event.type is kinds.get(fault, AlarmType.TRAPPED)
    assert event.trapped == {Fault.TRAPPED_LEVEL: "level", Fault.TRAPPED_OFF_LEVEL: "off_level"}.get(fault)
    assert (event.state == "add") == add
    assert event.occurred_at == AT
    fields = event.extra["snapshot"]["fields"]
    assert fields["at_s"] * 1000 == AT
    assert (fields["people"] == "somebody") == bool(reading.passenger)
    assert fields["floor"] == reading.floor_number
    assert ("stop_outside_zone" in fields) == two_doors


@given(READINGS, st.sampled_from(sorted(city_push.FAILURE_CODES)))
def test_city_push_alarm(reading, fault):
    payload = city_push.alarm("R-31", fault, "77", NOW, reading)
    event = decode("city-push", city_push.topic("lakeside", "d1"), payload)
    assert event.type is AlarmType.TRAPPED
    assert event.trapped is TrappedPlace.UNKNOWN
    assert (event.code, event.floor, event.occurred_at) == ("09", reading.floor, AT)
    assert len(event.extra["statusDetails"]) == len(payload["statusDetails"])


@pytest.mark.parametrize("hundredths", [None, 0, -1, 7, 1234, 10**9 - 1])
def test_money_survives_both_ways(hundredths):
    entry = DeviceEntry(site="lakeside", device="m1", kind="meter", profile="hub-json", timezone="Asia/Shanghai")
    payload = hub_json.envelope("r-1", NOW, balance=hub_json.money(hundredths), unit="CNY")
    topic = hub_json.topic("lakeside", "m1", "reading")
    message = RawMessage(channel="mqtt", address=topic, payload=json.dumps(payload).encode(), received_at=AT)
    (event,) = JsonDecoder(SHIPPED, [entry], "hub-1").decode(message)
    assert event.credit == hundredths
