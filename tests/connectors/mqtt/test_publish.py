"""A PUBLISH read in one look is what paho reads in many; whatever is not plain is left to paho."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import _packet
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from connectors.mqtt_publish import Arrival, arrival_of, publish_at
from support import mqtt_wire

BEFORE, BEHIND = b"\x40\x02\x00\x07", b"\xd0\x00"  # PUBACK, PINGRESP


def packet(arrival: Arrival, *, v5: bool, properties: bytes = b"\x00", dup: bool = False) -> bytes:
    """Its bytes; `properties` with their length."""
    return mqtt_wire.publish(
        arrival.topic,
        arrival.payload,
        arrival.packet_id,
        retained=arrival.retained,
        dup=dup,
        properties=properties if v5 else b"",
    )


@st.composite
def arrivals(draw: st.DrawFn) -> Arrival:
    qos = draw(st.integers(0, 1))
    return Arrival(
        draw(st.binary(min_size=1, max_size=200)),
        draw(st.binary(max_size=300)),
        qos,
        draw(st.integers(1, 0xFFFF)) if qos else 0,
        draw(st.booleans()),
    )


def as_paho_reads(data: bytes, *, v5: bool) -> Arrival:
    """The one packet in `data`."""
    start = next(place for place in range(1, 5) if data[place] < 0x80) + 1
    protocol = MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311
    read = _packet.decode_publish(data[0], data[start:], protocol)
    return Arrival(read.topic, bytes(read.payload), read.qos, read.mid, read.retain)


@given(arrival=arrivals(), v5=st.booleans(), dup=st.booleans())
def test_it_is_what_paho_reads(arrival, v5, dup):
    data = packet(arrival, v5=v5, dup=dup)
    assert publish_at(BEFORE + data + BEHIND, len(BEFORE), v5=v5) == (arrival, len(BEFORE + data))
    assert as_paho_reads(data, v5=v5) == arrival


@given(arrival=arrivals(), v5=st.booleans(), data=st.data())
def test_what_is_not_all_here_is_left_alone(arrival, v5, data):
    whole = packet(arrival, v5=v5)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert publish_at(whole[:cut], 0, v5=v5) is None


@given(data=st.binary(max_size=40), v5=st.booleans())
def test_any_bytes_are_left_alone_or_read_as_paho_reads_them(data, v5):
    found = publish_at(data, 0, v5=v5)
    if found is not None:
        assert found[0] == as_paho_reads(data[: found[1]], v5=v5)


@given(arrival=arrivals(), v5=st.booleans(), kind=st.integers(0, 15).filter(lambda kind: kind != 3))
def test_another_packet_is_left_alone(arrival, v5, kind):
    data = packet(arrival, v5=v5)
    assert publish_at(bytes((kind << 4 | data[0] & 0x0F,)) + data[1:], 0, v5=v5) is None


PLAIN = Arrival(b"t", b"p", 1, 7, False)


def content_type() -> bytes:
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType = "application/json"
    return properties.pack()


@pytest.mark.parametrize(
    ("data", "v5"),
    [
        pytest.param(b"\x34\x06\x00\x01t\x00\x07p", False, id="QoS 2"),
        pytest.param(b"\x36\x06\x00\x01t\x00\x07p", False, id="QoS 3"),
        pytest.param(b"\x32\x06\x00\x01t\x00\x00p", False, id="packet id 0"),
        pytest.param(b"\x32\x05\x00\x00\x00\x07p", False, id="no topic"),
        pytest.param(b"\x30\x01\x00", False, id="a body of one byte"),
        pytest.param(b"\x30\x04\x00\x09tp", False, id="a topic longer than the packet"),
        pytest.param(b"\x32\x04\x00\x01t\x07", False, id="half a packet id"),
        pytest.param(b"\x30\x03\x00\x01t", True, id="no length of properties"),
        pytest.param(b"\x30\xff\xff\xff\xff\x01\x00\x01t", False, id="a length of five bytes"),
        pytest.param(packet(PLAIN, v5=True, properties=content_type()), True, id="properties"),
    ],
)
def test_what_is_not_plain_is_left_to_paho(data, v5):
    assert publish_at(data + bytes(300), 0, v5=v5) is None


@pytest.mark.parametrize("topic", [b"a/b", "楼/1".encode(), b"\xff/\xc3\x28"])
def test_what_paho_has_read_is_the_same_arrival(topic):
    message = MQTTMessage(mid=7, topic=topic)
    message.payload, message.qos, message.retain = bytearray(b"p"), 1, True
    assert arrival_of(message) == Arrival(topic, b"p", 1, 7, True)
