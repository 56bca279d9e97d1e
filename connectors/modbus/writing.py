"""A link that may also write, to doors' relays and readers alone. The only file that imports a write request.

The poller's link is read-only by construction (client.py); this one is opened for buses of doors only, and writes nothing but
points that a profile names, with the values that it names: anything else is a defect and raises before a byte is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import WriteSingleCoilRequest
from pymodbus.pdu.register_message import WriteSingleRegisterRequest

from connectors.codecs.modbus_fields import Span
from connectors.codecs.reader_profile import Writable
from connectors.modbus.address import BusAddress
from connectors.modbus.client import CLOSED, PymodbusClient, _Question
from connectors.modbus.exchange import Answer, Dropped, Exceptional, Mismatch, Outcome

COIL: Final = 5
REGISTER: Final = 6


class NotWritableError(Exception):
    """The profile does not name this point, or not this value: a defect of ours, and nothing was sent."""


class WritingClient(PymodbusClient):
    """`writable`: unit id → the points that may be written there."""

    def __init__(
        self, address: BusAddress, on_late: Callable[[int], None], writable: Mapping[int, frozenset[Writable]]
    ) -> None:
        super().__init__(address, on_late)
        self._writable = writable

    async def write(self, unit_id: int, point: Writable, value: int, timeout_ms: int) -> Outcome:
        """Write one point. Answer: the device has repeated point and value, which proves nothing about its relay."""
        if point not in self._writable.get(unit_id, frozenset()) or value not in point.values:
            raise NotWritableError(f"unit {unit_id}: {point} does not take {value}")
        client = self._client
        if client is None or not client.connected:
            return Dropped(CLOSED)
        request: ModbusPDU
        if point.fc == COIL:
            request = WriteSingleCoilRequest(address=point.addr, bits=[bool(value)], dev_id=unit_id)
        else:
            request = WriteSingleRegisterRequest(address=point.addr, registers=[value], dev_id=unit_id)
        question = _Question(unit_id, Span(point.fc, point.addr, 1), client.ctx.framer.buildFrame(request))
        loop = asyncio.get_running_loop()
        self._reply = reply = loop.create_future()
        self._wait_until(
            loop, loop.time() + timeout_ms / 1000
        )  # the reads' own timer: it would end our wait at their deadline
        try:
            self._send(client, question, reply)
            found = await reply
        finally:
            self._reply = None
        return _judged(found, point, value) if isinstance(found, ModbusPDU) else found


def _judged(reply: ModbusPDU, point: Writable, value: int) -> Outcome:
    if reply.function_code & 0x80:
        return (
            Exceptional(reply.exception_code) if reply.function_code & 0x7F == point.fc else Mismatch("wrong_function")
        )
    if reply.function_code != point.fc:
        return Mismatch("wrong_function")
    told = reply.bits if point.fc == COIL else reply.registers
    if reply.address != point.addr or [int(each) for each in told[:1]] != [value]:
        return Mismatch("other_echo")
    return Answer((value,), reply.transaction_id != 0)
