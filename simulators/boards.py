"""A UHPPOTE door board over UDP: its own card list, its own events with their numbers, a clock that may be wrong.

Written from the published layout of the 64-byte messages, and not with the client that the hub uses, so that both sides of
the wire are not the same code. It decides alone and from its own list, dates included, and can be cleared, reset, unplugged,
or lie about having stored or deleted a card.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

SOM, SIZE = 0x17, 64
STATUS, SET_TIME, GET_TIME = 0x20, 0x30, 0x32
PUT, DELETE, DELETE_ALL, COUNT, GET, GET_AT = 0x50, 0x52, 0x54, 0x58, 0x5A, 0x5C
SPECIAL, SET_LISTENER, DESCRIBE, EVENT = 0x8E, 0x90, 0x94, 0xB0
DELETE_ALL_MAGIC = 0x55AAAA55
DELETED, OVERWRITTEN = 0xFFFFFFFF, 0xFF
SWIPE, DOOR, ALARM = 1, 2, 3
GRANTED, NO_RIGHTS, UNKNOWN = 1, 6, 18
OPENED, CLOSED, POWER_ON, HELD, FORCED = 23, 24, 28, 37, 38
PSEUDO_CARD = {OPENED: 8, CLOSED: 9}


def bcd(text: str) -> bytes:
    """Decimal digits, two a byte."""
    return bytes.fromhex(text)


@dataclass
class Card:
    """A card as the board keeps it: days as 4 BCD bytes, one byte a door."""

    number: int
    first: bytes
    last: bytes
    doors: bytes

    def record(self) -> bytes:
        return struct.pack("<I", self.number) + self.first + self.last + self.doors

    def days(self) -> tuple[date, date]:
        first, last = (datetime.strptime(each.hex(), "%Y%m%d").date() for each in (self.first, self.last))  # noqa: DTZ007 - boards know no zone
        return first, last


@dataclass
class Record:
    """One event of the board's own list."""

    index: int
    type: int
    granted: bool
    door: int
    direction: int
    card: int
    at: datetime
    reason: int

    def body(self) -> bytes:
        head = struct.pack("<IBBBBI", self.index, self.type, self.granted, self.door, self.direction, self.card)
        return head + bcd(self.at.strftime("%Y%m%d%H%M%S")) + bytes([self.reason])


