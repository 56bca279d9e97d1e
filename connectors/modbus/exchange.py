"""What goes between the scheduler (pure) and the shell that talks to a bus: requests, outcomes, effects.

An outcome is what was seen on the wire, judged by `check`; only `Answer` holds registers that may be believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TypeAlias

import msgspec

from connectors.codecs.modbus_fields import Span
from connectors.codecs.modbus_poll import Refused
from connectors.codecs.modbus_profile import Period
from connectors.codecs.modbus_values import Segment
from connectors.modbus.planner import Limits, Read

MonotonicMs: TypeAlias = int
"""Milliseconds of a clock that never jumps; only differences mean anything."""


class ExceptionCode(IntEnum):
    """Modbus exception codes that are told apart (Modbus Application Protocol V1.1b3, section 7)."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    DEVICE_BUSY = 6
    GATEWAY_PATH = 10
    GATEWAY_TARGET = 11


NOT_IN_THE_MAP = frozenset({ExceptionCode.ILLEGAL_FUNCTION, ExceptionCode.ILLEGAL_ADDRESS, ExceptionCode.ILLEGAL_VALUE})
"""The device is well, the profile asks for something that it does not have."""

BUSY = frozenset({ExceptionCode.ACKNOWLEDGE, ExceptionCode.DEVICE_BUSY})
"""Ask again in a moment."""


class UnitSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One device on a bus: what to read of it and how patient to be. `unit_id` as `links.number_on_bus` gives it."""

    device: str
    unit_id: int
    reads: tuple[Read, ...]
    limits: Limits
    fast_ms: int
    every_ms: int
    timeout_ms: int
    min_gap_ms: int = 20
    identity: Span | None = None
    optional: frozenset[str] = frozenset()  # names that many devices of the model do not have: no news when refused
    expected_identity: str | None = None  # from the site file (`serial`); None: whatever it says first


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Send this now."""

    device: str
    unit_id: int
    span: Span
    timeout_ms: int
    sent_at: MonotonicMs


class Sleep(msgspec.Struct, frozen=True):
    """Nothing to do before `until`."""

    until: MonotonicMs


# --- outcomes ---------------------------------------------------------------------------------------------


class Answer(msgspec.Struct, frozen=True):
    """A reply to the very request: unit, function code and length are right. `traceable`: it carried our transaction id."""

    registers: tuple[int, ...]
    traceable: bool = True


class Exceptional(msgspec.Struct, frozen=True):
    """The device or its gateway answered with an exception code."""

    code: int


class Silence(msgspec.Struct, frozen=True):
    """No reply in time. It may still come."""


class Mismatch(msgspec.Struct, frozen=True):
    """A reply that does not belong to the request: `short_reply`, `long_reply`, `wrong_function`, `garbled` …"""

    cause: str


class Dropped(msgspec.Struct, frozen=True):
    """The connection broke while the request was under way."""

    cause: str


Outcome: TypeAlias = Answer | Exceptional | Silence | Mismatch | Dropped


def check(
    span: Span, function_code: int, registers: Sequence[int], *, traceable: bool = True, exception_code: int = 0
) -> Outcome:
    """Judge a reply as the client library hands it over; the library itself lets a wrong function or length pass.

    Source: domain/reliability.md P15; domain/meters.md 5.3.
    """
    if function_code & 0x80:
        if function_code & 0x7F != span.fc:
            return Mismatch("wrong_function")
        return Exceptional(exception_code)
    if function_code != span.fc:
        return Mismatch("wrong_function")
    if len(registers) < span.count:
        return Mismatch("short_reply")
    if len(registers) > span.count:
        return Mismatch("long_reply")
    if not all(0 <= register <= 0xFFFF for register in registers):
        return Mismatch("garbled")
    return Answer(tuple(int(register) for register in registers), traceable)


# --- effects ----------------------------------------------------------------------------------------------


class PollDone(msgspec.Struct, frozen=True):
    """All reads of a poll were answered or refused."""

    device: str
    period: Period
    segments: tuple[Segment, ...]
    refused: tuple[Refused, ...]


class UnitLost(msgspec.Struct, frozen=True):
    """The device does not answer, while its bus is alive. Said once."""

    device: str
    cause: str


class UnitBack(msgspec.Struct, frozen=True):
    """The device answers again. Said once."""

    device: str


class BusLost(msgspec.Struct, frozen=True):
    """Nothing on the bus can be reached. Said once, instead of one loss for each device."""

    cause: str


class BusBack(msgspec.Struct, frozen=True):
    """The bus answers (again)."""


class Unsupported(msgspec.Struct, frozen=True):
    """The device refuses these registers even when asked for them alone."""

    device: str
    names: tuple[str, ...]
    exception: int


Effect: TypeAlias = PollDone | UnitLost | UnitBack | BusLost | BusBack | Unsupported
