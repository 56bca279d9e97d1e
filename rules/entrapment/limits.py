"""Limits of the entrapment rule: data per site, building and device; every default has its source.

Raise `off_level_s` for cars whose zone switches are badly fitted, `comms_grace_s` for lines that flap; never as a way to
have fewer alarms.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hub.vocabulary.instants import SECOND_MS, DurationMs

Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]


class EntrapmentLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All times in seconds. Sources: domain/elevator.md 3.1 ('our defaults'), 3.2, 3.3; 1.1 for the filter."""

    off_level_s: Seconds = 30  # still outside the door zone, not known to be empty; field engineers: 15 to 60
    level_s: Seconds = 60  # still at a landing, doors not open, occupied, and a fault that explains it; 45 to 120
    level_unproven_factor: Annotated[float, msgspec.Meta(ge=1, le=100)] = 2  # … and no such fault: idle car, stuck PIR
    fault_s: Seconds = 60  # still outside the door zone, latched empty: a fault, not an entrapment
    still_s: Seconds = 3  # so long without motion is a standstill
    unknown_motion_s: Seconds = 120  # a device that cannot say whether the car runs: express runs end within this
    moving_before_s: Seconds = 10  # 'was moving' when the supply or the telemetry went
    ard_grace_s: Seconds = 120  # automatic rescue on battery may bring the car to a landing
    comms_grace_s: Seconds = 30  # a device that is back within this was never gone
    button_hold_s: Seconds = 3  # shorter presses are short
    filter_escape_s: Seconds = 30  # a press held so long passes every filter
    filter_held_presses: bool = False  # True: filter also presses of button_hold_s up to filter_escape_s
    press_test_s: Seconds = 3_600  # a declared test of the button is never longer, whatever was declared
    landing_open_s: Seconds = 10  # a car that has stopped opens its doors within this, or the held-back press counts
    pending_press_s: Seconds = 60  # a short press in a moving car is never held back longer
    load_percent: Annotated[float, msgspec.Meta(gt=0, le=100)] = 10  # from here the load is somebody
    reopen_s: Seconds = 1_800  # an incident so soon after the last one is linked as a repeat
    chatter_count: Annotated[int, msgspec.Meta(ge=2, le=10)] = 3  # adds per minute
    restart_grace_s: Seconds = 10  # deadlines that fell due while the hub was down wait so long for newer states


def ms(seconds: float) -> DurationMs:
    """Milliseconds."""
    return round(seconds * SECOND_MS)
