"""Which request goes onto a bus next, and what its outcome means: one request in flight, alarm points first, the dead last.

Pure: no socket, no clock. `next` says what to send or how long to wait, `done` takes what came of it. What a maintainer must
keep: after anything that may leave a reply on the wire the bus is silent for as long as the slowest reply takes, because an
RTU frame carries no transaction number (domain/meters.md 5.3).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from connectors.codecs.modbus_poll import Refused
from connectors.codecs.modbus_profile import Period
from connectors.codecs.modbus_values import Segment
from connectors.modbus import queues
from connectors.modbus.exchange import (
    BUSY,
    NOT_IN_THE_MAP,
    Answer,
    BusBack,
    BusLost,
    Dropped,
    Effect,
    Exceptional,
    ExceptionCode,
    Mismatch,
    MonotonicMs,
    Outcome,
    PollDone,
    Request,
    Sleep,
    UnitBack,
    UnitLost,
    UnitSpec,
    Unsupported,
)
from connectors.modbus.unit import TRIES, Health, Poll, Unit

ALARM_BURST: Final = 8
"""Alarm requests in a row until something else may go, when it waits."""

TRY_SHARE: Final = 4
"""Devices that do not answer get at most one part in so many of a bus that has healthy ones."""

SILENT_UNITS: Final = 5
"""So many devices silent in a row, and none that answers: it is the bus."""

BUS_PROBE_MS: Final = 5_000
BUSY_WAIT_MS: Final = 500
BUSY_LIMIT: Final = 5
IDLE_MS: Final = 60_000
CONNECT_FAILURES: Final = 2
NO_UNIT_ANSWERS: Final = "no_unit_answers"
IDENTITY_MISMATCH: Final = "identity_mismatch"
TIMEOUT: Final = "timeout"
SILENT_CAUSES: Final = frozenset({TIMEOUT, "exception_0a", "exception_0b"})
"""Failures that may as well be the bus: nobody on it was heard."""


class UnitStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One device as the API shows it. `next_probe_ms`: milliseconds from now, for a device that does not answer."""

    device: str
    health: Health
    failures: int
    cause: str | None
    next_probe_ms: int | None
    unsupported: tuple[str, ...]


