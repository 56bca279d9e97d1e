"""What `low_balance` remembers of a meter, and the words it gives as reasons.

Rule: everything has a default that means 'nothing known' or 'calm', and nothing here changes with a healthy reading.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from hub.vocabulary.instants import UtcMs
from hub.vocabulary.units import BalanceUnit


class LowBalanceReason(StrEnum):
    """Why a ticket was raised or moved, or notices were withdrawn."""

    TWO_READINGS = "two_readings"
    METER_ALARM = "meter_alarm"
    STILL_LOW_AFTER_PURCHASE = "still_low_after_purchase"
    STILL_LOW = "still_low"  # the credit rose, but not above a milder level
    DEEPER_LEVEL = "deeper_level"
    PURCHASE_COUNTED = "purchase_counted"
    CREDIT_RECOVERED = "credit_recovered"  # the meter does not report purchases
    UNEXPLAINED_CREDIT = "unexplained_credit"  # credit without a purchase: refund, correction, free quota
    ACCOUNT_RESET = "account_reset"
    METER_REPLACED = "meter_replaced"
    UNIT_CHANGED = "unit_changed"
    HOLIDAY_OVER = "holiday_over"  # enough for ordinary days
    TOPUP_PENDING = "topup_pending"
    OCCUPANCY_CHANGED = "occupancy_changed"
    CUSTOMER_CHANGED = "customer_changed"  # in the meter, and not in the register


class LowBalanceVerdict(StrEnum):
    """Why nothing was raised."""

    SINGLE_READING_WAITING = "single_reading_waiting"
    UNKNOWN_CREDIT = "unknown_credit"
    STALE = "stale"
    MUTED = "muted"
    TOPUP_PENDING = "topup_pending"
    OTHER_CUSTOMER = "other_customer"  # the meter carries another customer's number, and nobody has moved
    ALREADY_RAISED = "already_raised"
    ABOVE_THRESHOLD = "above_threshold"
    ACCOUNT_EVENT = "account_event"
    OTHER_METER = "other_meter"  # another serial number than the installed one's, not confirmed yet


class Due(StrEnum):
    """A deadline that has passed and waits for the next good reading: what is said must be true now, not yesterday."""

    REMINDER = "reminder"
    UNPAID = "unpaid"


class Sighting(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A low reading that a later one may confirm."""

    at: UtcMs
    received_at: UtcMs
    credit: int


class LowBalanceState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of one meter. `run[n]` is the first reading of the unbroken run at level n + 1 or deeper."""

    unit: BalanceUnit | None = None
    purchases: int | None = None
    serial: str | None = None
    foreign: str | None = None  # serial number of another meter, whose readings count for nothing until it is confirmed
    episode: int = 0  # number of the episode, counted over the meter's life here
    level: int = 0  # deepest level told in this episode; 0: no episode
    threshold: int = 0  # what the level meant when it was told
    clear_at: int = 0  # credit that ends it
    run: tuple[Sighting, ...] = ()
    after: LowBalanceReason | None = None  # why the next raise says 'still low'
    at: UtcMs = 0  # time of the last reading that changed something
    unknown: bool = False  # the credit could not be read last time
    wrong_unit: bool = False  # a problem stands
    stretched: bool = False  # level 1 only because of a holiday ahead
    told: Sighting | None = None  # the reading that the household was told of last
    reminders: int = 0  # sent at this level
    due: tuple[Due, ...] = ()
    housekeeper: int = 0  # deepest level at which the housekeeper was told in this episode
    resumed: int = 0  # how often in this episode a top-up came to nothing: what was withdrawn then is told anew
    pending: tuple[str, ...] = ()  # references of top-ups on their way: nobody is told anything
    vacant: bool = False
    trip: UtcMs | None = None  # since when the relay is not what it was told to be
    trip_told: bool = False  # a problem stands
    clock_wrong: bool = False  # a problem stands
    alarms: tuple[int | None, ...] = ()  # the meter's own alarm 1 and 2 in fen or Wh, as last read; empty: never
    customer: str | None = None  # number that the meter carries
    moved: bool = False  # other people have come: the next other number is theirs
    other_customer: str | None = None  # another one that it carries now, and nobody has moved: a problem stands
