"""Trapped-passenger detectors as devices on the car have them: simple timers, and the firmware that counts infrared edges.

Thresholds and oddities are those of the sources in domain/elevator.md 3.1 and 2.6A; a detector may be wrong, as real ones are.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulators.elevator import Doors
from simulators.sensors import Fault, Reading


@dataclass(frozen=True)
class Thresholds:
    """Seconds until a condition counts; the defaults are the car-top monitor's registers 16 and 17."""

    level_s: float = 90.0
    off_level_s: float = 15.0
    outside_zone_s: float = 15.0


class TimedDetector:
    """Raises a fault when its condition has held long enough and drops it when the condition breaks."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._limits = {
            Fault.TRAPPED_LEVEL: thresholds.level_s,
            Fault.TRAPPED_OFF_LEVEL: thresholds.off_level_s,
            Fault.STOPPED_OUTSIDE_ZONE: thresholds.outside_zone_s,
            Fault.DOOR_OPEN_OUTSIDE_ZONE: 2.0,
        }
        self._held_s = dict.fromkeys(self._limits, 0.0)

    def advance(self, reading: Reading, door_open_failed: bool, seconds: float) -> frozenset[Fault]:
        """Let time pass with this reading; the faults that are active afterwards."""
        still = not reading.moving
        shut = reading.doors is Doors.CLOSED
        conditions = {
            Fault.TRAPPED_LEVEL: still
            and shut
            and reading.door_zone is True
            and bool(reading.passenger)
            and door_open_failed,
            Fault.TRAPPED_OFF_LEVEL: still and reading.door_zone is False and bool(reading.passenger),
            Fault.STOPPED_OUTSIDE_ZONE: still and shut and reading.door_zone is False,
            Fault.DOOR_OPEN_OUTSIDE_ZONE: not shut and reading.door_zone is False,
        }
        for fault, holds in conditions.items():
            self._held_s[fault] = self._held_s[fault] + seconds if holds else 0.0
        timed = {fault for fault, held in self._held_s.items() if held >= self._limits[fault]}
        return frozenset(timed | immediate_faults(reading, door_open_failed))


class EdgeCountingDetector:
    """The car-top firmware: in windows of T seconds it counts how often the infrared detector finds somebody again.

    Off level two findings in 15 s are enough, and neither motion nor doors are asked, so a long express run with people
    can trip it; on level it takes four findings in 90 s with shut doors.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._timed = TimedDetector(thresholds)
        self._windows = {
            Fault.TRAPPED_LEVEL: _Window(thresholds.level_s, needed=4),
            Fault.TRAPPED_OFF_LEVEL: _Window(thresholds.off_level_s, needed=2),
        }

    def advance(self, reading: Reading, infrared: bool, seconds: float) -> frozenset[Fault]:
        """Let time pass with this reading and the raw detector; the faults that are active afterwards."""
        others = self._timed.advance(reading, door_open_failed=False, seconds=seconds)
        conditions = {
            Fault.TRAPPED_LEVEL: reading.door_zone is True and reading.doors is Doors.CLOSED,
            Fault.TRAPPED_OFF_LEVEL: reading.door_zone is False,
        }
        trapped = {
            fault for fault, window in self._windows.items() if window.advance(conditions[fault], infrared, seconds)
        }
        return frozenset(others - {Fault.TRAPPED_LEVEL, Fault.TRAPPED_OFF_LEVEL} | trapped)


class _Window:
    def __init__(self, length_s: float, needed: int) -> None:
        self._length_s, self._needed = length_s, needed
        self._elapsed_s, self._edges, self._before, self._active = 0.0, 0, False, False

    def advance(self, condition: bool, infrared: bool, seconds: float) -> bool:
        if not condition:
            self._elapsed_s, self._edges, self._before, self._active = 0.0, 0, False, False
            return False
        self._elapsed_s += seconds
        self._edges += infrared and not self._before
        self._before = infrared
        if self._elapsed_s >= self._length_s:
            self._active = self._edges >= self._needed
            self._elapsed_s, self._edges = 0.0, 0
        return self._active


def immediate_faults(reading: Reading, door_open_failed: bool) -> set[Fault]:
    """Faults that need no time: the controller or the supply says so."""
    states = {
        Fault.DOOR_OPEN_FAILED: door_open_failed,
        Fault.POWER_LOST: not reading.mains,
        Fault.ALARM_BUTTON: reading.button,
    }
    return {fault for fault, holds in states.items() if holds}