class Schedule:
    """The schedule of one bus. `quiet_ms`: how late a reply can be; `traceable`: replies carry a transaction number."""

    def __init__(self, specs: Sequence[UnitSpec], *, now: MonotonicMs, quiet_ms: int, traceable: bool) -> None:
        self._units = {spec.device: Unit(spec, index, len(specs), now) for index, spec in enumerate(specs)}
        self._quiet_ms = quiet_ms
        self._traceable = traceable
        self._up: bool | None = None
        self._polls: dict[Period, Poll] = {}  # at most one alarm poll and one other
        self._in_flight: tuple[Request, Poll] | None = None
        self._quiet_until = now
        self._gap_until = now
        self._tries_after = now
        self._bus_probe_at = now
        self._burst = 0
        self._connect_failures = 0
        self._drops = 0
        self._heard_at: MonotonicMs | None = None
        self._silent: set[str] = set()
        self._calm = True  # nobody has failed since nobody was left to be judged
        self._refused: dict[str, set[str]] = {}
        self.answers = 0
        self.failures = 0

    # --- what to do ---------------------------------------------------------------------------------------

    def next(self, now: MonotonicMs) -> Request | Sleep:
        """The next request, or until when there is nothing to do. One request at a time: `done` must come between."""
        assert self._in_flight is None, "a request is in flight"
        ready = max(self._quiet_until, self._gap_until)
        if now < ready:
            return Sleep(ready)
        poll = self._choose(now)
        if poll is None:
            return Sleep(max(self._earliest(now), now + 1))
        unit, read = poll.unit, poll.pending[0]
        request = Request(
            device=unit.spec.device,
            unit_id=unit.spec.unit_id,
            span=read.span,
            timeout_ms=unit.spec.timeout_ms,
            sent_at=now,
        )
        self._in_flight = request, poll
        return request

    def _choose(self, now: MonotonicMs) -> Poll | None:
        if self._up is False:
            return self._bus_probe(now)
        alarm = self._polls.get(Period.FAST) or self._start(Period.FAST, now)
        if alarm and self._burst < ALARM_BURST:
            other_waits = (
                Period.SLOW in self._polls or queues.due(self._units.values(), Period.SLOW, now) or self._try(now)
            )
            self._burst = self._burst + 1 if other_waits else 0
            return alarm
        self._burst = 0
        return self._polls.get(Period.SLOW) or self._start(Period.SLOW, now) or self._start_try(now) or alarm

    def _start(self, period: Period, now: MonotonicMs) -> Poll | None:
        unit = queues.due(self._units.values(), period, now)
        return None if unit is None else self._open(unit, period, now)

    def _open(self, unit: Unit, period: Period, now: MonotonicMs) -> Poll:
        self._polls[period] = poll = unit.poll(period, now)
        unit.advance(period, now)
        unit.tried_at = now
        return poll

    def _try(self, now: MonotonicMs) -> Unit | None:
        return None if now < self._tries_after else queues.silent(self._units.values(), now)

    def _start_try(self, now: MonotonicMs) -> Poll | None:
        unit = self._try(now)
        if unit is None or unit.period_of_try() in self._polls:
            return None
        return self._open(unit, unit.period_of_try(), now)

    def _bus_probe(self, now: MonotonicMs) -> Poll | None:
        for poll in self._polls.values():
            return poll
        unit = queues.least_recent(self._units.values())
        if now < self._bus_probe_at or unit is None:
            return None
        self._bus_probe_at = now + BUS_PROBE_MS
        return self._open(unit, unit.period_of_try(), now)

    def _earliest(self, now: MonotonicMs) -> MonotonicMs:
        if self._up is False:
            return self._bus_probe_at
        return queues.earliest(self._units.values(), self._tries_after, now + IDLE_MS)

    # --- what came of it ----------------------------------------------------------------------------------

    def done(self, outcome: Outcome, now: MonotonicMs) -> list[Effect]:
        """What the outcome of the request in flight means, in order."""
        assert self._in_flight is not None, "no request is in flight"
        request, poll = self._in_flight
        self._in_flight = None
        unit = poll.unit
        self._gap_until = now + unit.spec.min_gap_ms
        if isinstance(outcome, Answer):
            return self._answered(poll, outcome, now)
        if isinstance(outcome, Exceptional):
            return self._exception(poll, outcome.code, request, now)
        if isinstance(outcome, Dropped):
            return self._dropped(unit, outcome.cause, request.sent_at, now)
        self._be_quiet(unit, now)
        if isinstance(outcome, Mismatch):
            return self._bus_alive(unit, now) + self._failed(unit, outcome.cause, request.sent_at, now)
        return self._failed(unit, TIMEOUT, request.sent_at, now)

    def _be_quiet(self, unit: Unit, now: MonotonicMs) -> None:
        """A reply may still be on its way: nobody speaks until it must have passed."""
        unit.doubtful = True
        if not self._traceable:
            self._quiet_until = now + self._quiet_ms

    def late_reply(self, lateness_ms: int) -> None:
        """A reply came when nobody waited for it. If it was later than the silence, the silence was too short."""
        self._quiet_ms = max(self._quiet_ms, lateness_ms + lateness_ms // 2)

    def _answered(self, poll: Poll, answer: Answer, now: MonotonicMs) -> list[Effect]:
        unit, read = poll.unit, poll.pending.pop(0)
        self._traceable = self._traceable and answer.traceable
        if read.span == unit.spec.identity and not unit.is_itself(answer.registers):
            # Nothing of this poll is believed.
            return self._bus_alive(unit, now) + self._failed(unit, IDENTITY_MISMATCH, now, now)
        unit.answered(now)
        effects = self._bus_alive(unit, now)
        if unit.lost:
            unit.lost = False
            effects.append(UnitBack(unit.spec.device))
        poll.segments.append(Segment(read.span.fc, read.span.addr, answer.registers))
        return effects + self._finish(poll, now)

    def _exception(self, poll: Poll, code: int, request: Request, now: MonotonicMs) -> list[Effect]:
        unit = poll.unit
        if code in NOT_IN_THE_MAP:
            return self._bus_alive(unit, now) + self._not_in_the_map(poll, code, now)
        if code in BUSY and unit.busy < BUSY_LIMIT:
            unit.later(poll.period, now + BUSY_WAIT_MS)
            self._abort(unit)
            return self._bus_alive(unit, now)
        cause = f"exception_{code:02x}"
        effects = [] if cause in SILENT_CAUSES else self._bus_alive(unit, now)
        return effects + self._failed(unit, cause, request.sent_at, now)

    def _not_in_the_map(self, poll: Poll, code: int, now: MonotonicMs) -> list[Effect]:
        unit, read = poll.unit, poll.pending.pop(0)
        if code != ExceptionCode.ILLEGAL_FUNCTION and unit.split(read, poll):
            return []
        unit.give_up(read)
        poll.refused.append(Refused(read.span.fc, read.span.addr, read.span.count, code))
        effects: list[Effect] = []
        known = self._refused.setdefault(unit.spec.device, set())
        if news := tuple(name for name in read.names if name not in known and name not in unit.spec.optional):
            known.update(news)
            effects.append(Unsupported(unit.spec.device, news, code))
        return effects + self._finish(poll, now)

    def _finish(self, poll: Poll, now: MonotonicMs) -> list[Effect]:
        """Hand the poll over when its last read is done."""
        if poll.pending:
            return []
        unit = poll.unit
        self._polls.pop(poll.period, None)
        unit.replan()
        if not poll.segments or not unit.has_reads(poll.period):
            code = poll.refused[0].exception if poll.refused else 0
            unit.whole_again()
            unit.failures = TRIES - 1  # asking again at once would be told the same
            return self._failed(unit, f"exception_{code:02x}", now, now)
        unit.polled(poll, now)
        return [PollDone(unit.spec.device, poll.period, tuple(poll.segments), tuple(poll.refused))]

    def _bus_alive(self, unit: Unit, now: MonotonicMs) -> list[Effect]:
        """Somebody answered, whatever the answer is worth."""
        self.answers += 1
        self._drops = 0
        self._silent.clear()
        self._heard_at = now
        if self._up is True:
            return self._judge(now)
        if self._up is False:
            self._all_fresh(unit, now)
        self._up = True
        return [BusBack(), *self._judge(now)]

    def _all_fresh(self, first: Unit, now: MonotonicMs) -> None:
        for unit in self._units.values():
            if unit is not first:
                unit.fresh(now, len(self._units))

    def _failed(self, unit: Unit, cause: str, sent_at: MonotonicMs, now: MonotonicMs) -> list[Effect]:
        self.failures += 1
        self._calm = False
        was_a_try = unit.health is not Health.HEALTHY
        self._abort(unit)
        unit.failed(cause, now)
        if cause in SILENT_CAUSES:
            self._silent.add(unit.spec.device)
        if was_a_try and any(each.health is Health.HEALTHY for each in self._units.values()):
            cost = max(now, self._quiet_until) - sent_at
            self._tries_after = now + (TRY_SHARE - 1) * cost
        return self._judge(now)

    def _abort(self, unit: Unit) -> None:
        """Half a poll is no poll: whatever came before the failure is forgotten."""
        for period, poll in tuple(self._polls.items()):
            if poll.unit is unit:
                del self._polls[period]
                unit.unfinished(poll)

    def _abort_all(self) -> None:
        for poll in tuple(self._polls.values()):
            self._abort(poll.unit)

    # --- whose fault it is --------------------------------------------------------------------------------

    def _judge(self, now: MonotonicMs) -> list[Effect]:
        """A quarantined device is lost when anything answered since it failed; when nothing does, it is the bus."""
        if self._calm:
            return []
        if len(self._silent) >= SILENT_UNITS:
            return self._bus_lost(NO_UNIT_ANSWERS, now)
        waiting = [unit for unit in self._units.values() if unit.pending_loss is not None]
        self._calm = not waiting and not self._silent
        if waiting and len(self._units) == 1:  # the link is there, and nobody else to ask
            back: list[Effect] = [BusBack()] if self._up is False else []
            self._up = True
            return back + self._lose(waiting[0])
        if self._up is False:
            return []
        found = [
            unit for unit in waiting if self._heard_at is not None and self._heard_at >= (unit.failed_since or now)
        ]
        if waiting and not found and len(self._silent) >= len(self._units):
            return self._bus_lost(NO_UNIT_ANSWERS, now)
        if len(self._silent) > 1 or len(waiting) > len(found):
            self._ask_another(now)
        return [effect for unit in found for effect in self._lose(unit)]

    def _lose(self, unit: Unit) -> list[Effect]:
        cause, unit.pending_loss = unit.pending_loss or "timeout", None
        if unit.lost:
            return []
        unit.lost = True
        return [UnitLost(unit.spec.device, cause)]

    def _ask_another(self, now: MonotonicMs) -> None:
        """Is it the devices or the bus? Ask somebody else out of turn, rather one that was well a moment ago."""
        others = [u for u in self._units.values() if u.health is Health.HEALTHY and u.spec.device not in self._silent]
        if others and not any(unit.urgent for unit in others):
            queues.witness(others, len(self._silent) / SILENT_UNITS).hurry(now)

    def _bus_lost(self, cause: str, now: MonotonicMs) -> list[Effect]:
        if self._up is False:
            return []
        self._up = False
        self._abort_all()
        self._bus_probe_at = now + BUS_PROBE_MS
        return [BusLost(cause)]

    def _dropped(self, unit: Unit, cause: str, sent_at: MonotonicMs, now: MonotonicMs) -> list[Effect]:
        """A gateway may close an idle or annoyed connection; when it does nothing else, it is down."""
        effects = self._failed(unit, cause, sent_at, now) if len(self._units) > 1 else []
        self._abort_all()
        self._drops += 1
        return effects + self._bus_lost(cause, now) if self._drops >= SILENT_UNITS else effects

    # --- the connection -----------------------------------------------------------------------------------

    def connected(self, now: MonotonicMs) -> None:
        """The link is there; the bus counts as alive when a device answers. Identities are looked at again."""
        self._connect_failures = 0
        self._bus_probe_at = now
        for unit in self._units.values():
            unit.doubtful = unit.spec.identity is not None

    def connection_failed(self, cause: str, now: MonotonicMs) -> list[Effect]:
        """No link. Said when the second attempt fails: gateways close connections and take the next one."""
        self._abort_all()
        self._connect_failures += 1
        return self._bus_lost(cause, now) if self._connect_failures >= CONNECT_FAILURES else []

    def abandon(self) -> None:
        """Forget the request in flight (the bus is being stopped)."""
        self._in_flight = None
        self._abort_all()

    def attend(self, devices: Collection[str], now: MonotonicMs) -> None:
        """Somebody waits for the values of these, and of no others any more: new ones are read before all others, once."""
        for name, unit in self._units.items():
            unit.attend(now, wanted=name in devices)

    # --- what it looks like -------------------------------------------------------------------------------

    @property
    def up(self) -> bool | None:
        """None: nobody has answered yet, and nobody was found to be silent."""
        return self._up

    @property
    def quiet_ms(self) -> int:
        return self._quiet_ms

    def cycle_ms(self) -> int:
        """Bus time that one round over all devices takes, by their last polls."""
        return sum(max(unit.took_ms.values(), default=0) for unit in self._units.values())

    def alarm_gap_ms(self) -> int:
        """Longest recent time in which an alarm point that answers was not looked at."""
        return max((unit.alarm_gap_ms for unit in self._units.values() if unit.health is Health.HEALTHY), default=0)

    def units(self, now: MonotonicMs) -> Iterable[UnitStatus]:
        for unit in self._units.values():
            yield UnitStatus(
                device=unit.spec.device,
                health=unit.health,
                failures=unit.failures,
                cause=unit.cause,
                next_probe_ms=None if unit.health is Health.HEALTHY else max(unit.retry_at - now, 0),
                unsupported=tuple(sorted(self._refused.get(unit.spec.device, ()))),
            )
