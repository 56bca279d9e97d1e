"""The catalogue of domain/reliability.md 6, MQTT: whatever a device sends is understood or rejected with its reason; nothing raises."""

import json
import string
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import profiles
from connectors.codecs import json_plan
from connectors.codecs.json_decoder import JsonDecoder
from connectors.codecs.json_text import MAX_BYTES, read_object
from connectors.codecs.refusal import Refusal
from hub.vocabulary.events import Canary, ElevatorAlarm, Event, MeterReading
from hub.vocabulary.ports import DeviceEntry, Lane, RawMessage
from hub.vocabulary.rejected import Rejected, RejectReason

SHIPPED = {name: each.mqtt for name, each in profiles.load().items() if each.mqtt is not None}
AT = 1_795_255_260_000
ALARM = "hub/v1/lakeside/b1-e1/alarm"
READING = "hub/v1/lakeside/m1/reading"
GOOD = b'{"id":"1","at":"2026-11-21T18:00:00+08:00","type":"trapped","state":"add"}'


def entry(device, kind, profile, site="lakeside", **more):
    return DeviceEntry(site=site, device=device, kind=kind, profile=profile, timezone="Asia/Shanghai", **more)


DECODER = JsonDecoder(
    SHIPPED,
    [
        entry("b1-e1", "elevator", "hub-json"),
        entry("m1", "meter", "hub-json"),
        entry("bus-meter", "meter", "acrel-adf400l-1p"),
        entry("g1", "access_controller", "hub-json"),
        entry("ec", "elevator", "elevatorcloud-json"),
        entry("sh", "elevator", "shmashine-event", options={"elevator_code": "MX3737"}),
        entry("cp", "elevator", "city-push", options={"register_number": "R-31"}),
        entry("e1", "elevator", "hub-json", site="hillside"),
    ],
    "hub-1",
)


def decode(topic, payload, **more):
    return DECODER.decode(RawMessage(channel="mqtt", address=topic, payload=payload, received_at=AT, **more))


def alarm(**fields):
    return json.dumps({**json.loads(GOOD), **fields}).encode()


def reading(literal, unit="CNY"):
    return f'{{"id":"1","at":"2026-11-21T18:00:00+08:00","unit":"{unit}","balance":{literal}}}'.encode()


