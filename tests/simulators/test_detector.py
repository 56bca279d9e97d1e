"""On-board detectors: what raises them, what drops them, and the oddities of the real firmware."""

from dataclasses import replace

from simulators.detector import EdgeCountingDetector, Thresholds, TimedDetector
from simulators.elevator import Doors, ServiceMode
from simulators.sensors import Fault, Reading

STUCK = Reading(ServiceMode.NORMAL, False, 0, False, Doors.CLOSED, True, "5", 5, 0.0, True, False)
LIMITS = Thresholds(level_s=90, off_level_s=15, outside_zone_s=20)


def run(detector, reading, seconds, second_argument=False):
    faults = frozenset()
    for _ in range(round(seconds * 10)):
        faults = detector.advance(reading, second_argument, 0.1)
    return faults


def test_off_level_with_somebody_inside_counts_after_its_limit_and_not_before():
    detector = TimedDetector(LIMITS)
    assert run(detector, STUCK, 14.8) == frozenset()
    assert run(detector, STUCK, 0.4) == {Fault.TRAPPED_OFF_LEVEL}


def test_a_broken_condition_starts_the_time_anew():
    detector = TimedDetector(LIMITS)
    run(detector, STUCK, 14)
    run(detector, replace(STUCK, moving=True), 0.1)
    assert run(detector, STUCK, 14) == frozenset()


def test_an_empty_car_off_level_is_a_stop_outside_the_zone_only():
    assert run(TimedDetector(LIMITS), replace(STUCK, passenger=False), 60) == {Fault.STOPPED_OUTSIDE_ZONE}


def test_an_unknown_presence_is_not_taken_for_somebody():
    assert Fault.TRAPPED_OFF_LEVEL not in run(TimedDetector(LIMITS), replace(STUCK, passenger=None), 60)


def test_trapped_on_level_needs_doors_that_failed():
    level = replace(STUCK, door_zone=True)
    assert run(TimedDetector(LIMITS), level, 200) == frozenset()
    assert run(TimedDetector(LIMITS), level, 91, True) == {Fault.TRAPPED_LEVEL, Fault.DOOR_OPEN_FAILED}


def test_power_and_button_need_no_time():
    look = replace(STUCK, mains=False, button=True)
    assert TimedDetector(LIMITS).advance(look, False, 0.0) == {Fault.POWER_LOST, Fault.ALARM_BUTTON}


def test_the_firmware_counts_how_often_somebody_is_found_again():
    """Two findings in 15 s off level are enough, one is not; a steady detector is one finding."""
    steady, flickering = EdgeCountingDetector(LIMITS), EdgeCountingDetector(LIMITS)
    faults = frozenset()
    for tenth in range(151):
        assert Fault.TRAPPED_OFF_LEVEL not in steady.advance(STUCK, True, 0.1)
        faults = flickering.advance(STUCK, tenth // 20 % 2 == 0, 0.1)
    assert Fault.TRAPPED_OFF_LEVEL in faults


def test_the_firmware_clears_at_once_when_the_car_is_level():
    detector = EdgeCountingDetector(LIMITS)
    for tenth in range(151):
        detector.advance(STUCK, tenth // 20 % 2 == 0, 0.1)
    assert detector.advance(replace(STUCK, door_zone=True), True, 0.1) == frozenset()
