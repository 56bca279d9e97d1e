"""The network loop: waking it from other threads, and what it asks of TCP."""

import selectors
import socket
from types import SimpleNamespace

import pytest

from connectors.mqtt_link import Link
from connectors.mqtt_settings import MqttSettings, Protocol, endpoint
from support import mqtt_wire
from support.waiting import wait_until

OWNER = SimpleNamespace(on_turn=lambda _: None, on_arrival=lambda _link, _arrival: None)


@pytest.fixture
def link():
    settings = MqttSettings(url="mqtt://127.0.0.1:1", client_id="x")
    made = Link(settings, endpoint(settings), "x", Protocol.V311, [], 1, OWNER)
    yield made
    made._release()


@pytest.fixture
def broker(link):
    """The far side of the link's socket; it says nothing by itself."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        link._client._sock = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    link._client._sock.setblocking(False)
    yield theirs
    theirs.close()


@pytest.fixture
def turn(link, broker):
    """One turn of the loop."""
    ours = link._client._sock
    with selectors.DefaultSelector() as selector:
        selector.register(link._wake_r, selectors.EVENT_READ)
        selector.register(ours, selectors.EVENT_READ)
        yield lambda: link._turn(selector, ours)


def test_waking_it_again_before_it_has_looked_asks_the_kernel_nothing(link):
    for _ in range(3):
        link.wake()
    assert link._wake_r.recv(10) == b"\0"


def test_once_it_has_looked_it_can_be_woken_again(link, turn):
    for _ in range(3):
        link.wake()
        turn()
        with pytest.raises(BlockingIOError):
            link._wake_r.recv(10)
    link.wake()
    assert link._wake_r.recv(10) == b"\0"


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="this kernel cannot be asked to acknowledge at once")
def test_what_came_is_acknowledged_by_tcp_before_anything_is_stored(link, turn, broker):
    """A broker that keeps to Nagle's algorithm sends the next message only then."""
    ours = link._client._sock

    def at_once() -> bool:
        return bool(ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK))

    def asked_and_answered() -> bool:
        """As with acknowledgements of MQTT: from some of them on the kernel delays its own to send both together."""
        broker.sendall(b"?")
        ours.recv(1)
        ours.sendall(b"!")
        return not at_once()

    ours.settimeout(10)
    wait_until(asked_and_answered, 10, "the kernel delays its acknowledgements")
    ours.setblocking(False)
    broker.sendall(mqtt_wire.publish(b"t/x", b"42", 1))
    wait_until(lambda: turn() or link._seen, 10, "the message")
    assert at_once()


def test_what_the_hub_says_does_not_wait_for_an_acknowledgement_either(mosquitto_broker):
    settings = MqttSettings(
        url=mosquitto_broker.url, client_id="x", username=mosquitto_broker.username, password=mosquitto_broker.password
    )
    up = []
    owner = SimpleNamespace(
        on_turn=lambda link: link.up and link.close(),
        on_up=lambda link, _kept: up.append(link._client.socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)),
    )
    Link(settings, endpoint(settings), "x", Protocol.V311, ["t/x"], 1, owner).run()
    assert [bool(each) for each in up] == [True]
