"""The API's socket: taken before anything else, and answering at once."""

import asyncio
import contextlib
import gc
import socket
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from hub.process import FULL_LOOK_AFTER, ApiServer, Hub, HubError, bound
from hub.store.database import open_store
from support.hub_http import HubHttp
from support.waiting import wait_until

LOOPS, FASTEST = [asyncio.new_event_loop], b"asyncio.windows_events"
if sys.platform != "win32":
    import uvloop

    LOOPS, FASTEST = [*LOOPS, uvloop.new_event_loop], b"uvloop"


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__module__)
def test_what_is_accepted_sends_at_once(loop):
    """asyncio's own loop turns Nagle's delay off only where the socket names its protocol; each answer would wait 40 ms otherwise."""

    async def no_delay() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def accepted(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            sock = writer.get_extra_info("socket")
            found.set_result(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = bound("127.0.0.1", 0)
        async with await asyncio.start_server(accepted, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            delay_off = await asyncio.wait_for(found, 10)
            writer.close()
            await writer.wait_closed()
        return delay_off

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(no_delay()) == 1


def test_answers_are_made_on_uvloop_where_there_is_one():
    """A fifth to a quarter of an answer's processor time."""

    async def loop_of(_request: Request) -> PlainTextResponse:
        return PlainTextResponse(type(asyncio.get_running_loop()).__module__)

    app = Starlette(routes=[Route("/loop", loop_of)])
    server = ApiServer(app, bound("127.0.0.1", 0), lambda: None)
    server.start()
    try:
        wait_until(lambda: server.serving, 10, "the API serves")
        with contextlib.closing(HubHttp(server.url)) as http:
            assert http.request("GET", "/loop").body == FASTEST
    finally:
        server.stop()


def test_a_port_in_use_is_one_sentence():
    with bound("127.0.0.1", 0) as listener, pytest.raises(HubError, match=r"Port \d+ of 127\.0\.0\.1 cannot be used"):
        bound("127.0.0.1", listener.getsockname()[1])


def test_a_running_hub_is_seldom_stopped_to_look_for_garbage(tmp_path: Path):
    """Each look through everything stops all threads for longer than an alarm takes."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    store = open_store(f"sqlite:///{tmp_path / 'hub.db'}")
    hub = Hub(store, ApiServer(Starlette(), bound("127.0.0.1", 0), lambda: None), parts=(), ready=lambda: True)
    try:
        hub.start()
        assert gc.get_threshold() == (700, 10, FULL_LOOK_AFTER)
        assert gc.get_freeze_count() > 0
    finally:
        hub.stop()
        gc.set_threshold(*before)
        gc.unfreeze()