@dataclass
class Board:
    """One board. `local_now` gives the wall clock that its own is `skew` away from."""

    serial: int
    local_now: Callable[[], datetime] = lambda: datetime.now(UTC).replace(tzinfo=None)
    keeps: int = 100_000  # events before the oldest are overwritten
    fits: int = 20_000
    skew: timedelta = timedelta()
    unplugged: bool = False
    loses: int = 0  # so many of the next requests get lost on their way
    stores: bool = True  # False: says so and does not
    deletes: bool = True
    special: bool = False
    slots: list[Card | None] = field(default_factory=list)
    events: list[Record] = field(default_factory=list)
    last_index: int = 0
    listener: tuple[str, int] | None = None
    heard: list[int] = field(default_factory=list)  # functions asked for
    push: Callable[[bytes, tuple[str, int]], None] | None = None

    # --- what happens at it -----------------------------------------------------------------------------

    def now(self) -> datetime:
        """What its clock shows."""
        return (self.local_now() + self.skew).replace(microsecond=0)

    def card(self, number: int) -> Card | None:
        return next((each for each in self.slots if each is not None and each.number == number), None)

    def swipe(self, number: int, door: int = 1, direction: int = 1) -> bool:
        """A card at a reader; whether the lock opened."""
        card = self.card(number)
        granted, reason = False, UNKNOWN
        if card is not None:
            first, last = card.days()
            granted = bool(card.doors[door - 1]) and first <= self.now().date() <= last
            reason = GRANTED if granted else NO_RIGHTS
        self.happen(SWIPE, reason, door, card=number, granted=granted, direction=direction)
        if granted and self.special:
            self.happen(DOOR, OPENED, door)
            self.happen(DOOR, CLOSED, door)
        return granted

    def happen(
        self,
        type: int,
        reason: int,
        door: int = 1,
        *,
        card: int | None = None,
        granted: bool = False,
        direction: int = 1,
    ) -> None:
        """Write an event down and tell the listener."""
        self.last_index += 1
        number = PSEUDO_CARD.get(reason, 0) if card is None else card
        self.events.append(Record(self.last_index, type, granted, door, direction, number, self.now(), reason))
        if len(self.events) > self.keeps:
            del self.events[: len(self.events) - self.keeps]
        if self.push is not None and self.listener is not None and not self.unplugged:
            self.push(self._status(), self.listener)

    def clear_cards(self) -> None:
        """Somebody has emptied its list at the board."""
        self.slots.clear()

    def reset(self) -> None:
        """Factory state, or another board in its place under the same number: counters begin anew."""
        self.slots.clear()
        self.events.clear()
        self.last_index, self.special, self.listener = 0, False, None
        self.happen(ALARM, POWER_ON)

    # --- the wire ---------------------------------------------------------------------------------------

    def answer(self, request: bytes) -> bytes | None:
        """The reply to a datagram; None: it is not meant, or not understood."""
        if self.unplugged or len(request) != SIZE or request[0] != SOM:
            return None
        function, serial = request[1], struct.unpack_from("<I", request, 4)[0]
        if serial != self.serial and not (function == DESCRIBE and serial == 0):
            return None
        if self.loses:
            self.loses -= 1
            return None
        self.heard.append(function)
        number = struct.unpack_from("<I", request, 8)[0]
        match function:
            case 0x20:
                return self._status()
            case 0x30:
                wanted = datetime.strptime(request[8:15].hex(), "%Y%m%d%H%M%S")  # noqa: DTZ007 - boards know no zone
                self.skew = wanted - self.local_now()
                return self._reply(function, request[8:15])
            case 0x32:
                return self._reply(function, bcd(self.now().strftime("%Y%m%d%H%M%S")))
            case 0x50:
                return self._reply(function, bytes([self._put(request)]))
            case 0x52:
                return self._reply(function, bytes([self._delete(number)]))
            case 0x54:
                wanted_all = number == DELETE_ALL_MAGIC
                if wanted_all:
                    self.slots.clear()
                return self._reply(function, bytes([wanted_all]))
            case 0x58:
                return self._reply(function, struct.pack("<I", sum(each is not None for each in self.slots)))
            case 0x5A:
                card = self.card(number)
                return self._reply(function, b"" if card is None else card.record())
            case 0x5C:
                return self._reply(function, self._slot(number))
            case 0x8E:
                self.special = bool(request[8])
                return self._reply(function, b"\x01")
            case 0x90:
                address = ".".join(map(str, request[8:12]))
                port = struct.unpack_from("<H", request, 12)[0]
                self.listener = (address, port) if port else None
                return self._reply(function, b"\x01")
            case 0x94:
                return self._reply(
                    function,
                    bytes([127, 0, 0, 1, 255, 255, 255, 0, 0, 0, 0, 0]) + bytes(6) + bcd("0662") + bcd("20200101"),
                )
            case 0xB0:
                return self._reply(function, self._event(number))
        return None

    def _reply(self, function: int, body: bytes) -> bytes:
        return (bytes([SOM, function, 0, 0]) + struct.pack("<I", self.serial) + body).ljust(SIZE, b"\0")

    def _status(self) -> bytes:
        packet = bytearray(self._reply(STATUS, self.events[-1].body() if self.events else b""))
        now = self.now()
        packet[37:40] = bcd(now.strftime("%H%M%S"))
        packet[51:54] = bcd(now.strftime("%y%m%d"))
        struct.pack_into("<I", packet, 40, self.last_index)
        return bytes(packet)

    def _put(self, request: bytes) -> bool:
        number = struct.unpack_from("<I", request, 8)[0]
        known = self.card(number)
        if known is None and sum(each is not None for each in self.slots) >= self.fits:
            return False
        if self.stores:
            card = Card(number, request[12:16], request[16:20], request[20:24])
            if known is not None:
                self.slots[self.slots.index(known)] = card
            else:
                self.slots.append(card)
        return True

    def _delete(self, number: int) -> bool:
        card = self.card(number)
        if card is not None and self.deletes:
            self.slots[self.slots.index(card)] = None
        return card is not None

    def _slot(self, index: int) -> bytes:
        if not 1 <= index <= len(self.slots):
            return b""
        card = self.slots[index - 1]
        return struct.pack("<I", DELETED) if card is None else card.record()

    def _event(self, index: int) -> bytes:
        if not self.events:
            return b""
        first = self.events[0].index
        if index == 0:
            return self.events[0].body()
        if index == 0xFFFFFFFF:
            return self.events[-1].body()
        if index < first:
            return struct.pack("<IB", index, OVERWRITTEN)
        return self.events[index - first].body() if index <= self.last_index else b""


class BoardServer(asyncio.DatagramProtocol):
    """Boards behind one UDP address: each answers to its own serial number."""

    def __init__(self, boards: list[Board]) -> None:
        self.boards = boards
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """The port on which it answers."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        self._transport = transport
        for board in self.boards:
            board.push = transport.sendto
        bound: int = transport.get_extra_info("sockname")[1]
        return bound

    def stop(self) -> None:
        """Close the port."""
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Somebody asks."""
        assert self._transport is not None
        for board in self.boards:
            reply = board.answer(data)
            if reply is not None:
                self._transport.sendto(reply, addr)
