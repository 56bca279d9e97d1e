"""TCP for messages of a few hundred bytes, of which the next must not wait for a timer.

A sender that keeps to Nagle's algorithm (RFC 896; Mosquitto does, unless `set_tcp_nodelay true`) holds back a small segment until
the one before it is acknowledged. A receiver that delays acknowledgements (RFC 1122, 4.2.3.2) keeps it waiting for up to 40 ms, or
until it has something to say itself, which for the hub is when it has stored what came. Each waits for the other: readings came by
fives instead of fifties, with a transaction each.
"""

from __future__ import annotations

import socket
from typing import Final

_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)


def send_at_once(link: socket.socket) -> None:
    """Our small segments wait for nothing; for good."""
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def acknowledge_at_once(link: socket.socket) -> None:
    """What was received is acknowledged now (Linux only). The kernel forgets it as soon as we send: after each look at the socket."""
    if _QUICKACK is not None:
        link.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
