"""A PUBLISH as it lies in the bytes that came (MQTT 3.1.1 and 5, section 3.3): one look, where paho makes a dozen objects. Pure."""

from __future__ import annotations

from typing import Final

import msgspec
from paho.mqtt.client import MQTTMessage

PUBLISH: Final = 0x30
_KIND_AND_UPPER_QOS: Final = 0xF4  # with QoS 0 and 1 the upper of its two bits is not set
_QOS_1: Final = 0x02
_RETAIN: Final = 0x01
_LENGTH_BYTES: Final = 4  # of a variable byte integer, at most


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """A message from the broker. `topic` as it was sent, which is not always UTF-8."""

    topic: bytes
    payload: bytes
    qos: int
    packet_id: int  # 0 with QoS 0
    retained: bool


def arrival_of(message: MQTTMessage) -> Arrival:
    """What paho has read."""
    try:
        topic = message.topic.encode()
    except UnicodeDecodeError as error:
        topic = bytes(error.object)
    return Arrival(topic, bytes(message.payload), message.qos, message.mid, bool(message.retain))


def publish_at(data: bytes, at: int, *, v5: bool) -> tuple[Arrival, int] | None:
    """The PUBLISH that begins at `at`, and where it ends.

    None for all that wants a closer look: another packet, one that is not all here, QoS 2, properties, no topic or packet id.
    """
    if at >= len(data) or data[at] & _KIND_AND_UPPER_QOS != PUBLISH:
        return None
    start, length = _length_at(data, at + 1)
    end = start + length
    if not start or end > len(data):
        return None
    after = start + 2 + int.from_bytes(data[start : start + 2], "big")
    topic = data[start + 2 : after]
    packet_id = 0
    qos = 1 if data[at] & _QOS_1 else 0
    if qos:
        packet_id = int.from_bytes(data[after : after + 2], "big")
        after += 2
    if v5:
        after += 1
    # Without properties their length is one byte, 0. Where the packet is too short for all this, `after` is behind its end.
    if after > end or not topic or bool(packet_id) != bool(qos) or (v5 and data[after - 1]):
        return None
    return Arrival(topic, data[after:end], qos, packet_id, bool(data[at] & _RETAIN)), end


def _length_at(data: bytes, at: int) -> tuple[int, int]:
    """Where the body begins and how long it is; (0, 0) where the length is not all here, or too long to be one."""
    length = 0
    for place, byte in enumerate(data[at : at + _LENGTH_BYTES]):
        length |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return at + place + 1, length
    return 0, 0
