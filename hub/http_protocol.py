"""HTTP as the hub speaks it: uvicorn on llhttp, with a bound on heads. uvicorn's parser in Python takes a sixth of an answer's time.

llhttp keeps a request line, a header or a trailer until it is complete, however long it gets, and uvicorn sets no limit
(its parser in Python does). Nobody needs a head as large as this one: whoever sends it, signed in or not, is answered 431.
"""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MOST_HEAD_BYTES: Final = 64 * 1024
"""Of the request line and all headers and trailers together, and of anything that is not complete yet."""

_TOO_LARGE: Final = b"The head of the request is larger than 64 kB."


class HeadTooLargeError(Exception):
    """Ends the parsing; whoever asked is told by `send_400_response`."""


class BoundedHttp(HttpToolsProtocol):
    """One connection. What asyncio reads at once (256 kB) is held in any case, no more than that and the bound."""

    _head_bytes = 0
    _unfinished_bytes = 0  # since the parser told of something last

    def data_received(self, data: bytes) -> None:
        """From the network."""
        self._unfinished_bytes += len(data)
        super().data_received(data)
        if self._unfinished_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse()

    def on_message_begin(self) -> None:
        """The parser sees the first byte of a request."""
        self._head_bytes = self._unfinished_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A whole header or trailer."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """A part of the body; how much of it is taken is the API's to say (api/body_limit.py)."""
        self._unfinished_bytes = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """The parser gives up."""
        if self._head_bytes > MOST_HEAD_BYTES:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _count(self, count: int) -> None:
        self._unfinished_bytes = 0
        self._head_bytes += count
        if self._head_bytes > MOST_HEAD_BYTES:
            raise HeadTooLargeError

    def _refuse(self) -> None:
        self.logger.warning("A request with a head of more than %d bytes was refused.", MOST_HEAD_BYTES)
        if getattr(self.cycle, "response_complete", True):  # there is none, or it is answered: never into an answer
            head = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
            self.transport.write(STATUS_LINE[431] + head + b"content-length: %d\r\n\r\n" % len(_TOO_LARGE) + _TOO_LARGE)
        self.transport.close()
