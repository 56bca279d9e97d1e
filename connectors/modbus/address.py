"""Where a bus is: `modbus+tcp://host:port`, `modbus+rtu-over-tcp://host:port`, `modbus+rtu:///dev/ttyUSB0?baudrate=9600`,
`dlt645+tcp://host:port`, `dlt645:///dev/ttyUSB0?baudrate=2400&parity=E`, `acrel+tcp://address:port` (there the hub listens).

Only the first carries transaction numbers; on the others a late reply looks like any other (or, on DL/T 645, nearly so).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec


class Framing(StrEnum):
    """Scheme of a bus URL."""

    TCP = "modbus+tcp"
    RTU_OVER_TCP = "modbus+rtu-over-tcp"
    RTU = "modbus+rtu"
    DLT645_TCP = "dlt645+tcp"
    DLT645 = "dlt645"
    ACREL = "acrel+tcp"


class BusAddressError(ValueError):
    """The URL of a bus cannot be used: what is wrong, what is allowed."""


class BusAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A bus: host and port, or a serial line. `char_ms`: time of one character on the line, 0 where it is not ours."""

    framing: Framing
    host: str = ""
    port: int = 502
    device: str = ""
    baudrate: int = 9600
    bytesize: int = 8
    parity: str = "N"
    stopbits: int = 1

    @property
    def traceable(self) -> bool:
        """Whether replies carry the number of their request."""
        return self.framing is Framing.TCP

    @property
    def speaks_dlt645(self) -> bool:
        """DL/T 645-2007; otherwise Modbus."""
        return self.framing in {Framing.DLT645, Framing.DLT645_TCP}

    @property
    def char_ms(self) -> float:
        if self.framing not in _SERIAL:
            return 0.0
        return 1000 * (1 + self.bytesize + (self.parity != "N") + self.stopbits) / self.baudrate


_SERIAL: Final = {
    Framing.RTU: ("modbus+rtu:///dev/ttyUSB0?baudrate=9600", 9600, "N"),
    Framing.DLT645: ("dlt645:///dev/ttyUSB0?baudrate=2400&parity=E", 2400, "E"),
}
"""Serial framings: an example, and the usual speed and parity."""

_PORTS: Final = {Framing.TCP: 502, Framing.RTU_OVER_TCP: 502}
_NUMBERS: Final = {"baudrate": (300, 1_000_000), "bytesize": (7, 8), "stopbits": (1, 2)}


def channel_of(url: str) -> str:
    """The channel whose decoder understands what this bus brings: `dlt645` or `modbus`."""
    return "dlt645" if url.startswith("dlt645") else "modbus"


def parse_address(url: str) -> BusAddress:
    """The address in a bus URL. Raises BusAddressError."""
    parts = urlsplit(url)
    if parts.scheme not in set(Framing):
        raise BusAddressError(f"{url!r}: unknown scheme {parts.scheme!r}; allowed: {', '.join(Framing)}")
    framing = Framing(parts.scheme)
    if framing in _SERIAL:
        return _serial(url, framing)
    try:
        port = parts.port if parts.port is not None else _PORTS.get(framing, 0)
    except ValueError:
        raise BusAddressError(f"{url!r}: the port is no number from 1 to 65535") from None
    if not parts.hostname or not 0 < port < 0x10000:
        raise BusAddressError(f"{url!r}: {framing} needs host and port, as in {framing}://192.168.1.20:502")
    if parts.path.strip("/") or parts.query:
        raise BusAddressError(f"{url!r}: nothing may follow host and port")
    return BusAddress(framing=framing, host=parts.hostname, port=port)


def _serial(url: str, framing: Framing) -> BusAddress:
    parts = urlsplit(url)
    example, baudrate, parity = _SERIAL[framing]
    if parts.netloc or not parts.path.strip("/"):
        raise BusAddressError(f"{url!r}: {framing} needs a device path, as in {example}")
    numbers: dict[str, int] = {"baudrate": baudrate}
    for key, text in parse_qsl(parts.query, keep_blank_values=True):
        if key == "parity" and text.upper() in {"N", "E", "O"}:
            parity = text.upper()
        elif key in _NUMBERS and text.isdecimal() and _NUMBERS[key][0] <= int(text) <= _NUMBERS[key][1]:
            numbers[key] = int(text)
        else:
            raise BusAddressError(
                f"{url!r}: {key}={text}; allowed: baudrate 300 … 1000000, bytesize 7 or 8, parity N, E or O, stopbits 1 or 2"
            )
    line = BusAddress(framing=framing, device=parts.path, parity=parity)
    return msgspec.structs.replace(line, **numbers)
