"""The words of the entrapment rule: why it raised or moved a ticket, and why it did not.

Each word is a key of the message catalogue and stands on timelines for years: never reuse one for another meaning.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a ticket was raised."""

    BUTTON_HELD = "button_held"
    BUTTON_SHORT = "button_short"  # short, but neither are the doors open nor does the car run
    BUTTON_NO_OPENING = "button_no_opening"  # pressed under way, and the doors did not open at the next stop
    DEVICE_TRAPPED_FLAG = "device_trapped_flag"
    STILL_OFF_LEVEL_OCCUPIED = "still_off_level_occupied"
    STILL_OFF_LEVEL_UNKNOWN = "still_off_level_unknown"
    STOPPED_OFF_LEVEL_EMPTY = "stopped_off_level_empty"  # a fault, handed to the elevator_fault rule
    LEVEL_DOORS_SHUT_FAULT = "level_doors_shut_fault"
    LEVEL_DOORS_SHUT_LONG = "level_doors_shut_long"
    DOOR_OPEN_OUTSIDE_ZONE = "door_open_outside_zone"
    POWER_LOST_AFTER_GRACE = "power_lost_after_grace"
    COMMS_LOST_WHILE_MOVING = "comms_lost_while_moving"


class Move(StrEnum):
    """Why an active ticket was moved, or got a line on its timeline."""

    DOORS_OPEN_AT_LANDING = "doors_open_at_landing"
    TRAPPED_FLAG_CLEARED = "trapped_flag_cleared"
    BUTTON_ALARM_CLEARED = "button_alarm_cleared"
    INSPECTION_ON = "inspection_on"
    TELEMETRY_LOST = "telemetry_lost"
    TELEMETRY_BACK = "telemetry_back"
    POWER_LOST = "power_lost"
    POWER_BACK = "power_back"
    SIGNAL_DURING_GATED_MODE = "signal_during_gated_mode"


class Why(StrEnum):
    """Why nothing was raised, or not yet."""

    BELOW_DURATION = "below_duration"
    INSPECTION_GATES_INFERRED = "inspection_gates_inferred"
    FIRE_GATES_INFERRED = "fire_gates_inferred"
    EARTHQUAKE_GATES_INFERRED = "earthquake_gates_inferred"
    EMPTY_LATCHED = "empty_latched"
    CONDITION_ENDED = "condition_ended"
    DOORS_OPEN_FILTER = "doors_open_filter"
    MOVING_PENDING = "moving_pending"
    DOORS_OPENED_AFTER_PRESS = "doors_opened_after_press"
    STALE_CLEAR = "stale_clear"
    OTHER_SIGNAL_STANDS = "other_signal_stands"
    STILL_OCCUPIED = "still_occupied"
    BASELINE = "baseline"  # a first poll ends nothing
    NOT_LIVE = "not_live"
    LATE_STATE = "late_state"
    LATE_POWER_LOSS = "late_power_loss"
    HANDLED_BEFORE_CLOSE = "handled_before_close"
    DUPLICATE = "duplicate"
    TEST_ALARM = "test_alarm"
    PRESS_TEST = "press_test"  # the button was pressed while somebody had declared that it would be tried
    POWER_LOST_WAITING = "power_lost_waiting"
    TELEMETRY_LOST = "telemetry_lost"
    NOT_MOVING_WHEN_LOST = "not_moving_when_lost"
    AFTER_RESTART = "after_restart"


class Source(StrEnum):
    """Which kind of signal: several of them make one incident."""

    BUTTON = "button"
    DEVICE_FLAG = "device_flag"
    INFERRED = "inferred"
    POWER = "power"
    COMMS = "comms"


class SeverityReason(StrEnum):
    """Which line of domain/elevator.md 3.3 gave the severity."""

    P1_FALL_RISK = "p1_fall_risk"  # a door open outside the zone
    P1_DANGEROUS_FAULT = "p1_dangerous_fault"  # unintended movement, overrun, run with open doors
    P2_BUTTON = "p2_button"
    P2_DEVICE_TIMED = "p2_device_timed"
    ROW_1_OFF_LEVEL = "row_1_off_level"
    ROW_4_LEVEL = "row_4_level"
    ROW_11_POWER = "row_11_power"
    ROW_14_UNKNOWN = "row_14_unknown"
