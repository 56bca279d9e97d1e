"""One UHPPOTE board: its commands, its events in their order, its clock; one request in flight, revocations first.

Events are read by their number and handed in with a receipt; only what the pipeline has committed counts as read, so a
crash reads again and loses nothing. What the board has overwritten is told as missed, never passed over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from connectors.access import board_words
from connectors.access.board_link import BoardLink, BoardSilentError
from connectors.codecs.uhppote import BoardEvent
from connectors.loop_thread import woken
from hub.vocabulary.access import ControllerReport, EventsMissed, NewEpoch
from hub.vocabulary.events import Clock, CommandResult, DeviceStatus, Event
from hub.vocabulary.instants import DAY_MS, MINUTE_MS, SECOND_MS, DurationMs, UtcMs
from hub.vocabulary.ports import AckSink, DeviceEntry, Intake, Lane, RawMessage, Receipt

log = logging.getLogger(__name__)

CHANNEL: Final = "uhppote"
COUNT_EVERY_MS: Final[DurationMs] = 5 * MINUTE_MS
CLOCK_TOLERANCE_MS: Final[DurationMs] = 30 * SECOND_MS
CLOCK_RESOLUTION_MS: Final[DurationMs] = 2 * SECOND_MS
"""Boards tell whole seconds: less is no offset."""
SILENT_AFTER: Final = 3  # requests without an answer
AT_A_TIME: Final = 50  # events or cards between two looks at the commands
LONGEST_PAUSE_S: Final = 10.0
_ORDER: Final = {"delete_card": 0, "put_card": 1, "get_card": 2}


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """How far the hub had read this place's board when it stopped."""

    epoch: int = 1
    last_index: int | None = None
    serial: str | None = None


class Command(msgspec.Struct, frozen=True):
    """One command of the hub on its way."""

    id: str
    name: str
    args: Mapping[str, Any]


class _Listing:
    """A list that is being read, a few cards at a time, so that nothing has to wait for it."""

    def __init__(self, command: Command, number: int) -> None:
        self.command, self.number = command, number
        self.index = 0
        self.cards: list[dict[str, Any]] = []


