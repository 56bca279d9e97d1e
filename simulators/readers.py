"""Card readers and a relay module on Modbus that decide nothing: their registers, their flags, their relays, and how they fail.

Written from the makers' documents and not from the hub's profiles, so that a wrong map shows. A reader lets nobody in: what
its relay did, and when, is all that a test can ask it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from simulators.modbus import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, ModbusError

COIL_ON, COIL_OFF = 0xFF00, 0x0000


@dataclass
class Points:
    """The four tables of a Modbus device; only what is in them is there."""

    coils: dict[int, int] = field(default_factory=dict)
    holding: dict[int, int] = field(default_factory=dict)
    input: dict[int, int] = field(default_factory=dict)


class Device:
    """A device that answers functions 1, 3, 4, 5 and 6. `stuck`: coils that repeat what they are told and do not do it."""

    def __init__(self) -> None:
        self.points = Points()
        self.stuck: set[int] = set()
        self.refuses: int | None = None  # exception code for every write
        self.written: list[tuple[int, int]] = []  # (address, value) in order

    def read(self, address: int, count: int) -> bytes:
        """Of the protocol of units that are only read; these here answer whole requests."""
        raise ModbusError(ILLEGAL_FUNCTION)

    def respond(self, request: bytes) -> bytes:
        """The reply PDU for a request PDU."""
        function = request[0]
        try:
            if len(request) != 5:
                raise ModbusError(ILLEGAL_VALUE)
            first, second = struct.unpack(">HH", request[1:])
            if function in {1, 3, 4}:
                return self._read(function, first, second)
            if function in {5, 6}:
                return self._write(function, first, second, request)
            raise ModbusError(ILLEGAL_FUNCTION)
        except ModbusError as refusal:
            return bytes([function | 0x80, refusal.code])

    def _read(self, function: int, address: int, count: int) -> bytes:
        table = {1: self.points.coils, 3: self.points.holding, 4: self.points.input}[function]
        span = range(address, address + count)
        if not table.keys() & set(span):
            raise ModbusError(ILLEGAL_ADDRESS)
        values = [table.get(each, 0) for each in span]
        if function != 1:
            data = struct.pack(f">{count}H", *values)
        else:
            bits = sum(bool(value) << at for at, value in enumerate(values))
            data = bits.to_bytes(-(-count // 8), "little")
        return bytes([function, len(data)]) + data

    def _write(self, function: int, address: int, value: int, request: bytes) -> bytes:
        table = self.points.coils if function == 5 else self.points.holding
        if self.refuses is not None:
            raise ModbusError(self.refuses)
        if address not in table:
            raise ModbusError(ILLEGAL_ADDRESS)
        if function == 5:
            if value not in {COIL_ON, COIL_OFF}:
                raise ModbusError(ILLEGAL_VALUE)
            value = int(value == COIL_ON)
        self.written.append((address, value))
        if address not in self.stuck:
            table[address] = value
            self.changed(function, address, value)
        return request

    def relays(self) -> list[int]:
        """How its relays stand, in their order."""
        return []

    def changed(self, function: int, address: int, value: int) -> None:
        """What a write does beside standing in its table."""


class InveoReader(Device):
    """Inveo RFID IND Modbus (manual [B03], p. 15-16): one card at a time, no clock, a flag that the master has to clear."""

    NEW, RESET, ACCEPT, REJECT = 1016, 1017, 1014, 1015
    RELAYS = (1000, 1001)

    def __init__(self) -> None:
        super().__init__()
        self.points.coils = dict.fromkeys((1000, 1001, 1002, 1003, 1010, 1011, 1012, 1013, 1014, 1015, 1016, 1017), 0)
        self.points.holding = dict.fromkeys(range(1000, 1012), 0)
        self.held: bytes | None = None  # a card that stays at the antenna
        self.restart()

    def restart(self) -> None:
        """Power came: relays off, the reset flag stands. A card that lies on it is read at once."""
        for coil in self.points.coils:
            self.points.coils[coil] = 0
        self.points.coils[self.RESET] = 1
        if self.held is not None:
            self.present(self.held)

    def present(self, uid: bytes) -> bool:
        """A card is held to it for a moment; False where the card before was not taken yet, and this one is lost."""
        if self.points.coils[self.NEW]:
            return False
        for at in range(10):
            self.points.holding[1002 + at] = uid[at] if at < len(uid) else 0
        self._flag(1)
        return True

    def hold(self, uid: bytes | None) -> None:
        """A card that stays there, read again as soon as the flag is cleared; None: it is taken away."""
        self.held = uid
        if uid is not None:
            self.present(uid)

    def relays(self) -> list[int]:
        return [self.points.coils[at] for at in self.RELAYS]

    def door(self, *, shut: bool, pressed: bool = False) -> None:
        """The door's contact is wired to input 1, the exit button to input 2."""
        self.points.coils[1010], self.points.coils[1011] = int(shut), int(pressed)

    @property
    def open(self) -> bool:
        """Whether relay 1 is on."""
        return bool(self.points.coils[1000])

    def changed(self, function: int, address: int, value: int) -> None:
        if (function, address) == (5, self.NEW) or (function, address) == (6, 1000):
            self._flag(value)
            if not value and self.held is not None:
                self.present(self.held)
        elif address in self.RELAYS:
            self.points.coils[address + 2] = value
        elif address in {self.ACCEPT, self.REJECT}:
            self.points.coils[address] = 0  # a sound, not a state

    def _flag(self, value: int) -> None:
        self.points.coils[self.NEW] = self.points.holding[1000] = value


class RfIdeasReader(Device):
    """rfIDeas RDR-80581AKD-P in polling mode: a sequence number that goes up with each card, the number right-aligned."""

    def __init__(self) -> None:
        super().__init__()
        self.points.input = dict.fromkeys(range(19), 0)
        self.points.holding = {0: 255, 1: 0}

    def present(self, value: int, bits: int) -> None:
        """A card is held to it."""
        table = self.points.input
        table[0] = (table[0] + 1) & 0xFFFF
        table[2] = bits
        for at, word in enumerate(struct.unpack(">16H", value.to_bytes(32, "big"))):
            table[3 + at] = word

    def restart(self) -> None:
        """Power came: everything is forgotten."""
        self.points.input = dict.fromkeys(range(19), 0)


class RelayModule(Device):
    """Eight relays as coils 0 to 7."""

    def __init__(self) -> None:
        super().__init__()
        self.points.coils = dict.fromkeys(range(8), 0)

    def relays(self) -> list[int]:
        return [self.points.coils[at] for at in range(8)]


BY_PROFILE: dict[str, Callable[[], Device]] = {
    "inveo-rfid-ind": InveoReader,
    "rfideas-80581": RfIdeasReader,
    "modbus-relays": RelayModule,
}
"""Profile of a site file → what stands there."""
