"""A client on a bare socket that asks the hub's API the same question again and again.

Rule: it must never be what a measurement measures; so a question is bytes before the clock runs, and of the answer it reads what
says where it ends. Whoever tests what an answer says asks with `support.hub_http`.
"""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlencode, urlsplit

from support.hub_http import BASE

END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length: "


class LeanAsker:
    """One connection, kept open. Raises AssertionError for an answer other than 200, OSError when the hub is gone."""

    def __init__(self, url: str, token: str, timeout_s: float = 10) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._rest = f"HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n"
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def question(self, path: str, **query: Any) -> bytes:
        """To be asked as often as one likes."""
        return f"GET {BASE}{path}?{urlencode(query)} {self._rest}".encode()

    def ask(self, question: bytes) -> Any:
        """The JSON of the answer."""
        self._socket.sendall(question)
        data = self._received()
        while END_OF_HEAD not in data:
            data += self._received()
        head, _, body = data.partition(END_OF_HEAD)
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = int(head.lower().partition(LENGTH)[2].partition(b"\r\n")[0])
        while len(body) < length:
            body += self._received()
        return json.loads(body)

    def _received(self) -> bytes:
        data = self._socket.recv(65_536)
        if not data:
            raise ConnectionResetError("closed by the hub")
        return data