class Board:
    """Used within one event loop, but for `acknowledge`, which any thread may call through the loop."""

    def __init__(
        self,
        entry: DeviceEntry,
        link: BoardLink,
        resume: Resume,
        intake: Intake,
        sink: AckSink,
        clock: Callable[[], UtcMs],
        poll_s: float,
        listener: tuple[str, int] | None = None,
    ) -> None:
        self.entry, self._link, self._intake, self._sink, self._clock = entry, link, intake, sink, clock
        self.epoch = resume.epoch
        self._known_serial = resume.serial
        self._read = resume.last_index  # handed in
        self._waiting: set[int] = set()  # handed in, not committed yet
        self._reported: int | None = resume.last_index
        self._zone = ZoneInfo(entry.timezone)
        self._doors: Mapping[str, int] = entry.options.get("doors", {})
        self._card_format = str(entry.options["card_format"])
        self._commands: list[Command] = []
        self._listing: _Listing | None = None
        self._wake = asyncio.Event()
        self._stopped = False
        self._poll_s, self._listener = poll_s, listener
        self.up: bool | None = None
        self._failures = 0
        self._clock_set_at: UtcMs = 0
        self._clock_offset: DurationMs = 0
        self._set_after: tuple[int, DurationMs] = (0, 0)  # newest event when the clock was set, and how far off it was
        self._counted_at: UtcMs = 0

    # --- from outside, within the loop ------------------------------------------------------------------------

    def command(self, command: Command) -> None:
        """Do this as soon as the board is free; a revocation before everything else."""
        if command.name == "delete_card":
            # It overtakes: a grant of the same card that still waits here must not come after it.
            raw = command.args.get("raw")
            self._commands = [each for each in self._commands if each.name != "put_card" or each.args.get("raw") != raw]
        self._commands.append(command)
        self._commands.sort(key=lambda each: _ORDER.get(each.name, 3))
        self._wake.set()

    def stop(self) -> None:
        """End `run` at its next step; a cancellation alone can get lost where it meets a time-out (Python 3.11)."""
        self._stopped = True
        self._wake.set()

    def wake(self) -> None:
        """The board has said that something happened."""
        self._wake.set()

    def committed(self, receipts: Sequence[Receipt]) -> None:
        """These events are in the database."""
        self._waiting -= {each.packet_id for each in receipts if each.epoch == self.epoch}

    # --- life -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """For ever. A board that does not answer is asked less and less often, up to every LONGEST_PAUSE_S."""
        while not self._stopped:
            self._wake.clear()
            try:
                await self._round()
                self._failures = 0
            except BoardSilentError:
                self._silent()
            except Exception:
                log.exception("uhppote: %s/%s", self.entry.site, self.entry.device)
                self._silent()
            pause = min(self._poll_s * 2**self._failures, max(self._poll_s, LONGEST_PAUSE_S))
            if self._commands and self.up:
                continue
            await woken(self._wake, pause)

    def _silent(self) -> None:
        """What could not be done is not kept: the hub asks again when the board is there, or in its own time."""
        self._failures = min(self._failures + 1, 10)
        self._commands.clear()
        self._listing = None
        if self.up is not False and (self._failures >= SILENT_AFTER or self.up is None):
            self.up = False
            self._say(DeviceStatus, online=False)

    async def _round(self) -> None:
        while self._commands:
            command = self._commands.pop(0)
            await self._obey(command)
        status = await self._link.status()
        self._clock_offset = board_words.offset_of(status.local, self._zone, self._clock())
        await self._look(status.event_index)
        await self._tend_clock(status.local, status.event_index)
        if self._listing is not None:
            await self._list_on(self._listing)
            self._wake.set()

    # --- events -----------------------------------------------------------------------------------------------

    async def _look(self, newest: int) -> None:
        """The board is there: is it the same one, and what happened since?"""
        serial = str(self._link.serial)
        why = None
        if self._known_serial is not None and self._known_serial != serial:
            why = NewEpoch.SERIAL_CHANGED
        elif self._read is not None and newest < self._read:
            why = NewEpoch.INDEX_WENT_BACK
        if why is not None:
            log.warning("uhppote: %s/%s begins anew: %s", self.entry.site, self.entry.device, why)
            self.epoch, self._read, self._reported = self.epoch + 1, 0, None
            self._set_after = (0, 0)
            self._waiting.clear()
        self._known_serial = serial
        if self._read is None:
            self._read = newest  # first contact: what happened before the hub was there is not its news
        if self.up is not True or why is not None:
            await self._link.record_special_events()
            if self._listener is not None:
                await self._link.set_listener(*self._listener)
            await self._report(why=why, count=True)
            self.up = True
            self._say(DeviceStatus, online=True)
        for _ in range(AT_A_TIME):
            if self._read >= newest or self._commands:
                break
            await self._read_event(self._read + 1)
        if self._read < newest:
            self._wake.set()
        await self._report_when_due()

    async def _read_event(self, index: int) -> None:
        event = await self._link.event(index)
        if event is None:
            oldest = await self._link.oldest_index()
            if oldest is None or oldest <= index:
                raise BoardSilentError(f"event {index} is neither there nor overwritten")
            self._missed(index, oldest - 1)
            return
        seen = BoardEvent(epoch=self.epoch, offset_ms=self._offset_at(index), **event)
        self._waiting.add(index)
        self._read = index
        self._intake.offer(
            RawMessage(
                channel=CHANNEL,
                address=f"{self.entry.site}/{self.entry.device}",
                payload=msgspec.json.encode(seen),
                received_at=self._clock(),
                lane=Lane.ALARM,
                sink=self._sink,
                receipt=Receipt(self.epoch, index, 1),
            )
        )

    def _missed(self, first: int, last: int) -> None:
        now = self._clock()
        self._intake.report(
            EventsMissed(
                site=self.entry.site,
                device=self.entry.device,
                source_key=f"{self.epoch}/{first}-{last}",
                occurred_at=now,
                received_at=now,
                clock=Clock.ARRIVAL,
                epoch=self.epoch,
                first=first,
                last=last,
            )
        )
        self._read = last

    def _safe_index(self) -> int | None:
        """Up to here everything is committed."""
        return min(self._waiting) - 1 if self._waiting else self._read

    async def _report_when_due(self) -> None:
        counting = self._clock() - self._counted_at >= COUNT_EVERY_MS
        if counting or self._safe_index() != self._reported:
            await self._report(count=counting)

    async def _report(self, *, why: NewEpoch | None = None, count: bool = False) -> None:
        cards = await self._link.count() if count else None
        if count:
            self._counted_at = self._clock()
        self._reported = self._safe_index()
        serial = str(self._link.serial)
        self._say(ControllerReport, epoch=self.epoch, why=why, serial=serial, cards=cards, last_index=self._reported)

    # --- clock ------------------------------------------------------------------------------------------------

    def _offset_at(self, index: int) -> DurationMs:
        """How far off the board's clock was when it wrote this event, as far as anybody can tell."""
        last, before = self._set_after
        offset = before if index <= last else self._clock_offset
        return offset if abs(offset) >= CLOCK_RESOLUTION_MS else 0

    async def _tend_clock(self, local: datetime | None, newest: int) -> None:
        """Set daily, and whenever it is further off than people would accept between two doors."""
        now = self._clock()
        offset = None if local is None else board_words.clock_offset(local, self._zone, now)
        wrong = offset is None or abs(offset) > CLOCK_TOLERANCE_MS
        if not wrong and now - self._clock_set_at < DAY_MS:
            return
        await self._link.set_time(board_words.local_time(self._clock(), self._zone))
        # What was written until now and is not read yet carries the clock of before.
        self._set_after, self._clock_offset = (newest, self._clock_offset), 0
        self._clock_set_at = now
        self._say(ControllerReport, epoch=self.epoch, clock_offset_ms=offset, clock_set=True)

    # --- commands ---------------------------------------------------------------------------------------------

    async def _obey(self, command: Command) -> None:
        try:
            match command.name:
                case "put_card":
                    wanted = board_words.grant(command.args, self._card_format, self._doors, self._zone)
                    stored = await self._link.put(wanted)
                    self._answer(command, ok=stored, detail=None if stored else "the board did not store it")
                case "delete_card":
                    # A board says 'no' when there was nothing to delete: the read-back decides, not the answer.
                    await self._link.delete(board_words.board_number(command.args, self._card_format))
                    self._answer(command, ok=True)
                case "get_card":
                    number = board_words.board_number(command.args, self._card_format)
                    doors = await self._link.card(number)
                    found = [] if doors is None else [self._listed(number, doors)]
                    self._answer(command, ok=True, cards=tuple(found))
                case "list_cards":
                    self._listing = _Listing(command, await self._link.count())
                case "report_state":
                    await self._report(count=True)
                    self._answer(command, ok=True)
                case _:
                    self._answer(command, ok=False, detail=f"unknown command {command.name}")
        except board_words.NotForThisBoardError as error:
            self._answer(command, ok=False, detail=str(error))
        except (KeyError, TypeError, ValueError) as error:
            self._answer(command, ok=False, detail=f"{command.name}: {type(error).__name__}: {error}")

    async def _list_on(self, listing: _Listing) -> None:
        """Deleted cards leave holes: it is over when as many were found as the board counts, or nothing more comes."""
        for _ in range(AT_A_TIME):
            if len(listing.cards) >= listing.number:
                break
            listing.index += 1
            found = await self._link.card_at(listing.index)
            if found is None:
                break
            number, doors = found
            if number:
                listing.cards.append(self._listed(number, doors))
        else:
            return
        self._listing = None
        if len(listing.cards) < listing.number:
            detail = f"the board counts {listing.number} cards and lists {len(listing.cards)}"
            self._answer(listing.command, ok=False, detail=detail)
            return
        self._answer(listing.command, ok=True, cards=tuple(listing.cards))

    def _listed(self, number: int, doors: tuple[int, ...]) -> dict[str, Any]:
        return board_words.listed(number, doors, self._card_format, self._doors)

    def _answer(
        self, command: Command, *, ok: bool, detail: str | None = None, cards: tuple[dict[str, Any], ...] | None = None
    ) -> None:
        self._say(CommandResult, command_id=command.id, ok=ok, detail=detail, cards=cards)

    def _say(self, kind: type[Event], **values: Any) -> None:
        now = self._clock()
        self._intake.report(
            kind(
                site=self.entry.site,
                device=self.entry.device,
                occurred_at=now,
                received_at=now,
                clock=Clock.ARRIVAL,  # ours: it says nothing about the board's
                **values,
            )
        )
