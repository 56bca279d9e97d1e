"""paho's client, reading ahead and acknowledging many messages in one piece.

paho asks the kernel four times for each message that comes (a byte, two bytes of length, the rest) and once for each
acknowledgement; each time another thread may take the interpreter away. Here the kernel is asked once for as much as it has.
What a maintainer must keep: both reach into paho (`_sock_recv`, `_packet_queue`); without the first nothing but speed is
lost, and tests/connectors/mqtt/test_client.py shows that both are still there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import paho.mqtt.client as mqtt

READ_AHEAD: Final = 64 * 1024
_PUBACK: Final = bytes((mqtt.PUBACK, 2))


class EagerClient(mqtt.Client):
    """One connection's client; `ahead` may be asked by the thread that reads, `acknowledge` used from any."""

    _buffer: bytes = b""
    _at: int = 0

    @property
    def ahead(self) -> int:
        """Bytes that have been read and not been looked at: with any, there is no need to wait for the socket."""
        return len(self._buffer) - self._at

    def _sock_recv(self, bufsize: int) -> bytes:
        """Up to `bufsize` bytes; raises BlockingIOError where there are none, and gives none at the end, as paho's own."""
        if self._at >= len(self._buffer):
            self._buffer, self._at = b"", 0
            self._buffer = super()._sock_recv(READ_AHEAD)
        start = self._at
        piece = self._buffer[start : start + bufsize]
        self._at = start + len(piece)
        return piece

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """PUBACKs in this order, handed to the network thread as one packet (both versions: four bytes each)."""
        packet = b"".join([_PUBACK + packet_id.to_bytes(2, "big") for packet_id in packet_ids])
        self._packet_queue(mqtt.PUBACK, packet, packet_ids[0], 1)
