"""The order of what devices say, within a step: which events are late, and whose clock is not to be believed.

Works on the board's memory and changes it only in `apply`, after the commit.
"""

from __future__ import annotations

from hub.pipeline.board import DeviceBoard
from hub.pipeline.device_time import (
    SKEW_FROM_MS,
    Run,
    at_arrival,
    extended,
    keeps,
    lag_of,
    shows_a_wrong_clock,
)
from hub.vocabulary.events import Clock, Event, with_order
from hub.vocabulary.facts import DeviceFacts
from hub.vocabulary.instants import DurationMs, UtcMs


class Placing:
    """Made for one step."""

    def __init__(self, board: DeviceBoard) -> None:
        self._board = board
        self._newest: dict[tuple[int, type[Event]], UtcMs] = {}
        self._runs: dict[tuple[int, type[Event]], Run] = {}
        self._lags: dict[int, DurationMs | None] = {}
        self.set_back: dict[DeviceFacts, DurationMs] = {}  # clocks found to be behind in this step
        self.right_again: list[DeviceFacts] = []

    def placed(self, device: DeviceFacts, event: Event) -> Event:
        """The event in its place: as it is, marked late, or at its arrival time where the device's clock was set back."""
        event = self._corrected(device, event)
        slot = (device.pk, type(event))
        newest = self._newest.get(slot)
        if newest is None:
            newest = self._board.newest(device, event)
        if event.occurred_at >= newest:
            self._newest[slot] = event.occurred_at
            return with_order(event, late=False)
        if not self._is_set_back(device, slot, event):
            return with_order(event, late=True)
        self._newest[slot] = event.received_at
        return at_arrival(event)

    def doubts(self, device: DeviceFacts, event: Event) -> bool:
        """Whether it may have been here before under another time: its clock is not believed, or it comes late."""
        return event.clock is Clock.SKEWED or event.occurred_at < self._board.newest(device, event)

    def _corrected(self, device: DeviceFacts, event: Event) -> Event:
        lag = self._lags[device.pk] if device.pk in self._lags else self._board.clock_lags.get(device.pk)
        if lag is None or event.clock is not Clock.DEVICE:
            return event
        if keeps(lag, event):
            return at_arrival(event)
        if lag_of(event) < SKEW_FROM_MS:
            self._lags[device.pk] = None
            self.right_again.append(device)
        return event

    def _is_set_back(self, device: DeviceFacts, slot: tuple[int, type[Event]], event: Event) -> bool:
        if event.clock is not Clock.DEVICE or not event.live or lag_of(event) < SKEW_FROM_MS:
            return False
        run = extended(self._runs.get(slot) or self._board.late_runs.get(slot), event)
        self._runs[slot] = run
        if not shows_a_wrong_clock(run):
            return False
        self._lags[device.pk] = self.set_back[device] = lag_of(event)
        return True

    def apply(self) -> None:
        """The step was committed."""
        self._board.late_runs.update(self._runs)
        for pk, lag in self._lags.items():
            if lag is None:
                self._board.clock_lags.pop(pk, None)
            else:
                self._board.clock_lags[pk] = lag
