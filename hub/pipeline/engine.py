"""The engine: one thread that takes batches, runs each as one step, commits, and only then acknowledges.

If the commit fails nothing is acknowledged: the messages are kept and tried again, the broker holds the rest, and
`health` says so. If an item is the cause (a defect of ours), the batch is run item by item and the culprit is put
aside as rejected: one message never stops the others (promise 3).
"""

from __future__ import annotations

import itertools
import logging
import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import msgspec
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from hub.meters import readings
from hub.pipeline import history
from hub.pipeline.core import Core, Intakes, to_the_end
from hub.pipeline.deadlines import goes_before
from hub.pipeline.inbox import Inbox, Item, Task, is_prompt
from hub.pipeline.rehearsal import rehearse
from hub.pipeline.step import Step
from hub.pipeline.turns import Turns
from hub.store.database import Store, explain
from hub.tickets.lifecycle import Refused
from hub.vocabulary.events import Event, MeterReading, SupervisionTick
from hub.vocabulary.facts import DeviceFacts
from hub.vocabulary.instants import SECOND_MS, UtcMs
from hub.vocabulary.ports import AckSink, Decoder, Lane, RawMessage, Receipt
from hub.vocabulary.rejected import Rejected, RejectReason

log = logging.getLogger(__name__)

BATCH_LIMIT = 256
DATABASE_TROUBLE = (OperationalError, InterfaceError, OSError)
"""Nothing is wrong with the batch: full disk, lost connection, lock held too long. Kept and tried again."""
TIMERS_PER_STEP = 200
IDLE_WAIT_S = 0.5
FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 5.0
SUPERVISE_EVERY_MS = 5 * SECOND_MS
SETTLE_MS = 5 * SECOND_MS
"""After a start, deadlines that fell due meanwhile wait this long at most for what the broker has kept for us: a car
that moved on while the hub was down must not be reported as stuck."""
QUIET_MS = 300
LEFT_AT_MOST = 3
"""So often in a row the rest is left for an alarm; then it is done, however many alarms come."""

_COUNTER = itertools.count()
_PROCESS = secrets.token_hex(4)


class _AlarmCameError(Exception):
    """A step that has none in it makes room."""


class Progress(msgspec.Struct):
    """What the engine has done, for health and metrics."""

    steps: int = 0
    messages: int = 0
    rejected: int = 0
    failures: int = 0
    last_commit_at: UtcMs = 0
    last_batch: int = 0
    trouble: str | None = None  # why commits fail now


