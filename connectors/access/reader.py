"""One card reader that decides nothing: looks at it, hands in who stands there, and does what the hub decides, in time.

Order at the door: read the number, hand it in, and only when it is committed clear the reader's flag; so a crash leaves the
card in the reader, where it is found again and opens nothing. When no decision comes in time the door's fail policy is applied
here, because the hub cannot.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from connectors.access.door_bus import DoorBus, cause_of
from connectors.access.door_lock import DoorLock, Told
from connectors.codecs.door_contact import DoorContact
from connectors.codecs.modbus_values import Segment
from connectors.codecs.reader import CHANNEL, encode
from connectors.codecs.reader_profile import Flag, ReaderProfile, Writable
from connectors.codecs.reader_watch import Card, ReaderWatch, number_of, registers_at
from connectors.loop_thread import woken
from connectors.modbus.exchange import Answer
from hub.vocabulary.access import ControllerReport, EventsMissed
from hub.vocabulary.credentials import FORMATS
from hub.vocabulary.events import CommandResult, DeviceStatus, DoorEvent, Event, Unreachable
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import DeviceEntry, Intake, Lane, RawMessage, Receipt
from hub.vocabulary.readers import OPEN_DOOR, REFUSE_CARD, TOO_LATE, DecisionMissed, DoorOpening, FailPolicy, LockReport

log = logging.getLogger(__name__)

FAILURES: Final = 3
FIRST_PAUSE_MS: Final = 1_000
LONGEST_PAUSE_MS: Final = 10_000
SIGN_OF_LIFE_MS: Final = 30_000
NO_RELAY: Final = "no_relay"
GONE: Final = ("delete_card", "put_card")
"""A reader has no list: there is nothing to delete, and nothing to put."""


class Command:
    """One command of the hub on its way."""

    __slots__ = ("args", "id", "name")

    def __init__(self, id: str, name: str, args: Mapping[str, Any]) -> None:
        self.id, self.name, self.args = id, name, args


class _Waiting:
    """A presented card that nobody has decided on yet."""

    __slots__ = ("card", "due")

    def __init__(self, card: Card, due: int) -> None:
        self.card, self.due = card, due


def ticks() -> int:
    """Monotonic milliseconds."""
    return time.monotonic_ns() // 1_000_000


class Reader:
    """Used within one event loop, but for `acknowledge`. A relay module is a reader without number, door and lock."""

    def __init__(
        self,
        entry: DeviceEntry,
        profile: ReaderProfile,
        bus: DoorBus,
        lock: Callable[[Told], DoorLock] | None,
        intake: Intake,
        clock: Callable[[], UtcMs],
        in_loop: Callable[..., bool],
    ) -> None:
        self.entry, self._profile, self._bus = entry, profile, bus
        self._intake, self._clock, self._in_loop = intake, clock, in_loop
        openings: Mapping[str, DoorOpening] = entry.options.get("openings", {})
        self._door = next(iter(openings), "")
        self._opening = openings.get(self._door)
        self.lock = None if lock is None else lock(self._lock_told)
        self._unit_id = 1 if entry.unit_id is None else entry.unit_id
        self._timeout_ms = int(entry.options.get("timeout_ms", profile.timeout_ms))
        self._every_ms = int(entry.options.get("fast_ms", profile.every_ms))
        self._watch = ReaderWatch(profile)
        self._contact = None
        if self._opening is not None and self._opening.contact is not None:
            self._contact = DoorContact(self._opening.held_s * 1000, profile.stale_after_ms)
        self._commands: list[Command] = []
        self._waiting: dict[str, _Waiting] = {}
        self._uncommitted: set[int] = set()
        self._number = 0
        self._life = f"{clock()}"
        self._flagged: int | None = None  # the presentation whose flag stands in the reader
        self._clear_due = False
        self._wake = asyncio.Event()
        self._stopped = False
        self._failures = 0
        self._said_at = -SIGN_OF_LIFE_MS
        self.up: bool | None = None
        self.cause = ""

    # --- from outside -----------------------------------------------------------------------------------------

    def command(self, command: Command) -> None:
        """Do this before the next look."""
        self._commands.append(command)
        self._wake.set()

    def acknowledge(self, receipts: Sequence[Receipt]) -> None:
        """AckSink: these presentations are in the database. From any thread."""
        self._in_loop(self._committed, [each.packet_id for each in receipts])

    def _committed(self, numbers: Sequence[int]) -> None:
        self._uncommitted.difference_update(numbers)
        if self._flagged in numbers:  # never that of a card which stands there by now and was not read yet
            self._clear_due = True
        self._wake.set()

    def stop(self) -> None:
        """End `run` at its next step."""
        self._stopped = True
        self._wake.set()

    # --- life -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until stopped. It must never die of an error: whatever is unexpected is logged, and the door goes on."""
        next_look = 0.0
        while not self._stopped:
            self._wake.clear()
            try:
                await self._serve()
                if ticks() >= next_look:
                    await self._look()
                    next_look = ticks() + self._pause_ms()
            except Exception:
                log.exception("reader: %s/%s", self.entry.site, self.entry.device)
                next_look = ticks() + self._every_ms
            if self._commands or self._stopped:
                continue
            due = min([next_look, *(each.due for each in self._waiting.values())])
            if self.lock is not None:
                due = min(due, self.lock.lock_at)
            await woken(self._wake, max(0.001, (due - ticks()) / 1000))

    def _pause_ms(self) -> int:
        """A reader that does not answer costs its bus a time-out each time: whoever stands at the others must not wait for it."""
        if self._failures < FAILURES:
            return self._every_ms
        return max(self._every_ms, min(FIRST_PAUSE_MS << min(self._failures - FAILURES, 10), LONGEST_PAUSE_MS))

    async def _serve(self) -> None:
        """What is due before anything is read: decisions, doors whose time is over, cards that nobody decided on, the flag."""
        while self._commands:
            await self._obey(self._commands.pop(0))
        if self.lock is not None:
            await self.lock.tend(ticks())
        for key in [key for key, each in self._waiting.items() if each.due <= ticks()]:
            await self._undecided(key, self._waiting.pop(key).card)
        if self._clear_due and self._profile.new is not None:
            self._clear_due = not await self._clear(self._profile.new)
            self._flagged = self._flagged if self._clear_due else None

    async def leave(self) -> None:
        """The hub stops: the lock is left as its policy wants it without a hub."""
        if self.lock is not None:
            await self.lock.release()

    # --- looking ----------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        segments = []
        for span in self._profile.reads:
            outcome = await self._bus.read(self._unit_id, span, self._timeout_ms)
            if not isinstance(outcome, Answer):
                self._missing(cause_of(outcome))
                return
            segments.append(Segment(span.fc, span.addr, outcome.registers))
        self._present()
        self._look_at_door(segments)
        seen = self._watch.look(segments, ticks())
        if seen.restarted:
            self._say(DeviceStatus, online=True, boot_id=f"{self._clock()}")
            if self._profile.restarted is not None:
                await self._clear(self._profile.restarted)
        if seen.missed:
            self._number += seen.missed
            first = self._number - seen.missed + 1
            key = f"{self._life}/missed/{self._number}"
            self._say(EventsMissed, source_key=key, epoch=1, first=first, last=self._number)
        if seen.card is not None:
            self._presented(seen.card)
        elif seen.clear and self._flagged is None:
            self._clear_due = True  # still held, or a clearing that got lost
            self._wake.set()

    def _look_at_door(self, segments: Sequence[Segment]) -> None:
        opening = self._opening
        if self._contact is None or opening is None or opening.contact is None:
            return

        def on(number: int | None) -> bool:
            return number is not None and bool(registers_at(segments, self._profile.inputs[number - 1])[0])

        unlocked = self.lock is not None and self.lock.unlocked
        state = self._contact.look(
            ticks(), shut=on(opening.contact), unlocked=unlocked, pressed=on(opening.exit_button)
        )
        if state is not None:
            self._say(DoorEvent, door=self._door, state=state)

    def _presented(self, card: Card) -> None:
        self._number += 1
        key = f"{self._life}/{self._number}"
        self._uncommitted.add(self._number)
        self._flagged = self._number
        if card.fresh and self._opening is not None:
            self._waiting[key] = _Waiting(card, ticks() + self._opening.decide_within_ms)
        self._intake.offer(
            RawMessage(
                channel=CHANNEL,
                address=f"{self.entry.site}/{self.entry.device}",
                payload=encode(key, self._door, card),
                received_at=self._clock(),
                lane=Lane.ALARM,
                sink=self,
                receipt=Receipt(1, self._number, 1),
            )
        )

    def _present(self) -> None:
        """It answers."""
        self._failures = 0
        if self.up is not True:
            self.up, self.cause = True, ""
            self._say(DeviceStatus, online=True)
        if ticks() - self._said_at >= SIGN_OF_LIFE_MS:
            self._said_at = ticks()
            self._say(ControllerReport, epoch=1)

    def _missing(self, cause: str) -> None:
        """It does not; while its bus is down as well, the bus speaks for it."""
        self._failures += 1
        if self._failures >= FAILURES and self.up is not False and self._bus.up is not False:
            self.up, self.cause = False, cause
            self._say(Unreachable, cause=cause)
        elif self._bus.up is False:
            self.up, self.cause = None, cause

    async def _clear(self, flag: Flag) -> bool:
        outcome = await self._bus.write(self._unit_id, flag.clear, 0, self._timeout_ms)
        return isinstance(outcome, Answer)

    # --- doing ------------------------------------------------------------------------------------------------

    async def _obey(self, command: Command) -> None:
        if command.name in GONE:
            self._answer(command, ok=True, detail="this reader has no list: the hub decides at each card")
        elif command.name not in {OPEN_DOOR, REFUSE_CARD}:
            self._answer(command, ok=False, detail=f"unknown command {command.name}")
        elif self._waiting.pop(str(command.args.get("presentation")), None) is None or self._clock() > int(
            command.args.get("until", 0)
        ):
            self._answer(command, ok=False, detail=TOO_LATE)
        elif command.name == REFUSE_CARD:
            self._answer(command, ok=True)
            await self._tone("reject")
        else:
            cause = NO_RELAY if self.lock is None else await self.lock.open(ticks())
            self._answer(command, ok=cause is None, detail=cause)
            await self._tone("accept" if cause is None else "reject")

    async def _undecided(self, key: str, card: Card) -> None:
        """The time for the decision is over. What the reader holds is let go, so that it can read the next card."""
        opened = False
        if self._opening is not None and self._opening.fail_policy is FailPolicy.FAIL_SAFE and self.lock is not None:
            opened = await self.lock.open(ticks()) is None
        format_ = str(self.entry.options["card_format"])
        try:
            raw = number_of(card, self._profile, FORMATS[format_].bits)
        except ValueError:
            raw = None
        self._say(
            DecisionMissed, source_key=f"{key}/missed", door=self._door, presentation=key, format=format_, raw=raw,
            opened=opened,
        )  # fmt: skip
        self._clear_due = True
        await self._tone("accept" if opened else "reject")

    async def _tone(self, word: str) -> None:
        """For whoever stands there; nothing depends on it."""
        tone: tuple[Writable, int] | None = self._profile.tones.get(word)
        if tone is not None:
            await self._bus.write(self._unit_id, tone[0], tone[1], self._timeout_ms)

    # --- saying -----------------------------------------------------------------------------------------------

    def _lock_told(self, ok: bool, cause: str, may_be_open: bool) -> None:
        self._say(LockReport, door=self._door, ok=ok, cause=cause, may_be_open=may_be_open)

    def _answer(self, command: Command, *, ok: bool, detail: str | None = None) -> None:
        self._say(CommandResult, command_id=command.id, ok=ok, detail=detail)

    def _say(self, kind: type[Event], **values: Any) -> None:
        now = self._clock()
        common: dict[str, Any] = {
            "site": self.entry.site,
            "device": self.entry.device,
            "occurred_at": now,
            "received_at": now,
        }
        self._intake.report(kind(**common, **values))
