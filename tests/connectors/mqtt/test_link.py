"""Waking the network loop from other threads: once is enough, and the next time counts again."""

import selectors
import socket
from types import SimpleNamespace

import pytest

from connectors.mqtt_link import Link
from connectors.mqtt_settings import MqttSettings, Protocol, endpoint


@pytest.fixture
def link():
    settings = MqttSettings(url="mqtt://127.0.0.1:1", client_id="x")
    made = Link(settings, endpoint(settings), "x", Protocol.V311, [], 1, SimpleNamespace(on_turn=lambda _: None))
    yield made
    made._release()


@pytest.fixture
def turn(link):
    """One turn of the loop, beside a broker that says nothing."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    link._client._sock = ours
    with selectors.DefaultSelector() as selector:
        selector.register(link._wake_r, selectors.EVENT_READ)
        selector.register(ours, selectors.EVENT_READ)
        yield lambda: link._turn(selector, ours)
    theirs.close()


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
