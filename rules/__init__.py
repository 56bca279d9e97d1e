"""Pure decisions, one file per rule: event, state, facts and now become a new state and decisions."""

from __future__ import annotations

from typing import Final

from hub.vocabulary.rule import Rule
from rules.device_silent import DeviceSilent
from rules.door_alarm import DoorAlarm
from rules.door_zone_check import DoorZoneCheck
from rules.drill_due import DrillDue
from rules.earthquake_check import EarthquakeCheck
from rules.elevator_fault import ElevatorFaultRule
from rules.entrapment.rule import Entrapment
from rules.far_doors import FarDoors
from rules.lost_card import LostCard
from rules.low_balance import LowBalance
from rules.mass_power_cut import MassPowerCut
from rules.missing_test_call import MissingTestCall
from rules.topup import TopUp

RULES: Final[tuple[Rule, ...]] = (
    Entrapment(),
    ElevatorFaultRule(),
    DoorZoneCheck(),
    MassPowerCut(),
    EarthquakeCheck(),
    LowBalance(),
    TopUp(),
    DeviceSilent(),
    MissingTestCall(),
    DoorAlarm(),
    FarDoors(),
    LostCard(),
    DrillDue(),
)
"""Every rule of the product, in the order in which an event is handed to them."""
