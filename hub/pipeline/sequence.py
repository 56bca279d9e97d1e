"""The order of what devices say, within a step: which events are late, and whose clock is not to be believed.

Works on the board's memory and changes it only in `apply`, after the commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from hub.pipeline.board import DeviceBoard
from hub.pipeline.device_time import (
    SKEW_FROM_MS,
    Run,
    after,
    at_arrival,
    keeps,
    lag_of,
    shows_a_wrong_clock,
)
from hub.vocabulary.events import Clock, Event, with_order
from hub.vocabulary.facts import DeviceFacts
from hub.vocabulary.instants import DurationMs, UtcMs

Known = TypeVar("Known")


class Placing:
    """Made for one step."""

    def __init__(self, board: DeviceBoard) -> None:
        self._board = board
        self._newest: dict[tuple[int, type[Event]], UtcMs] = {}
        self._runs: dict[int, Run | None] = {}
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
        late = event.occurred_at < newest
        set_back = self._is_set_back(device, event, late=late)
        if not late:
            self._newest[slot] = event.occurred_at
            return with_order(event, late=False)
        if not set_back:
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

    def _is_set_back(self, device: DeviceFacts, event: Event, *, late: bool) -> bool:
        before = self._runs[device.pk] if device.pk in self._runs else self._board.late_runs.get(device.pk)
        run = after(before, event, late=late)
        if run is not before:
            self._runs[device.pk] = run
        if not late or run is None or run is before or not shows_a_wrong_clock(run):
            return False
        self._lags[device.pk] = self.set_back[device] = lag_of(event)
        return True

    def apply(self) -> None:
        """The step was committed."""
        _remember(self._board.late_runs, self._runs)
        _remember(self._board.clock_lags, self._lags)


def _remember(known: dict[int, Known], changes: Mapping[int, Known | None]) -> None:
    """By device; None: nothing any more."""
    for pk, value in changes.items():
        if value is None:
            known.pop(pk, None)
        else:
            known[pk] = value
