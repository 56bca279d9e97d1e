"""One bus at work: connects, sends what the schedule says, hands in what came. One task a bus, one request in flight.

Decides nothing: who is asked next and whose fault a failure is stands in `scheduler`. It must never die of an error, so
whatever is unexpected is logged and counted, and the bus goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from connectors.codecs.modbus_poll import Poll, encode_poll
from connectors.codecs.modbus_profile import Period
from connectors.modbus.address import channel_of
from connectors.modbus.client import BusClient
from connectors.modbus.exchange import (
    BusBack,
    BusLost,
    Effect,
    MonotonicMs,
    PollDone,
    Request,
    Silence,
    Sleep,
    UnitBack,
    UnitLost,
    UnitSpec,
    Unsupported,
)
from connectors.modbus.news import News
from connectors.modbus.pauses import Pauses, end
from connectors.modbus.scheduler import Schedule, UnitStatus
from hub.vocabulary.events import Clock, GatewayChanged, Unreachable
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.ports import BusEntry, DeviceEntry, Intake, Lane, RawMessage

CONNECT_MS: Final = 3_000
RECONNECT_MS: Final = (500, 15_000)
STUMBLE_S: Final = 1.0
SILENCES: Final = 3
"""Requests in a row without any reply, after which the link is made anew: it may be half open."""

WINDOW_MS: Final = 60_000

_log = structlog.get_logger(__name__)


class BusStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One bus as API and metrics show it. Times in milliseconds; `utilisation` 0 … 1 over the last minute."""

    site: str
    bus: str
    url: str
    up: bool | None  # None: nothing known yet
    cause: str  # why it is down: `connect_failed`, `connect_timeout`, `no_unit_answers`, `bad_address` …; else empty
    connected: bool
    cycle_ms: int  # bus time that one round over all devices takes
    alarm_gap_ms: int  # longest recent time in which an alarm point was not looked at
    utilisation: float
    quiet_ms: int
    answers: int
    failures: int
    late_replies: int
    polls: int
    stumbles: int  # errors of our own
    units: tuple[UnitStatus, ...]

    @property
    def dead_units(self) -> tuple[UnitStatus, ...]:
        """Devices that do not answer."""
        return tuple(unit for unit in self.units if unit.next_probe_ms is not None)


def monotonic_ms() -> MonotonicMs:
    return time.monotonic_ns() // 1_000_000


