"""What the hub takes for HTTP: heads are bounded whatever is sent, and what is no HTTP is answered."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from hub.http_protocol import MOST_HEAD_BYTES
from hub.process import ApiServer, bound
from support.waiting import wait_until

PIECE = b"x" * 1000
MANY = MOST_HEAD_BYTES // len(PIECE) + 400  # some are on their way when the connection is closed


async def _echo_length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{len(await request.body())} bytes")


@pytest.fixture
def server() -> Iterator[ApiServer]:
    app = Starlette(routes=[Route("/{rest:path}", _echo_length, methods=["GET", "POST"])])
    server = ApiServer(app, bound("127.0.0.1", 0), lambda: None)
    server.start()
    wait_until(lambda: server.serving, 10, "the server never served")
    yield server
    server.stop()


def _answer(server: ApiServer, *pieces: bytes) -> bytes:
    """All that comes back until the server closes; what it refuses is sent on until it does."""
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        come: list[bytes] = []

        def read() -> None:
            with contextlib.suppress(ConnectionResetError):  # it need not read what it has refused
                while part := connection.recv(65_536):
                    come.append(part)

        reader = threading.Thread(target=read)
        reader.start()
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # it hangs up while we are still sending
            for piece in pieces:
                connection.sendall(piece)
        reader.join(20)
        assert not reader.is_alive(), "the connection was never closed"
        return b"".join(come)


GET = b"GET / HTTP/1.1\r\nHost: h\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"GET /", id="address"),
        pytest.param(GET + b"A: ", id="value of a header"),
        pytest.param(GET + b"A", id="name of a header"),
    ],
)
def test_a_head_that_never_ends_is_refused(server: ApiServer, start: bytes):
    assert _answer(server, start, *(PIECE for _ in range(MANY))).startswith(b"HTTP/1.1 431 ")


def test_many_small_headers_are_refused_before_anything_is_done(server: ApiServer):
    headers = b"".join(b"A%d: %s\r\n" % (number, PIECE) for number in range(70))
    answer = _answer(server, GET + headers + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert answer.endswith(b"The head of the request is larger than 64 kB.")
    assert b"200 OK" not in answer


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(CHUNKED + b"1\r\nx\r\n0\r\nT: ", id="trailer"),
        pytest.param(CHUNKED + b"1;", id="extension of a chunk"),
    ],
)
def test_what_stands_around_a_body_is_bounded_too(server: ApiServer, start: bytes):
    """The answer is under way or not: the connection is closed either way, and nothing is kept."""
    answer = _answer(server, start, *(PIECE for _ in range(MANY)))
    assert b"HTTP/1.1 200" not in answer


def test_a_head_just_below_the_bound_and_a_large_body_are_taken(server: ApiServer):
    """A body is longer than what is read at once, and the next request begins in the same read."""
    body = b"b" * (3 * 1024 * 1024)
    head = POST + b"A: " + b"x" * (MOST_HEAD_BYTES - 200) + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    chunks = b"".join(b"10000\r\n" + b"c" * 65_536 + b"\r\n" for _ in range(16)) + b"0\r\nT: t\r\n\r\n"
    last = GET + b"A: " + b"x" * 60_000 + b"\r\nConnection: close\r\n\r\n"
    answer = _answer(server, head + body + CHUNKED + chunks + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert b"3145728 bytes" in answer
    assert b"1048576 bytes" in answer


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(b"GET / HTTP/1.1\r\nA : b\r\n\r\n", id="space before the colon"),
        pytest.param(POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="two lengths"),
        pytest.param(POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", id="two contradicting lengths"),
        pytest.param(GET + b"A: \x00\r\n\r\n", id="NUL"),
        pytest.param(b"HELLO / HTTP/1.1\r\nHost: h\r\n\r\n", id="unknown method"),
        pytest.param(b"GET /\xe6\xa2\xaf HTTP/1.1\r\nHost: h\r\n\r\n", id="address that is not ASCII"),
    ],
)
def test_what_is_no_request_is_answered_400(server: ApiServer, sent: bytes):
    assert _answer(server, sent).startswith(b"HTTP/1.1 400 ")
