"""Everything that can happen, as frozen values: what devices say, what people do, what clocks bring.

One module per noun; others import from here. What else doors tell stands with its words in hub.vocabulary.access.
"""

from hub.vocabulary.events.base import Clock, Event, Subject, SubjectType, with_order
from hub.vocabulary.events.devices import CommandResult, DeviceStatus, GatewayChanged, Unreachable
from hub.vocabulary.events.doors import AccessEvent, AccessResult, CardFound, CardLost, CardNumber, DoorEvent, DoorState
from hub.vocabulary.events.elevators import (
    EarthquakeStop,
    ElevatorAlarm,
    ElevatorState,
    InferredFault,
    PowerBack,
    PowerLost,
)
from hub.vocabulary.events.inside import (
    Canary,
    NoticeSettled,
    OccupancyChanged,
    SupervisionTick,
    TicketMoved,
    TimerFired,
)
from hub.vocabulary.events.meters import (
    MeterMark,
    MeterReading,
    MeterReplaced,
    TopUpProof,
    TopUpReported,
    TopUpSettled,
    TopUpState,
)

__all__ = [
    "AccessEvent",
    "AccessResult",
    "Canary",
    "CardFound",
    "CardLost",
    "CardNumber",
    "Clock",
    "CommandResult",
    "DeviceStatus",
    "DoorEvent",
    "DoorState",
    "EarthquakeStop",
    "ElevatorAlarm",
    "ElevatorState",
    "Event",
    "GatewayChanged",
    "InferredFault",
    "MeterMark",
    "MeterReading",
    "MeterReplaced",
    "NoticeSettled",
    "OccupancyChanged",
    "PowerBack",
    "PowerLost",
    "Subject",
    "SubjectType",
    "SupervisionTick",
    "TicketMoved",
    "TimerFired",
    "TopUpProof",
    "TopUpReported",
    "TopUpSettled",
    "TopUpState",
    "Unreachable",
    "with_order",
]
