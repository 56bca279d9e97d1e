"""An idle link is kept open, and a dead one found out: meters are asked every quarter of an hour, gateways forget sooner."""

import asyncio
import socket

import pytest

from connectors.modbus.address import BusAddress, Framing
from connectors.modbus.client import PymodbusClient
from connectors.modbus.dlt645_client import Dlt645Client
from connectors.modbus.keep_alive import keep_alive


def transport_of(client):
    return client._line if isinstance(client, Dlt645Client) else client._client.ctx.transport


@pytest.mark.parametrize(
    ("make", "framing"),
    [
        (PymodbusClient, Framing.TCP),
        (PymodbusClient, Framing.RTU_OVER_TCP),
        (Dlt645Client, Framing.DLT645_TCP),
    ],
)
def test_every_link_over_tcp_is_kept_alive_within_a_minute(make, framing):
    """Gateways hang up after 60 to 300 idle seconds; probes come before that."""

    async def talk(port):
        client = make(BusAddress(framing=framing, host="127.0.0.1", port=port), lambda ms: None)
        try:
            assert await client.connect(10_000) is None
            link = transport_of(client).get_extra_info("socket")
            kept = link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            return kept, link.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        finally:
            client.close()

    with socket.create_server(("127.0.0.1", 0)) as gateway:
        kept, idle_s = asyncio.run(talk(gateway.getsockname()[1]))
    assert kept
    assert idle_s < 60


class SerialTransport:
    """Has no socket, as asyncio says it; anything else asked of it would raise."""

    def __init__(self):
        self.asked = []

    def get_extra_info(self, name):
        self.asked.append(name)


def test_what_has_no_socket_is_left_alone():
    keep_alive(None)
    line = SerialTransport()
    keep_alive(line)
    assert line.asked == ["socket"]
