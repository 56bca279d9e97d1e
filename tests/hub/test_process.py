"""The API's socket: taken before anything else, and answering at once."""

import asyncio
import socket

import pytest

from hub.process import HubError, bound


def test_what_is_accepted_sends_at_once():
    """asyncio turns Nagle's delay off only where the socket names its protocol; each answer would wait 40 ms otherwise."""

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

    assert asyncio.run(no_delay()) == 1


def test_a_port_in_use_is_one_sentence():
    with bound("127.0.0.1", 0) as listener, pytest.raises(HubError, match=r"Port \d+ of 127\.0\.0\.1 cannot be used"):
        bound("127.0.0.1", listener.getsockname()[1])