BROKEN = {
    "empty": (b"", "empty"),
    "blank": (b" \r\n\t ", "empty"),
    "1 MB": (b'{"id":"' + b"x" * 1_000_000 + b'"}', "too_large"),
    "one byte too many": (b" " * (MAX_BYTES + 1), "too_large"),
    "not UTF-8": (b'{"id":"\xff"}', "not_utf8"),
    "GBK": ('{"detail":"困人"}'.encode("gbk"), "not_utf8"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "not_utf8"),
    "surrogate in UTF-8": (b'{"id":"\xed\xa0\x80"}', "not_utf8"),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, "not_json"),
    "raw NUL": (b'{"id":"\x00"}', "not_json"),
    "raw line break in text": (b'{"id":"a\nb"}', "not_json"),
    "escaped NUL": (GOOD.replace(b'"1"', b'"\\u0000"'), "bad_text"),
    "escaped NUL in a key": (GOOD[:-1] + b',"\\u0000":1}', "bad_text"),
    "lone surrogate": (GOOD[:-1] + b',"x":"\\ud800"}', "bad_text"),
    "lone low surrogate in a key": (GOOD[:-1] + b',"\\udc00":1}', "bad_text"),
    "NaN": (GOOD[:-1] + b',"x":NaN}', "not_finite"),
    "Infinity": (GOOD[:-1] + b',"x":Infinity}', "not_finite"),
    "-Infinity": (GOOD[:-1] + b',"x":-Infinity}', "not_finite"),
    "1e999 in an unknown field": (GOOD[:-1] + b',"x":1e999}', "not_finite"),
    "exponent beyond Decimal": (GOOD[:-1] + b',"x":1e99999999999999999999}', "number_out_of_range"),
    "2**63 in an unknown field": (GOOD[:-1] + b',"x":9223372036854775808}', "number_out_of_range"),
    "5,000 digits": (GOOD[:-1] + b',"x":' + b"9" * 5000 + b"}", "number_out_of_range"),
    "5,000 digits, nested": (GOOD[:-1] + b',"x":[{"y":-' + b"9" * 5000 + b"}]}", "number_out_of_range"),
    "100,000 lists": (b"[" * 100_000, "too_deep"),
    "40,000 objects": (b'{"a":' * 40_000, "too_deep"),
    "17 deep": (GOOD[:-1] + b',"x":' + b"[" * 17 + b"]" * 17 + b"}", "too_deep"),
    "duplicate key": (GOOD[:-1] + b',"type":"test"}', "duplicate_key"),
    "duplicate key, spaced": (GOOD[:-1] + b',"type" :"test"}', "duplicate_key"),
    "duplicate key by escape": (GOOD[:-1] + b',"\\u0074ype":"test"}', "duplicate_key"),
    "duplicate key, nested": (GOOD[:-1] + b',"x":[{"y":1,"y":1}]}', "duplicate_key"),
    "trailing comma": (GOOD[:-1] + b",}", "not_json"),
    "single quotes": (GOOD.replace(b'"', b"'"), "not_json"),
    "two objects": (GOOD + GOOD, "not_json"),
    "half an object": (GOOD[:-5], "not_json"),
    "leading zeros": (GOOD[:-1] + b',"x":007}', "not_json"),
    "a list": (b"[1]", "wrong_type"),
    "null": (b"null", "wrong_type"),
    "a number": (b"1", "wrong_type"),
    "a string": (b'"alarm"', "wrong_type"),
    "true": (b"true", "wrong_type"),
    "an empty object": (b"{}", "missing_field"),
    "XML": (b"<alarm/>", "not_json"),
    "HTML in a word": (alarm(type="<script>alert(1)</script>"), "unknown_value"),
    "a word in capitals": (alarm(type="Trapped"), "unknown_value"),
    "a word with a space": (alarm(type="trapped "), "unknown_value"),
    "a word as list": (alarm(type=["trapped"]), "wrong_type"),
    "a word as object": (alarm(type={}), "wrong_type"),
    "a word as null": (alarm(type=None), "wrong_type"),
    "a word as number": (alarm(type=1), "wrong_type"),
    "a word as true": (alarm(state=True), "wrong_type"),
    "id as list": (alarm(id=[]), "wrong_type"),
    "id of 129 characters": (alarm(id="x" * 129), "bad_text"),
    "id of 64 bits and more": (GOOD.replace(b'"1"', b"18446744073709551616"), "number_out_of_range"),
    "id as fraction": (GOOD.replace(b'"1"', b"1.5"), "wrong_type"),
    "floor of 17 characters": (alarm(floor="x" * 17), "bad_text"),
    "detail of 2,001 characters": (alarm(detail="x" * 2001), "bad_text"),
    "code as object": (alarm(code={}), "wrong_type"),
    "time as object": (alarm(at={}), "wrong_type"),
    "time as true": (alarm(at=True), "wrong_type"),
    "time of 10,000 characters": (alarm(at="2" * 10_000), "bad_time"),
    "time with a 13th month": (alarm(at="2026-13-01T00:00:00Z"), "bad_time"),
    "time in epoch text": (alarm(at="1795255200000"), "bad_time"),
    "time beyond year 9999": (alarm(at="10000-01-01T00:00:00Z"), "bad_time"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_payloads_are_rejected_with_their_reason_and_their_device(name):
    payload, reason = BROKEN[name]
    found = decode(ALARM, payload)
    assert isinstance(found, Rejected), found
    assert found.reason == reason, found.detail
    assert found.detail
    assert len(found.detail) < 400
    assert (found.site, found.device) == ("lakeside", "b1-e1")
    assert msgspec.json.encode(found)


@pytest.mark.parametrize(
    ("topic", "reason", "site", "device"),
    [
        ("hub/v1/lakeside/b9-e9/alarm", "unknown_device", "lakeside", ""),
        ("hub/v1/nowhere/b1-e1/alarm", "unknown_site", "", ""),
        ("hub/v1/hillside/b1-e1/alarm", "unknown_device", "hillside", ""),
        ("hub/v1/lakeside/ec/alarm", "wrong_profile", "lakeside", "ec"),
        ("hub/v1/lakeside/bus-meter/reading", "wrong_profile", "lakeside", "bus-meter"),
        ("hub/v1/lakeside/m1/alarm", "wrong_profile", "lakeside", "m1"),
        ("hub/v1/lakeside/b1-e1/access", "wrong_profile", "lakeside", "b1-e1"),
        ("elevatorcloud/lakeside/b1-e1/info", "wrong_profile", "lakeside", "b1-e1"),
        ("hub/v1/lakeside/b1-e1/alram", "unknown_topic", "", ""),
        ("hub/v1/lakeside/b1-e1", "unknown_topic", "", ""),
        ("hub/v1/lakeside/b1-e1/alarm/extra", "unknown_topic", "", ""),
        ("hub/v1", "unknown_topic", "", ""),
        ("hub/v1/", "unknown_topic", "", ""),
        ("hub/v2/lakeside/b1-e1/alarm", "unknown_topic", "", ""),
        ("HUB/v1/lakeside/b1-e1/alarm", "unknown_topic", "", ""),
        ("/hub/v1/lakeside/b1-e1/alarm", "unknown_topic", "", ""),
        ("", "unknown_topic", "", ""),
        ("hub/v1/+/#/alarm", "unknown_site", "", ""),
        ("hub/v1/../b1-e1/alarm", "unknown_site", "", ""),
        ("hub/v1/lakeside//alarm", "unknown_device", "lakeside", ""),
        ("hub/v1/lakeside/$SYS/alarm", "unknown_device", "lakeside", ""),
        ("hub/v1/lakeside/'; DROP TABLE tickets;--/alarm", "unknown_device", "lakeside", ""),
        ("hub/v1/lakeside/\u202egnp.exe/alarm", "unknown_device", "lakeside", ""),
        ("hub/v1/\x1b[31m/b1-e1/alarm", "unknown_site", "", ""),
    ],
)
def test_a_topic_that_leads_nowhere_says_why(topic, reason, site, device):
    found = decode(topic, GOOD)
    assert isinstance(found, Rejected), found
    assert (found.reason, found.site, found.device) == (reason, site, device)
    assert found.detail.isprintable()
    assert "\x1b" not in found.detail


@pytest.mark.parametrize(
    "text", ["<script>", "'; DROP TABLE x;--", "=cmd|' /C calc'!A0", "\x1b[2J", "\u202eabc", "a\\u0000"]
)
def test_hostile_text_is_text_and_is_kept_as_it_came(text):
    """Screens, files and queries have to escape it; here nothing may be lost or changed."""
    (event,) = decode(ALARM, alarm(detail=text))
    assert event.detail == text


def test_a_command_that_comes_back_to_the_hub_is_nothing():
    assert decode("hub/v1/lakeside/b1-e1/command", b"anything") == ()


# --- numbers ----------------------------------------------------------------------------------------------


@given(st.integers(-(10**8), 10**9))
def test_every_amount_in_fen_comes_back_as_itself(fen):
    (event,) = decode(READING, reading(f"{Decimal(fen).scaleb(-2):f}"))
    assert event.credit == fen


@given(st.integers(-(10**9), 10**10))
def test_every_amount_in_watt_hours_comes_back_as_itself(wh):
    (event,) = decode(READING, reading(f"{Decimal(wh).scaleb(-3):f}", "kWh"))
    assert event.credit == wh


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_no_number_of_any_device_gives_another_amount_than_its_digits_say(value):
    found = decode(READING, reading(json.dumps(value)))
    if isinstance(found, Rejected):
        assert found.reason in {"not_finite", "implausible", "number_out_of_range"}
    else:
        assert abs(Decimal(found[0].credit) / 100 - Decimal(repr(value))) <= Decimal("0.005")


@pytest.mark.parametrize("literal", ["1e400", "-1e400", "1e99999", "1e-99999", "1E+5", "0.000000000000000000000001"])
def test_extreme_exponents_are_answered_at_once(literal):
    found = decode(READING, reading(literal))
    assert isinstance(found, Rejected) or isinstance(found[0].credit, int)


# --- anything at all --------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["id", "at", "type", "state", "code", "floor", "detail", "service_mode", "car_status", "direction", "door_zone",
    "doors", "passenger", "power", "balance", "unit", "overdraft", "energy_kwh", "purchases", "relay", "meter_alarm",
    "serial", "door", "card", "result", "reason", "index", "online", "boot_id", "command_id", "ok", "cards", "data", "TY",
    "ST", "fault_type", "faultId", "elevatorCode", "time", "D", "alarmId", "occurTime", "failureCode", "statusDetails"]  # fmt: skip
