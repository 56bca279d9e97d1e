"""Keeps an idle link to a gateway open, and finds out when nobody is at its other end any more.

Meters are asked every quarter of an hour; gateways, and the address translation before them, forget a connection after one
to five idle minutes (domain/meters.md 5.2), some without a word. The next request would then be taken for a dead meter.
"""

from __future__ import annotations

import socket
from typing import Any, Final

IDLE_S: Final = 45
EVERY_S: Final = 15
TIMES: Final = 3

_OPTIONS: Final = {"TCP_KEEPIDLE": IDLE_S, "TCP_KEEPINTVL": EVERY_S, "TCP_KEEPCNT": TIMES}


def keep_alive(transport: Any) -> None:
    """Of a transport that has no socket (a serial line): nothing. Where the system lacks an option, its own default holds."""
    link = None if transport is None else transport.get_extra_info("socket")
    if link is None:
        return
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        if (option := getattr(socket, name, None)) is not None:
            link.setsockopt(socket.IPPROTO_TCP, option, value)
