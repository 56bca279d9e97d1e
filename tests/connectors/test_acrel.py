"""The listener for meters that report by themselves, on real sockets."""

import socket

import pytest

from connectors.acrel import AcrelListener
from connectors.codecs.acrel_push import HEARTBEAT, REGISTER, UPLOAD, build, parse_upload
from hub.vocabulary.ports import BusEntry
from support.acrel_wire import SERIAL, block, upload
from support.waiting import wait_until


class Intake:
    """Remembers what is handed in."""

    def __init__(self):
        self.messages, self.events = [], []
        self.offer, self.report = self.messages.append, self.events.append


def listener(port, intake, **options):
    bus = BusEntry(site="lakeside", bus="push", url=f"acrel+tcp://127.0.0.1:{port}")
    other = BusEntry(site="lakeside", bus="m-1", url="modbus+tcp://127.0.0.1:502")
    return AcrelListener([bus, other], intake, clock=lambda: 1_790_000_000_000, **options)


@pytest.fixture
def port(free_port):
    return free_port()


@pytest.fixture
def intake():
    return Intake()


@pytest.fixture
def listening(port, intake):
    ear = listener(port, intake)
    ear.start()
    wait_until(lambda: ear.status()[0].up, 10)
    yield ear
    ear.stop()


def test_uploads_in_pieces_are_handed_in_with_the_serial_number_of_their_line(listening, port, intake):
    stream = build(REGISTER, SERIAL.encode()) + build(HEARTBEAT) + build(UPLOAD, upload(block(), serial=b""))
    with socket.create_connection(("127.0.0.1", port)) as line:
        for at in range(0, len(stream), 7):
            line.sendall(stream[at : at + 7])
        [message] = wait_until(lambda: intake.messages, 10)
    assert (message.channel, message.address, message.received_at) == ("acrel", "lakeside/push", 1_790_000_000_000)
    assert parse_upload(message.payload).serial == SERIAL
    assert [(event.gateway, event.up) for event in intake.events] == [("push", True)]
    wait_until(lambda: listening.status()[0].answers == 1, 10)


def test_noise_and_a_broken_line_cost_nobody_else_anything(listening, port, intake):
    with socket.create_connection(("127.0.0.1", port)) as noisy, socket.create_connection(("127.0.0.1", port)) as good:
        noisy.sendall(b"\x7b\x7b" + bytes(20_000))
        good.sendall(build(UPLOAD, upload(block())))
        wait_until(lambda: len(intake.messages) == 1, 10)
    with socket.create_connection(("127.0.0.1", port)) as again:
        again.sendall(build(UPLOAD, upload(block())))
        wait_until(lambda: len(intake.messages) == 2, 10)


def test_who_sends_no_frame_is_hung_up_on(port, intake):
    ear = listener(port, intake, idle_s=0.2)
    ear.start()
    try:
        wait_until(lambda: ear.status()[0].up, 10)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
            line.sendall(b"no frame")
            assert line.recv(1) == b""
    finally:
        ear.stop()


def test_one_line_too_many_is_refused_and_the_others_go_on(port, intake):
    ear = listener(port, intake, max_lines=1)
    ear.start()
    try:
        wait_until(lambda: ear.status()[0].up, 10)
        with socket.create_connection(("127.0.0.1", port)) as first:
            first.sendall(build(UPLOAD, upload(block())))
            wait_until(lambda: len(intake.messages) == 1, 10)
            with socket.create_connection(("127.0.0.1", port), timeout=20) as second:
                assert second.recv(1) == b""
            first.sendall(build(UPLOAD, upload(block())))
            wait_until(lambda: len(intake.messages) == 2, 10)
    finally:
        ear.stop()


def test_a_port_that_is_taken_is_a_bus_that_is_down_and_comes_back(port, intake, monkeypatch):
    monkeypatch.setattr("connectors.acrel.RETRY_S", 0.05)
    taken = socket.create_server(("127.0.0.1", port))
    ear = listener(port, intake)
    ear.start()
    try:
        wait_until(lambda: ear.status()[0].up is False, 10)
        assert ear.status()[0].cause == "port_in_use"
        taken.close()
        wait_until(lambda: ear.status()[0].up, 10)
        assert [(event.up, event.cause) for event in intake.events] == [(False, "port_in_use"), (True, "")]
    finally:
        ear.stop()


def test_a_process_without_such_a_bus_listens_nowhere(intake):
    ear = AcrelListener([BusEntry(site="s", bus="m-1", url="modbus+tcp://127.0.0.1:502")], intake)
    ear.start()
    assert ear.status() == []
    ear.stop()