class BusPoller:
    """Polls one bus until cancelled. `clock` gives UTC milliseconds, `ticks` monotonic ones."""

    def __init__(
        self,
        bus: BusEntry,
        devices: Mapping[str, DeviceEntry],
        specs: Sequence[UnitSpec],
        make_client: Callable[[Callable[[int], None]], BusClient],
        intake: Intake,
        *,
        quiet_ms: int,
        traceable: bool,
        clock: Callable[[], UtcMs],
        ticks: Callable[[], MonotonicMs] = monotonic_ms,
    ) -> None:
        self._bus = bus
        self._devices = devices
        self._intake = intake
        self._channel = channel_of(bus.url)
        self._clock = clock
        self._ticks = ticks
        self._schedule = Schedule(specs, now=ticks(), quiet_ms=quiet_ms, traceable=traceable)
        self._client = make_client(self._late)
        self._news = News()
        self._pauses: Pauses | None = None
        self._pausing: asyncio.Future[None] | None = None
        self._addresses = {name: f"{device.site}/{name}" for name, device in devices.items()}
        self._reconnect_ms = RECONNECT_MS[0]
        self._cause = ""
        self._silences = 0
        self._late_replies = 0
        self._polls = 0
        self._stumbles = 0
        self._busy = _Window(ticks())
        self._log = _log.bind(site=bus.site, bus=bus.bus)

    async def run(self, pauses: Pauses | None = None) -> None:
        """Until cancelled. Asked each round, because asyncio.wait_for of Python 3.11 can swallow a cancellation.

        `pauses`: those of all buses of this loop, where there are more.
        """
        self._pauses = pauses or Pauses()
        task = asyncio.current_task()
        assert task is not None
        try:
            while not task.cancelling():
                try:
                    await self._step()
                except Exception:  # noqa: BLE001 - a bus must outlive whatever is unexpected
                    self._stumbles += 1
                    self._schedule.abandon()
                    self._log.exception("modbus.stumbled")
                    await asyncio.sleep(STUMBLE_S)
        finally:
            self._client.close()

    def attend(self, devices: Collection[str]) -> None:
        """Somebody waits for the values of these, and of no others any more. From the loop's own thread."""
        self._schedule.attend(devices, self._ticks())
        if self._pausing is not None:
            end(self._pausing)

    def status(self) -> BusStatus:
        """From the loop's own thread."""
        now = self._ticks()
        return BusStatus(
            site=self._bus.site,
            bus=self._bus.bus,
            url=self._bus.url,
            up=self._schedule.up,
            cause=self._cause if self._schedule.up is False else "",
            connected=self._client.connected,
            cycle_ms=self._schedule.cycle_ms(),
            alarm_gap_ms=self._schedule.alarm_gap_ms(),
            utilisation=self._busy.share(now),
            quiet_ms=self._schedule.quiet_ms,
            answers=self._schedule.answers,
            failures=self._schedule.failures,
            late_replies=self._late_replies,
            polls=self._polls,
            stumbles=self._stumbles,
            units=tuple(self._schedule.units(now)),
        )

    async def _step(self) -> None:
        if not self._client.connected:
            await self._connect()
            return
        step = self._schedule.next(self._ticks())
        if isinstance(step, Sleep):
            await self._pause(step.until - self._ticks())
        else:
            await self._exchange(step)

    async def _exchange(self, request: Request) -> None:
        outcome = await self._client.read(request.unit_id, request.span, request.timeout_ms)
        now = self._ticks()
        self._busy.add(request.sent_at, now)
        self._silences = self._silences + 1 if isinstance(outcome, Silence) else 0
        for effect in self._schedule.done(outcome, now):
            self._tell(effect)
        if self._silences >= SILENCES:
            self._silences = 0
            self._client.close()

    async def _connect(self) -> None:
        cause = await self._client.connect(CONNECT_MS)
        now = self._ticks()
        if cause is None:
            self._reconnect_ms = RECONNECT_MS[0]
            self._schedule.connected(now)
            return
        for effect in self._schedule.connection_failed(cause, now):
            self._tell(effect)
        await self._pause(self._reconnect_ms)
        self._reconnect_ms = min(self._reconnect_ms * 2, RECONNECT_MS[1])

    async def _pause(self, milliseconds: int) -> None:
        assert self._pauses is not None, "runs"
        self._pausing = self._pauses.start(milliseconds)
        try:
            await self._pausing
        finally:
            self._pausing = None

    def _late(self, lateness_ms: int) -> None:
        self._late_replies += 1
        self._schedule.late_reply(lateness_ms)

    # --- what is told -------------------------------------------------------------------------------------

    def _tell(self, effect: Effect) -> None:
        match effect:
            case PollDone():
                self._offer(effect)
            case UnitLost():
                self._unit_lost(effect)
            case UnitBack():
                self._log.info("modbus.device_back", device=effect.device)
            case BusLost():
                self._log.warning("modbus.bus_lost", cause=effect.cause)
                self._cause = effect.cause
                self._news.forget_all()
                self._gateway(up=False, cause=effect.cause)
            case BusBack():
                self._log.info("modbus.bus_back")
                self._gateway(up=True, cause="answers")
            case Unsupported():
                self._log.warning(
                    "modbus.unsupported", device=effect.device, names=effect.names, code=int(effect.exception)
                )

    def _offer(self, poll: PollDone) -> None:
        self._polls += 1
        if not self._news.is_news(poll, self._ticks()):
            return
        profile = self._devices[poll.device].profile
        payload = encode_poll(Poll(profile=profile, segments=poll.segments, refused=poll.refused))
        self._intake.offer(
            RawMessage(
                channel=self._channel,
                address=self._addresses[poll.device],
                payload=payload,
                received_at=self._clock(),
                lane=Lane.ALARM if poll.period is Period.FAST else Lane.TELEMETRY,
            )
        )

    def _unit_lost(self, lost: UnitLost) -> None:
        self._log.warning("modbus.device_lost", device=lost.device, cause=lost.cause)
        self._news.forget(lost.device)
        at = self._clock()
        self._intake.report(
            Unreachable(
                site=self._bus.site,
                device=lost.device,
                source_key=f"{lost.device}:lost:{at}",
                occurred_at=at,
                received_at=at,
                clock=Clock.ARRIVAL,
                cause=lost.cause,
            )
        )

    def _gateway(self, *, up: bool, cause: str) -> None:
        self._intake.report(gateway_changed(self._bus, up=up, cause=cause, at=self._clock()))


def gateway_changed(bus: BusEntry, *, up: bool, cause: str, at: UtcMs) -> GatewayChanged:
    """The event that speaks for all devices of a bus at once."""
    return GatewayChanged(
        site=bus.site,
        source_key=f"{bus.bus}:{'up' if up else 'down'}:{at}",
        occurred_at=at,
        received_at=at,
        clock=Clock.ARRIVAL,
        gateway=bus.bus,
        up=up,
        cause=cause,
    )


def unusable(bus: BusEntry, cause: str) -> BusStatus:
    """Status of a bus that cannot be polled at all."""
    return BusStatus(
        site=bus.site,
        bus=bus.bus,
        url=bus.url,
        up=False,
        cause=cause,
        connected=False,
        cycle_ms=0,
        alarm_gap_ms=0,
        utilisation=0.0,
        quiet_ms=0,
        answers=0,
        failures=0,
        late_replies=0,
        polls=0,
        stumbles=0,
        units=(),
    )


class _Window:
    """Share of time in which the bus was busy, over about the last minute."""

    def __init__(self, now: MonotonicMs) -> None:
        self._since = now
        self._busy_ms = 0

    def add(self, start: MonotonicMs, end: MonotonicMs) -> None:
        if end - self._since > WINDOW_MS:
            self._busy_ms //= 2
            self._since += (end - self._since) // 2
        self._busy_ms += end - start

    def share(self, now: MonotonicMs) -> float:
        return min(self._busy_ms / max(now - self._since, 1), 1.0)