TOPICS = [f"hub/v1/lakeside/{device}/{word}" for device in ("b1-e1", "m1", "g1", "ec") for word in
    ("alarm", "state", "reading", "access", "door", "status", "result", "command")] + [
    "elevatorcloud/lakeside/ec/info", "shmashine/lakeside/sh/event", "shmashine/lakeside/event",
    "citypush/lakeside/cp/event", "citypush/lakeside/event", "hub/v1/_hub/hub-1/canary-alarm"]  # fmt: skip
SEEDS = st.sampled_from(
    [
        json.loads(GOOD),
        {"id": "1", "at": "2026-11-21T18:00:00+08:00", "balance": 1, "unit": "CNY"},
        {"type": "info", "data": {"fault": [1]}},
        {
            "TY": "Fault",
            "ST": "add",
            "fault_type": 8,
            "faultId": "1",
            "time": "2026-11-21 18:00:00",
            "elevatorCode": "MX3737",
        },
        {"alarmId": "1", "occurTime": "2026-11-21 18:00:00", "failureCode": "09", "registerNumber": "R-31"},
        {},
    ]
)


def check(found):
    assert isinstance(found, Rejected) or all(isinstance(event, Event) for event in found)
    if isinstance(found, Rejected):
        assert found.reason is not RejectReason.CODEC_FAILED, found.detail
    msgspec.json.encode(found)  # nothing is in it that no store could keep
    text = msgspec.json.encode(found).decode()
    assert "\\u0000" not in text.replace("\\\\", "")


