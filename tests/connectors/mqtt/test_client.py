"""The client reads ahead and acknowledges in one piece; whatever the pieces are that the network brings, nothing is lost."""

import socket
from threading import Thread

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from connectors.mqtt_client import READ_AHEAD, EagerClient
from support import mqtt_wire
from support.waiting import wait_until


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    got = []
    client = EagerClient(
        CallbackAPIVersion.VERSION2,
        client_id="x",
        manual_ack=True,
        on_arrival=lambda arrival: got.append((arrival.packet_id, arrival.payload)),
    )
    client._sock = ours
    client.on_socket_register_write = lambda *_: None
    yield client, theirs, got
    client._sock = None
    ours.close()
    theirs.close()


def publish(packet_id: int, payload: bytes) -> bytes:
    return mqtt_wire.publish(b"t/x", payload, packet_id)


def read_all(client):
    while True:
        before = client.ahead
        assert client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
        if not client.ahead and not before:
            return


def test_paho_still_has_what_is_reached_into():
    assert callable(mqtt.Client._sock_recv)
    assert callable(mqtt.Client._packet_read)
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    assert client._in_packet["command"] == 0
    assert client._last_bytes_received <= mqtt.time_func()
    assert callable(mqtt.Client._packet_queue)


def test_many_messages_in_one_piece_are_read_with_one_question_to_the_kernel(pair):
    client, theirs, got = pair
    theirs.sendall(b"".join(publish(number, b"x" * number) for number in range(1, 200)))
    assert client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert len(got) == 1
    assert client.ahead > 0, "the rest was not read ahead"
    read_all(client)
    assert got == [(number, b"x" * number) for number in range(1, 200)]
    assert client.ahead == 0


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64])
def test_pieces_of_any_size_make_the_same_messages(pair, piece):
    client, theirs, got = pair
    stream = b"".join(publish(number, b"payload %d" % number) for number in range(1, 30))
    for start in range(0, len(stream), piece):
        theirs.sendall(stream[start : start + piece])
        read_all(client)
    assert got == [(number, b"payload %d" % number) for number in range(1, 30)]


def test_a_message_that_lies_there_whole_is_none_of_pahos_work(pair, monkeypatch):
    client, theirs, got = pair
    monkeypatch.setattr(mqtt.Client, "_packet_handle", lambda *_: pytest.fail("paho was asked"))
    theirs.sendall(publish(1, b"a") + publish(2, b"b" * 300))
    read_all(client)
    assert got == [(1, b"a"), (2, b"b" * 300)]


def test_what_looks_like_a_message_within_a_message_is_a_part_of_it(pair):
    client, theirs, got = pair
    inner = publish(9, b"inner")
    whole = publish(1, b"before " + inner)
    for piece in (whole[: -len(inner)], inner):
        theirs.sendall(piece)
        read_all(client)
    assert got == [(1, b"before " + inner)]


def test_a_large_message_and_those_behind_it_come_in_their_order(pair):
    client, theirs, got = pair
    large = b"x" * (3 * READ_AHEAD)
    stream = publish(1, b"a") + publish(2, large) + publish(3, b"c")
    sender = Thread(target=theirs.sendall, args=(stream,))
    sender.start()
    wait_until(lambda: client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS and len(got) == 3, 10, "three messages")
    sender.join()
    assert got == [(1, b"a"), (2, large), (3, b"c")]


def test_whatever_comes_shows_that_the_broker_lives(pair):
    client, theirs, _ = pair
    client._last_bytes_received = 0.0
    theirs.sendall(publish(1, b"a"))
    read_all(client)
    assert client._last_bytes_received > 0.0, "a busy broker would be taken for a dead one"


def test_what_came_before_the_end_is_read_before_the_end_is_noticed(pair):
    client, theirs, got = pair
    theirs.sendall(publish(1, b"a") + publish(2, b"b"))
    theirs.close()
    client.loop_read()
    client.loop_read()
    assert [payload for _, payload in got] == [b"a", b"b"]
    assert client.ahead == 0


def test_acknowledgements_are_the_bytes_of_the_standard_in_the_given_order(pair):
    client, theirs, _ = pair
    client.acknowledge([3, 1, 65_535])
    client.loop_write()
    assert theirs.recv(100) == b"\x40\x02\x00\x03\x40\x02\x00\x01\x40\x02\xff\xff"
