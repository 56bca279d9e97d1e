"""Frames that we did not write, read by our side and given by our simulator.

From the canned requests and replies of uhppoted's own integration tests (uhppoted-lib-python,
integration_tests/uhppoted/stub.py, MIT): facts of the protocol, one 64-byte message each, trailing zeros left out.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from uhppoted.uhppote_async import UhppoteAsync

from connectors.access.board_link import BoardLink, BoardSilentError
from simulators.boards import Board, Card

SERIAL = 405419896  # 78 37 2a 18
STATUS = "17200000 78372a18 45000000 02010101 00000000 20190810 1028322c 00000000 00000000 00151446 0000000000000000 000000 210528"
CARD = "175a0000 78372a18 a2987c00 20230101 20231231 01001d01 6b1d00"
COUNT = "17580000 78372a18 03000000"
GET_TIME = "17320000 78372a18 20210528135130"
SET_TIME = "17300000 78372a18 20210528145614"
DONE = "17900000 78372a18 01"


def frame(text: str) -> bytes:
    return bytes.fromhex(text).ljust(64, b"\0")


class Canned(asyncio.DatagramProtocol):
    """Answers everything with the same bytes."""

    def __init__(self, reply: bytes) -> None:
        self.reply, self.asked = reply, b""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data, addr) -> None:
        self.asked = data
        self.transport.sendto(self.reply, addr)


def ask(reply: str, request: str, *args, serial: int = SERIAL):
    """What our link makes of a canned reply, and the bytes that it asked with."""

    async def asking():
        loop = asyncio.get_running_loop()
        transport, canned = await loop.create_datagram_endpoint(
            lambda: Canned(frame(reply)), local_addr=("127.0.0.1", 0)
        )
        try:
            port = transport.get_extra_info("sockname")[1]
            link = BoardLink(
                UhppoteAsync("127.0.0.1", "127.0.0.1:60000", "127.0.0.1:0"), serial, f"127.0.0.1:{port}", 0.5
            )
            return await getattr(link, request)(*args), canned.asked
        finally:
            transport.close()

    return asyncio.run(asking())


def test_the_status_of_a_real_exchange_is_read():
    status, asked = ask(STATUS, "status")
    assert status == (69, datetime(2021, 5, 28, 15, 14, 46))
    assert asked == frame("17200000 78372a18")


def test_a_card_of_a_real_exchange_is_read_with_its_doors():
    doors, asked = ask(CARD, "card", 8165538)
    assert doors == (1, 0, 29, 1)
    assert asked == frame("175a0000 78372a18 a2987c00")


def test_the_count_of_a_real_exchange_is_read():
    assert ask(COUNT, "count")[0] == 3


def test_setting_the_clock_sends_the_published_bytes():
    _, asked = ask(SET_TIME, "set_time", datetime(2021, 5, 28, 14, 56, 14))
    assert asked == frame(SET_TIME)


def test_an_answer_of_another_board_is_no_answer():
    """The canned reply to board 200000400 that names 405419896, as in the published tests."""
    with pytest.raises(BoardSilentError, match="405419896"):
        ask(STATUS, "status", serial=201020304)


def test_an_answer_about_another_card_is_no_answer():
    with pytest.raises(BoardSilentError, match="8165538 came"):
        ask(CARD, "card", 8165539)


def test_the_simulated_board_gives_the_published_bytes():
    now = datetime(2021, 5, 28, 13, 51, 30)
    board = Board(SERIAL, local_now=lambda: now)
    assert board.answer(frame("17320000 78372a18")) == frame(GET_TIME)
    assert board.answer(frame(SET_TIME)) == frame(SET_TIME)
    assert board.skew == timedelta(hours=1, minutes=4, seconds=44)
    assert board.answer(frame("17900000 78372a18 c0a80164 61ea0f")) == frame(DONE)
    assert board.listener == ("192.168.1.100", 60001)
    board.slots = [Card(number, bytes(4), bytes(4), bytes(4)) for number in (1, 2, 3)]
    assert board.answer(frame("17580000 78372a18")) == frame(COUNT)


def test_the_simulated_board_stores_what_a_published_request_says():
    board = Board(SERIAL)
    request = bytearray(frame(CARD))
    request[1], request[22] = 0x50, 1  # the same record in a put-card request
    assert board.answer(bytes(request)) == frame("17500000 78372a18 01")
    stored = board.answer(frame("175a0000 78372a18 a2987c00"))
    assert stored is not None
    assert stored[:24] == frame(CARD)[:22] + b"\x01\x01"
    assert board.answer(frame("17520000 78372a18 a2987c00")) == frame("17520000 78372a18 01")
    assert board.answer(frame("175a0000 78372a18 a2987c00")) == frame("175a0000 78372a18")


def test_the_simulated_board_ignores_what_is_not_for_it():
    board = Board(SERIAL)
    assert board.answer(frame("17200000 90530b0b")) is None
    assert board.answer(b"short") is None
    assert board.answer(frame("18200000 78372a18")) is None