class Engine:
    """Runs steps. `decoders` by channel; `clock` gives now."""

    def __init__(
        self,
        store: Store,
        core: Core,
        inbox: Inbox,
        decoders: Mapping[str, Decoder],
        clock: Callable[[], UtcMs],
        intake_ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store
        self._core = core
        self._inbox = inbox
        self._decoders = decoders
        self._clock = clock
        self._intake_ready = intake_ready
        self._turns = Turns()
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)
        self._stopping = threading.Event()
        self._started_at = clock()
        self._supervised_at: UtcMs = 0
        self._settled = False
        self._left = 0  # how many steps in a row were left for an alarm
        self._was_urgent = False  # the step before left everything else for later
        self.progress = Progress()

    def start(self) -> None:
        """Begin; what was stored before has been loaded by then. Raises what the database raises."""
        rehearse(self._store, self._core, self._clock())
        self._started_at = self._clock()
        self._thread.start()

    def stop(self, timeout_s: float = 10) -> None:
        """Finish the step under way and end."""
        self._stopping.set()
        self._inbox.wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _loop(self) -> None:
        kept: list[Item] = []
        retry_s = FIRST_RETRY_S
        while not self._stopping.is_set():
            if not kept:
                self._wait()
                self._inbox.let_questions_pass()
                kept = self._inbox.take(BATCH_LIMIT)
                self._turns.follow(self._inbox.readings)
            try:
                self.step(kept, gives_way=self._left < LEFT_AT_MOST)
            except _AlarmCameError:
                self._left += 1
                self._inbox.give_back(kept)
                kept = []
                continue
            except DATABASE_TROUBLE as error:
                kept = self._trouble(error, kept)
            except Exception:
                log.exception("a batch of %d failed; running it item by item", len(kept))
                kept = self._one_by_one(kept)
            else:
                if not _alarms_alone(kept):
                    self._left = 0
                kept = []
                retry_s = FIRST_RETRY_S
                continue
            if kept:
                self._stopping.wait(retry_s)
                retry_s = min(retry_s * 2, LONGEST_RETRY_S)

    def _wait(self) -> None:
        now = self._clock()
        waits = [IDLE_WAIT_S]
        due = self._core.timers.next_due()
        if due is not None and self._may_fire(now):
            waits.append(max(0.0, (due - now) / 1000))
        self._inbox.wait(min(waits))

    def step(self, items: Sequence[Item], *, gives_way: bool = False) -> None:
        """Decode, decide, commit, acknowledge. Raises what the database raises; nothing has happened then.

        `gives_way`: whatever has no alarm in it is left for one that comes (_AlarmCameError), and lets questions pass unless
        there is something in it that one may be waiting for; and what does not concern alarms that are alone waits for them,
        every second time.
        """
        now = self._clock()
        urgent = gives_way and not self._was_urgent and _alarms_alone(items)
        self._was_urgent = urgent
        supervision = [] if urgent else self._supervision(now)
        gives_way = gives_way and not any(_is_alarm(item) for item in items)
        patient = gives_way and not any(is_prompt(item) for item in items)
        intakes = self._sort([*items, *supervision], gives_way=gives_way, patient=patient)
        due = self._core.timers.fallen_due(now, TIMERS_PER_STEP) if self._may_fire(now) else []
        if urgent:
            alarms = [event for event, _, _ in intakes.events]
            due = [each for each in due if goes_before(each[1], alarms)]
        if not items and not due and not intakes.events and not self._core.board.flush_due(now):
            return
        with self._store.write(urgent=True) as connection:
            step = Step(connection, self._core, now, self._unless_an_alarm_waits if gives_way else to_the_end)
            step.run(intakes, due)
        step.committed()
        self._acknowledge(items)
        self._note_success(now, items, intakes)
        if supervision:
            self._supervised_at = now

    # --- what goes in -----------------------------------------------------------------------------------

    def _unless_an_alarm_waits(self) -> None:
        """What is under way is left for it: nothing of that has happened before the commit."""
        if self._inbox.alarm_waits:
            raise _AlarmCameError

    def _sort(self, items: Sequence[Item], *, gives_way: bool, patient: bool) -> Intakes:
        intakes = Intakes()
        for item in items:
            if patient:
                self._inbox.let_questions_pass()
            if gives_way:
                self._unless_an_alarm_waits()
            if isinstance(item, RawMessage):
                self._decode(item, intakes)
            elif isinstance(item, Task):
                intakes.tasks.append(item)
            else:
                self._admit(item, intakes)
        return intakes

    def _decode(self, message: RawMessage, intakes: Intakes) -> None:
        decoder = self._decoders.get(message.channel)
        try:
            if decoder is None:
                raise LookupError(f"no decoder for channel {message.channel!r}")
            decoded = decoder.decode(message)
        except Exception as error:  # a codec's defect: keep the message, it can be replayed after the fix
            log.exception("codec failed on %s", message.address[:100])
            decoded = Rejected(reason=RejectReason.CODEC_FAILED, detail=f"{type(error).__name__}: {error}")
        if isinstance(decoded, Rejected):
            intakes.rejected.append((message, decoded))
            return
        for event in decoded:
            if not self._admit(event, intakes):
                unknown = Rejected(
                    reason=RejectReason.UNKNOWN_DEVICE,
                    detail=f"{event.device!r} is not a device of site {event.site!r}",
                    site=event.site,
                    device=event.device,
                )
                intakes.rejected.append((message, unknown))
                return
        if message.replay_of is not None:
            intakes.replayed.append(message)

    def _admit(self, event: Event, intakes: Intakes) -> bool:
        device = self._core.world.device(event.site, event.device) if event.device else None
        if device is None:
            if event.device:
                return False
            intakes.events.append(_keyed(event, None))
        elif type(event) is MeterReading:
            intakes.readings.append((event, device, readings.key_of(event)))
        else:
            intakes.events.append(_keyed(event, device))
        return True

    def _supervision(self, now: UtcMs) -> list[Event]:
        if now - self._supervised_at < SUPERVISE_EVERY_MS:
            return []
        return [
            SupervisionTick(site=site.id, source_key=str(now), occurred_at=now, received_at=now)
            for site in self._core.world.sites()
        ]

    def _may_fire(self, now: UtcMs) -> bool:
        if not self._settled:
            quiet = now - max(self._inbox.last_offer_at, self._started_at) >= QUIET_MS
            self._settled = now - self._started_at >= SETTLE_MS or (quiet and self._intake_ready())
        return self._settled

    # --- what comes of it -------------------------------------------------------------------------------

    def _acknowledge(self, items: Sequence[Item]) -> None:
        self._inbox.alarms_done(sum(_is_alarm(item) for item in items))
        receipts: dict[int, list[Receipt]] = defaultdict(list)
        sinks: dict[int, AckSink] = {}
        for item in items:
            if isinstance(item, RawMessage) and item.sink is not None and item.receipt is not None:
                sinks[id(item.sink)] = item.sink
                receipts[id(item.sink)].append(item.receipt)
        for key, sink in sinks.items():
            sink.acknowledge(receipts[key])

    def _note_success(self, now: UtcMs, items: Sequence[Item], intakes: Intakes) -> None:
        progress = self.progress
        progress.steps += 1
        progress.messages += len(items)
        progress.rejected += len(intakes.rejected)
        progress.last_commit_at = now
        progress.last_batch = len(items)
        if progress.trouble is not None:
            log.warning("the database takes writes again")
            progress.trouble = None

    def _trouble(self, error: Exception, items: list[Item]) -> list[Item]:
        """The database does not take writes: people are told now, messages and connectors' reports are kept."""
        sentence = explain(error)
        self.progress.failures += 1
        if sentence != self.progress.trouble:
            log.error("nothing is acknowledged, the batch is kept: %s", sentence)
        self.progress.trouble = sentence
        for item in items:
            if isinstance(item, Task) and not item.answer.done():
                item.answer.set_exception(Refused("unavailable", f"The hub cannot write at the moment: {sentence}"))
        return [item for item in items if not isinstance(item, Task)]

    def _one_by_one(self, items: list[Item]) -> list[Item]:
        """Find the item that a batch failed on and put it aside; what the database did not take is kept."""
        for index, item in enumerate(items):
            try:
                self.step([item])
            except DATABASE_TROUBLE as error:
                return self._trouble(error, items[index:])
            except Exception as error:
                log.exception("item put aside")
                if isinstance(item, Task):
                    if not item.answer.done():
                        item.answer.set_exception(error)
                elif isinstance(item, RawMessage) and not self._put_aside(item, error):
                    return items[index:]
        return []

    def _put_aside(self, message: RawMessage, error: Exception) -> bool:
        """Keep a message that a step of its own failed on; False when the database does not even take that."""
        why = Rejected(reason=RejectReason.CODEC_FAILED, detail=f"step failed: {type(error).__name__}: {error}")
        try:
            with self._store.write() as connection:
                step = Step(connection, self._core, self._clock())
                step.run(Intakes(rejected=[(message, why)]), [])
            step.committed()
        except (SQLAlchemyError, OSError):
            log.exception("the message could not be put aside; it is kept and tried again")
            return False
        self._acknowledge([message])
        return True


def _alarms_alone(items: Sequence[Item]) -> bool:
    return bool(items) and all(_is_alarm(item) for item in items)


def _is_alarm(item: Item) -> bool:
    return type(item) is RawMessage and item.lane is Lane.ALARM


def _keyed(event: Event, device: DeviceFacts | None) -> tuple[Event, DeviceFacts | None, bytes]:
    """What connectors notice themselves has no id of its own and never comes twice."""
    if not event.source_key:
        event = msgspec.structs.replace(event, source_key=f"{event.received_at}/{next(_COUNTER)}/{_PROCESS}")
    return event, device, history.event_key(event)