@settings(max_examples=300)
@given(st.sampled_from(TOPICS), st.binary(max_size=200), st.booleans())
def test_any_bytes_are_answered(topic, payload, retained):
    check(decode(topic, payload, retained=retained))


@settings(max_examples=600)
@given(st.sampled_from(TOPICS), SEEDS, st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=5))
def test_any_json_is_answered(topic, seed, fields):
    check(decode(topic, json.dumps({**seed, **fields}).encode()))


@settings(max_examples=200)
@given(st.text(max_size=60), SEEDS)
def test_any_topic_is_answered(topic, seed):
    check(decode(topic, json.dumps(seed).encode()))


@settings(max_examples=200)
@given(SEEDS, st.data())
def test_any_cut_or_flipped_byte_is_answered(seed, data):
    payload = bytearray(json.dumps(seed).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    check(decode(data.draw(st.sampled_from(TOPICS)), bytes(payload[: data.draw(st.integers(0, len(payload)))])))


PAIRS = st.lists(
    st.tuples(st.text(string.ascii_letters + ' :{}"\\', max_size=4), st.integers(0, 9) | st.text(' :{}"[', max_size=5)),
    max_size=6,
)


@settings(max_examples=400)
@given(PAIRS, st.sampled_from([":", " :", ": ", "\n:\t"]))
def test_duplicates_are_found_however_the_text_is_written(pairs, colon):
    """The fast count must agree with a reader that looks at every key."""
    text = "{" + ",".join(f"{json.dumps(key)}{colon}{json.dumps(value)}" for key, value in pairs) + "}"
    if len({key for key, _ in pairs}) == len(pairs):
        assert read_object(text.encode()) == dict(pairs)
    else:
        with pytest.raises(Refusal) as refused:
            read_object(text.encode())
        assert refused.value.reason is RejectReason.DUPLICATE_KEY


def test_a_defect_of_ours_is_kept_for_a_replay(monkeypatch):
    monkeypatch.setattr(json_plan, "believe", lambda *_: 1 // 0)
    found = decode(ALARM, GOOD)
    assert isinstance(found, Rejected)
    assert found.reason is RejectReason.CODEC_FAILED
    assert "ZeroDivisionError" in found.detail


# --- the hub's own messages, lanes and subscriptions ------------------------------------------------------


def test_a_canary_of_ours_becomes_an_event_and_anothers_nothing():
    (event,) = decode("hub/v1/_hub/hub-1/canary-alarm", b'{"number":7,"sent_at":1795255259000}')
    assert event == Canary(
        site="_hub", lane="alarm", number=7, occurred_at=1_795_255_259_000, received_at=AT, source_key=event.source_key
    )
    assert decode("hub/v1/_hub/hub-2/canary-alarm", b"{}") == ()
    assert decode("hub/v1/_hub/hub-1/canary-alarm", b'{"number":7,"sent_at":1}', retained=True) == ()
    assert decode("hub/v1/_hub/hub-1/canary-telemetry", b'{"number":true,"sent_at":1}').reason == "wrong_type"


def test_subscriptions_bring_alarms_first_and_miss_nothing_below_the_hubs_root():
    found = DECODER.subscriptions()
    assert ("hub/v1/+/+/alarm", Lane.ALARM) in found
    assert ("hub/v1/#", Lane.TELEMETRY) in found
    assert ("elevatorcloud/+/+/info", Lane.ALARM) in found
    assert ("shmashine/+/event", Lane.ALARM) in found
    assert len(found) == len(set(found))
    assert not any(lane is Lane.TELEMETRY and "state" in topic for topic, lane in found)


def test_where_hubs_share_a_broker_each_hears_its_own_sites_only():
    found = DECODER.subscriptions(own_sites_only=True)
    assert ("hub/v1/lakeside/+/alarm", Lane.ALARM) in found
    assert ("hub/v1/hillside/#", Lane.TELEMETRY) in found
    assert ("hub/v1/_hub/hub-1/canary-telemetry", Lane.TELEMETRY) in found
    assert not any(topic.split("/")[2] in {"+", "#"} for topic, _ in found if topic.startswith("hub/v1/"))


@pytest.mark.parametrize(
    ("topic", "lane"),
    [
        (ALARM, Lane.ALARM),
        ("hub/v1/lakeside/b1-e1/state", Lane.ALARM),
        ("hub/v1/nowhere/x/alarm", Lane.ALARM),
        ("hub/v1/lakeside/b1-e1/alram", Lane.TELEMETRY),
        ("hub/v1/_hub/hub-1/canary-alarm", Lane.ALARM),
        ("hub/v1/_hub/hub-1/canary-telemetry", Lane.TELEMETRY),
        ("citypush/lakeside/cp/event", Lane.ALARM),
    ],
)
def test_each_topic_has_one_lane_before_and_after_it_was_first_seen(topic, lane):
    assert DECODER.lane_of(topic) is lane
    decode(topic, GOOD)
    assert DECODER.lane_of(topic) is lane


def test_a_flood_of_invented_topics_is_not_remembered():
    decoder = JsonDecoder(SHIPPED, [entry("b1-e1", "elevator", "hub-json")], "hub-1")
    for number in range(200):
        decoder.decode(
            RawMessage(channel="mqtt", address=f"hub/v1/lakeside/x{number}/alarm", payload=GOOD, received_at=AT)
        )
    assert len(decoder._routes) == 0
    decoder.decode(RawMessage(channel="mqtt", address=ALARM, payload=GOOD, received_at=AT))
    assert list(decoder._routes) == [ALARM]  # a known one is: the hot path looks nothing up twice


def test_the_same_message_decodes_to_the_same_event():
    assert decode(ALARM, GOOD) == decode(ALARM, GOOD)
    assert type(decode(ALARM, GOOD)[0]) is ElevatorAlarm
    assert type(decode(READING, reading("1"))[0]) is MeterReading
