"""MQTT packets as bytes, written by hand from the standard (MQTT 3.1.1 and 5, sections 1.5.5, 2.1 and 3.3)."""

from __future__ import annotations


def variable_length(number: int) -> bytes:
    """A variable byte integer."""
    out = bytearray()
    while True:
        number, low = divmod(number, 0x80)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def publish(
    topic: bytes,
    payload: bytes,
    packet_id: int = 0,
    *,
    retained: bool = False,
    dup: bool = False,
    properties: bytes = b"",
) -> bytes:
    """A PUBLISH with QoS 1, or with QoS 0 where there is no packet id. `properties` with their length (MQTT 5 alone)."""
    qos = 1 if packet_id else 0
    body = len(topic).to_bytes(2, "big") + topic
    if qos:
        body += packet_id.to_bytes(2, "big")
    body += properties + payload
    return bytes((0x30 | dup << 3 | qos << 1 | retained,)) + variable_length(len(body)) + body
