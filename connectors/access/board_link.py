"""The third-party client of one UHPPOTE board: every answer checked for its sender, every failure one exception.

The only module that imports `uhppoted`. A board that answers for another serial number is silent, not right.
"""

from __future__ import annotations

from datetime import datetime
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connectors.access.board_words import Grant

if TYPE_CHECKING:
    from uhppoted.uhppote_async import UhppoteAsync

TIMEOUT_S: Final = 2.5
ATTEMPTS: Final = 2  # a datagram may get lost; every request may be repeated
OVERWRITTEN: Final = 0xFF
OLDEST: Final = 0
DELETED: Final = 0xFFFFFFFF
NO_PIN: Final = 0
NOWHERE: Final = "127.0.0.1:60000"  # broadcasts are never sent


def board_client(listen: str = "127.0.0.1:0") -> UhppoteAsync:
    """The third party's client; it hears pushes at `listen`."""
    from uhppoted.uhppote_async import UhppoteAsync  # noqa: PLC0415 - 3 MB that hubs without boards never use

    return UhppoteAsync("0.0.0.0", NOWHERE, listen)  # noqa: S104 - any way out


class BoardSilentError(Exception):
    """No answer, or none that can be believed."""


class Status(NamedTuple):
    """What a board says about itself; `local`: its clock, None where it shows none."""

    event_index: int
    local: datetime | None


class BoardLink:
    """Requests to one board; each raises BoardSilentError."""

    def __init__(self, client: UhppoteAsync, serial: int, host: str, timeout_s: float = TIMEOUT_S) -> None:
        self.serial = serial
        self._client = client
        self._where = (serial, host, "udp")
        self._timeout_s = timeout_s

    async def _ask(self, request: str, *args: Any) -> Any:
        reply = None
        for left in reversed(range(ATTEMPTS)):
            try:
                reply = await getattr(self._client, request)(self._where, *args, timeout=self._timeout_s)
                break
            except (OSError, TimeoutError, ValueError, RuntimeError) as error:
                if not left:
                    raise BoardSilentError(f"{request}: {type(error).__name__}: {error}") from error
        if reply is None or reply.controller != self.serial:
            raise BoardSilentError(f"{request}: an answer of {getattr(reply, 'controller', None)}")
        return reply

    async def status(self) -> Status:
        """Newest event and clock."""
        reply = await self._ask("get_status")
        shown = reply.system_date is not None and reply.system_time is not None
        local = datetime.combine(reply.system_date, reply.system_time) if shown else None
        return Status(int(reply.event_index), local)

    async def event(self, index: int) -> dict[str, Any] | None:
        """One event as BoardEvent's fields; None where the board has it no more."""
        reply = await self._ask("get_event", index)
        if reply.event_type == OVERWRITTEN or reply.index != index:
            return None
        return {
            "index": int(reply.index),
            "type": int(reply.event_type),
            "granted": bool(reply.access_granted),
            "door": int(reply.door),
            "direction": int(reply.direction),
            "card": int(reply.card),
            "at": None if reply.timestamp is None else reply.timestamp.isoformat(),
            "reason": int(reply.reason),
        }

    async def oldest_index(self) -> int | None:
        """Number of the oldest event that the board still has."""
        reply = await self._ask("get_event", OLDEST)
        return int(reply.index) or None

    async def count(self) -> int:
        """Cards on the board."""
        return int((await self._ask("get_cards")).cards)

    async def card(self, number: int) -> tuple[int, ...] | None:
        """A card's four doors; None where the board does not have it."""
        reply = await self._ask("get_card", number)
        if reply.card_number == 0:
            return None
        if reply.card_number != number:
            raise BoardSilentError(f"get_card: {number} was asked for, {reply.card_number} came")
        return (reply.door_1, reply.door_2, reply.door_3, reply.door_4)

    async def card_at(self, index: int) -> tuple[int, tuple[int, ...]] | None:
        """Number and doors of the card at this place; number 0: deleted; None: the list ends before."""
        reply = await self._ask("get_card_by_index", index)
        if reply.card_number == 0:
            return None
        doors = (reply.door_1, reply.door_2, reply.door_3, reply.door_4)
        return (0 if reply.card_number == DELETED else int(reply.card_number), doors)

    async def put(self, wanted: Grant) -> bool:
        """Store or replace a card; the board's own word for it."""
        days = (wanted.first_day, wanted.last_day)
        return bool((await self._ask("put_card", wanted.number, *days, *wanted.doors, NO_PIN)).stored)

    async def delete(self, number: int) -> bool:
        """Delete a card; False where there was none, too."""
        return bool((await self._ask("delete_card", number)).deleted)

    async def set_time(self, local: datetime) -> None:
        """Set the clock."""
        await self._ask("set_time", local)

    async def record_special_events(self) -> None:
        """Have doors that open and close, and buttons, recorded as well: without it there is no door state at all."""
        await self._ask("record_special_events", True)

    async def set_listener(self, address: str, port: int) -> None:
        """Have events pushed to this address at once."""
        await self._ask("set_listener", IPv4Address(address), port)
