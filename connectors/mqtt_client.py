"""paho's client, reading ahead and acknowledging many messages in one piece.

paho asks the kernel four times for each message that comes (a byte, two bytes of length, the rest) and once for each
acknowledgement; each time another thread may take the interpreter away. Here the kernel is asked once for as much as it has,
and a message that lies there whole goes to `on_arrival` as it is; all other packets, and those in pieces, are read by paho.
What a maintainer must keep: this reaches into paho (`_sock_recv`, `_packet_read`, `_packet_queue`); without the first two
nothing but speed is lost, and tests/connectors/mqtt/test_client.py shows that all are still there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

from connectors.mqtt_publish import Arrival, arrival_of, publish_at

READ_AHEAD: Final = 64 * 1024
_PUBACK: Final = bytes((mqtt.PUBACK, 2))


class EagerClient(mqtt.Client):
    """One connection's client; `ahead` may be asked by the thread that reads, `acknowledge` used from any.

    `on_arrival` is called with every message, in the thread that reads.
    """

    _buffer: bytes = b""
    _at: int = 0

    def __init__(self, *arguments: Any, on_arrival: Callable[[Arrival], None], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._on_arrival = on_arrival
        self.on_message = lambda _client, _data, message: on_arrival(arrival_of(message))

    @property
    def ahead(self) -> int:
        """Bytes that have been read and not been looked at: with any, there is no need to wait for the socket."""
        return len(self._buffer) - self._at

    def _packet_read(self) -> MQTTErrorCode:
        """One packet, as paho's own; a whole message goes past it."""
        if self._in_packet["command"]:  # paho has begun to read one that comes in pieces
            return super()._packet_read()
        try:
            self._look_ahead()
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_AGAIN
        except OSError:
            return super()._packet_read()  # asks once more, and says what it is
        found = publish_at(self._buffer, self._at, v5=self.protocol == MQTTProtocolVersion.MQTTv5)
        if found is None:
            return super()._packet_read()
        arrival, self._at = found
        self._on_arrival(arrival)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _look_ahead(self) -> None:
        """Ask the kernel where nothing is left; raises BlockingIOError where it has nothing."""
        if self._at >= len(self._buffer):
            self._buffer, self._at = b"", 0
            self._buffer = super()._sock_recv(READ_AHEAD)
            with self._msgtime_mutex:
                self._last_bytes_received = mqtt.time_func()

    def _sock_recv(self, bufsize: int) -> bytes:
        """Up to `bufsize` bytes; raises BlockingIOError where there are none, and gives none at the end, as paho's own."""
        self._look_ahead()
        start = self._at
        piece = self._buffer[start : start + bufsize]
        self._at = start + len(piece)
        return piece

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """PUBACKs in this order, handed to the network thread as one packet (both versions: four bytes each)."""
        packet = b"".join([_PUBACK + packet_id.to_bytes(2, "big") for packet_id in packet_ids])
        self._packet_queue(mqtt.PUBACK, packet, packet_ids[0], 1)
