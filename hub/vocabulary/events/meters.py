"""What meters and vending systems say, and what becomes of top-ups.

Money is integer fen, energy integer Wh; `credit` is in one of them after `unit`. None: not readable, never 0.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from hub.vocabulary.events.base import Event
from hub.vocabulary.instants import UtcMs
from hub.vocabulary.units import BalanceUnit, Relay


class MeterReading(Event, frozen=True, kw_only=True):
    """One reading of a meter. `credit` is remaining minus overdraft, in fen or Wh after `unit`; None: not readable."""

    credit: int | None
    unit: BalanceUnit
    energy_wh: int | None = None
    purchases: int | None = None
    relay: Relay = Relay.UNKNOWN
    meter_alarm: int | None = None  # 0 none, 1 alarm 1, 2 alarm 2, 3 off
    serial: str | None = None
    power_w: int | None = None
    voltage_dv: int | None = None  # tenths of a volt
    relay_command: Relay = Relay.UNKNOWN  # what the relay was told to be, where the meter says it beside `relay`
    last_purchase: int | None = None  # amount of the newest recharge record, in fen or Wh after `unit`
    alarm_1: int | None = None  # the meter's own limit in fen or Wh after `unit`; None: not read this time
    alarm_2: int | None = None
    clock_drift_s: int | None = None  # by which the clock of a polled meter is ahead; None: not read this time
    customer: str | None = None  # customer number that is written into the meter; None: not read this time


class MeterMark(msgspec.Struct, frozen=True):
    """What a meter showed at one moment; None: not reported, or not readable."""

    at: UtcMs
    credit: int | None  # fen or Wh
    purchases: int | None


class TopUpState(StrEnum):
    """How far a top-up has come: paid at the vending system, booked on its platform, issued to the meter, seen on the meter."""

    PAID = "paid"
    BOOKED = "booked"
    ISSUED = "issued"
    CONFIRMED = "confirmed"
    FAILED = "failed"


class TopUpReported(Event, frozen=True, kw_only=True):
    """A vending system reports a top-up, or how far it has come; `reference` is its own number, unique per site.

    `before` is the newest reading up to the payment, `newest` the newest of all: a system may report long after the meter
    has it. None: there is none.
    """

    reference: str
    amount_fen: int
    state: TopUpState
    before: MeterMark | None = None
    newest: MeterMark | None = None


class TopUpProof(StrEnum):
    """How a top-up was seen on its meter."""

    RECHARGE_RECORD = "recharge_record"
    PURCHASE_COUNT = "purchase_count"
    BALANCE = "balance"
    PLATFORM = "platform"  # the vending system's word alone


class TopUpSettled(Event, frozen=True, kw_only=True):
    """Derived by the rule `topup`: a top-up is on the meter (`proof`), or waited for in vain (None)."""

    reference: str
    proof: TopUpProof | None


class MeterReplaced(Event, frozen=True, kw_only=True):
    """A technician has put another meter in this place: end and begin readings, credit carried over."""

    old_serial: str | None
    new_serial: str | None
    end_energy_wh: int | None
    begin_energy_wh: int | None
    carried_credit: int | None
    by: str
